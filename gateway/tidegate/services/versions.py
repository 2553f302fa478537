"""Asking S3 itself what became of an upload: by version listing and transfer id, never by key alone."""

from __future__ import annotations

from tidegate.core.errors import NotFound
from tidegate.core.ids import LogId
from tidegate.core.objects import Location, StoredObject
from tidegate.ports.objects import ObjectStore


async def find_own_version(store: ObjectStore, location: Location, log_id: LogId) -> StoredObject | None:
    """Return the version of the object that this very upload wrote, if it is there."""
    for version in await store.versions(location):
        if version.is_delete_marker:
            continue
        try:
            stored = await store.head(location, version.version_id)
        except NotFound:
            continue  # removed since it was listed
        if stored.transfer_id == log_id:
            return stored
    return None


async def is_overtaken(store: ObjectStore, stored: StoredObject) -> bool:
    """Tell whether another version than this one is current; without versions nothing can be told."""
    if stored.version_id is None:
        return False
    try:
        return (await store.head(stored.location)).version_id != stored.version_id
    except NotFound:
        return True  # a delete marker is current
