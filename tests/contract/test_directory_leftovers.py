"""
What the directory table does with rows that mean nothing: of removals, homes and additions cut short.

On the table alone: memory has no rows that could be left over. Where a write must be cut short, or a
rival must act between two of them, a handler on botocore's way does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from botocore.exceptions import EndpointConnectionError

from tidegate.adapters.aws import directory_items, items
from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.directory import DynamoUserDirectory
from tidegate.adapters.aws.directory_items import new_generation, stored_home
from tidegate.core.errors import AlreadyExists, ChangedMeanwhile, NotFound, StoreUnavailable
from tidegate.core.ids import key_id_for
from tidegate.core.limits import KIB, MIB
from tidegate.core.users import Home, HomeDirectoryType, Mapping, SshPublicKey, User

pytestmark = pytest.mark.parametrize("backend", ["aws-on-moto"], indirect=True)

SERVER = "s-0123456789abcdef0"
SMALL = Home.chroot("/landing/acme")
CHUNK_BYTES = 3 * KIB
PAGE_BYTES = MIB  # DynamoDB API Reference, Query
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")


def large(name: str, chunks: int = 2, chunk_bytes: int = CHUNK_BYTES) -> Home:
    """A home that takes so many chunks, three mappings each."""
    target = f"/landing/{name}/".ljust(chunk_bytes // 3 - 100, "x")
    mappings = tuple(Mapping(f"/{n:04}", f"{target}{n}") for n in range(3 * chunks - 1))
    return Home(HomeDirectoryType.LOGICAL, "/", mappings)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Small ones do here, and cost less."""
    monkeypatch.setattr(directory_items, "CHUNK_BYTES", CHUNK_BYTES)


@pytest.fixture
def table(directory) -> str:
    return directory._table._name


@pytest.fixture
def key(now) -> SshPublicKey:
    return SshPublicKey(key_id_for("acme", "one"), "ssh-ed25519 one", "SHA256:one", "", now)


@pytest.fixture
def user(now, key) -> Callable[..., User]:
    """Make a user with one key and a small home, changed as told."""

    def user(user_name: str = "acme", **changes: object) -> User:
        return replace(User(SERVER, user_name, SMALL, now, (key,)), **changes)

    return user


@pytest.fixture
def rows(clients, table) -> Callable[[], list[items.Item]]:
    """Read every row, in order."""

    def rows() -> list[items.Item]:
        pages = clients.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return sorted(
            (items.plain(row) for page in pages for row in page["Items"]), key=lambda row: row["Entry"]
        )

    return rows


@pytest.fixture
def entries(rows) -> Callable[[], list[str]]:
    return lambda: [row["Entry"] for row in rows()]


@pytest.fixture
def plant(clients, table) -> Callable[..., None]:
    """Write rows past the adapter."""

    def plant(*rows: items.Item) -> None:
        for row in rows:
            clients.dynamodb.put_item(TableName=table, Item=items.wire(row))

    return plant


@pytest.fixture
def uproot(clients, table) -> Callable[[str], None]:
    """Delete a row past the adapter."""

    def uproot(entry: str) -> None:
        row = items.wire({"Server": SERVER, "Entry": entry})
        clients.dynamodb.delete_item(TableName=table, Key=row)

    return uproot


@contextmanager
def hooked(clients: AwsClients, point: str, operations: tuple[str, ...], call: Callable) -> Iterator[None]:
    """Call a handler at a point of botocore's way, such as `before-call`, of these operations."""
    events = clients.dynamodb.meta.events
    names = [f"{point}.dynamodb.{operation}" for operation in operations]
    for name in names:
        events.register_first(name, call)
    yield
    for name in names:
        events.unregister(name, call)


def rival(*acts: Callable[[], Awaitable[None]]) -> Callable[..., None]:
    """Return a handler that acts when it is called first; what it does itself does not call it again."""
    waiting = list(acts)

    def handler(**_: object) -> None:
        acting, waiting[:] = list(waiting), []
        for act in acting:
            asyncio.run(act())

    return handler


async def found(directory, name: str = "acme") -> User | None:
    try:
        return await directory.user(SERVER, name)
    except NotFound:
        return None


async def listed(directory) -> list[User]:
    return [user async for user in directory.users(SERVER)]


