"""
The times clients give to their files, kept without writing an object again.

A time that is known before the object is begun goes into its metadata. One that comes later, as it does
from most clients for files of several parts and from all that set it by path, becomes a tag: that costs
two calls, and a file is never failed for it.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from tidegate.core.attributes import kept_mtime, tags_with_mtime, time_of
from tidegate.core.errors import GatewayError
from tidegate.core.objects import StoredObject, Tags
from tidegate.ports.objects import ObjectStore

_log = structlog.get_logger("tidegate.times")


async def keep_time(store: ObjectStore, stored: StoredObject, mtime: int) -> None:
    """
    Tag exactly this version with the time its client gave it. What fails is told in the log, and not raised.

    S3 takes a set of tags as a whole: one that another program changes at this very moment is lost.
    """
    if not stored.tag_count and kept_mtime(stored) == mtime:
        return
    try:
        # Read first, also where HEAD told of none: it does not tell those who may not read them.
        there = await store.tags(stored)
        if kept_mtime(stored, there) != mtime:
            await store.set_tags(stored, tags_with_mtime(there, mtime))
    except GatewayError as error:
        _log.warning("time not kept", object=str(stored.location), mtime=mtime, reason=str(error))


async def kept_time(store: ObjectStore, stored: StoredObject) -> int | None:
    """
    Return the time that was kept with a version, in seconds since 1970; None if none was.

    Asks for the tags only if there are any.
    """
    return kept_mtime(stored, await _tags(store, stored))


async def time_shown(store: ObjectStore, stored: StoredObject) -> datetime | None:
    """Return the time that was kept with a version, or else when it was stored."""
    mtime = await kept_time(store, stored)
    return stored.modified_at if mtime is None else time_of(mtime)


async def _tags(store: ObjectStore, stored: StoredObject) -> Tags:
    if not stored.tag_count:
        return ()
    try:
        return await store.tags(stored)
    except GatewayError as error:
        _log.warning("time not read", object=str(stored.location), reason=str(error))
        return ()
