"""What an upload does, in which order, when nothing goes wrong; and when it may not begin."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from tidegate.core.deliveries import DeliveryStatus
from tidegate.core.errors import AccessDenied, AlreadyExists, Busy, StoreUnavailable
from tidegate.core.objects import Location
from tidegate.core.transfers import Direction, TransferStatus
from unit.services.faults import AFTER
from unit.services.world import (
    BASE_PART,
    GATEWAY,
    HERE,
    LARGE,
    PATH,
    RESERVATION,
    SESSION,
    SMALL,
    TARGETS,
    World,
    close,
    send,
    turns,
)

S = TransferStatus


class TestSmallFile:
    async def test_is_one_put(self, world):
        """A file of less than a part is one PutObject between its record's start and its end."""
        upload = await world.begin()
        await send(upload, SMALL)
        await upload.finish()
        assert world.calls == ["start", "put", "head", "complete"]
        await world.keeps_its_promises(upload, SMALL, None)

    async def test_says_what_it_is(self, world):
        """Its metadata carries transfer id, outcome, bytes and SHA-256, and who sent it as AWS says it."""
        upload = await world.begin()
        await send(upload, SMALL)
        await upload.finish()
        stored = await world.object()
        assert stored.metadata == {
            "tidegate-transfer-id": upload.record.log_id,
            "tidegate-outcome": "complete",
            "tidegate-bytes": "9",
            "tidegate-sha256": hashlib.sha256(SMALL).hexdigest(),
            "user-agent": "AWSTransfer",
            "user-agent-id": "acme@s-0123456789abcdef0",
        }
        assert stored.kms_key_id == "key-landing"

    async def test_empty(self, world):
        """A file of no bytes is a file."""
        upload = await world.begin()
        await upload.finish()
        assert world.calls == ["start", "put", "head", "complete"]
        await world.keeps_its_promises(upload, b"", None)


class TestLargeFile:
    async def test_order_of_calls(self, world):
        """UploadId on the record before the first part; FINISHING before Complete; the end in one call."""
        upload = await world.begin(world.uploads(parallel_parts=1))
        await send(upload, LARGE)
        await upload.finish()
        parts = ["upload_part"] * 7
        assert world.calls == [
            "start",
            "create_multipart",
            "set_upload_id",
            *parts,
            "finishing",
            "complete_multipart",
            "head",
            "complete",
        ]
        await world.keeps_its_promises(upload, LARGE, None)

    async def test_exactly_one_part(self, world):
        """A file of exactly one part is sent as that part, with none after it."""
        upload = await world.begin()
        await send(upload, LARGE[:BASE_PART])
        await upload.finish()
        assert world.store.count("upload_part") == 1
        await world.keeps_its_promises(upload, LARGE[:BASE_PART], None)

    async def test_one_write_of_many_parts(self, world):
        """A single write may be longer than any part."""
        upload = await world.begin()
        await upload.write(0, LARGE)
        await upload.finish()
        await world.keeps_its_promises(upload, LARGE, None)

    async def test_parts_that_arrive_in_another_order(self, world):
        """Parts are completed in the order of their numbers, whichever arrived first."""
        first = world.store.hold("upload_part", call=1)
        last = world.store.hold("upload_part", call=7, moment=AFTER)
        upload = await world.begin(world.uploads(parallel_parts=8))
        await send(upload, LARGE)
        closing = asyncio.create_task(upload.finish())
        await first.reached.wait()
        await last.reached.wait()
        last.go.set()
        first.go.set()
        await closing
        await world.keeps_its_promises(upload, LARGE, None)