class TestRemovalCutShort:
    @pytest.mark.parametrize("home", [SMALL, large("acme")], ids=["small", "large"])
    async def test_nobody_is_there(self, directory, user, key, uproot, home):
        """Without its own row a user is gone for every call, and its rows are no one else's."""
        neighbours = [user("acma", keys=()), user("acme-2", keys=())]
        for one in (*neighbours, user(home=home)):
            await directory.add_user(one)
        uproot("user#acme")
        for attempt in (
            lambda: directory.user(SERVER, "acme"),
            lambda: directory.set_home(SERVER, "acme", SMALL),
            lambda: directory.add_key(SERVER, "acme", key),
            lambda: directory.remove_key(SERVER, "acme", key.key_id),
            lambda: directory.remove_user(SERVER, "acme"),
        ):
            with pytest.raises(NotFound):
                await attempt()
        assert await listed(directory) == neighbours

    async def test_first_and_last_of_the_listing(self, directory, user, uproot):
        """Leftovers before the first user and after the last change no listing."""
        for name in ("aaa", "mmm", "zzz"):
            await directory.add_user(user(name))
        uproot("user#aaa")
        uproot("user#zzz")
        assert await listed(directory) == [user("mmm")]

    async def test_keys_never_come_alive(self, directory, user, key, uproot):
        """A user of the same name has none of the old keys, until it is given one itself."""
        await directory.add_user(user())
        uproot("user#acme")
        await directory.add_user(user(keys=()))
        assert await found(directory) == user(keys=())
        assert await listed(directory) == [user(keys=())]
        with pytest.raises(NotFound):
            await directory.remove_key(SERVER, "acme", key.key_id)
        again = replace(key, comment="again")
        await directory.add_key(SERVER, "acme", again)
        assert await found(directory) == user(keys=(again,))
        with pytest.raises(AlreadyExists):
            await directory.add_key(SERVER, "acme", key)

    async def test_chunks_never_come_alive(self, directory, user, uproot):
        """A user of the same name has its own home alone."""
        await directory.add_user(user(home=large("old")))
        uproot("user#acme")
        await directory.add_user(user(home=large("new")))
        assert await found(directory) == user(home=large("new"))


class TestClearingAway:
    async def test_removal_leaves_no_row(self, directory, user, entries, rows, plant):
        """With the user go its keys, its chunks, and those of a home that never became its own."""
        await directory.register_server(SERVER)
        await directory.add_user(user("acme-2", keys=()))
        await directory.add_user(user(home=large("acme")))
        generation = next(row["Generation"] for row in rows() if row["Entry"] == "user#acme")
        plant(*stored_home(SERVER, "acme", generation, large("never"), datetime.now(UTC)).chunks)
        assert len(entries()) == 2 + 1 + 2 + 2 + 1
        await directory.remove_user(SERVER, "acme")
        assert entries() == [SERVER, "user#acme-2"]

    @pytest.mark.parametrize("home", [SMALL, large("next")], ids=["small", "large"])
    async def test_new_home_clears_the_old(self, directory, user, entries, rows, plant, home):
        """After a change of homes only the chunks of the new one are there, even after one cut short."""
        await directory.add_user(user(home=large("old"), keys=()))
        generation = rows()[0]["Generation"]
        plant(*stored_home(SERVER, "acme", generation, large("never"), datetime.now(UTC)).chunks)
        await directory.set_home(SERVER, "acme", home)
        assert await found(directory) == user(home=home, keys=())
        assert len(entries()) == (1 if home == SMALL else 3)

    async def test_leftovers_by_their_age(self, directory, user, plant, entries):
        """A removal clears away what others left long ago, but nothing that may still be under way."""
        for name, age in {"old": timedelta(days=1, minutes=1), "young": timedelta(hours=23)}.items():
            at = datetime.now(UTC) - age
            plant(*stored_home(SERVER, "acme", new_generation(), large(name), at).chunks)
        assert len(entries()) == 4
        with pytest.raises(NotFound):
            await directory.remove_user(SERVER, "acme")
        assert len(entries()) == 2
        await directory.add_user(user())
        await directory.remove_user(SERVER, "acme")
        assert len(entries()) == 2

    async def test_lost_addition_leaves_nothing(self, directory, user, entries):
        """An addition that finds the name taken takes its chunks with it."""
        await directory.add_user(user(keys=()))
        with pytest.raises(AlreadyExists):
            await directory.add_user(user(home=large("rival")))
        assert entries() == ["user#acme"]

    async def test_damaged_home(self, directory, user, uproot, entries):
        """A home that has lost a chunk is never shown in part; another home mends it."""
        await directory.add_user(user(home=large("acme")))
        uproot(next(entry for entry in entries() if entry.endswith("#000")))
        with pytest.raises(StoreUnavailable, match="in part only"):
            await directory.user(SERVER, "acme")
        with pytest.raises(StoreUnavailable, match="in part only"):
            await listed(directory)
        await directory.set_home(SERVER, "acme", SMALL)
        assert await found(directory) == user()


