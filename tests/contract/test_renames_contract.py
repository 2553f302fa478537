"""What every `RenameLog` promises: an intent that lasts, one owner at a time, one outcome."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tidegate.adapters.aws.transfer_log import DynamoTransferLog
from tidegate.core.errors import ChangedMeanwhile, IllegalTransition, NotFound
from tidegate.core.ids import GatewayId, new_log_id
from tidegate.core.objects import META_TRANSFER_ID, Location, StoredObject
from tidegate.core.renames import Rename, RenameStatus
from tidegate.core.sessions import Session
from tidegate.core.shards import shard_of
from tidegate.core.transfers import TransferQuery
from tidegate.ports.renames import PendingRename
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS, Story

S = RenameStatus
OURS, SWEEPER = GatewayId("gw-ours"), GatewayId("gw-sweeper")
SESSION = Session("0123456789abcdef", "s-0123456789abcdef0", "acme", "192.0.2.7", "SSH-2.0-x", "SHA256:k")
LATER = timedelta(minutes=2)


@pytest.fixture
def rename(now):
    """Make a PENDING rename of now, of an upload with this LogID or of a foreign object."""

    def rename(log_id: str = "", **changes: object) -> Rename:
        metadata = {META_TRANSFER_ID: log_id} if log_id else {}
        stored = StoredObject(Location("landing", "acme/a"), 3, '"e"', "v1", metadata=metadata)
        target = Location("landing", "acme/b")
        return replace(Rename.begun(SESSION, ("/a", "/b"), stored, target, "*", OURS, now), **changes)

    return rename


async def pending_like(log, rename) -> list[PendingRename]:
    return await log.pending_renames(shard_of(rename.log_id))


class TestIntend:
    async def test_is_in_the_story_of_the_file(self, log, started, rename, now):
        """Beside the record, oldest first, every member as it was written."""
        first = rename(started.log_id, started_at=now - LATER)
        second = rename(started.log_id, version_id=None, replacing='"old"', holds=True)
        first, second = replace(first, rename_id="1"), replace(second, rename_id="2")
        await log.intend(second)
        await log.intend(first)
        assert await log.story(started.log_id) == Story(started, (), (first, second))

    async def test_of_a_directory(self, log, rename, now):
        """Prefixes, no ETag, the moment up to which things were stored; found and settled like any other."""
        source, target = Location("landing", "acme/a/"), Location("landing", "acme/b/")
        intended = rename(source=source, target=target, etag="", version_id=None, as_of=now + LATER)
        await log.intend(intended)
        [kept] = (await log.story(intended.log_id)).renames
        assert (kept, kept.is_directory) == (intended, True)
        assert [row.rename_id for row in await pending_like(log, intended)] == [intended.rename_id]
        done = intended.settled(S.DONE, now + LATER)
        await log.settle_rename(done)
        assert (await log.story(intended.log_id)).renames == (done,)

    async def test_of_a_file_that_was_renamed_often(self, log, started, rename):
        """A story is told whole, however long it is: the record itself is not lost at its end."""
        often = [rename(started.log_id, rename_id=f"{n:02}", path="/" + 90_000 * "a") for n in range(15)]
        for each in often:
            await log.intend(each)
        assert await log.story(started.log_id) == Story(started, (), tuple(often))

    async def test_of_a_foreign_object(self, log, rename):
        """Under a LogID of its own there is a story without a transfer, and asking for that is NotFound."""
        intended = rename()
        await log.intend(intended)
        story = await log.story(intended.log_id)
        assert story == Story(None, (), (intended,))
        with pytest.raises(NotFound):
            _ = story.transfer

    async def test_again(self, log, rename, now):
        """A repeat after a lost answer changes nothing, not even of what was settled; another's fails."""
        intended = rename()
        await log.intend(intended)
        done = intended.settled(S.DONE, now)
        await log.settle_rename(done)
        await log.intend(intended)
        with pytest.raises(ChangedMeanwhile):
            await log.intend(replace(intended, gateway_id=SWEEPER))
        assert (await log.story(intended.log_id)).renames == (done,)


