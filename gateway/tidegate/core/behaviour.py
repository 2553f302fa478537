"""Whose behaviour a server has: each difference is a named choice with one value a preset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Preset: TypeAlias = Literal["transfer-family", "partner-safe"]
DroppedUpload: TypeAlias = Literal["store_partial", "discard"]
Setstat: TypeAlias = Literal["refuse", "accept"]

POSIX_RENAME = b"posix-rename@openssh.com"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """
    What a server does where presets differ.

    Args:
        dropped_upload: An upload whose connection dropped: its partial object stored, or nothing.
        setstat: SETSTAT and FSETSTAT answered OK, or refused with status 8.
        rename_overwrite: posix-rename is offered, and replaces an existing file.
        one_writer: A second OPEN for writing of an object that is being written is refused.
        extensions: Names of the SFTP extensions that may be offered, in the order of VERSION.
            Holds posix-rename exactly if `rename_overwrite`.
    """

    dropped_upload: DroppedUpload
    setstat: Setstat
    rename_overwrite: bool
    one_writer: bool
    extensions: tuple[bytes, ...]


PRESETS: Final[dict[Preset, Behaviour]] = {
    "transfer-family": Behaviour(
        dropped_upload="store_partial",
        setstat="refuse",
        rename_overwrite=False,
        one_writer=False,
        # Transfer Family answers VERSION 3 with no extension pairs.
        extensions=(),
    ),
    "partner-safe": Behaviour(
        dropped_upload="discard",
        setstat="accept",
        rename_overwrite=True,
        one_writer=True,
        extensions=(b"limits@openssh.com", POSIX_RENAME),
    ),
}