# A name, its home before and its home after; None where there is no user.
CHANGES = {
    "add": (None, large("new")),
    "larger home": (SMALL, large("new")),
    "other home": (large("old"), large("new")),
    "smaller home": (large("old"), SMALL),
    "remove": (large("old"), None),
}


def change(directory: DynamoUserDirectory, before: User | None, wanted: User | None) -> Awaitable[None]:
    if before is None:
        return directory.add_user(wanted)
    if wanted is None:
        return directory.remove_user(SERVER, before.user_name)
    return directory.set_home(SERVER, before.user_name, wanted.home)


@pytest.mark.parametrize("point", ["before-call", "after-call"])
@pytest.mark.parametrize("homes", CHANGES.values(), ids=CHANGES)
async def test_writes_cut_short(directory, user, clients, homes, point):
    """
    Wherever the table stops answering, a user is whole, as before or as wanted; a repeat ends it.

    Each round lets one write more through, until none is stopped. A write stopped after its call was done,
    and only its answer is lost.
    """
    for through in count():
        name = f"acme-{through}"
        before, wanted = (home and user(name, home=home) for home in homes)
        if before is not None:
            await directory.add_user(before)
        written = 0

        def stop(through: int = through, **_: object) -> None:
            nonlocal written
            written += 1
            if written > through:
                raise EndpointConnectionError(endpoint_url="http://gone")

        with hooked(clients, point, WRITES, stop), suppress(StoreUnavailable):
            await change(directory, before, wanted)
        assert await found(directory, name) in (before, wanted)
        with suppress(AlreadyExists, NotFound):
            await change(directory, before, wanted)
        assert await found(directory, name) == wanted
        if written <= through:
            break
    assert through >= 3


async def test_writes_sent_twice(directory, user, key, clients, entries):
    """A write that botocore sends again, as its answer was lost, finds itself and is no error."""
    other = replace(key, key_id=key_id_for("acme", "two"), imported_at=key.imported_at + timedelta(minutes=1))
    await directory.add_user(user(home=large("old")))
    twice = []

    def again(operation, attempts, **_: object) -> float | None:
        if attempts > 1:
            return None
        twice.append(operation.name)
        return 0.0

    with hooked(clients, "needs-retry", ("PutItem", "UpdateItem", "DeleteItem"), again):
        await directory.set_home(SERVER, "acme", large("new"))
        await directory.add_key(SERVER, "acme", other)
        assert await found(directory) == user(home=large("new"), keys=(key, other))
        await directory.remove_key(SERVER, "acme", other.key_id)
        assert await found(directory) == user(home=large("new"))
        await directory.remove_user(SERVER, "acme")
    assert entries() == []
    assert set(twice) == {"PutItem", "UpdateItem", "DeleteItem"}