class TestPending:
    async def test_in_its_own_shard(self, log, rename):
        """A PENDING rename is in the shard of its LogID and in no other, with the gateway it belongs to."""
        renames = [rename(gateway_id=GatewayId(f"gw-{n}")) for n in range(5)]
        for each in renames:
            await log.intend(each)
        for shard in range(OPEN_WORK_SHARDS):
            ours = {
                PendingRename(r.log_id, r.rename_id, r.gateway_id)
                for r in renames
                if shard_of(r.log_id) == shard
            }
            assert set(await log.pending_renames(shard)) == ours

    async def test_is_other_work_than_uploads_and_deliveries(self, log, started, rename, now):
        """The sweep of transfers, the workers of deliveries, and the lists of transfers pass it by."""
        await log.intend(rename(started.log_id))
        shard = shard_of(started.log_id)
        assert [each.log_id for each in await log.open_records(shard)] == [started.log_id]
        assert await log.due(shard, now + timedelta(days=1)) == []
        for query in (TransferQuery(), TransferQuery(user_name="acme")):
            assert [record async for record in log.find(query)] == [started]

    @pytest.mark.parametrize("status", [S.DONE, S.FAILED])
    async def test_until_it_is_settled(self, log, rename, now, status):
        """What is settled is no work any more; its outcome is kept."""
        intended = rename()
        await log.intend(intended)
        settled = intended.settled(status, now + LATER, "why" if status is S.FAILED else None)
        await log.settle_rename(settled)
        assert await pending_like(log, intended) == []
        assert (await log.story(intended.log_id)).renames == (settled,)


class TestSettle:
    async def test_again(self, log, rename, now):
        """The same outcome again is taken for a repeat; another one is refused, and so is none."""
        intended = rename()
        await log.intend(intended)
        done = intended.settled(S.DONE, now)
        await log.settle_rename(done)
        await log.settle_rename(done)
        with pytest.raises(ChangedMeanwhile):
            await log.settle_rename(intended.settled(S.FAILED, now, "no"))
        with pytest.raises(IllegalTransition):
            await log.settle_rename(intended)
        assert (await log.story(intended.log_id)).renames == (done,)

    async def test_never_intended(self, log, rename, now):
        """What was never intended is not settled, and does not come to be."""
        never = rename()
        with pytest.raises(ChangedMeanwhile):
            await log.settle_rename(never.settled(S.DONE, now))
        with pytest.raises(NotFound):
            await log.story(never.log_id)


class TestTakeOver:
    async def test_takes_it(self, log, rename, now):
        """The sweeper owns it, under a fence one higher; the old owner settles nothing any more."""
        intended = rename()
        await log.intend(intended)
        taken = await log.take_over_rename(intended, SWEEPER, now + LATER)
        assert taken == replace(intended, gateway_id=SWEEPER, fence=2, timestamp=now + LATER)
        assert await pending_like(log, intended) == [
            PendingRename(intended.log_id, intended.rename_id, SWEEPER)
        ]
        with pytest.raises(ChangedMeanwhile):
            await log.settle_rename(intended.settled(S.DONE, now))
        await log.settle_rename(taken.settled(S.DONE, now))

    async def test_settled_or_taken_meanwhile(self, log, rename, now):
        """What was settled, or is somebody else's by now, is not taken."""
        done, lost = rename(), rename()
        for each in (done, lost):
            await log.intend(each)
        await log.settle_rename(done.settled(S.DONE, now))
        await log.take_over_rename(lost, GatewayId("gw-other"), now)
        for each in (done, lost, rename()):
            with pytest.raises(ChangedMeanwhile):
                await log.take_over_rename(each, SWEEPER, now)

    async def test_exactly_one_sweeper_wins(self, log, rename, now):
        """Of many sweepers at once exactly one takes it."""
        intended = rename()
        await log.intend(intended)
        outcomes = await asyncio.gather(
            *(log.take_over_rename(intended, GatewayId(f"gw-{n}"), now) for n in range(6)),
            return_exceptions=True,
        )
        (winner,) = [outcome for outcome in outcomes if not isinstance(outcome, ChangedMeanwhile)]
        assert (await log.story(intended.log_id)).renames == (winner,)


@pytest.mark.parametrize("status", list(S))
async def test_only_what_is_settled_expires(log, clients, rename, now, status):
    """PENDING is kept for ever, an outcome for the days that were asked for."""
    intended = rename()
    await log.intend(intended)
    if status is not S.PENDING:
        await log.settle_rename(intended.settled(status, now))
    if not isinstance(log, DynamoTransferLog):
        log._clock.advance(timedelta(days=401).total_seconds())
        if status is S.PENDING:
            assert (await log.story(intended.log_id)).renames == (intended,)
        else:
            with pytest.raises(NotFound):
                await log.story(intended.log_id)
        return
    key = {"LogID": {"S": intended.log_id}, "Item": {"S": f"rename#{intended.rename_id}"}}
    item = clients.dynamodb.get_item(TableName=log._table, Key=key)["Item"]
    expires = int((now + timedelta(days=400)).timestamp())
    assert item.get("ExpiresAt", {}).get("N") == (None if status is S.PENDING else str(expires))


async def test_the_form_of_ids(rename):
    """Rename ids and LogIDs of foreign objects are made as LogIDs are."""
    one = rename()
    assert len(one.rename_id) == len(one.log_id) == len(new_log_id())
