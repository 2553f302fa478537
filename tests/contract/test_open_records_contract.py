"""What every `TransferLog` promises a sweep: open records are found, and taken over by one at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tidegate.core.errors import ChangedMeanwhile
from tidegate.core.ids import GatewayId
from tidegate.core.objects import Location, StoredObject
from tidegate.core.shards import shard_of
from tidegate.core.transfers import OPEN_STATUSES, Content, TransferStatus
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS, OpenRecord

S = TransferStatus
SWEEPER, OTHER = GatewayId("gw-sweeper"), GatewayId("gw-other")
CONTENT = Content(size=12, sha256="ab" * 32)
LATER = timedelta(minutes=2)


async def open_like(log, record) -> list[OpenRecord]:
    """Return the open records of this record's shard."""
    return await log.open_records(shard_of(record.log_id))


class TestOpenRecords:
    async def test_in_its_own_shard(self, log, transfer):
        """An open record is in the shard of its LogID and in no other, with the gateway it belongs to."""
        records = [transfer(gateway_id=GatewayId(f"gw-{n}")) for n in range(6)]
        for record in records:
            await log.start(record)
        for shard in range(OPEN_WORK_SHARDS):
            ours = {OpenRecord(r.log_id, r.gateway_id, None) for r in records if shard_of(r.log_id) == shard}
            assert set(await log.open_records(shard)) == ours

    @pytest.mark.parametrize("status", list(S))
    async def test_written_at_once(self, log, transfer, status):
        """A record written in an open state is listed, one written at its end is not."""
        record = transfer(status=status)
        await log.start(record)
        assert len(await open_like(log, record)) == (1 if status in OPEN_STATUSES else 0)

    async def test_until_it_ends(self, log, started, now):
        """FINISHING and SWEEPING are open still, whoever owns it then; an end closes the record."""
        await log.set_upload_id(started.owner, "upload-1")
        await log.finishing(started.owner, CONTENT, now)
        assert await open_like(log, started) == [OpenRecord(started.log_id, started.gateway_id, "upload-1")]
        taken = await log.take_over((await log.story(started.log_id)).transfer, SWEEPER, now)
        assert await open_like(log, started) == [OpenRecord(started.log_id, SWEEPER, "upload-1")]
        await log.end(taken.owner, S.FAILED, now)
        assert await open_like(log, started) == []

    async def test_shows_no_deliveries(self, log, started, now):
        """A delivery that is due is no open transfer."""
        source = Location(started.bucket, started.object_key)
        stored = StoredObject(source, CONTENT.size, '"e"', "v1")
        await log.complete(started.owner, CONTENT, stored, (), superseded=False, at=now)
        assert await open_like(log, started) == []


class TestTakeOver:
    async def test_takes_it(self, log, started, now):
        """The sweeper owns the record, SWEEPING, under a fence one higher; the rest is as it was."""
        await log.set_upload_id(started.owner, "upload-1")
        read = (await log.story(started.log_id)).transfer
        taken = await log.take_over(read, SWEEPER, now + LATER)
        assert taken == replace(
            read, status=S.SWEEPING, timestamp=now + LATER, gateway_id=SWEEPER, fence=read.fence + 1
        )
        assert (await log.story(started.log_id)).transfer == taken

    async def test_old_owner_writes_no_more(self, log, started, now):
        """What the old owner tries after that is ChangedMeanwhile, and changes nothing."""
        taken = await log.take_over(started, SWEEPER, now)
        stored = StoredObject(Location(started.bucket, started.object_key), CONTENT.size, '"e"', "v1")
        for attempt in (
            lambda: log.set_upload_id(started.owner, "late"),
            lambda: log.finishing(started.owner, CONTENT, now),
            lambda: log.complete(started.owner, CONTENT, stored, (), superseded=False, at=now),
            lambda: log.end(started.owner, S.FAILED, now),
        ):
            with pytest.raises(ChangedMeanwhile):
                await attempt()
        assert (await log.story(started.log_id)).transfer == taken

    @pytest.mark.parametrize("status", [S.COMPLETED, S.PARTIAL, S.ABANDONED])
    async def test_sweeper_decides(self, log, started, now, status):
        """Its new owner may end it in any way, complete it included."""
        taken = await log.take_over(started, SWEEPER, now)
        stored = StoredObject(Location(started.bucket, started.object_key), CONTENT.size, '"e"', "v1")
        if status is S.COMPLETED:
            await log.complete(taken.owner, CONTENT, stored, (), superseded=False, at=now)
        else:
            await log.end(taken.owner, status, now, error="gone")
        assert (await log.story(started.log_id)).transfer.status is status

    async def test_from_a_dead_sweeper(self, log, started, now):
        """A record in SWEEPING is taken over like any other, and then the first sweeper writes no more."""
        first = await log.take_over(started, SWEEPER, now)
        second = await log.take_over(first, OTHER, now)
        assert (second.gateway_id, second.fence) == (OTHER, started.fence + 2)
        with pytest.raises(ChangedMeanwhile):
            await log.end(first.owner, S.ABANDONED, now)

    async def test_not_as_it_was_read(self, log, started, now):
        """A record that has ended or changed hands since it was read is not taken."""
        await log.take_over(started, SWEEPER, now)
        before = await log.story(started.log_id)
        with pytest.raises(ChangedMeanwhile):
            await log.take_over(started, OTHER, now)
        assert await log.story(started.log_id) == before

    @pytest.mark.parametrize("status", [S.PARTIAL, S.SUSPECT, S.FAILED, S.ABANDONED])
    async def test_ended_meanwhile(self, log, started, now, status):
        """What has ended is left alone, even by its owner's name."""
        await log.end(started.owner, status, now)
        before = await log.story(started.log_id)
        with pytest.raises(ChangedMeanwhile):
            await log.take_over(started, SWEEPER, now + LATER)
        assert await log.story(started.log_id) == before

    async def test_never_started(self, log, transfer, now):
        """A record that is not there is not taken, and does not come to be."""
        never = transfer()
        with pytest.raises(ChangedMeanwhile):
            await log.take_over(never, SWEEPER, now)
        assert await open_like(log, never) == []

    async def test_exactly_one_sweeper_wins(self, log, started, now):
        """Of many sweepers at once exactly one takes the record."""
        sweepers = [GatewayId(f"gw-{n}") for n in range(8)]
        outcomes = await asyncio.gather(
            *(log.take_over(started, sweeper, now) for sweeper in sweepers), return_exceptions=True
        )
        (winner,) = [outcome for outcome in outcomes if not isinstance(outcome, ChangedMeanwhile)]
        assert (await log.story(started.log_id)).transfer == winner
