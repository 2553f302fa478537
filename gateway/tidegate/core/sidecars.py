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
# A digest of these is read; every other suffix means that the file need only be there.
DIGEST_SUFFIXES = (".sha256", ".sha256sum")
# Whoever sends these means them to be compared, and they are not.
OTHER_DIGESTS = (
    ".md5",
    ".md5sum",
    ".sha1",
    ".sha1sum",
    ".sha224",
    ".sha384",
    ".sha512",
    ".sha512sum",
    ".crc32",
)

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
        is_digest = suffix in DIGEST_SUFFIXES
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


def read_text(body: bytes) -> str:
    """Return the text of a sidecar: UTF-8, without the mark that some programs put first."""
    return body.decode("utf-8", "replace").removeprefix("\ufeff")


def digests_in(text: str) -> Iterator[tuple[str | None, str]]:
    """
    Yield each digest and the last component of the name it is for, None if it stands alone.

    Forms: `HASH`, `HASH  NAME`, `HASH *NAME`, `SHA256 (NAME) = HASH`. Other lines are passed over.
    """
    for line in map(str.strip, re.split(r"[\r\n]+", text)):
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


def named_in(text: str) -> list[str]:
    """Return the names of the files that a manifest speaks of, each once, in its order."""
    return list(dict.fromkeys(name for name, _ in digests_in(text) if name))


def _last(name: str) -> str:
    return re.split(r"[/\\]", name)[-1]
