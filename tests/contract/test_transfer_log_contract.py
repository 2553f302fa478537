"""What every `TransferLog` promises, whoever offers it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest

from tidegate.core.deliveries import DeliveryTarget, owed
from tidegate.core.errors import ChangedMeanwhile, IllegalTransition, NotFound
from tidegate.core.ids import GatewayId, new_log_id
from tidegate.core.imports import NOBODY
from tidegate.core.limits import S3_MAX_OBJECT_BYTES
from tidegate.core.objects import Location, StoredObject
from tidegate.core.transfers import OPEN_STATUSES, Content, Direction, TransferQuery, TransferStatus
from tidegate.ports.transfer_log import DEFAULT_DAYS_BACK, Story

S = TransferStatus
CONTENT = Content(size=12, sha256="ab" * 32)
LATER = timedelta(minutes=2)


def stored_as(record, version_id="v1") -> StoredObject:
    location = Location(record.bucket, record.object_key)
    return StoredObject(location, CONTENT.size, '"e1"', version_id, kms_key_id=record.kms_key_id)


def deliveries_of(record, *targets, at):
    source = Location(record.bucket, record.object_key)
    wanted = tuple(DeliveryTarget(name, f"{name}-bucket", "in/", None) for name in targets)
    return owed(record.log_id, source, "v1", '"e1"', wanted, at)


async def complete(log, record, at, *targets, owner=None, superseded=False):
    deliveries = deliveries_of(record, *targets, at=at)
    await log.complete(
        owner or record.owner, CONTENT, stored_as(record), deliveries, superseded=superseded, at=at
    )
    return deliveries


async def found(log, **query):
    return [record async for record in log.find(TransferQuery(**query))]


# Every write an owner can make; each is tried by those who do not own the record.
WRITES = {
    "set_upload_id": lambda log, record, owner, at: log.set_upload_id(owner, "upload-2"),
    "finishing": lambda log, record, owner, at: log.finishing(owner, CONTENT, at),
    "complete": lambda log, record, owner, at: complete(log, record, at, "archive", owner=owner),
    "end": lambda log, record, owner, at: log.end(owner, S.FAILED, at, error="x"),
}


class TestStart:
    async def test_comes_back_as_it_was_written(self, log, started):
        """A record just started is the whole story of its LogID."""
        assert await log.story(started.log_id) == Story(started, ())

    async def test_every_attribute(self, log, transfer, now):
        """Every attribute of a record is kept, whatever its characters and however large its numbers."""
        record = transfer(
            direction=Direction.DOWNLOAD,
            status=S.COMPLETED,
            path="/ü/日本 😀",
            object_key="a//b/../ü\n",
            client_version="",
            timestamp=now + LATER,
            fence=7,
            upload_id="upload",
            version_id="v",
            etag='"e-2"',
            size=S3_MAX_OBJECT_BYTES,
            sha256="00",
            delivery_targets=("z", "a"),
            superseded=True,
            error="line one\nline two",
        )
        await log.start(record)
        assert (await log.story(record.log_id)).transfer == record

    async def test_times_are_kept_to_the_millisecond(self, log, transfer, now):
        """A moment comes back within a millisecond, and aware."""
        record = transfer(started_at=now.replace(microsecond=123_456))
        await log.start(record)
        kept = (await log.story(record.log_id)).transfer.started_at
        assert abs(kept - record.started_at) < timedelta(milliseconds=1)

    async def test_again(self, log, started):
        """Starting again is no error, and changes nothing."""
        await log.start(started)
        assert await log.story(started.log_id) == Story(started, ())

    async def test_again_after_the_upload_id(self, log, started):
        """A start that is repeated late does not lose the upload id."""
        await log.set_upload_id(started.owner, "upload-1")
        with contextlib.suppress(ChangedMeanwhile):
            await log.start(started)
        assert (await log.story(started.log_id)).transfer.upload_id == "upload-1"

    @pytest.mark.parametrize("changes", [{"gateway_id": GatewayId("gw-other")}, {"fence": 2}])
    async def test_by_another_owner(self, log, started, changes):
        """A LogID that another owner has started cannot be started."""
        with pytest.raises(ChangedMeanwhile):
            await log.start(replace(started, path="/other", **changes))
        assert await log.story(started.log_id) == Story(started, ())


class TestStartCompleted:
    async def test_record_and_deliveries(self, log, transfer, now):
        """Both are there at once, the record is an end, and what it owes is due."""
        record = transfer(direction=Direction.IMPORT, status=S.COMPLETED, delivery_targets=("a", "b"))
        deliveries = deliveries_of(record, "a", "b", at=now)
        await log.start_completed(record, deliveries)
        assert await log.story(record.log_id) == Story(record, deliveries)
        assert not [each for shard in range(16) for each in await log.open_records(shard)]
        due = [work.item for shard in range(16) for work in await log.due(shard, now)]
        assert sorted(due) == ["delivery#a", "delivery#b"]

    async def test_again(self, log, transfer, now):
        """A second one of the LogID is ChangedMeanwhile, and leaves record and deliveries as they were."""
        record = transfer(direction=Direction.IMPORT, status=S.COMPLETED, delivery_targets=("a",))
        deliveries = deliveries_of(record, "a", at=now)
        await log.start_completed(record, deliveries)
        claimed = await log.claim(record.log_id, "a", GatewayId("gw-1"), now, now + LATER)
        for again in (record, replace(record, gateway_id=GatewayId("gw-other"))):
            with pytest.raises(ChangedMeanwhile):
                await log.start_completed(again, deliveries)
        assert await log.story(record.log_id) == Story(record, (claimed,))

    async def test_of_an_open_record(self, log, started, now):
        """What somebody has started is not completed in this way."""
        with pytest.raises(ChangedMeanwhile):
            await log.start_completed(started.moved(S.COMPLETED, now), deliveries_of(started, "a", at=now))
        assert await log.story(started.log_id) == Story(started, ())

    async def test_is_found_among_nobodys(self, log, transfer):
        """What is on record under no user's name is listed by day, and by that name."""
        record = transfer(direction=Direction.IMPORT, status=S.COMPLETED, user_name=NOBODY)
        await log.start_completed(record, ())
        assert await found(log) == [record]
        assert await found(log, user_name=NOBODY) == [record]


