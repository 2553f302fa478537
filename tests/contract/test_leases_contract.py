"""What every `GatewayLeases` promises, whoever offers it."""

from __future__ import annotations

import asyncio

import pytest

from tidegate.adapters.aws.leases import DynamoGatewayLeases
from tidegate.adapters.memory.leases import MemoryGatewayLeases
from tidegate.core.ids import GatewayId
from tidegate.ports.leases import GatewayLeases

SERVER, OTHER_SERVER = "s-0123456789abcdef0", "s-0123456789abcdef1"
ALICE, BOB = GatewayId("gw-alice"), GatewayId("gw-bob")


@pytest.fixture
def leases(clients, directory) -> GatewayLeases:
    """Leases in the table of `directory`."""
    return DynamoGatewayLeases(clients, directory._table._name) if clients else MemoryGatewayLeases()


async def test_moves_on(leases):
    """Every renewal moves the counter on, and answers what is then read."""
    seen = [await leases.renew(SERVER, ALICE) for _ in range(3)]
    assert seen == sorted(set(seen))
    assert await leases.counters(SERVER) == {ALICE: seen[-1]}


async def test_each_gateway_its_own(leases):
    """Gateways, and gateways of other servers, have counters of their own."""
    assert await leases.counters(SERVER) == {}
    alice = await leases.renew(SERVER, ALICE)
    bob = await leases.renew(SERVER, BOB)
    await leases.renew(OTHER_SERVER, ALICE)
    await leases.renew(OTHER_SERVER, ALICE)
    assert await leases.counters(SERVER) == {ALICE: alice, BOB: bob}


async def test_dropped(leases):
    """A dropped lease is gone, alone; dropping what is not there is no error."""
    await leases.renew(SERVER, ALICE)
    bob = await leases.renew(SERVER, BOB)
    for _ in range(2):
        await leases.drop(SERVER, ALICE)
        assert await leases.counters(SERVER) == {BOB: bob}
    await leases.drop(OTHER_SERVER, BOB)
    assert await leases.counters(SERVER) == {BOB: bob}


async def test_at_once(leases):
    """Renewals at once are all counted."""
    await asyncio.gather(*(leases.renew(SERVER, GatewayId(f"gw-{n}")) for n in range(8)))
    assert len(await leases.counters(SERVER)) == 8


async def test_beside_users(leases, directory):
    """Leases in the table of users are no users, and servers are no leases."""
    await leases.renew(SERVER, ALICE)
    assert [user async for user in directory.users(SERVER)] == []
    assert await directory.server_ids() == []
    await directory.register_server(SERVER)
    assert list(await leases.counters(SERVER)) == [ALICE]
