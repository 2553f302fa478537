"""Facts about core/listing.py."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.listing import (
    DIRECTORY_MODE,
    FILE_MODE,
    Entry,
    NameFilter,
    entries,
    longname,
    mode,
    unix_seconds,
)
from tidegate.core.objects import ListedKey, ListingPage

AT = datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC)
NOW = datetime(2026, 4, 1, tzinfo=UTC)


def page_of(keys: list[str], prefixes: list[str] | None = None) -> ListingPage:
    return ListingPage([ListedKey(key, 7, AT) for key in keys], prefixes or [], None)


def file(name: str, size: int = 7) -> Entry:
    return Entry(name, False, size, AT)


def directory(name: str) -> Entry:
    return Entry(name, True, 0, None)


def pages_of(keys: set[str], prefix: str, limit: int) -> list[ListingPage]:
    """List as S3 does: one level, keys and common prefixes in byte order together, `limit` a page."""
    rows: list[str] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix):
            continue
        head, slash, _ = key[len(prefix) :].partition("/")
        row = prefix + head + slash
        if not rows or rows[-1] != row:
            rows.append(row)
    pages = [rows[start : start + limit] for start in range(0, len(rows), limit)] or [[]]
    return [
        page_of(
            [row for row in page if not row.endswith("/") or row == prefix],
            [row for row in page if row.endswith("/") and row != prefix],
        )
        for page in pages
    ]


def shown(pages: list[ListingPage], prefix: str) -> list[Entry]:
    names = NameFilter()
    result = [entry for page in pages for entry in names.page(entries(page, prefix))]
    return result + names.rest()


# --- one page ---------------------------------------------------------------------------------


def test_keys_become_files_and_common_prefixes_directories() -> None:
    """Names lose the prefix, and stand in S3's order."""
    page = page_of(["in/a.csv", "in/b"], ["in/archive/", "in/z/"])
    assert entries(page, "in/") == [file("a.csv"), directory("archive"), file("b"), directory("z")]


def test_the_root_of_a_bucket_has_no_prefix() -> None:
    """With an empty prefix the whole key is the name."""
    assert entries(page_of(["a"], ["b/"]), "") == [file("a"), directory("b")]


def test_an_empty_page_shows_nothing() -> None:
    """No rows, no entries."""
    assert entries(page_of([]), "in/") == []


def test_the_marker_of_the_directory_itself_is_not_shown() -> None:
    """The key that equals the prefix is the directory, not something in it."""
    assert entries(page_of(["in/", "in/a"]), "in/") == [file("a")]


def test_an_empty_file_is_a_file() -> None:
    """Zero bytes alone make no directory: a "done" file stays visible."""
    page = ListingPage([ListedKey("in/x.done", 0, AT)], [], None)
    assert entries(page, "in/") == [Entry("x.done", False, 0, AT)]


def test_a_directory_beats_a_file_of_its_name() -> None:
    """A name is shown once, as a directory."""
    assert entries(page_of(["in/a", "in/a.b", "in/b"], ["in/a/"]), "in/") == [
        file("a.b"),
        directory("a"),
        file("b"),
    ]


@pytest.mark.parametrize(
    ("keys", "prefixes"),
    [
        ([], ["in//"]),  # as from in//b
        (["in/."], []),
        (["in/.."], []),
        ([], ["in/./"]),
        ([], ["in/../"]),
        (["in/a\0b"], []),
        (["in/a/b", "in/a/"], []),  # a store that did not roll up
        (["elsewhere"], ["other/"]),
        (["in"], []),
    ],
)
def test_names_no_path_can_lead_to_are_not_shown(keys: list[str], prefixes: list[str]) -> None:
    """An empty name, `.` and `..` would confuse clients, and `..` could lead a download astray."""
    assert entries(page_of(keys, prefixes), "in/") == []


@pytest.mark.parametrize(
    "name", [" ", "a ", "...", "..a", "%2e%2e", "a\\b", "new\nline", "é", "e\u0301", "\U0001f600", "-"]
)
def test_odd_names_are_shown_as_they_are(name: str) -> None:
    """Every name that a path can carry is shown unchanged, as a file and as a directory."""
    assert entries(page_of([f"in/{name}"]), "in/") == [file(name)]
    assert entries(page_of([], [f"in/{name}/"]), "in/") == [directory(name)]


# --- across pages -----------------------------------------------------------------------------


def test_a_file_waits_for_the_directory_of_its_name_on_a_later_page() -> None:
    """`a` and `a/` are pages apart, `a!` and `a.csv` between them; only the directory is shown."""
    keys = {"in/a", "in/a!", "in/a-b", "in/a.csv", "in/a/x", "in/b"}
    for limit in range(1, 8):
        result = shown(pages_of(keys, "in/", limit), "in/")
        assert sorted(entry.name for entry in result) == ["a", "a!", "a-b", "a.csv", "b"]
        assert [entry.is_directory for entry in result if entry.name == "a"] == [True]


def test_a_file_that_was_held_back_is_shown_in_the_end() -> None:
    """A file whose directory never comes is shown as soon as that is sure, or at the end of the listing."""
    names = NameFilter()
    assert names.page([file("a")]) == []
    assert names.page([file("a-b")]) == []
    assert names.page([file("b")]) == [file("a-b"), file("a")]
    assert names.page([]) == []
    assert names.rest() == [file("b")]
    assert names.rest() == []


def test_directories_are_not_held_back() -> None:
    """No file can come after a directory of its name, so a directory is shown at once."""
    assert NameFilter().page([directory("a"), directory("b")]) == [directory("a"), directory("b")]


