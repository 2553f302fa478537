"""Whose behaviour a server has: each difference is a named choice with one value a preset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from tidegate.core import extensions
from tidegate.core.security_policies import SecurityPolicyName

Preset: TypeAlias = Literal["transfer-family", "partner-safe"]
DroppedUpload: TypeAlias = Literal["store_partial", "discard"]
Setstat: TypeAlias = Literal["refuse", "no_op", "accept"]

POSIX_RENAME = extensions.POSIX_RENAME


@dataclass(frozen=True, slots=True)
class Behaviour:
    """
    What a server does where presets differ.

    Args:
        dropped_upload: An upload whose connection dropped: its partial object stored, or nothing.
        setstat: SETSTAT and FSETSTAT refused with status 8; answered OK and forgotten, as AWS does with
            ENABLE_NO_OP; or accepted: times are kept, and sizes hold.
        show_open_uploads: STAT of a name without an object tells of the upload that is writing it.
        rename_overwrite: posix-rename is offered, and replaces an existing file.
        one_writer: A second OPEN for writing of an object that is being written is refused.
        extensions: Names of the SFTP extensions that may be offered, in the order of VERSION.
            Holds posix-rename exactly if `rename_overwrite`.
        security_policy: Which SSH algorithms are offered; a name of `security_policies.POLICIES`.
    """

    dropped_upload: DroppedUpload
    setstat: Setstat
    show_open_uploads: bool
    rename_overwrite: bool
    one_writer: bool
    extensions: tuple[bytes, ...]
    security_policy: SecurityPolicyName


PRESETS: Final[dict[Preset, Behaviour]] = {
    "transfer-family": Behaviour(
        dropped_upload="store_partial",
        setstat="refuse",
        # At AWS nothing is seen of an upload before its CLOSE.
        show_open_uploads=False,
        rename_overwrite=False,
        one_writer=False,
        # Transfer Family answers VERSION 3 with no extension pairs.
        extensions=(),
        # What a server gets from AWS's console, API and CLI, unless told otherwise.
        security_policy="TransferSecurityPolicy-2024-01",
    ),
    "partner-safe": Behaviour(
        dropped_upload="discard",
        setstat="accept",
        show_open_uploads=True,
        rename_overwrite=True,
        one_writer=True,
        extensions=(
            extensions.LIMITS,
            extensions.FSYNC,
            extensions.LSETSTAT,
            extensions.STATVFS,
            extensions.FSTATVFS,
            extensions.CHECK_FILE,
            POSIX_RENAME,
        ),
        security_policy="tidegate-2026-11",
    ),
}
