"""Entries of a home that are single files, as a listing shows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from tidegate.core.errors import NotFound
from tidegate.core.listing import Entry
from tidegate.core.paths import MappedFile
from tidegate.ports.objects import ObjectReader

# A home can have two thousand entries: not all are asked for at once.
_AT_ONCE = 16


async def files_there(store: ObjectReader, files: Sequence[MappedFile]) -> AsyncIterator[Entry]:
    """Yield those of the files whose object is there, in their order: STAT and OPEN find no others."""
    for first in range(0, len(files), _AT_ONCE):
        some = files[first : first + _AT_ONCE]
        for entry in await asyncio.gather(*(_entry(store, file) for file in some)):
            if entry is not None:
                yield entry


async def _entry(store: ObjectReader, file: MappedFile) -> Entry | None:
    try:
        stored = await store.head(file.location)
    except NotFound:
        return None
    return Entry(file.name, is_directory=False, size=stored.size, modified_at=stored.modified_at)
