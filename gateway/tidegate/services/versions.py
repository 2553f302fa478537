"""Asking S3 what became of an upload or a rename: by versions and the ids on them, never by key alone."""

from __future__ import annotations

from itertools import takewhile

from tidegate.core.errors import NotFound
from tidegate.core.ids import LogId
from tidegate.core.objects import META_RENAME_ID, Location, StoredObject
from tidegate.core.renames import Rename
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


async def find_copy_of_rename(store: ObjectStore, rename: Rename) -> StoredObject | None:
    """Return the version at the new name that this very rename wrote, if it is there."""
    for version in await store.versions(rename.target):
        if version.is_delete_marker:
            continue
        try:
            stored = await store.head(rename.target, version.version_id)
        except NotFound:
            continue  # removed since it was listed
        if stored.metadata.get(META_RENAME_ID) == rename.rename_id:
            return stored
    return None


async def hidden_above(store: ObjectStore, location: Location, version_id: str | None) -> StoredObject | None:
    """
    Return the newest version that one delete marker hides, if it came after the named version.

    None where more than one marker came after it: the last of them is then another's removal.
    """
    above = list(takewhile(lambda each: each.version_id != version_id, await store.versions(location)))
    if len(above) < 2 or [each.is_delete_marker for each in above] != [True] + [False] * (len(above) - 1):
        return None
    try:
        return await store.head(location, above[1].version_id)
    except NotFound:
        return None  # removed since it was listed
