"""Parts on their way: hashed in order, several at once, each counted."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import zlib
from dataclasses import replace

import pytest

from support.checksums import whole
from tidegate.core.errors import StoreUnavailable
from tidegate.core.objects import META_TRANSFER_ID, NewObject
from tidegate.services.part_sender import Digest, PartSender
from unit.services.faults import AFTER, BEFORE
from unit.services.world import HERE, MIN_PART, World, turns

PART = bytes(range(MIN_PART))


@pytest.fixture
async def started(world):
    upload = await world.begin()
    world.calls.clear()
    return upload.record


def sender_of(world: World, record, lanes: int = 2) -> PartSender:
    new = NewObject(HERE, None, {META_TRANSFER_ID: record.log_id})
    return PartSender(new, record.owner, world.store, world.log, world.budget, lanes)


class TestDigest:
    async def test_file_and_pieces(self):
        """The SHA-256 is that of all bytes so far, the CRC32 that of the piece, as S3 writes it."""
        digest = Digest()
        for piece in (b"first", bytearray(b"second"), memoryview(b"third")):
            crc32 = await digest.take(piece)
            assert base64.b64decode(crc32) == zlib.crc32(piece).to_bytes(4, "big")
        assert digest.sha256() == hashlib.sha256(b"firstsecondthird").hexdigest()
        assert digest.whole() == whole(b"firstsecondthird")

    def test_of_no_bytes(self):
        """A file of no bytes has sums, too."""
        assert Digest().whole() == whole()

    async def test_pieces_taken_at_once(self):
        """Pieces handed over without waiting are summed up in the order they were handed over."""
        digest = Digest()
        bodies = [bytes([n]) * (100_000 if n % 2 else 1) for n in range(20)]
        await asyncio.gather(*(digest.take(body) for body in bodies))
        assert digest.sha256() == hashlib.sha256(b"".join(bodies)).hexdigest()
        assert digest.whole() == whole(*bodies)


class TestSend:
    async def test_begins_once(self, world, started):
        """The upload is created with the first part, and its id noted before that part is sent."""
        sender = sender_of(world, started)
        assert sender.upload_id is None
        for _ in range(3):
            await sender.send(bytearray(PART), 0)
        await sender.settled()
        assert world.calls[:3] == ["create_multipart", "set_upload_id", "upload_part"]
        assert world.calls.count("create_multipart") == 1
        assert (await world.record(started.log_id)).upload_id == sender.upload_id
        assert (sender.sent_parts, sender.sent_bytes) == (3, 3 * MIN_PART)

    async def test_goes_on_while_lanes_are_free(self, world, started):
        """As many parts as there are lanes go out without waiting, each with memory taken for it."""
        gate = world.store.hold("upload_part", call=None)
        sender = sender_of(world, started, lanes=2)
        taken = world.budget.taken_bytes
        for _ in range(2):
            await sender.send(bytearray(PART), 0)
        assert world.budget.taken_bytes == taken + 2 * MIN_PART
        third = asyncio.create_task(sender.send(bytearray(PART), 0))
        await gate.reached.wait()
        await turns()
        assert not third.done(), "the third uses the caller's own memory: it has to arrive first"
        assert world.budget.taken_bytes == taken + 2 * MIN_PART
        gate.go.set()
        await third
        await sender.settled()
        assert world.budget.taken_bytes == taken

    async def test_waits_while_memory_is_short(self, started, world):
        """Without free memory one part at a time goes out."""
        gate = world.store.hold("upload_part")
        world.budget.try_take(world.budget.total_bytes - world.budget.taken_bytes)
        sending = asyncio.create_task(sender_of(world, started, lanes=8).send(bytearray(PART), 0))
        await gate.reached.wait()
        assert not sending.done()
        gate.go.set()
        await sending

    @pytest.mark.parametrize("method", ["create_multipart", "set_upload_id", "upload_part"])
    @pytest.mark.parametrize("moment", [BEFORE, AFTER])
    async def test_gives_its_slot_back(self, world, started, method, moment):
        """Whatever fails, the memory taken for a large part is given back."""
        (world.log if method == "set_upload_id" else world.store).fail(method, moment=moment)
        sender = sender_of(world, started, lanes=0)
        before = world.budget.taken_bytes
        assert world.budget.try_take(100)
        with pytest.raises(StoreUnavailable):
            await sender.send(bytearray(PART), 100)
        assert world.budget.taken_bytes == before

    async def test_the_first_failure_counts(self, world, started):
        """Of several failures the first is raised, and no later one hides it."""
        world.store.fail("upload_part", StoreUnavailable("first"), call=1)
        world.store.fail("upload_part", KeyError("second"), call=2)
        sender = sender_of(world, started, lanes=8)
        await sender.send(bytearray(PART), 0)
        await sender.quiet()
        for attempt in (sender.check, sender.settled, lambda: sender.send(bytearray(PART), 0)):
            with pytest.raises(StoreUnavailable, match="first"):
                await attempt()


class TestSettled:
    async def test_no_part_may_be_missing(self, world, started):
        """A part that is gone without an error is an error."""
        sender = sender_of(world, started)
        await sender.send(bytearray(PART), 0)
        await sender.quiet()
        sender.sent_parts += 1
        with pytest.raises(StoreUnavailable, match="1 of 2 parts"):
            await sender.settled()


class TestComplete:
    async def test_the_store_is_told_what_the_parts_must_come_to(self, world, started):
        """The store refuses receipts of which one was lost: nothing is published."""
        sender = sender_of(world, started)
        for part in (PART, PART[::-1], b"the rest"):
            await sender.send(bytearray(part), 0)
        await sender.settled()
        assert sender.digest.whole() == whole(PART, PART[::-1], b"the rest")
        kept = sorted(sender._receipts, key=lambda receipt: receipt.number)
        for wrong in (kept[:-1], kept[1:]):
            sender._receipts = wrong
            with pytest.raises(StoreUnavailable, match="bytes, not"):
                await sender.complete()
        sender._receipts = kept
        assert (await sender.complete()).size == sender.sent_bytes

    async def test_bytes_that_changed_between_two_looks(self, world, started):
        """What was hashed is what must come out: parts swapped in the store have the size, not the CRC32."""
        sender = sender_of(world, started)
        for part in (PART, PART[::-1]):
            await sender.send(bytearray(part), 0)
        await sender.settled()
        parts = world.store.open_uploads[sender.upload_id].parts
        first, second = parts[1], parts[2]
        parts[1], parts[2] = replace(first, body=second.body), replace(second, body=first.body)
        with pytest.raises(StoreUnavailable, match="CRC32 of the whole"):
            await sender.complete()


class TestDrop:
    async def test_without_an_upload(self, world, started):
        """Where nothing was begun there is nothing to abort."""
        await sender_of(world, started).drop()
        assert world.calls == []

    async def test_waits_for_parts_under_way(self, world, started):
        """The abort goes out when no part can arrive after it."""
        gate = world.store.hold("upload_part")
        sender = sender_of(world, started)
        await sender.send(bytearray(PART), 0)
        dropping = asyncio.create_task(sender.drop())
        await gate.reached.wait()
        await turns()
        assert "abort_multipart" not in world.calls
        gate.go.set()
        await dropping
        assert world.calls[-1] == "abort_multipart"
        assert not world.store.open_uploads

    async def test_after_a_failure(self, world, started):
        """Parts that failed do not keep the rest from being aborted."""
        world.store.fail("upload_part")
        sender = sender_of(world, started)
        await sender.send(bytearray(PART), 0)
        await sender.drop()
        assert not world.store.open_uploads
