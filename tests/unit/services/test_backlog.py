"""What administrators see of deliveries that are not done, and what becomes of their decisions."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tidegate.core.deliveries import DeliveryStatus
from tidegate.core.errors import ChangedMeanwhile, IllegalTransition, NotFound, StoreUnavailable
from tidegate.core.ids import LogId, new_log_id
from tidegate.core.objects import Location
from tidegate.services.backlog import Backlog
from unit.services.depot import ALICE, ATTEMPTS, SOURCE, Depot
from unit.services.faults import AFTER

S = DeliveryStatus
BODY = b"the report"


@pytest.fixture
def depot():
    return Depot()


@pytest.fixture
def backlog(depot):
    return Backlog(depot.log, depot.clock)


async def die(depot: Depot, at: Location = SOURCE) -> LogId:
    """Let an upload land, and its delivery be given up."""
    log_id = await depot.land(BODY, at)
    store, _ = depot.faulty()
    store.fail("copy", error=StoreUnavailable("no such bucket"), call=None)
    for _ in range(ATTEMPTS):
        await depot.worker(store=store).attempt(log_id, "archive")
        depot.clock.advance(3600)
    assert (await depot.delivery(log_id)).status is S.DEAD
    return log_id


class TestFound:
    async def test_dead_and_pending(self, depot, backlog):
        """Each list has its own, of whatever shard, those of the oldest uploads first."""
        dead = sorted([await die(depot, Location("landing", f"dead-{n}")) for n in range(3)])
        waiting = sorted([await depot.land(BODY, Location("landing", f"file-{n}")) for n in range(20)])
        assert [each.log_id for each in await backlog.dead()] == dead
        assert [each.log_id for each in await backlog.pending()] == waiting
        assert await backlog.dead("vault") == await backlog.pending("vault") == []
        assert len(await backlog.dead("archive")) == 3

    async def test_pending_is_more_than_due(self, depot, backlog):
        """What is claimed, or waits for its next attempt, is owed too."""
        log_id = await depot.land(BODY)
        now = depot.clock.now()
        await depot.log.claim(log_id, "archive", ALICE, now, now + timedelta(days=400))
        assert [each.lease_owner for each in await backlog.pending()] == [ALICE]

    async def test_rows_that_are_late(self, depot):
        """The item counts: a row of what was replayed a moment ago shows nothing."""
        log_id = await die(depot)
        stale = {shard: await depot.log.dead(shard) for shard in range(16)}
        await depot.log.replay(log_id, "archive", depot.clock.now())
        _, log = depot.faulty()
        log.dead = lambda shard: _answer(stale[shard])
        assert await Backlog(log, depot.clock).dead() == []


class TestReplay:
    async def test_is_delivered(self, depot, backlog, told):
        """What is replayed is due at once, delivered by any worker, and leaves a line in the log."""
        log_id = await die(depot)
        (replayed,) = await backlog.replay(await backlog.replayable_of(log_id))
        assert (replayed.status, replayed.attempts, replayed.error) == (S.PENDING, 0, "no such bucket")
        (line,) = [each for each in told if each["event"] == "delivery replayed"]
        assert (line["log_level"], line["log_id"], line["target"]) == ("warning", log_id, "archive")
        assert (line["attempts"], line["last_error"]) == (ATTEMPTS, "no such bucket")
        await depot.worker().run_once()
        assert await depot.delivered() == BODY
        delivery = await depot.delivery(log_id)
        assert (delivery.status, delivery.attempts, delivery.error) == (S.DELIVERED, 1, None)

    async def test_an_answer_that_was_lost(self, depot):
        """A write that took effect, and was refused when repeated, has replayed the delivery."""
        log_id = await die(depot)
        _, log = depot.faulty()
        log.fail("replay", ChangedMeanwhile("repeated"), moment=AFTER)
        backlog = Backlog(log, depot.clock)
        (replayed,) = await backlog.replay(await backlog.replayable_of(log_id))
        assert replayed.status is S.PENDING

    async def test_changed_meanwhile(self, depot, backlog, told):
        """What somebody else has discarded stays so; no line says that it was replayed."""
        log_id = await die(depot)
        dead = await backlog.dead()
        await depot.log.discard(log_id, "archive", "why", depot.clock.now())
        assert [each.status for each in await backlog.replay(dead)] == [S.DISCARDED]
        assert "delivery replayed" not in [each["event"] for each in told]

    async def test_one_that_fails(self, depot):
        """If one of many cannot be written, the others begun with it are; the error is told."""
        dead = [await die(depot, Location("landing", f"file-{n}")) for n in range(3)]
        _, log = depot.faulty()
        log.fail("replay", error=StoreUnavailable("away"), call=2)
        backlog = Backlog(log, depot.clock)
        with pytest.raises(StoreUnavailable, match="away"):
            await backlog.replay(await backlog.dead())
        assert len(await backlog.dead()) == 1
        assert len(await backlog.pending()) == len(dead) - 1

    async def test_nothing_to_replay(self, depot, backlog):
        """It is said in which state things are instead, and which targets there are."""
        log_id = await depot.land(BODY)
        with pytest.raises(NotFound, match=f"nothing to replay of {log_id}: archive is PENDING"):
            await backlog.replayable_of(log_id)
        with pytest.raises(NotFound, match=r"owes nothing to vault.*its targets: archive"):
            await backlog.replayable_of(log_id, "vault")
        with pytest.raises(NotFound, match="no delivery of"):
            await backlog.replayable_of(new_log_id())


class TestDiscard:
    async def test_ends_it(self, depot, backlog, told):
        """What is given up for good has the reason; the log keeps what was said before."""
        log_id = await die(depot)
        discarded = await backlog.discard(log_id, "archive", "sent by mail")
        assert (discarded.status, discarded.error) == (S.DISCARDED, "sent by mail")
        assert await depot.delivery(log_id) == discarded
        (line,) = [each for each in told if each["event"] == "delivery discarded"]
        assert (line["was"], line["reason"], line["last_error"]) == ("DEAD", "sent by mail", "no such bucket")

    async def test_an_answer_that_was_lost(self, depot):
        """A write that took effect, and was refused when repeated, has discarded the delivery."""
        log_id = await depot.land(BODY)
        _, log = depot.faulty()
        log.fail("discard", ChangedMeanwhile("repeated"), moment=AFTER)
        assert (await Backlog(log, depot.clock).discard(log_id, "archive", "why")).error == "why"

    async def test_what_has_ended(self, depot, backlog):
        """A delivery that was made cannot be discarded."""
        log_id = await depot.land(BODY)
        await depot.worker().run_once()
        with pytest.raises(IllegalTransition, match="from DELIVERED to DISCARDED"):
            await backlog.discard(log_id, "archive", "why")

    async def test_under_way(self, depot, backlog):
        """A delivery that a worker has is left to it, and it is said whose it is."""
        log_id = await depot.land(BODY)
        now = depot.clock.now()
        await depot.log.claim(log_id, "archive", ALICE, now, now + timedelta(minutes=1))
        with pytest.raises(ChangedMeanwhile, match=f"under way: {ALICE} has it"):
            await backlog.discard(log_id, "archive", "why")


async def _answer(rows):
    return rows