class TestOwnership:
    @pytest.mark.parametrize("write", WRITES)
    @pytest.mark.parametrize("changes", [{"gateway_id": GatewayId("gw-other")}, {"fence": 2}, {"fence": 0}])
    async def test_nobody_else_writes(self, log, started, now, write, changes):
        """A write under a foreign gateway id or fence is ChangedMeanwhile, and nothing is changed."""
        await log.set_upload_id(started.owner, "upload-1")
        before = await log.story(started.log_id)
        with pytest.raises(ChangedMeanwhile):
            await WRITES[write](log, started, replace(started.owner, **changes), now + LATER)
        assert await log.story(started.log_id) == before

    @pytest.mark.parametrize("write", WRITES)
    async def test_nobody_writes_what_was_never_started(self, log, transfer, now, write):
        """A write to an unknown LogID is ChangedMeanwhile, and starts nothing."""
        record = transfer()
        with pytest.raises(ChangedMeanwhile):
            await WRITES[write](log, record, record.owner, now)
        with pytest.raises(NotFound):
            await log.story(record.log_id)

    @pytest.mark.parametrize("write", WRITES)
    async def test_nobody_writes_after_the_end(self, log, started, now, write):
        """A record that is over stays as it is, even for its owner."""
        await log.end(started.owner, S.ABANDONED, now)
        before = await log.story(started.log_id)
        with pytest.raises(ChangedMeanwhile):
            await WRITES[write](log, started, started.owner, now + LATER)
        assert await log.story(started.log_id) == before

    @pytest.mark.parametrize("status", [S.PARTIAL, S.ABANDONED])
    async def test_only_legal_moves(self, log, started, now, status):
        """A move the state table does not have is refused: an upload that was FINISHING is not given up."""
        await log.finishing(started.owner, CONTENT, now)
        before = await log.story(started.log_id)
        with pytest.raises(ChangedMeanwhile):
            await log.end(started.owner, status, now + LATER)
        assert await log.story(started.log_id) == before


class TestUnderWay:
    async def test_upload_id(self, log, started):
        """The upload id is noted, and may be noted again."""
        await log.set_upload_id(started.owner, "upload-1")
        await log.set_upload_id(started.owner, "upload-1")
        assert (await log.story(started.log_id)).transfer == replace(started, upload_id="upload-1")

    async def test_finishing(self, log, started, now):
        """FINISHING says when, and what the upload is; saying it again changes nothing."""
        at = now + LATER
        await log.finishing(started.owner, CONTENT, at)
        await log.finishing(started.owner, CONTENT, at)
        expected = replace(
            started, status=S.FINISHING, timestamp=at, size=CONTENT.size, sha256=CONTENT.sha256
        )
        assert await log.story(started.log_id) == Story(expected, ())


