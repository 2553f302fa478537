"""What the flags of an OPEN ask for. Source: draft-ietf-secsh-filexfer-02, section 6.3."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from tidegate.core.errors import Unsupported


class OpenFlag(IntFlag):
    """SSH_FXF bits, by the names Transfer Family gives them in its messages and logs."""

    READ = 0x01
    WRITE = 0x02
    APPEND = 0x04
    CREATE = 0x08
    TRUNCATE = 0x10
    EXCLUSIVE = 0x20


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """
    What to do: read the object, or write a new one in its place.

    Writing always makes a new object: without TRUNCATE too, as `scp` sends it, the content is what
    was written and nothing of the old object remains.
    """

    is_write: bool
    must_exist: bool
    must_be_new: bool


def mode_text(pflags: int) -> str:
    """Return the flags' names in alphabetical order, joined by `|`."""
    known = [flag.name for flag in OpenFlag if pflags & flag and flag.name]
    return "|".join(sorted(known)) or "NONE"


def intent_of(pflags: int) -> OpenIntent:
    """
    Return what this OPEN means.

    Raises:
        Unsupported: Reading and writing at once, or appending: S3 objects are written whole.
    """
    flags = OpenFlag(pflags & int(~OpenFlag(0)))
    writes = bool(flags & (OpenFlag.WRITE | OpenFlag.APPEND))
    if flags & OpenFlag.APPEND or (writes and flags & OpenFlag.READ) or not (writes or flags & OpenFlag.READ):
        text = f"Cannot open file in mode: {mode_text(pflags)}"
        raise Unsupported(text, text=text)
    return OpenIntent(
        is_write=writes,
        must_exist=writes and not flags & OpenFlag.CREATE,
        must_be_new=writes and bool(flags & OpenFlag.EXCLUSIVE and flags & OpenFlag.CREATE),
    )
