"""What every `SuspectLog` promises: one decision, whole or not at all; what waits is found when due."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tidegate.core.deliveries import DeliveryTarget, owed
from tidegate.core.errors import ChangedMeanwhile
from tidegate.core.ids import new_log_id
from tidegate.core.objects import StoredObject
from tidegate.core.shards import shard_of
from tidegate.core.transfers import Content, Decision, TransferStatus
from tidegate.ports.transfer_log import OpenWork, Story

S = TransferStatus
CONTENT = Content(12, "ab" * 32)
LATER = timedelta(minutes=2)


@pytest.fixture
def hold_back(log, transfer, now):
    """Let an upload be SUSPECT, and wait if it is to be looked at; return its record."""

    async def hold_back(look_at=None, **changes):
        record = transfer(delivery_targets=("archive", "vault"), **changes)
        await log.start(record)
        stored = StoredObject(record.location, 12, '"e1"', "v1")
        await log.end(
            record.owner, S.SUSPECT, now, error="waits", content=CONTENT, stored=stored, look_at=look_at
        )
        return (await log.story(record.log_id)).transfer

    return hold_back


def deliveries_of(record, at, *names):
    targets = tuple(DeliveryTarget(name, f"{name}-bucket", "in/", None) for name in names)
    return owed(record.log_id, record.location, record.version_id, record.etag, targets, at)


async def waiting_like(log, record, at):
    return await log.waiting(shard_of(record.log_id), at)


class TestWaiting:
    async def test_is_found_when_it_is_due(self, log, hold_back, now):
        """Not before; at that moment and after it; as a row that names the record."""
        record = await hold_back(look_at=now + LATER)
        assert record.look_at == now + LATER
        assert await waiting_like(log, record, now + LATER - timedelta(milliseconds=1)) == []
        assert await waiting_like(log, record, now + LATER) == [
            OpenWork(record.log_id, "transfer", now + LATER)
        ]

    async def test_only_what_waits(self, log, hold_back, started, now):
        """A file that waits for nobody, and an open one, are not found; nor is what waits an open record."""
        held = await hold_back()
        waits = await hold_back(look_at=now, log_id=new_log_id())
        far = now + timedelta(days=1)
        for record in (held, started):
            assert record.log_id not in {row.log_id for row in await waiting_like(log, record, far)}
        assert [row.log_id for row in await waiting_like(log, waits, far)] == [waits.log_id]
        rows = await log.open_records(shard_of(waits.log_id)) + await log.open_records(shard_of(held.log_id))
        assert not {row.log_id for row in rows} & {held.log_id, waits.log_id}
        assert await log.due(shard_of(waits.log_id), far) == []

    async def test_longest_due_first_and_bounded(self, log, hold_back, now):
        """Of many in one shard those that are due longest, and no more than were asked for."""
        records = []
        while len(records) < 3:
            log_id = new_log_id()
            if shard_of(log_id) == 5:
                due = now - timedelta(seconds=len(records))
                records.append(await hold_back(look_at=due, log_id=log_id))
        found = await log.waiting(5, now, 2)
        assert [row.log_id for row in found] == [records[2].log_id, records[1].log_id]
        rest = await log.waiting(5, now, 2, found[-1])
        assert [row.log_id for row in rest] == [records[0].log_id]
        await log.hold_back(records[1], "waits", now + LATER)
        assert await log.waiting(5, now, 2, found[-1]) == rest, "though that row is not there any more"
        assert await log.waiting(5, now, 2, rest[-1]) == []


class TestHoldBack:
    async def test_another_reason_and_time(self, log, hold_back, now):
        """The record says why now, and is found when that is due; all else is as it was."""
        record = await hold_back(look_at=now)
        await log.hold_back(record, "other bytes", now + LATER)
        expected = replace(record, error="other bytes", look_at=now + LATER)
        assert await log.story(record.log_id) == Story(expected, ())
        assert await waiting_like(log, record, now) == []
        await log.hold_back(record, "other bytes", now + LATER)
        assert await log.story(record.log_id) == Story(expected, ())

    async def test_for_good(self, log, hold_back, now):
        """Without a time it waits no longer."""
        record = await hold_back(look_at=now)
        await log.hold_back(record, "gone", None)
        assert (await log.story(record.log_id)).transfer == replace(record, error="gone", look_at=None)
        assert await waiting_like(log, record, now + timedelta(days=1)) == []


class TestDecisions:
    @pytest.mark.parametrize("superseded", [False, True])
    async def test_release(self, log, hold_back, now, superseded):
        """COMPLETED, with its deliveries and who let it go; it waits no longer."""
        record = await hold_back(look_at=now)
        decision = Decision("ann@ops", "it is right", now + LATER)
        deliveries = deliveries_of(record, now + LATER, "vault")
        await log.release(record, deliveries, decision, superseded=superseded)
        expected = replace(
            record,
            status=S.COMPLETED,
            timestamp=now + LATER,
            delivery_targets=("vault",),
            superseded=superseded,
            look_at=None,
            decided_by="ann@ops",
            decision="it is right",
        )
        assert await log.story(record.log_id) == Story(expected, deliveries)
        assert await waiting_like(log, record, now + timedelta(days=1)) == []

    async def test_drop(self, log, hold_back, now):
        """FAILED, owing nothing; what was stored stays described, and so does why it was held back."""
        record = await hold_back(look_at=now)
        await log.drop(record, Decision("ann", "", now + LATER))
        expected = replace(
            record,
            status=S.FAILED,
            timestamp=now + LATER,
            delivery_targets=(),
            look_at=None,
            decided_by="ann",
        )
        assert await log.story(record.log_id) == Story(expected, ())
        assert await waiting_like(log, record, now + timedelta(days=1)) == []

    @pytest.mark.parametrize("first", ["release", "drop"])
    async def test_nothing_after_a_decision(self, log, hold_back, now, first):
        """What is decided cannot be decided again, held back again, or owe twice."""
        record = await hold_back(look_at=now)
        decision, deliveries = Decision("ann", "x", now), deliveries_of(record, now, "archive")
        if first == "release":
            await log.release(record, deliveries, decision, superseded=False)
        else:
            await log.drop(record, decision)
        before = await log.story(record.log_id)
        for late in (
            log.release(record, deliveries_of(record, now, "vault"), decision, superseded=False),
            log.drop(record, decision),
            log.hold_back(record, "late", now),
        ):
            with pytest.raises(ChangedMeanwhile):
                await late
        assert await log.story(record.log_id) == before

    async def test_only_of_suspects(self, log, started, now):
        """A record in another state is left alone."""
        decision = Decision("ann", "x", now)
        for wrong in (
            log.release(started, deliveries_of(started, now), decision, superseded=False),
            log.drop(started, decision),
            log.hold_back(started, "x", now),
        ):
            with pytest.raises(ChangedMeanwhile):
                await wrong
        assert (await log.story(started.log_id)).transfer == started

    async def test_all_or_nothing(self, log, hold_back, now):
        """A release that cannot write its deliveries does not happen at all."""
        record = await hold_back(look_at=now)
        one = deliveries_of(record, now, "archive")
        await log.release(record, one, Decision("ann", "x", now), superseded=False)
        # With deliveries that are on record already.
        other = await hold_back(look_at=now, log_id=new_log_id())
        before = await log.story(other.log_id)
        with pytest.raises(ChangedMeanwhile):
            await log.release(other, one, Decision("ann", "x", now), superseded=False)
        assert await log.story(other.log_id) == before

    async def test_race(self, log, hold_back, now):
        """Of any number at once exactly one decision is made, and every delivery is written once."""
        for _ in range(3):
            record = await hold_back(look_at=now, log_id=new_log_id())
            deliveries = deliveries_of(record, now, "archive", "vault")
            outcomes = await asyncio.gather(
                *(
                    log.release(record, deliveries, Decision(f"gw-{n}", "x", now), superseded=False)
                    for n in range(3)
                ),
                log.drop(record, Decision("ann", "x", now)),
                return_exceptions=True,
            )
            assert [isinstance(each, ChangedMeanwhile) for each in outcomes].count(True) == 3
            story = await log.story(record.log_id)
            assert len(story.deliveries) == {S.COMPLETED: 2, S.FAILED: 0}[story.transfer.status]