class TestComplete:
    @pytest.mark.parametrize("superseded", [False, True])
    async def test_writes_record_and_deliveries(self, log, started, now, superseded):
        """COMPLETED comes with what was stored and every delivery owed, in order of the targets' names."""
        at = now + LATER
        await log.finishing(started.owner, CONTENT, now)
        deliveries = await complete(log, started, at, "vault", "archive", superseded=superseded)
        expected = replace(
            started,
            status=S.COMPLETED,
            timestamp=at,
            size=CONTENT.size,
            sha256=CONTENT.sha256,
            version_id="v1",
            etag='"e1"',
            delivery_targets=("vault", "archive"),
            superseded=superseded,
        )
        assert await log.story(started.log_id) == Story(expected, (deliveries[1], deliveries[0]))

    async def test_without_finishing_and_deliveries(self, log, started, now):
        """A small file goes from STARTED to COMPLETED; owing nothing is fine."""
        await complete(log, started, now)
        story = await log.story(started.log_id)
        assert (story.transfer.status, story.deliveries) == (S.COMPLETED, ())

    async def test_release_of_a_suspect(self, log, started, now):
        """A file held back is completed when released, and owes its deliveries from then."""
        await log.end(started.owner, S.SUSPECT, now, error="too short", content=CONTENT)
        await complete(log, started, now + LATER, "archive")
        story = await log.story(started.log_id)
        assert (story.transfer.status, len(story.deliveries)) == (S.COMPLETED, 1)

    async def test_again(self, log, started, now):
        """A repeat says so or is silent, and never writes deliveries a second time."""
        await complete(log, started, now, "archive")
        before = await log.story(started.log_id)
        with contextlib.suppress(ChangedMeanwhile):
            await complete(log, started, now, "archive")
        assert await log.story(started.log_id) == before

    async def test_again_leaves_claims_alone(self, log, started, now):
        """A repeat does not take a delivery out of the hands of the worker that has claimed it."""
        await complete(log, started, now, "archive")
        claimed = await log.claim(started.log_id, "archive", GatewayId("gw-w"), now, now + LATER)
        with contextlib.suppress(ChangedMeanwhile):
            await complete(log, started, now, "archive")
        assert (await log.story(started.log_id)).deliveries == (claimed,)

    async def test_race_with_another_end(self, log, transfer, now):
        """Of completing and failing at once exactly one happens, with its deliveries or without."""
        for _ in range(5):
            record = transfer()
            await log.start(record)
            outcomes = await asyncio.gather(
                complete(log, record, now, "archive", "vault"),
                log.end(record.owner, S.FAILED, now),
                return_exceptions=True,
            )
            assert [isinstance(outcome, ChangedMeanwhile) for outcome in outcomes].count(True) == 1
            story = await log.story(record.log_id)
            expected = {S.COMPLETED: 2, S.FAILED: 0}
            assert len(story.deliveries) == expected[story.transfer.status]


class TestEnd:
    @pytest.mark.parametrize("status", [S.PARTIAL, S.SUSPECT, S.FAILED, S.ABANDONED])
    async def test_ends(self, log, started, now, status):
        """An end says when and why, and what was stored if anything was; it owes no delivery."""
        at = now + LATER
        await log.end(
            started.owner, status, at, error="gone", content=CONTENT, stored=stored_as(started, "v9")
        )
        expected = replace(
            started,
            status=status,
            timestamp=at,
            error="gone",
            size=CONTENT.size,
            sha256=CONTENT.sha256,
            version_id="v9",
            etag='"e1"',
        )
        assert await log.story(started.log_id) == Story(expected, ())

    async def test_keeps_what_is_not_given(self, log, started, now):
        """An end without content or object leaves those that are known."""
        await log.set_upload_id(started.owner, "upload-1")
        await log.finishing(started.owner, CONTENT, now)
        await log.end(started.owner, S.FAILED, now + LATER)
        record = (await log.story(started.log_id)).transfer
        assert (record.size, record.sha256, record.upload_id, record.error) == (
            12,
            "ab" * 32,
            "upload-1",
            None,
        )

    async def test_again(self, log, started, now):
        """An end repeated by its owner is no error."""
        await log.end(started.owner, S.FAILED, now, error="x")
        before = await log.story(started.log_id)
        await log.end(started.owner, S.FAILED, now, error="x")
        assert await log.story(started.log_id) == before

    @pytest.mark.parametrize("status", [S.COMPLETED, *sorted(OPEN_STATUSES)])
    async def test_is_no_way_to_complete_or_reopen(self, log, started, now, status):
        """COMPLETED without its deliveries, or an end that is none, is refused as illegal."""
        with pytest.raises(IllegalTransition):
            await log.end(started.owner, status, now)
        assert await log.story(started.log_id) == Story(started, ())