class TestRecord:
    async def test_is_there_before_anything_is_stored(self, world):
        """When OPEN answers the record is STARTED and names the session, the file and the gateway."""
        upload = await world.begin()
        record = await world.record(upload)
        assert record == upload.record
        assert (record.status, record.direction) == (S.STARTED, Direction.UPLOAD)
        assert (record.session_id, record.server_id) == (SESSION.session_id, SESSION.server_id)
        assert (record.user_name, record.client_ip) == ("acme", "192.0.2.7")
        assert (record.client_version, record.key_fingerprint) == ("SSH-2.0-x", "SHA256:k")
        assert (record.path, record.bucket, record.object_key) == (PATH, HERE.bucket, HERE.key)
        assert (record.gateway_id, record.fence, record.started_at) == (GATEWAY, 1, world.clock.now())
        assert await world.object() is None

    @pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
    async def test_names_the_version(self, world, body):
        """COMPLETED says which version under which key it is, how long, its SHA-256 and what it owes."""
        upload = await world.begin()
        await send(upload, body)
        world.clock.advance(5)
        await upload.finish()
        record, stored = await world.record(upload), await world.object()
        assert (record.version_id, record.etag) == (stored.version_id, stored.etag)
        assert (record.size, record.sha256) == (len(body), hashlib.sha256(body).hexdigest())
        assert (record.kms_key_id, record.superseded, record.error) == ("key-landing", False, None)
        assert record.delivery_targets == ("archive", "lake")
        assert record.timestamp == world.clock.now()

    async def test_deliveries_name_the_version(self, world):
        """Each delivery is PENDING, due at once, and names exactly the version that landed."""
        upload = await world.begin()
        await send(upload, LARGE)
        await upload.finish()
        stored = await world.object()
        for delivery, target in zip(await world.deliveries(upload), TARGETS, strict=True):
            assert (delivery.target, delivery.status) == (target.name, DeliveryStatus.PENDING)
            assert (delivery.source, delivery.version_id) == (HERE, stored.version_id)
            assert (delivery.etag, delivery.due_at) == (stored.etag, world.clock.now())
            assert delivery.destination == Location(target.bucket, target.prefix + HERE.key)

    async def test_the_worker_is_woken_when_all_is_written(self, world):
        """Deliveries are announced after their records are durable, and only then."""
        gate = world.log.hold("complete")
        upload = await world.begin()
        closing = asyncio.create_task(upload.finish())
        await gate.reached.wait()
        assert world.owed_count == 0
        gate.go.set()
        await closing
        assert world.owed_count == 1


