"""`tidegate transfers list --follow`: what changes from now on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tidegate.backend import Backend
from tidegate.core.transfers import TransferQuery, TransferRecord, TransferStatus

_POLL_SECONDS = 1.0
# How long a new record may take to be in the index, generously.
_INDEX_DELAY = timedelta(minutes=5)
# Uploads that have been open for longer when following begins are followed only if they were listed.
_OPEN_SINCE = timedelta(hours=1)
_MOST_AT_ONCE = 1000


async def changes(backend: Backend, query: TransferQuery) -> AsyncIterator[TransferRecord]:
    """
    Yield what the query finds, oldest first, and then each record whenever its state is a new one.

    Every state is watched, whichever the query asks for: a record must be seen open to be seen ending.
    """
    watched = replace(query, status=None, limit=max(query.limit, _MOST_AT_ONCE))
    recent = await _found(backend, replace(watched, since=datetime.now(UTC) - _OPEN_SINCE))
    listed = await _found(backend, query)
    for record in reversed(listed):
        yield record
    known, open_since = _states([*recent, *listed]), _oldest_open([*recent, *listed])
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        since = min(datetime.now(UTC) - _INDEX_DELAY, open_since)
        there = await _found(backend, replace(watched, since=max(since, query.since or since)))
        for record in reversed(there):
            if known.get(record.log_id) is not record.status and query.status in (None, record.status):
                yield record
        # Only what a later look can find again, so that following for weeks takes no more memory.
        known, open_since = _states(there), _oldest_open(there)


async def _found(backend: Backend, query: TransferQuery) -> list[TransferRecord]:
    return [record async for record in backend.log.find(query)]


def _states(records: Iterable[TransferRecord]) -> dict[str, TransferStatus]:
    return {record.log_id: record.status for record in records}


def _oldest_open(records: Iterable[TransferRecord]) -> datetime:
    return min((record.started_at for record in records if record.is_open), default=datetime.now(UTC))
