"""
Rows of the directory table that earlier versions wrote, and changes that meet rivals.

On the table alone: memory has neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tidegate.adapters.aws import directory_items, items
from tidegate.core.errors import ChangedMeanwhile, NotFound
from tidegate.core.servers import Server
from tidegate.core.users import Home, HomeDirectoryType, Mapping, User

pytestmark = pytest.mark.parametrize("backend", ["aws-on-moto"], indirect=True)

SERVER = "s-0123456789abcdef0"
HOME = Home.chroot("/landing/acme")
NEW_MEMBERS = {"Role", "Policy", "PosixProfile", "Tags"}


@pytest.fixture
def user(now) -> User:
    return User(SERVER, "acme", HOME, now)


@pytest.fixture
def rows(clients, directory) -> Callable[[], list[items.Item]]:
    def rows() -> list[items.Item]:
        found = clients.dynamodb.scan(TableName=directory._table._name, ConsistentRead=True)["Items"]
        return [items.plain(row) for row in found]

    return rows


@pytest.fixture
def plant(clients, directory) -> Callable[[items.Item], None]:
    def plant(row: items.Item) -> None:
        clients.dynamodb.put_item(TableName=directory._table._name, Item=items.wire(row))

    return plant


@pytest.fixture
def before_update(clients) -> Any:
    """Have something done before the next UpdateItem goes out, once."""
    events, acts = clients.dynamodb.meta.events, list[Callable[[], Awaitable[Any]]]()

    def handler(**_: object) -> None:
        while acts:
            asyncio.run(acts.pop()())

    events.register_first("before-call.dynamodb.UpdateItem", handler)
    yield acts.append
    events.unregister("before-call.dynamodb.UpdateItem", handler)


async def test_a_user_of_an_earlier_version(directory, user, rows, plant):
    """It reads as one without these members, and can be given them."""
    await directory.add_user(user)
    (row,) = rows()
    plant({name: value for name, value in row.items() if name not in NEW_MEMBERS})
    assert not NEW_MEMBERS & rows()[0].keys()
    assert await directory.user(SERVER, "acme") == user
    changed = replace(user, role="r", tags=(("a", "b"),))
    assert await directory.change_user(SERVER, "acme", lambda _: changed) == changed
    assert await directory.user(SERVER, "acme") == changed


async def test_a_server_that_a_rival_changes(directory, before_update):
    """The change is made again, of what the rival left."""
    await directory.register_server(SERVER)

    def tagged(key: str) -> Callable[[Server], Server]:
        return lambda server: replace(server, tags=(*server.tags, (key, "")))

    before_update(lambda: directory.change_server(SERVER, tagged("rival")))
    await directory.change_server(SERVER, tagged("ours"))
    assert (await directory.server(SERVER)).tags == (("rival", ""), ("ours", ""))


async def test_a_user_that_a_rival_changes(directory, user, before_update, rows):
    """The change is made again, of what the rival left; no chunk of a home is left over."""
    mappings = tuple(Mapping(f"/{n}", f"/landing/{'ü' * 50_000}/{n}") for n in range(8))
    large = Home(HomeDirectoryType.LOGICAL, "/", mappings)
    await directory.add_user(replace(user, home=large))
    count = len(rows())
    assert count > 2
    before_update(lambda: directory.change_user(SERVER, "acme", lambda found: replace(found, policy="{}")))
    await directory.change_user(SERVER, "acme", lambda found: replace(found, role="r"))
    assert await directory.user(SERVER, "acme") == replace(user, home=large, role="r", policy="{}")
    assert len(rows()) == count


async def test_a_user_that_goes_meanwhile(directory, user, before_update, rows):
    """Nothing is changed, and nothing comes back."""
    await directory.add_user(user)
    before_update(lambda: directory.remove_user(SERVER, "acme"))
    with pytest.raises(NotFound):
        await directory.change_user(SERVER, "acme", lambda found: replace(found, role="r"))
    assert rows() == []


async def test_rivals_without_end(directory, user, clients, rows, plant):
    """Who is overtaken each time gives up, and says so."""
    await directory.add_user(user)
    await directory.register_server(SERVER)

    def changed(**_: object) -> None:
        for row in rows():
            new = directory_items.new_generation()
            plant(row | {"Revision" if row["Server"] == "servers" else "HomeGeneration": new})

    events = clients.dynamodb.meta.events
    events.register_first("before-call.dynamodb.UpdateItem", changed)
    try:
        for attempt in (
            lambda: directory.change_user(SERVER, "acme", lambda found: replace(found, role="r")),
            lambda: directory.change_server(SERVER, lambda server: replace(server, tags=(("a", ""),))),
        ):
            with pytest.raises(ChangedMeanwhile):
                await attempt()
    finally:
        events.unregister("before-call.dynamodb.UpdateItem", changed)
    assert await directory.user(SERVER, "acme") == user


async def test_a_write_whose_answer_is_lost(directory, user, clients):
    """botocore sends it again: it takes effect once, and is no rival of itself."""
    await directory.add_user(user)
    await directory.register_server(SERVER)
    lost: list[str] = []

    def after(attempts: int, operation: Any, caught_exception: Any, **_: object) -> int | None:
        if operation.name == "UpdateItem" and attempts == 1 and caught_exception is None:
            lost.append(operation.name)
            return 0
        return None

    events = clients.dynamodb.meta.events
    events.register_first("needs-retry.dynamodb.UpdateItem", after)
    try:
        await directory.change_user(SERVER, "acme", lambda found: replace(found, role="r"))
        await directory.change_server(SERVER, lambda server: replace(server, tags=(*server.tags, ("a", ""))))
    finally:
        events.unregister("needs-retry.dynamodb.UpdateItem", after)
    assert lost == ["UpdateItem", "UpdateItem"]
    assert (await directory.user(SERVER, "acme")).role == "r"
    assert (await directory.server(SERVER)).tags == (("a", ""),)
