"""Asking S3 what became of an upload or a rename: by versions and the ids on them, never by key alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from tidegate.core.errors import NotFound, StoreUnavailable
from tidegate.core.ids import LogId, is_log_id, made_at_ms
from tidegate.core.objects import META_RENAME_ID, Location, StoredObject
from tidegate.core.renames import Rename
from tidegate.ports.objects import ObjectStore

# Far more than two clocks may differ for S3 to take a request at all.
_SLACK = timedelta(days=1)


async def find_own_version(store: ObjectStore, location: Location, log_id: LogId) -> StoredObject | None:
    """
    Return the version of the object that this very upload wrote, if it is there.

    Raises:
        StoreUnavailable: The store lists a version and says it is not there: nothing can be concluded.
    """
    async for stored in _described(store, location, log_id):
        if stored.transfer_id == log_id:
            return stored
    return None


async def _described(store: ObjectStore, location: Location, id_: str) -> AsyncIterator[StoredObject]:
    """Yield the versions of the key, newest first, as far back as something of this id can be."""
    vanished: set[str | None] = set()
    for version in await store.versions(location, since=_since(id_)):
        if version.is_delete_marker:
            continue
        try:
            yield await store.head(location, version.version_id)
        except NotFound:
            vanished.add(version.version_id)
    if vanished:
        # Removed since it was listed; unless it is listed still, and the answer was wrong.
        listed = {each.version_id for each in await store.versions(location, since=_since(id_))}
        if vanished & listed:
            raise StoreUnavailable(f"{location} has a version that is listed, and is said not to be there")


async def is_overtaken(store: ObjectStore, stored: StoredObject) -> bool:
    """Tell whether another version than this one is current; without versions nothing can be told."""
    if stored.version_id is None:
        return False
    try:
        return (await store.head(stored.location)).version_id != stored.version_id
    except NotFound:
        return True  # a delete marker is current


async def find_copy_of_rename(store: ObjectStore, rename: Rename) -> StoredObject | None:
    """Return the version at the new name that this very rename wrote. Raises as `find_own_version`."""
    async for stored in _described(store, rename.target, rename.rename_id):
        if stored.metadata.get(META_RENAME_ID) == rename.rename_id:
            return stored
    return None


async def hidden_above(store: ObjectStore, location: Location, version_id: str | None) -> StoredObject | None:
    """
    Return the newest version that one delete marker hides, if it came after the named version.

    None names the one that was stored without versioning, perhaps before the bucket had it.
    None where more than one marker came after it: the last of them is then another's removal.
    """
    versions = await store.versions(location, back_to=version_id)
    above = list(takewhile(lambda each: each.version_id != version_id, versions))
    if len(above) < 2 or [each.is_delete_marker for each in above] != [True] + [False] * (len(above) - 1):
        return None
    try:
        return await store.head(location, above[1].version_id)
    except NotFound:
        return None  # removed since it was listed


def _since(id_: str) -> datetime | None:
    """Return a moment before which nothing can have been stored under an id that was made after it."""
    return datetime.fromtimestamp(made_at_ms(id_) / 1000, UTC) - _SLACK if is_log_id(id_) else None
