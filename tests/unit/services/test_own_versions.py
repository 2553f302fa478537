"""What S3 says of an upload's versions, and what is concluded when it contradicts itself."""

from __future__ import annotations

import base64
import zlib

import pytest

from tidegate.core.errors import NotFound, StoreUnavailable
from tidegate.core.ids import LogId, new_log_id
from tidegate.core.objects import META_TRANSFER_ID, Location, NewObject, StoredObject
from tidegate.services.versions import find_own_version
from unit.services.world import HERE, World

MINE = LogId(new_log_id(1_800_000_000_000))


async def put(world: World, log_id: str) -> StoredObject:
    crc32 = base64.b64encode(zlib.crc32(b"x").to_bytes(4, "big")).decode()
    return await world.store.inner.put(NewObject(HERE, None, {META_TRANSFER_ID: log_id}), b"x", crc32)


async def test_the_version_of_the_upload_is_found_below_others(world: World) -> None:
    """By its transfer id, whoever wrote the key after it."""
    stored = await put(world, MINE)
    await put(world, "another")
    found = await find_own_version(world.store, HERE, MINE)
    assert found is not None
    assert found.version_id == stored.version_id


async def test_nothing_of_it_is_there(world: World) -> None:
    """Versions of others are passed over."""
    await put(world, "another")
    assert await find_own_version(world.store, HERE, MINE) is None


async def test_listed_and_not_to_be_found_proves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that stays listed, and that HEAD denies, may be the upload's own: no end is drawn from it."""
    await put(world, MINE)

    async def denies(location: Location, version_id: str | None = None) -> StoredObject:
        raise NotFound(f"{location} {version_id}")

    monkeypatch.setattr(world.store.inner, "head", denies)
    with pytest.raises(StoreUnavailable):
        await find_own_version(world.store, HERE, MINE)
