"""Who is alive, told by counters and one's own clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.leases import MemoryGatewayLeases
from tidegate.core.errors import StoreUnavailable
from tidegate.core.ids import GatewayId
from tidegate.services.leases import Lease

SERVER = "s-0123456789abcdef0"
MINE, OTHER = GatewayId("gw-mine"), GatewayId("gw-other")
TTL = 60.0


class BreakableLeases(MemoryGatewayLeases):
    """Leases behind a DynamoDB that can go down."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False

    async def renew(self, server_id: str, gateway_id: GatewayId) -> int:
        if self.is_down:
            raise StoreUnavailable("down")
        return await super().renew(server_id, gateway_id)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def leases() -> BreakableLeases:
    return BreakableLeases()


@pytest.fixture
def lease(leases: BreakableLeases, clock: ManualClock) -> Lease:
    return Lease(leases, clock, SERVER, MINE, TTL)


async def look_for(lease: Lease, clock: ManualClock, seconds: float, every: float = 20) -> None:
    for _ in range(int(seconds / every)):
        await lease.tick()
        clock.advance(every)
    await lease.tick()


async def test_a_counter_that_stands_still_for_a_lease_is_a_dead_gateway(
    lease: Lease, leases: BreakableLeases, clock: ManualClock
) -> None:
    """Not before a whole lease of looking, and then yes."""
    await leases.renew(SERVER, OTHER)
    await look_for(lease, clock, TTL - 20)
    assert not lease.is_dead(OTHER)

    clock.advance(20)
    await lease.tick()

    assert lease.is_dead(OTHER)
    assert lease.dead() == {OTHER}


async def test_a_counter_that_moves_is_alive_for_ever(
    lease: Lease, leases: BreakableLeases, clock: ManualClock
) -> None:
    """However long one looks."""
    for _ in range(20):
        await leases.renew(SERVER, OTHER)
        await lease.tick()
        clock.advance(20)
    assert not lease.is_dead(OTHER)


async def test_time_alone_kills_nobody(lease: Lease, leases: BreakableLeases, clock: ManualClock) -> None:
    """An observer that was itself paused decides by what it saw, not by how late it is."""
    await leases.renew(SERVER, OTHER)
    await lease.tick()

    clock.advance(10 * TTL)

    assert not lease.is_dead(OTHER)
    await leases.renew(SERVER, OTHER)
    await lease.tick()
    assert not lease.is_dead(OTHER)


async def test_an_outage_starts_all_observations_anew(
    lease: Lease, leases: BreakableLeases, clock: ManualClock
) -> None:
    """While nobody can renew, standing still says nothing."""
    await leases.renew(SERVER, OTHER)
    await look_for(lease, clock, TTL - 20)
    leases.is_down = True
    clock.advance(10 * TTL)
    with pytest.raises(StoreUnavailable):
        await lease.tick()
    leases.is_down = False
    await lease.tick()
    assert not lease.is_dead(OTHER)

    await look_for(lease, clock, TTL)
    assert lease.is_dead(OTHER)


async def test_a_gateway_without_a_lease_is_watched_once_asked_about(
    lease: Lease, clock: ManualClock
) -> None:
    """Records of a gateway whose lease row is gone do not stay open for ever."""
    assert not lease.is_dead(OTHER)
    await look_for(lease, clock, TTL)
    assert lease.is_dead(OTHER)


async def test_ones_own_lease_is_fresh_for_one_lease_after_a_renewal(
    lease: Lease, leases: BreakableLeases, clock: ManualClock
) -> None:
    """It counts from before the request, and a failed renewal does not prolong it."""
    assert not lease.is_fresh()
    await lease.tick()
    assert lease.is_fresh()
    leases.is_down = True
    clock.advance(TTL)
    with pytest.raises(StoreUnavailable):
        await lease.tick()
    assert not lease.is_fresh()


async def test_one_never_takes_oneself_for_dead(lease: Lease, clock: ManualClock) -> None:
    """Whatever the counters say."""
    await look_for(lease, clock, 2 * TTL)
    assert not lease.is_dead(MINE)


async def test_a_forgotten_gateway_is_gone_from_the_table(
    lease: Lease, leases: BreakableLeases, clock: ManualClock
) -> None:
    """So that the table does not fill with the dead."""
    await leases.renew(SERVER, OTHER)
    await look_for(lease, clock, TTL)
    await lease.forget(OTHER)
    assert set(await leases.counters(SERVER)) == {MINE}
    assert lease.dead() == set()