@pytest.mark.parametrize("repeated", [directory("a"), file("a")])
def test_a_row_repeated_at_the_start_of_the_next_page_is_shown_once(repeated: Entry) -> None:
    """Some stores repeat a common prefix when they go on after it."""
    names = NameFilter()
    result = [*names.page([repeated]), *names.page([repeated, file("b")]), *names.rest()]
    assert [entry.name for entry in result] == ["a", "b"]


def test_what_is_held_back_is_bounded_by_the_length_of_a_key() -> None:
    """Of a million files hardly any is held, and of names that all begin alike at most one a length."""
    names = NameFilter()
    for start in range(0, 100_000, 1000):
        names.page([file(f"report-{number:06}.csv") for number in range(start, start + 1000)])
        assert len(names._held) == 1
    names = NameFilter()
    names.page([file("!" * length) for length in range(1, 1025)])
    assert len(names._held) == 1024
    names.page([file('"')])
    assert len(names._held) == 1


keys = st.sets(
    st.text("a!-./0é\U0001f600", min_size=1, max_size=6).map(lambda tail: "p/" + tail), max_size=40
)


@given(keys, st.integers(1, 5))
def test_every_name_is_shown_once_whatever_the_pages(keys: set[str], limit: int) -> None:
    """However a listing is cut into pages, the same entries come, each name once, directories first."""
    result = shown(pages_of(keys, "p/", limit), "p/")
    names = [entry.name for entry in result]
    assert len(names) == len(set(names))
    heads = {key[2:].partition("/")[:2] for key in keys}
    visible = {head for head, _ in heads if head not in ("", ".", "..")}
    assert set(names) == visible
    assert {entry.name for entry in result if entry.is_directory} == {
        head for head, slash in heads if slash and head in visible
    }
    whole = shown(pages_of(keys, "p/", 1000), "p/")
    assert sorted(names) == sorted(entry.name for entry in whole)


# --- attributes -------------------------------------------------------------------------------


def test_modes_are_those_transfer_family_shows() -> None:
    """-rwxr--r-- for files, drwxr--r-- for directories."""
    assert mode(file("a")) == FILE_MODE == 0o100744
    assert mode(directory("a")) == DIRECTORY_MODE == 0o040744


@pytest.mark.parametrize(
    ("at", "seconds"),
    [
        (None, 0),
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 0, 0, 1, 999_999, tzinfo=UTC), 1),
        (datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC), 0),
        (datetime(1900, 1, 1, tzinfo=UTC), 0),
        (datetime.min.replace(tzinfo=UTC), 0),
        (AT, 1773065159),
        (AT.astimezone(timezone(timedelta(hours=-9, minutes=-30))), 1773065159),
        (datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC), 2**31),
        (datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC), 2**32 - 1),
        (datetime(2106, 2, 7, 6, 28, 16, tzinfo=UTC), 2**32 - 1),
        (datetime.max.replace(tzinfo=UTC), 2**32 - 1),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), 0),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))), 2**32 - 1),
    ],
)
def test_times_are_brought_into_the_range_sftp_can_carry(at: datetime | None, seconds: int) -> None:
    """Whole seconds since 1970, rounded down, from 0 to 2**32 - 1."""
    assert unix_seconds(at) == seconds


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (file("a.csv", 0), "-rwxr--r--   1 -        -               0 Mar  9 14:05 a.csv"),
        (file("a b ", 12345678), "-rwxr--r--   1 -        -        12345678 Mar  9 14:05 a b "),
        (file("big", 5 * 1024**4), "-rwxr--r--   1 -        -        5497558138880 Mar  9 14:05 big"),
        (directory("archive"), "drwxr--r--   1 -        -               0 Jan  1  1970 archive"),
        (
            file("bad\x1b[31m\nname\x85"),
            "-rwxr--r--   1 -        -               7 Mar  9 14:05 bad?[31m?name?",
        ),
        (file("Prüfung 日本"), "-rwxr--r--   1 -        -               7 Mar  9 14:05 Prüfung 日本"),
    ],
)
def test_the_long_name_is_laid_out_as_openssh_lays_it_out(entry: Entry, line: str) -> None:
    """Columns as from OpenSSH's sftp-server, owner and group as Transfer Family shows them."""
    assert longname(entry, NOW) == line


@pytest.mark.parametrize(
    ("at", "date"),
    [
        (NOW - timedelta(days=182), "Oct  1 00:00"),
        (NOW - timedelta(days=182, hours=11, minutes=59), "Sep 30 12:01"),
        (NOW - timedelta(days=182, hours=12), "Sep 30  2025"),
        (NOW - timedelta(days=400), "Feb 25  2025"),
        (NOW + timedelta(days=3), "Apr  4 00:00"),
        (NOW + timedelta(days=900), "Sep 17 00:00"),
        (datetime(2026, 3, 31, 23, 0, tzinfo=timezone(timedelta(hours=-5))), "Apr  1 04:00"),
    ],
)
def test_old_files_show_the_year_and_others_the_hour(at: datetime, date: str) -> None:
    """The year stands in place of the hour after half a year, as in OpenSSH; times are UTC."""
    assert longname(Entry("x", False, 1, at), NOW).endswith(f"       1 {date} x")


def test_the_long_name_does_not_follow_the_zone_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two gateways in two zones show the same line."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert longname(file("a"), NOW).endswith("Mar  9 14:05 a")
        assert unix_seconds(AT) == 1773065159
    finally:
        monkeypatch.undo()
        time.tzset()
