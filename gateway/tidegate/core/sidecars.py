"""
Sidecars: small files beside a file that say it is whole, and often its SHA-256.

Partners write them in three ways. A digest beside the file (`x.csv.sha256`), in the forms that sha256sum,
openssl and the BSDs print; a file that only has to be there (`x.csv.ok`); a manifest with a digest and a
name in each line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

MANIFEST = "manifest"
# A digest of these is read, in capitals, too; every other suffix means that the file need only be there.
DIGEST_SUFFIXES = (".sha256", ".sha256sum")
# Whoever has one of these in a suffix means the file to be compared.
_OF_DIGESTS = ("sha", "md5", "digest", "hash", "crc", "checksum", "cksum")
# Data are seldom called so.
_OF_MANIFESTS = ("manifest", "sha256", "sums")
_LEAST_FIXED = 2
# Longer lines name nothing: S3's longest key is a quarter of that. Nor is a match long that nothing can stop.
_LONGEST_LINE = 4 * 1024

_BARE = re.compile(r"\\?([0-9a-fA-F]{64})")
_NAMED = re.compile(r"\\?([0-9a-fA-F]{64})(?: [ *]|[ \t]+)(\S.*)")
_BSD = re.compile(r"SHA(?:2-)?256 ?\((.+)\) ?= ?([0-9a-fA-F]{64})")


class SidecarKind(StrEnum):
    DIGEST = "digest"
    PRESENCE = "presence"
    MANIFEST = "manifest"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """
    Which files are sidecars.

    Args:
        name: What is put behind a file's name; of a manifest the pattern of its own name, in which `*`
            stands for anything and `?` for one character.
    """

    kind: SidecarKind
    name: str

    @classmethod
    def with_suffix(cls, suffix: str) -> Sidecar:
        """Return the sidecar whose name is that of its file and `suffix`."""
        is_digest = suffix.lower() in DIGEST_SUFFIXES
        return cls(SidecarKind.DIGEST if is_digest else SidecarKind.PRESENCE, suffix)

    def is_name(self, name: str) -> bool:
        """Tell whether a file of this name (a path's last component) is a sidecar."""
        if self.kind is SidecarKind.MANIFEST:
            return fnmatchcase(name, self.name)
        return name.endswith(self.name) and name != self.name

    def of(self, name: str) -> str:
        """Return the name of the sidecar of the file `name`; of manifests their pattern."""
        return self.name if self.kind is SidecarKind.MANIFEST else name + self.name

    @property
    def fixed(self) -> str:
        """What the names of all manifests begin with."""
        return re.split(r"[*?\[]", self.name, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class Found:
    """
    A sidecar that is there.

    Args:
        digest: The SHA-256 it has for the file, if it has one.
        problem: Why it has none, in words that follow its name.
        doubt: Why it may be that of another version of the file, likewise.
    """

    name: str
    digest: str | None = None
    problem: str | None = None
    doubt: str | None = None


def would_not_be_compared(suffix: str) -> bool:
    """Tell whether a suffix promises a digest, and is none of those that are read."""
    known = suffix.lower() in DIGEST_SUFFIXES
    return not known and any(word in suffix.lower() for word in _OF_DIGESTS)


def tells_from_data(pattern: str) -> bool:
    """
    Tell whether a pattern of manifests has a part that data need not have.

    That is two characters or more before the first wildcard, one of them a letter or a digit; or after the
    last one `manifest`, `sha256` or `sums`. A suffix such as `.csv` is that of data, too.
    """
    first, *rest = re.split(r"[*?]", pattern)
    if not rest:
        return True
    if len(first) >= _LEAST_FIXED and any(map(str.isalnum, first)):
        return True
    return any(word in rest[-1].lower() for word in _OF_MANIFESTS)


def read_text(body: bytes) -> str:
    """Return the text of a sidecar: UTF-8, without the mark that some programs put first."""
    return body.decode("utf-8", "replace").removeprefix("\ufeff")


def digests_in(text: str) -> Iterator[tuple[str | None, str]]:
    """
    Yield each digest and the last component of the name it is for, None if it stands alone.

    Forms: `HASH`, `HASH  NAME`, `HASH *NAME`, `SHA256 (NAME) = HASH`. Other lines are passed over.
    """
    for line in (found[0].strip() for found in re.finditer(r"[^\r\n]+", text)):
        if len(line) > _LONGEST_LINE:
            continue
        if bare := _BARE.fullmatch(line):
            yield None, bare[1].lower()
        elif named := _NAMED.fullmatch(line):
            yield _last(named[2]), named[1].lower()
        elif bsd := _BSD.fullmatch(line):
            yield _last(bsd[1]), bsd[2].lower()


def digest_for(kind: SidecarKind, name: str, text: str) -> str | None:
    """
    Return the digest that a sidecar has for the file `name`; of several the last.

    A digest beside the file is the file's, whatever name stands with it, as long as it is the only one: it
    may have been counted under another name. A manifest has to name the file.
    """
    found = list(digests_in(text))
    if kind is SidecarKind.DIGEST and len(found) == 1:
        return found[0][1]
    return {each: digest for each, digest in found if each is not None}.get(name)


def digests_by_name(text: str) -> dict[str, str]:
    """Return the files that a manifest speaks of, each once, in its order; of several digests the last."""
    return {name: digest for name, digest in digests_in(text) if name}


def _last(name: str) -> str:
    return re.split(r"[/\\]", name)[-1]