class TestFind:
    async def test_newest_first_over_days(self, log, transfer, now):
        """Transfers of many days come newest first, at most as many as asked for."""
        records = [transfer(started_at=now - timedelta(hours=11 * n)) for n in (2, 0, 4, 1, 3)]
        for record in records:
            await log.start(record)
        newest_first = sorted(records, key=lambda record: record.started_at, reverse=True)
        assert await found(log) == newest_first
        assert await found(log, limit=2) == newest_first[:2]
        assert await found(log, user_name="acme", limit=3) == newest_first[:3]
        assert await found(log, limit=0) == []

    async def test_by_user(self, log, transfer, now):
        """A query by user shows that user's alone, names compared exactly."""
        for n, name in enumerate(("acme", "acme2", "Acme", "acme")):
            await log.start(transfer(user_name=name, started_at=now - timedelta(minutes=n)))
        assert [r.user_name for r in await found(log, user_name="acme")] == ["acme", "acme"]
        assert await found(log, user_name="nobody") == []

    @pytest.mark.parametrize("user_name", [None, "acme"])
    async def test_since(self, log, transfer, now, user_name):
        """`since` includes the moment itself, and reaches back over days."""
        records = [transfer(started_at=now - timedelta(days=n)) for n in range(4)]
        for record in records:
            await log.start(record)
        since = records[2].started_at
        assert await found(log, user_name=user_name, since=since) == records[:3]
        assert await found(log, user_name=user_name, since=since + timedelta(milliseconds=1)) == records[:2]

    async def test_how_far_back_by_default(self, log, transfer, now):
        """Without user and `since` only the last days are searched; with either, all that is asked for."""
        days = (0, DEFAULT_DAYS_BACK - 1, DEFAULT_DAYS_BACK + 1, 300)
        records = [transfer(started_at=now - timedelta(days=n)) for n in days]
        for record in records:
            await log.start(record)
        assert await found(log) == records[:2]
        assert await found(log, status=S.STARTED, path_glob="*") == records[:2]
        assert await found(log, user_name="acme") == records
        assert await found(log, since=records[2].started_at) == records[:3]

    async def test_by_status_as_it_is_now(self, log, transfer, now):
        """A query by state sees the state a record has moved to."""
        records = [transfer(started_at=now - timedelta(minutes=n)) for n in range(3)]
        for record in records:
            await log.start(record)
        await log.end(records[1].owner, S.FAILED, now)
        assert [r.log_id for r in await found(log, status=S.FAILED)] == [records[1].log_id]
        assert await found(log, status=S.STARTED, user_name="acme") == [records[0], records[2]]

    @pytest.mark.parametrize(
        ("glob", "expected"),
        [
            ("*.csv", ["/a.csv", "/in/b.csv"]),
            ("/in/*", ["/in/b.csv", "/in/C.CSV"]),
            ("/[ab].csv", ["/a.csv"]),
        ],
    )
    async def test_by_path(self, log, transfer, now, glob, expected):
        """A glob is read as fnmatch does: case counts, and a star crosses slashes."""
        for n, path in enumerate(("/a.csv", "/in/b.csv", "/in/C.CSV")):
            await log.start(transfer(path=path, started_at=now - timedelta(minutes=n)))
        assert [r.path for r in await found(log, path_glob=glob)] == expected

    async def test_by_direction(self, log, transfer, now):
        """Only the directions asked for are shown; without asking, all."""
        for n, direction in enumerate(Direction):
            record = transfer(direction=direction, status=S.COMPLETED, started_at=now - timedelta(minutes=n))
            await log.start(record)
        assert [r.direction for r in await found(log)] == list(Direction)
        only = frozenset({Direction.IMPORT})
        assert [r.direction for r in await found(log, directions=only)] == [Direction.IMPORT]

    async def test_limit_counts_matches(self, log, transfer, now):
        """Records that do not match do not use up the limit."""
        for n in range(6):
            path = "/want" if n > 3 else "/other"
            await log.start(transfer(path=path, started_at=now - timedelta(hours=9 * n)))
        assert [r.path for r in await found(log, path_glob="/want", limit=2)] == ["/want", "/want"]

    async def test_shows_transfers_only(self, log, started, now):
        """Deliveries are no transfers."""
        await complete(log, started, now, "archive", "vault")
        assert [r.log_id for r in await found(log)] == [started.log_id]


async def test_story_of_nothing(log):
    """The story of a LogID nobody wrote is NotFound."""
    with pytest.raises(NotFound):
        await log.story(new_log_id())
