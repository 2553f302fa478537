"""Who may settle: leases that run out, are renewed, and are lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tidegate.core.deliveries import DeliveryStatus
from tidegate.core.errors import AccessDenied, StoreUnavailable
from unit.services.depot import ALICE, BOB, DESTINATION, LEASE, Depot, until
from unit.services.world import turns

S = DeliveryStatus
BODY = b"the report"
THIRD = LEASE / 3


class Slow:
    """A worker whose copy is held until it is let go."""

    def __init__(self, depot: Depot) -> None:
        self.depot = depot
        self.store, self.log = depot.faulty()
        self.gate = self.store.hold("copy")
        self.worker = depot.worker(ALICE, store=self.store, queue=self.log)

    async def begin(self) -> None:
        self.running = asyncio.create_task(self.worker.run_once())
        await self.gate.reached.wait()
        await until(lambda: self.depot.clock.sleepers)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass in thirds of a lease, as it does."""
        for _ in range(round(seconds / THIRD)):
            self.depot.clock.advance(THIRD)
            await turns()

    async def end(self) -> None:
        self.gate.go.set()
        await self.running


@pytest.fixture
def depot():
    return Depot()


@pytest.fixture
def slow(depot):
    return Slow(depot)


async def test_runs_out(depot, slow):
    """What a worker that died had claimed is due again when its lease ends, and not before."""
    log_id = await depot.land(BODY)
    await slow.begin()
    slow.running.cancel()
    await asyncio.gather(slow.running, return_exceptions=True)
    await turns()
    depot.clock.advance(LEASE - 1)
    assert await depot.worker(BOB).run_once() == 0
    depot.clock.advance(1)
    assert await depot.worker(BOB).run_once() == 1
    delivery = await depot.delivery(log_id)
    assert (delivery.status, delivery.attempts) == (S.DELIVERED, 2)


async def test_renewed_while_a_copy_takes_long(depot, slow):
    """A worker that copies for longer than its lease keeps it: nobody else copies the same meanwhile."""
    log_id = await depot.land(BODY)
    await slow.begin()
    for _ in range(10):
        await slow.pass_time(LEASE)
        assert (await depot.delivery(log_id)).due_at == depot.clock.now() + timedelta(seconds=LEASE)
        assert await depot.worker(BOB).run_once() == 0
    await slow.end()
    delivery = await depot.delivery(log_id)
    assert (delivery.status, delivery.attempts) == (S.DELIVERED, 1)
    assert slow.log.count("renew") == 30
    assert slow.store.count("copy") == 1


async def test_a_quick_copy_renews_nothing(depot):
    """An attempt of less than a third of the lease costs no renewal, and leaves nothing behind."""
    _, log = depot.faulty()
    await depot.land(BODY)
    await depot.worker(queue=log).run_once()
    assert log.count("renew") == 0
    assert depot.clock.sleepers == 0


async def test_renewal_fails_for_a_while(depot, slow, told):
    """A renewal that cannot be written is told and tried again; within the lease that loses nothing."""
    log_id = await depot.land(BODY)
    await slow.begin()
    slow.log.fail("renew", StoreUnavailable("throttled"), call=1)
    slow.log.fail("renew", StoreUnavailable("throttled"), call=2)
    await slow.pass_time(LEASE - THIRD)
    assert await depot.worker(BOB).run_once() == 0
    await slow.pass_time(THIRD)
    assert await depot.worker(BOB).run_once() == 0, "renewed in the last moment"
    assert [event["event"] for event in told].count("lease not renewed") == 2
    await slow.end()
    assert (await depot.delivery(log_id)).status is S.DELIVERED


async def test_lost(depot, slow, told):
    """A worker that has lost its lease settles nothing, and what the other one says stays."""
    log_id = await depot.land(BODY)
    await slow.begin()
    slow.log.fail("renew", StoreUnavailable("throttled"), call=None)
    await slow.pass_time(LEASE)
    taken = await depot.log.claim(
        log_id, "archive", BOB, depot.clock.now(), depot.clock.now() + timedelta(seconds=LEASE)
    )
    slow.log.heal()
    await slow.pass_time(THIRD)
    await slow.end()
    assert await depot.delivery(log_id) == taken
    assert slow.log.count("settle") == 0
    assert told[-1]["event"] == "delivery taken over"


async def test_lost_and_settled(depot, slow):
    """A worker overtaken by one that has finished does not undo what that one wrote."""
    log_id = await depot.land(BODY)
    await slow.begin()
    slow.log.fail("renew", StoreUnavailable("throttled"), call=None)
    await slow.pass_time(LEASE)
    assert await depot.worker(BOB).run_once() == 1
    settled = await depot.delivery(log_id)
    await slow.end()
    assert await depot.delivery(log_id) == settled
    assert await depot.delivered() == BODY


@pytest.mark.parametrize(("may_look", "copies"), [(True, 1), (False, 2)])
async def test_lost_with_an_old_copy_on_its_way(depot, slow, may_look, copies):
    """
    A copy of an older version that comes after all is refused by what it finds there.

    Where the gateway may not look at the destination it lands, and whoever made it puts it right.
    """
    if not may_look:
        denied = AccessDenied("only writing is allowed")
        slow.store.fail("head", denied, call=None, when=lambda at, *_: at == DESTINATION)
    older = await depot.land(b"older")
    await slow.begin()
    slow.log.fail("renew", StoreUnavailable("throttled"), call=None)
    newer = await depot.land(b"newer")
    await slow.pass_time(LEASE)
    assert await depot.worker(BOB).run_once() == 2
    assert await depot.delivered() == b"newer"
    await slow.end()
    assert await depot.delivered() == b"newer"
    assert slow.store.count("copy") == copies
    assert (await depot.delivery(older)).status is S.SUPERSEDED
    assert (await depot.delivery(newer)).status is S.DELIVERED


async def test_late_but_unchallenged(depot, slow):
    """A worker that was suspended past its lease still settles if nobody came meanwhile."""
    log_id = await depot.land(BODY)
    await slow.begin()
    slow.log.fail("renew", StoreUnavailable("throttled"), call=None)
    await slow.pass_time(3 * LEASE)
    await slow.end()
    assert (await depot.delivery(log_id)).status is S.DELIVERED
