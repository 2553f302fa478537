"""Where the SHA-256 of a stored file is known from."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from tidegate.core.errors import NotFound, Unsupported
from tidegate.core.objects import META_SHA256, META_TRANSFER_ID, Location, NewObject
from tidegate.services.hashes import Hashes
from unit.services.world import HERE, World

SMALL, LARGE = b"123456789", bytes(range(40))  # below and above a part of these tests


@pytest.fixture
def world() -> World:
    return World()


async def landed(world: World, body: bytes) -> None:
    upload = await world.begin()
    await upload.write(0, body)
    await upload.finish()


@pytest.mark.parametrize("body", [SMALL, LARGE, b""], ids=["on the object", "on the record", "of nothing"])
async def test_it_is_what_was_counted_when_the_file_came(world: World, body: bytes) -> None:
    """A single PutObject says it itself; of several parts only the record knows."""
    await landed(world, body)
    stored, digest = await Hashes(world.store, world.log).at(HERE)
    assert digest == hashlib.sha256(body).digest()
    assert (META_SHA256 in stored.metadata) == (body != LARGE)


async def test_a_file_that_is_not_there_has_none(world: World) -> None:
    """And is not taken for one whose digest is not known."""
    with pytest.raises(NotFound):
        await Hashes(world.store, world.log).at(HERE)


@pytest.mark.parametrize("log_id", ["", "0" * 26, "not an id"])
async def test_what_came_by_another_way_has_none(world: World, log_id: str) -> None:
    """Without a LogID, or with one that leads to no record."""
    there = Location(HERE.bucket, "acme/foreign")
    await world.store.put(NewObject(there, None, {META_TRANSFER_ID: log_id}), b"x", "jNwWgw==")
    with pytest.raises(Unsupported, match="on record"):
        await Hashes(world.store, world.log).at(there)


async def test_a_record_of_another_size_is_not_believed(world: World) -> None:
    """Metadata can be copied onto anything; a file of another size is not the record's."""
    await landed(world, LARGE)
    stored = await world.store.head(HERE)
    with pytest.raises(Unsupported):
        await Hashes(world.store, world.log).of(replace(stored, size=stored.size + 1))