class TestRivals:
    async def test_home_replaced_under_a_reader(self, directory, user, clients, monkeypatch):
        """A home replaced between two pages of its reading is read anew, by name and in a listing."""
        monkeypatch.setattr(directory_items, "CHUNK_BYTES", PAGE_BYTES // 4)
        old, new = (large(name, 5, PAGE_BYTES // 4) for name in ("old", "new"))
        for name in ("acme", "bob"):
            await directory.add_user(user(name, home=old))
        queries = count()

        def replaced(**_: object) -> None:
            if next(queries) == 1:
                asyncio.run(directory.set_home(SERVER, "acme", new))

        with hooked(clients, "before-call", ("Query",), replaced):
            assert await found(directory) == user(home=new)
        assert next(queries) > 3  # the first attempt took two already
        await directory.set_home(SERVER, "acme", old)
        queries = count()
        with hooked(clients, "before-call", ("Query",), replaced):
            homes = {one.user_name: one.home for one in await listed(directory)}
        assert homes == {"acme": new, "bob": old}

    async def test_two_homes_at_once(self, directory, user, clients, entries):
        """Of two homes set at once the later stays, whole, and nothing of the other."""
        await directory.add_user(user(home=large("old"), keys=()))
        between = rival(lambda: directory.set_home(SERVER, "acme", large("rival")))
        with hooked(clients, "before-call", ("UpdateItem",), between):
            await directory.set_home(SERVER, "acme", large("ours"))
        assert await found(directory) == user(home=large("ours"), keys=())
        assert len(entries()) == 3

    async def test_a_home_among_the_leftovers_of_another(self, directory, user, clients, entries):
        """Clearing away an old home does not touch a home that became the user's meanwhile."""
        await directory.add_user(user(home=large("old"), keys=()))
        between = rival(lambda: directory.set_home(SERVER, "acme", large("later")))
        with hooked(clients, "before-call", ("DeleteItem",), between):
            await directory.set_home(SERVER, "acme", large("ours"))
        assert await found(directory) == user(home=large("later"), keys=())
        assert len(entries()) == 3

    async def test_homes_without_end(self, directory, user, clients, rows, plant):
        """A home that others change before every attempt is ChangedMeanwhile."""
        await directory.add_user(user())

        def changed(**_: object) -> None:
            plant(rows()[0] | {"HomeGeneration": new_generation()})

        with hooked(clients, "before-call", ("UpdateItem",), changed), pytest.raises(ChangedMeanwhile):
            await directory.set_home(SERVER, "acme", Home.chroot("/landing/other"))
        assert await found(directory) == user()

    async def test_removed_while_its_home_is_set(self, directory, user, clients, entries):
        """A home set while the user is removed is NotFound, and leaves nothing."""
        await directory.add_user(user())
        between = rival(lambda: directory.remove_user(SERVER, "acme"))
        with hooked(clients, "before-call", ("UpdateItem",), between), pytest.raises(NotFound):
            await directory.set_home(SERVER, "acme", large("ours"))
        assert entries() == []

    async def test_removed_while_a_key_is_added(self, directory, user, key, clients, entries):
        """A key added while the user is removed is NotFound, and leaves nothing."""
        await directory.add_user(user(keys=()))
        between = rival(lambda: directory.remove_user(SERVER, "acme"))
        with hooked(clients, "before-call", ("PutItem",), between), pytest.raises(NotFound):
            await directory.add_key(SERVER, "acme", key)
        assert entries() == []

    @pytest.mark.parametrize("has_it", [False, True])
    async def test_name_given_anew_while_a_key_is_added(self, directory, user, key, clients, entries, has_it):
        """A key's addition that comes late is NotFound, and the next user of the name is as it was added."""
        await directory.add_user(user(keys=()))
        new = user(keys=(key,) if has_it else ())
        acts = (lambda: directory.remove_user(SERVER, "acme"), lambda: directory.add_user(new))
        with hooked(clients, "before-call", ("PutItem",), rival(*acts)), pytest.raises(NotFound):
            await directory.add_key(SERVER, "acme", replace(key, comment="late"))
        assert await found(directory) == new
        assert len(entries()) == 1 + has_it

    async def test_one_key_added_at_once(self, directory, user, key, clients):
        """A key that somebody else adds meanwhile is added once, as it was first."""
        await directory.add_user(user(keys=()))
        first = replace(key, comment="first")
        between = rival(lambda: directory.add_key(SERVER, "acme", first))
        with hooked(clients, "before-call", ("PutItem",), between), pytest.raises(AlreadyExists):
            await directory.add_key(SERVER, "acme", key)
        assert await found(directory) == user(keys=(first,))

    async def test_one_name_added_at_once(self, directory, user, clients, entries):
        """A name that somebody else gives meanwhile stays theirs, and the loser's home leaves nothing."""
        winner = user(home=large("winner"))
        between = rival(lambda: directory.add_user(winner))
        with hooked(clients, "before-call", ("TransactWriteItems",), between), pytest.raises(AlreadyExists):
            await directory.add_user(user(home=large("loser"), keys=()))
        assert await found(directory) == winner
        assert len(entries()) == 4

    async def test_name_given_anew_during_a_removal(self, directory, user, clients):
        """A removal that comes late does not take the user that was given the name meanwhile."""
        await directory.add_user(user(home=large("old")))
        new = user(home=large("new"))
        acts = (lambda: directory.remove_user(SERVER, "acme"), lambda: directory.add_user(new))
        with hooked(clients, "before-call", ("DeleteItem",), rival(*acts)):
            await directory.remove_user(SERVER, "acme")
        assert await found(directory) == new

    async def test_name_given_anew_while_a_key_is_removed(self, directory, user, key, clients):
        """A key's removal that comes late does not take the same key of the next user of the name."""
        await directory.add_user(user())
        acts = (lambda: directory.remove_user(SERVER, "acme"), lambda: directory.add_user(user()))
        with hooked(clients, "before-call", ("DeleteItem",), rival(*acts)):
            await directory.remove_key(SERVER, "acme", key.key_id)
        assert await found(directory) == user()
