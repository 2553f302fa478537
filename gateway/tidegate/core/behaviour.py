"""Whose behaviour a server has: each difference is a named choice with one value a preset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from tidegate.core import extensions
from tidegate.core.security_policies import SecurityPolicyName

Preset: TypeAlias = Literal["transfer-family", "partner-safe"]
DroppedUpload: TypeAlias = Literal["store_partial", "discard", "keep"]
Setstat: TypeAlias = Literal["refuse", "no_op", "accept"]

POSIX_RENAME = extensions.POSIX_RENAME

# Names that clients make up themselves, and rename: WinSCP (.filepart), lftp with xfer:use-temp-file (.in.*),
# rclone (.partial), Spring Integration (.writing), browsers and sync tools (.part, .crdownload), and what
# scripts and transfer products are set to most often (.tmp, .temp).
TEMPORARY_NAMES: Final = (
    "*.filepart",
    ".in.*",
    "*.partial",
    "*.writing",
    "*.part",
    "*.crdownload",
    "*.tmp",
    "*.temp",
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """
    What a server does where presets differ.

    Args:
        dropped_upload: An upload whose connection dropped: its partial object stored; nothing; or its parts
            kept, unpublished, for the partner to go on with.
        resume: Files may be appended to, and an OPEN without TRUNCATE keeps what is there.
        setstat: SETSTAT and FSETSTAT refused with status 8; answered OK and forgotten, as AWS does with
            ENABLE_NO_OP; or accepted: times are kept, and sizes hold.
        show_open_uploads: STAT of a name without an object tells of the upload that is writing it.
        rename_overwrite: posix-rename is offered, and replaces an existing file.
        rename_directories: Directories of at most so many objects can be renamed; 0: none can.
        one_writer: A second OPEN for writing of an object that is being written is refused.
        one_kind: What would make a name both a file and a directory is refused.
        extensions: Names of the SFTP extensions that may be offered, in the order of VERSION.
            Holds posix-rename exactly if `rename_overwrite`.
        temporary_names: Patterns of names that a client gives a file until it is whole. What such a file
            owes is held until it is renamed.
        security_policy: Which SSH algorithms are offered; a name of `security_policies.POLICIES`.
        announce_host_keys: Clients are told of all host keys, also of those that are not shown yet, so that
            they know the next one before it comes.
        end_revoked: Sessions end when their user or key is removed; otherwise the next login is refused.
    """

    dropped_upload: DroppedUpload
    resume: bool
    setstat: Setstat
    show_open_uploads: bool
    rename_overwrite: bool
    rename_directories: int
    one_writer: bool
    one_kind: bool
    extensions: tuple[bytes, ...]
    temporary_names: tuple[str, ...]
    security_policy: SecurityPolicyName
    announce_host_keys: bool
    end_revoked: bool


PRESETS: Final[dict[Preset, Behaviour]] = {
    "transfer-family": Behaviour(
        dropped_upload="store_partial",
        resume=False,
        setstat="refuse",
        # At AWS nothing is seen of an upload before its CLOSE.
        show_open_uploads=False,
        rename_overwrite=False,
        rename_directories=0,
        one_writer=False,
        # What AWS does is not known; S3 itself lets both be.
        one_kind=False,
        # Transfer Family answers VERSION 3 with no extension pairs.
        extensions=(),
        temporary_names=(),
        # What a server gets from AWS's console, API and CLI, unless told otherwise.
        security_policy="TransferSecurityPolicy-2024-01",
        announce_host_keys=False,
        end_revoked=False,
    ),
    "partner-safe": Behaviour(
        dropped_upload="keep",
        resume=True,
        setstat="accept",
        show_open_uploads=True,
        rename_overwrite=True,
        # Each takes about a dozen calls, sixteen at a time, and the client waits for all of them.
        rename_directories=1000,
        one_writer=True,
        one_kind=True,
        extensions=(
            extensions.LIMITS,
            extensions.FSYNC,
            extensions.LSETSTAT,
            extensions.STATVFS,
            extensions.FSTATVFS,
            extensions.CHECK_FILE,
            POSIX_RENAME,
        ),
        temporary_names=TEMPORARY_NAMES,
        security_policy="tidegate-2026-11",
        announce_host_keys=True,
        end_revoked=True,
    ),
}
