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

    Args:
        continues: What is there may be kept, up to where the first WRITE begins. Only where that is
            resumed; elsewhere the content is what was written, with or without TRUNCATE, as `scp` sends it.
        appends: Whatever is written goes behind what is there.
    """

    is_write: bool
    must_exist: bool
    must_be_new: bool
    continues: bool = False
    appends: bool = False


# A new file in place of whatever is there.
ANEW = OpenIntent(is_write=True, must_exist=False, must_be_new=False)


def mode_text(pflags: int) -> str:
    """Return the flags' names in alphabetical order, joined by `|`."""
    known = [flag.name for flag in OpenFlag if pflags & flag and flag.name]
    return "|".join(sorted(known)) or "NONE"


def intent_of(pflags: int, *, resume: bool = False) -> OpenIntent:
    """
    Return what this OPEN means.

    Args:
        resume: Whether files may be appended to and continued. Then READ beside WRITE is taken for WRITE:
            many programs open so what they only write.

    Raises:
        Unsupported: Without `resume`, reading and writing at once, or appending: Transfer Family refuses.
    """
    flags = OpenFlag(pflags & int(~OpenFlag(0)))
    reads, appends = bool(flags & OpenFlag.READ), bool(flags & OpenFlag.APPEND)
    writes = appends or bool(flags & OpenFlag.WRITE)
    if not (reads or writes) or (not resume and (appends or (reads and writes))):
        text = f"Cannot open file in mode: {mode_text(pflags)}"
        raise Unsupported(text, text=text)
    is_new = bool(flags & OpenFlag.TRUNCATE or (flags & OpenFlag.EXCLUSIVE and flags & OpenFlag.CREATE))
    return OpenIntent(
        is_write=writes,
        must_exist=writes and not flags & OpenFlag.CREATE,
        must_be_new=writes and bool(flags & OpenFlag.EXCLUSIVE and flags & OpenFlag.CREATE),
        continues=writes and resume and not is_new,
        appends=appends and not is_new,
    )
