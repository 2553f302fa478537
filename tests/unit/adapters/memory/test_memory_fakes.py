"""What the memory fakes offer beyond their ports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from support.checksums import crc32, whole
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.objects import MemoryObjectStore
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.core.deliveries import DeliveryTarget, owed
from tidegate.core.errors import NotFound, StoreUnavailable
from tidegate.core.ids import GatewayId, LogId, new_log_id
from tidegate.core.objects import Location, NewObject, StoredObject
from tidegate.core.transfers import Content, Direction, TransferQuery, TransferRecord, TransferStatus
from tidegate.core.users import RefusedLogin

START = datetime(2026, 1, 1, 12, 0, 0, 700_000, tzinfo=UTC)
DAY = 24 * 60 * 60
KEY = Location("landing", "key")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def log(clock) -> MemoryTransferLog:
    return MemoryTransferLog(clock)


def transfer(status: TransferStatus = TransferStatus.STARTED) -> TransferRecord:
    return TransferRecord(
        log_id=new_log_id(),
        direction=Direction.UPLOAD,
        status=status,
        user_name="acme",
        server_id="s-0123456789abcdef0",
        session_id="0123456789abcdef",
        client_ip="192.0.2.7",
        client_version="",
        key_fingerprint="",
        path="/key",
        bucket=KEY.bucket,
        object_key=KEY.key,
        started_at=START,
        timestamp=START,
        gateway_id=GatewayId("gw-1"),
    )


class TestObjects:
    async def test_open_uploads(self):
        """A test can see which uploads are open, and what they hold, until they are completed or aborted."""
        store = MemoryObjectStore(["landing"])
        first = await store.create_multipart(NewObject(KEY, None, {}))
        second = await store.create_multipart(NewObject(KEY, None, {"a": "b"}))
        receipt = await store.upload_part(KEY, first, 1, b"part", crc32(b"part"))
        assert set(store.open_uploads) == {first, second}
        assert store.open_uploads[first].parts[1].body == b"part"
        assert store.open_uploads[second].new.metadata == {"a": "b"}
        await store.complete_multipart(KEY, first, [receipt], whole(b"part"))
        await store.abort_multipart(Location("landing", "other"), second)
        assert set(store.open_uploads) == {second}
        await store.abort_multipart(KEY, second)
        assert store.open_uploads == {}

    async def test_smaller_parts(self):
        """A test that needs many parts need not fill 5 MiB each."""
        store = MemoryObjectStore(["landing"], min_part_bytes=2)
        upload_id = await store.create_multipart(NewObject(KEY, None, {}))
        receipts = [
            await store.upload_part(KEY, upload_id, number, body, crc32(body))
            for number, body in enumerate((b"ab", b"c", b"d"), start=1)
        ]
        with pytest.raises(StoreUnavailable):
            await store.complete_multipart(KEY, upload_id, receipts, whole(b"ab", b"c", b"d"))
        stored = await store.complete_multipart(KEY, upload_id, receipts[:2], whole(b"ab", b"c"))
        assert await store.read(stored, 0, 10) == b"abc"

    @pytest.mark.parametrize("number", [0, -1, 10_001])
    async def test_part_numbers(self, number):
        """A part number outside S3's 1 to 10,000 is refused."""
        store = MemoryObjectStore(["landing"])
        upload_id = await store.create_multipart(NewObject(KEY, None, {}))
        with pytest.raises(StoreUnavailable):
            await store.upload_part(KEY, upload_id, number, b"x", crc32(b"x"))

    async def test_dated_by_the_clock(self, clock):
        """Objects are dated by the given clock, to the second; the answer to a write has no date."""
        store = MemoryObjectStore(["landing"], clock=clock)
        stored = await store.put(NewObject(KEY, None, {}), b"", crc32(b""))
        assert stored.modified_at is None
        assert (await store.head(KEY)).modified_at == START.replace(microsecond=0)

    async def test_metadata_is_a_copy(self):
        """What becomes of a caller's metadata does not reach the store; names are kept in lower case."""
        store = MemoryObjectStore(["landing"])
        given = {"Some-Name": "Value"}
        stored = await store.put(NewObject(KEY, None, given), b"", crc32(b""))
        for mine in (given, stored.metadata, (await store.head(KEY)).metadata):
            mine.clear()
        assert (await store.head(KEY)).metadata == {"some-name": "Value"}

    async def test_a_bucket_there_stays_as_it_is(self):
        """Adding a bucket that exists loses no object."""
        store = MemoryObjectStore(["landing"], versioned=False)
        await store.put(NewObject(KEY, None, {}), b"x", crc32(b"x"))
        store.add_bucket("landing")
        assert (await store.head(KEY)).version_id is None


class TestRetention:
    async def test_final_transfers_are_forgotten(self, log, clock):
        """A transfer in a final state is gone after its retention; an open or suspect one never is."""
        final, opened = transfer(TransferStatus.FAILED), transfer()
        suspect = transfer(TransferStatus.SUSPECT)
        for record in (final, opened, suspect):
            await log.start(record)
        clock.advance(399 * DAY)
        assert (await log.story(final.log_id)).transfer == final
        clock.advance(2 * DAY)
        with pytest.raises(NotFound):
            await log.story(final.log_id)
        kept = {record.log_id async for record in log.find(TransferQuery(user_name="acme"))}
        assert kept == {opened.log_id, suspect.log_id}

    async def test_settled_deliveries_are_forgotten(self, log, clock):
        """A delivery still owed outlives the record of its upload."""
        record = transfer()
        await log.start(record)
        deliveries = owed(record.log_id, KEY, "v1", '"e"', (DeliveryTarget("a", "b", "", None),), START)
        stored = StoredObject(KEY, 1, '"e"', "v1")
        await log.complete(record.owner, Content(1, ""), stored, deliveries, superseded=False, at=START)
        clock.advance(401 * DAY)
        until = clock.now() + timedelta(minutes=1)
        assert await log.claim(record.log_id, "a", GatewayId("gw-1"), clock.now(), until) is not None

    async def test_refused_logins_are_forgotten_sooner(self, log, clock):
        """A refused login is gone after its own retention."""
        await log.record_refused_login(RefusedLogin("1", "s-1", "acme", "", "", "", "why", START))

        async def found() -> int:
            return len([1 async for _ in log.find_refused_logins(user_name=None, since=START, limit=9)])

        clock.advance(89 * DAY)
        assert await found() == 1
        clock.advance(2 * DAY)
        assert await found() == 0


async def test_deliveries_of_another_transfer(log):
    """Completing with deliveries of another LogID, or two to one target, is a mistake that writes nothing."""
    record = transfer()
    await log.start(record)
    target = DeliveryTarget("a", "b", "", None)
    stored = StoredObject(KEY, 1, '"e"', "v1")
    for log_id, targets in ((LogId("other"), (target,)), (record.log_id, (target, target))):
        deliveries = owed(log_id, KEY, "v1", '"e"', targets, START)
        with pytest.raises(ValueError, match="its own"):
            await log.complete(record.owner, Content(1, ""), stored, deliveries, superseded=False, at=START)
    assert (await log.story(record.log_id)).transfer == record
