"""Entries of a home that are single files, as a listing shows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import structlog

from tidegate.core.errors import AccessDenied, NotFound
from tidegate.core.listing import Entry
from tidegate.core.paths import MappedFile
from tidegate.ports.objects import ObjectReader

_log = structlog.get_logger("tidegate.browsing")

# A home can have two thousand entries: not all are asked for at once.
_AT_ONCE = 16


async def files_there(store: ObjectReader, files: Sequence[MappedFile]) -> AsyncIterator[Entry]:
    """
    Yield those of the files whose object is there, in their order: STAT and OPEN find no others.

    What may not be seen is left out: to whoever may not list a bucket, S3 denies also what is not there.
    """
    denied: list[tuple[MappedFile, AccessDenied]] = []
    try:
        for first in range(0, len(files), _AT_ONCE):
            some = files[first : first + _AT_ONCE]
            # All of them have ended before anything is answered, errors included.
            found = await asyncio.gather(*(_entry(store, file) for file in some), return_exceptions=True)
            for file, entry in zip(some, found, strict=True):
                if isinstance(entry, AccessDenied):
                    denied.append((file, entry))
                elif isinstance(entry, BaseException):
                    raise entry
                elif entry is not None:
                    yield entry
    finally:
        _tell(denied)


async def _entry(store: ObjectReader, file: MappedFile) -> Entry | None:
    try:
        stored = await store.head(file.location)
    except NotFound:
        return None
    return Entry(file.name, is_directory=False, size=stored.size, modified_at=stored.modified_at)


def _tell(denied: Sequence[tuple[MappedFile, AccessDenied]]) -> None:
    if denied:
        file, error = denied[0]
        _log.warning(
            "files left out of a listing", count=len(denied), first=str(file.location), reason=str(error)
        )
