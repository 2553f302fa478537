"""
From S3's listing of a prefix to the entries of a directory.

S3 answers in byte order of keys, a common prefix `a/` taking its place by its slash. So between an
object `a` and the directory `a/` come all of `a!`, `a-b`, `a.csv`: the two can be pages apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tidegate.core.objects import ListingPage

# What Transfer Family shows, whoever looks.
FILE_MODE = 0o100744
DIRECTORY_MODE = 0o040744

_MAX_SECONDS = 2**32 - 1  # times are uint32 in SFTP version 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HALF_A_YEAR = timedelta(days=365) / 2
# Not strftime's: those follow the locale of the process.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One name in a directory.

    Args:
        name: One path component, never empty, `.` or `..`.
        size: Bytes; 0 for a directory.
        modified_at: Aware, UTC; None for a directory, whose time S3 does not know.
    """

    name: str
    is_directory: bool
    size: int
    modified_at: datetime | None


def directory_entry(name: str) -> Entry:
    """Return the entry of a directory."""
    return Entry(name, is_directory=True, size=0, modified_at=None)


def entries(page: ListingPage, prefix: str) -> list[Entry]:
    """
    Return what one page of the level under `prefix` shows, in S3's order.

    Left out: the marker object of the directory itself; names no path can lead to (the empty one of
    `a//b`, `.`, `..`); a file that has the name of a directory of the same page.

    Args:
        page: Listed with the delimiter `/`.
        prefix: The one it was listed with: `""`, or ending in `/`.
    """
    directories = {_name(each.removesuffix("/"), prefix) for each in page.prefixes}
    found = [directory_entry(name) for name in directories if name]
    for listed in page.keys:
        name = _name(listed.key, prefix)
        if name and name not in directories:
            found.append(Entry(name, False, listed.size, listed.modified_at))
    return sorted(found, key=_order)


class NameFilter:
    """
    Sees to it that across the pages of one listing no name is shown twice, and a directory beats a file.

    A file is held back until the listing has passed the place where a directory of its name would come.
    Until then all keys start with the file's name, so at most one file for each length of a key is held:
    1,024, and almost always one. The order of what is returned is S3's, but for the files held back.

    Relies on the port's promise of byte order. A directory that a store repeats at the start of the
    next page is passed over.
    """

    def __init__(self) -> None:
        self._held: list[Entry] = []
        self._last: str | None = None

    def page(self, found: Iterable[Entry]) -> list[Entry]:
        """
        Take the entries of the next page and return those to show now.

        An empty list does not mean the end of the listing.
        """
        shown: list[Entry] = []
        for entry in found:
            place = _order(entry)
            if place == self._last:
                continue
            self._last = place
            self._release(place, shown)
            if entry.is_directory:
                self._drop(entry.name)
                shown.append(entry)
            else:
                self._held.append(entry)
        return shown

    def rest(self) -> list[Entry]:
        """Return the files still held. To be called once, after the last page."""
        held, self._held = self._held, []
        return held

    def _release(self, place: str, shown: list[Entry]) -> None:
        while self._held and not place.startswith(self._held[-1].name):
            shown.append(self._held.pop())

    def _drop(self, name: str) -> None:
        if self._held and self._held[-1].name == name:
            self._held.pop()


def mode(entry: Entry) -> int:
    """Return the `st_mode` of an entry."""
    return DIRECTORY_MODE if entry.is_directory else FILE_MODE


def unix_seconds(at: datetime | None) -> int:
    """
    Return an aware time as SFTP can carry it: seconds from 0 to 2**32 - 1, 0 for None.

    A time out of range becomes the nearest one in it: FileZilla drops directories with other times.
    """
    if at is None:
        return 0
    return min(max((at - _EPOCH) // timedelta(seconds=1), 0), _MAX_SECONDS)


def longname(entry: Entry, now: datetime) -> str:
    """
    Return the line `ls -l` would show, laid out as OpenSSH's server lays it out; times in UTC.

    Control characters in the name are shown as `?`: the name itself travels beside the line.
    """
    kind = "d" if entry.is_directory else "-"
    name = _CONTROL.sub("?", entry.name)
    return f"{kind}rwxr--r-- {1:3} {'-':8} {'-':8} {entry.size:8} {_date(entry.modified_at, now)} {name}"


def _date(at: datetime | None, now: datetime) -> str:
    shown = _EPOCH + timedelta(seconds=unix_seconds(at))
    day = f"{_MONTHS[shown.month - 1]} {shown.day:2}"
    # OpenSSH's rule: the year takes the place of the hour after half a year, never for the future.
    return f"{day} {shown:%H:%M}" if now - shown < _HALF_A_YEAR else f"{day}  {shown.year}"


def _name(key: str, prefix: str) -> str:
    """Return the component below `prefix` that `key` is, or "" if it is none that a path can name."""
    name = key.removeprefix(prefix)
    unfit = not key.startswith(prefix) or name in (".", "..") or "/" in name or "\0" in name
    return "" if unfit else name


def _order(entry: Entry) -> str:
    # Code points order as their UTF-8 bytes do.
    return f"{entry.name}/" if entry.is_directory else entry.name
