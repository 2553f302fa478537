"""What clients ask for when they rename."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.core.ids import LogId
from tidegate.core.objects import Location, StoredObject


@dataclass(frozen=True, slots=True)
class Move:
    """
    This file, under that name.

    Args:
        replacing: ETag of what may be replaced there; `NOTHING` if nothing may be there.
        story: The LogID of its directory's rename, if that is why it moves: it is told there if the file has
            no story of its own.
    """

    path: str
    new_path: str
    stored: StoredObject
    target: Location
    replacing: str
    story: LogId | None = None


@dataclass(frozen=True, slots=True)
class DirectoryMove:
    """
    This directory, under that name.

    Args:
        source: Its prefix, which ends in `/`.
        target: The new prefix.
        replacing: ETag of the marker of an empty directory that may be replaced; `NOTHING` if none is there.
    """

    path: str
    new_path: str
    source: Location
    target: Location
    replacing: str
