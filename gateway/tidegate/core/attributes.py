"""What a client may set of a file, and the time it gave it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from tidegate.core.objects import META_MTIME, StoredObject, Tags

_MAX_SECONDS = 2**32 - 1  # times are uint32 in SFTP version 3


@dataclass(frozen=True, slots=True)
class WantedAttributes:
    """
    The attributes of a SETSTAT that mean something here. Owners and modes are not among them: S3 has none.

    Args:
        size: Bytes the file is to have.
        mtime: When it was changed last: seconds since 1970, 0 to 2**32 - 1.
    """

    size: int | None = None
    mtime: int | None = None


def with_mtime(metadata: dict[str, str], mtime: int | None) -> dict[str, str]:
    """Return the metadata of an object whose file has this time; None: unknown."""
    return metadata if mtime is None else {**metadata, META_MTIME: str(mtime)}


def tags_with_mtime(tags: Tags, mtime: int) -> Tags:
    """Return the tags with this time in place of any other, in the order of their keys."""
    return tuple(sorted({**dict(tags), META_MTIME: str(mtime)}.items()))


def kept_mtime(stored: StoredObject, tags: Tags = ()) -> int | None:
    """
    Return the time that was kept with an object; None if none was.

    A tag says it when it came after the object was made, so a tag is later than the metadata.
    """
    tagged = _seconds(dict(tags).get(META_MTIME))
    return _seconds(stored.metadata.get(META_MTIME)) if tagged is None else tagged


def time_of(mtime: int) -> datetime:
    """Return the time as an aware one, UTC."""
    return datetime.fromtimestamp(mtime, UTC)


def _seconds(said: str | None) -> int | None:
    # Anyone who may write to the bucket can write these.
    if said is None or not (said.isascii() and said.isdecimal() and len(said) <= len(str(_MAX_SECONDS))):
        return None
    return min(int(said), _MAX_SECONDS)
