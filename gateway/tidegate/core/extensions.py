"""
Every SFTP extension that clients are known to ask for: which are offered, and what they mean here.

A preset names those it offers (`behaviour.Behaviour.extensions`). Any other, known or not, is answered
with status 8, "Operation unsupported", and the session goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tidegate.core.limits import KIB, MIB, S3_MAX_KEY_BYTES
from tidegate.core.sftp_requests import Shape

LIMITS = b"limits@openssh.com"
POSIX_RENAME = b"posix-rename@openssh.com"
FSYNC = b"fsync@openssh.com"
LSETSTAT = b"lsetstat@openssh.com"
STATVFS = b"statvfs@openssh.com"
FSTATVFS = b"fstatvfs@openssh.com"
CHECK_FILE = b"check-file"
CHECK_FILE_NAME = b"check-file-name"
CHECK_FILE_HANDLE = b"check-file-handle"


@dataclass(frozen=True, slots=True)
class Extension:
    """
    An extension and the requests it allows.

    Args:
        data: What VERSION says of it beside its name: a version number, by custom.
        requests: Names of its EXTENDED requests, and their fields after the name.
        means: What a client gets, in words for the guide; for one that is never offered, why.
    """

    name: bytes
    means: str
    data: bytes = b"1"
    requests: dict[bytes, Shape] = field(default_factory=dict)

    @property
    def can_be_offered(self) -> bool:
        return bool(self.requests)


def _one(name: bytes, fields: str, means: str, data: bytes = b"1") -> Extension:
    return Extension(name, means, data, {name: Shape(fields)})


_CHECK = "ssqqu"

EXTENSIONS: Final[dict[bytes, Extension]] = {
    each.name: each
    for each in (
        _one(LIMITS, "", "the largest packet, READ and WRITE, and how many files may be open"),
        _one(POSIX_RENAME, "pp", "a rename that replaces an existing file"),
        _one(
            FSYNC,
            "h",
            "OK if every byte so far was taken without an error, else that error. It makes nothing durable: "
            "only CLOSE does",
        ),
        _one(LSETSTAT, "pa", "the same as SETSTAT: there are no links"),
        _one(STATVFS, "p", "fixed numbers: S3 has no size", b"2"),
        _one(FSTATVFS, "h", "the same for an open file", b"2"),
        Extension(
            CHECK_FILE,
            "the SHA-256 of a whole stored file, from its record. Other algorithms, ranges, blocks, and "
            "files whose SHA-256 is not on record are refused in words: nothing is read to answer",
            requests={
                CHECK_FILE: Shape(_CHECK.replace("s", "h", 1)),
                CHECK_FILE_HANDLE: Shape(_CHECK.replace("s", "h", 1)),
                CHECK_FILE_NAME: Shape(_CHECK.replace("s", "p", 1)),
            },
        ),
        Extension(b"hardlink@openssh.com", "S3 has no links"),
        Extension(b"copy-data", "bytes of a file come from its client alone, in order"),
        Extension(b"copy-file", "a client that wants a copy sends it"),
        Extension(b"expand-path@openssh.com", "REALPATH of `.` is the home; nobody hears of another's"),
        Extension(b"home-directory", "REALPATH of `.` is the home"),
        Extension(b"users-groups-by-id@openssh.com", "objects have no owners"),
        Extension(b"md5-hash", "MD5 is not kept"),
        Extension(b"md5-hash-handle", "MD5 is not kept"),
        Extension(b"space-available", "statvfs says it"),
        Extension(b"text-seek", "of later protocol versions"),
        Extension(b"version-select", "only version 3 is spoken"),
        Extension(b"ranges@asyncssh.com", "objects have no holes"),
    )
}


def requests_of(offered: tuple[bytes, ...]) -> dict[bytes, Shape]:
    """Return the EXTENDED requests that are answered where these extensions are offered."""
    return {name: shape for each in offered for name, shape in EXTENSIONS[each].requests.items()}


# What `limits` tells. Longer packets are taken (up to 4 MiB), and longer READs get shorter answers.
MAX_PACKET_BYTES = 4 * MIB + KIB
MAX_DATA_BYTES = 256 * KIB


@dataclass(frozen=True, slots=True)
class FileSystem:
    """
    What `statvfs` tells, of any path: a petabyte, all of it free. S3 has no size, and a client that
    asks wants to know whether its file fits; larger numbers overflow in some of them.
    """

    block_bytes: int = 4096
    blocks: int = 2**38
    files: int = 2**31 - 1
    # ST_NOSUID, as OpenSSH's server says it.
    flags: int = 2
    name_bytes: int = S3_MAX_KEY_BYTES


def is_whole(size: int, start: int, length: int, block: int) -> bool:
    """Tell whether `check-file` asks for one digest of all `size` bytes; a length of 0 is up to the end."""
    return start == 0 and (length == 0 or length >= size) and (block == 0 or block >= size)