class TestBegin:
    async def test_refused_without_a_record(self, world):
        """If the record cannot be written OPEN fails, nothing is stored, and the memory is given back."""
        world.log.fail("start", StoreUnavailable("throttled"))
        uploads = world.uploads()
        with pytest.raises(StoreUnavailable):
            await world.begin(uploads)
        assert world.calls == ["start"]
        assert (world.budget.taken_bytes, uploads.open_count) == (0, 0)
        await uploads.all_ended()

    async def test_answer_lost(self, world):
        """A record whose answer was lost stays open without an open file: what the sweep looks for."""
        world.log.fail("start", moment=AFTER)
        uploads = world.uploads()
        with pytest.raises(StoreUnavailable):
            await world.begin(uploads)
        (record,) = await world.records()
        assert record.status is S.STARTED
        assert (world.budget.taken_bytes, uploads.open_count) == (0, 0)

    async def test_unexpected_error(self, world):
        """An error of no known kind gives the memory back too."""
        world.log.fail("start", KeyError("LogID"))
        uploads = world.uploads()
        with pytest.raises(KeyError):
            await world.begin(uploads)
        assert (world.budget.taken_bytes, uploads.open_count) == (0, 0)

    async def test_refused_without_memory(self):
        """The upload that does not fit any more is refused in words, before anything is written."""
        world = World(budget_bytes=2 * RESERVATION + 1)
        uploads = world.uploads()
        opened = [await world.begin(uploads) for _ in range(2)]
        with pytest.raises(Busy, match="full"):
            await world.begin(uploads)
        assert world.calls == ["start", "start"]
        await opened[0].finish()
        await world.begin(uploads)

    async def test_one_writer(self, world):
        """Where the preset says so, an object that is being written cannot be opened again until it ended."""
        uploads = world.uploads(one_writer=True)
        first = await world.begin(uploads)
        with pytest.raises(AlreadyExists):
            await world.begin(uploads)
        await world.begin(uploads, Location("landing", "another"))
        await first.abandon("gone")
        await world.begin(uploads)

    async def test_one_writer_while_the_first_is_beginning(self, world):
        """A second OPEN is refused from the moment the first one was asked for."""
        gate = world.log.hold("start")
        uploads = world.uploads(one_writer=True)
        first = asyncio.create_task(world.begin(uploads))
        await gate.reached.wait()
        with pytest.raises(AlreadyExists):
            await world.begin(uploads)
        gate.go.set()
        await first

    async def test_many_writers(self, world):
        """Otherwise many may write one object, and the youngest is the one that is found."""
        uploads = world.uploads()
        first, second = await world.begin(uploads), await world.begin(uploads)
        assert uploads.at(HERE) is second
        await second.finish()
        assert uploads.at(HERE) is first
        await first.finish()
        assert uploads.at(HERE) is None
        assert uploads.open_count == 0

    async def test_cancelled(self, world):
        """A client that leaves during OPEN leaves no open record: it is ABANDONED once it is there."""
        gate = world.log.hold("start")
        uploads = world.uploads()
        opening = asyncio.create_task(world.begin(uploads))
        await gate.reached.wait()
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert opening.cancelled()
        gate.go.set()
        await uploads.all_ended()
        (record,) = await world.records()
        assert (record.status, record.error) == (S.ABANDONED, "the session ended during OPEN")
        assert (world.budget.taken_bytes, uploads.open_count) == (0, 0)

    async def test_cancelled_and_then_refused(self, world):
        """If the record is never written there is none to close, and the memory is given back."""
        gate = world.log.hold("start")
        world.log.fail("start")
        uploads = world.uploads()
        opening = asyncio.create_task(world.begin(uploads))
        await gate.reached.wait()
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        gate.go.set()
        await uploads.all_ended()
        assert await world.records() == []
        assert world.budget.taken_bytes == 0


class TestMeanwhile:
    async def test_received_bytes(self, world):
        """What has been received without a gap is what STAT may show."""
        upload = await world.begin()
        await upload.write(0, b"abc")
        await upload.write(5, b"fg")
        assert upload.received_bytes == 3
        await upload.write(3, b"de")
        assert upload.received_bytes == 7

    async def test_all_ended_waits(self, world):
        """Stopping waits for every upload, and for one without uploads not at all."""
        uploads = world.uploads()
        await uploads.all_ended()
        first, second = await world.begin(uploads), await world.begin(uploads)
        waiting = asyncio.create_task(uploads.all_ended())
        await first.finish()
        await turns()
        assert not waiting.done()
        second.abandon_later("stopping")
        await waiting
        assert (await world.record(second)).status is S.ABANDONED

    async def test_a_write_error_of_s3_reaches_the_client(self, world):
        """What S3 refuses fails the WRITE, all later ones and the CLOSE, and nothing is published."""
        world.store.fail("create_multipart", AccessDenied("no"))
        upload = await world.begin()
        with pytest.raises(AccessDenied):
            await send(upload, LARGE)
        with pytest.raises(AccessDenied):
            await upload.write(0, b"again")
        error = await close(upload)
        assert isinstance(error, AccessDenied)
        assert (await world.record(upload)).status is S.FAILED
        await world.keeps_its_promises(upload, LARGE, error)

    async def test_shows_its_path_in_the_log(self, world):
        """As the subject of a refused request an upload is named by what it writes."""
        upload = await world.begin()
        assert repr(upload) == f"<upload {upload.record.log_id} of '/in/report.csv'>"
        await upload.finish()
