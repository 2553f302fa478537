"""What a route changes about an upload: how it is stored, and to whom it is owed."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.core.objects import NewObject, Storage, StoredObject
from tidegate.core.routes import Route
from unit.services.world import SMALL, World, send

RARE = Storage("key-rare", "GLACIER_IR", (("kind", "report"),))


def a_route(*, path: str = "/in", deliver_to: tuple[str, ...] | None = None) -> Route:
    return Route("reports", ("acme",), path, None, RARE, deliver_to)


async def test_a_file_is_stored_as_its_route_says(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key, class and tags of the first matching route go into the request that makes the object."""
    asked: list[NewObject] = []
    put = world.store.inner.put

    async def noted(new: NewObject, *rest: Any, **more: Any) -> StoredObject:
        asked.append(new)
        return await put(new, *rest, **more)

    monkeypatch.setattr(world.store.inner, "put", noted)
    upload = await world.begin(world.uploads(routes=(a_route(),)))
    await send(upload, SMALL)
    await upload.finish()
    [new] = asked
    assert (new.kms_key_id, new.storage_class, new.tags) == ("key-rare", "GLACIER_IR", (("kind", "report"),))


async def test_a_route_elsewhere_changes_nothing(world: World) -> None:
    """A file outside the route's directory is stored and owed as without routes."""
    upload = await world.begin(world.uploads(routes=(a_route(path="/out", deliver_to=()),)))
    await send(upload, SMALL)
    await upload.finish()
    assert [each.target for each in await world.deliveries(upload)] == ["archive", "lake"]


async def test_a_file_is_owed_to_the_targets_of_its_route(world: World) -> None:
    """Of all targets only those the route names are owed, and the record says so from its start."""
    upload = await world.begin(world.uploads(routes=(a_route(deliver_to=("lake",)),)))
    assert (await world.record(upload)).delivery_targets == ("lake",)
    await send(upload, SMALL)
    await upload.finish()
    assert [each.target for each in await world.deliveries(upload)] == ["lake"]


async def test_a_route_may_owe_nothing(world: World) -> None:
    """`deliver_to: []` keeps files where they landed."""
    upload = await world.begin(world.uploads(routes=(a_route(deliver_to=()),)))
    await send(upload, SMALL)
    await upload.finish()
    assert await world.deliveries(upload) == ()
