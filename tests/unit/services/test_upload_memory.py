"""Many uploads in little memory: all arrive, and the budget is never passed."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core import parts
from tidegate.core.errors import Busy, TooLarge
from tidegate.core.objects import Location
from tidegate.core.parts import PartSchedule
from tidegate.core.transfers import TransferStatus
from tidegate.services import buffers, uploads
from unit.services.world import (
    BASE_PART,
    LARGE,
    MIN_PART,
    RESERVATION,
    SMALL,
    WINDOW,
    World,
    close,
    pieces,
    send,
)

S = TransferStatus
# Parts 1 and 2 are of the base size, 3 and 4 four times as large, all others ten times.
STEEP = ((2, 1), (4, 4), (10_000, 10))
LARGEST = 10 * BASE_PART


@pytest.fixture
def steep(monkeypatch):
    """A schedule that needs large slots after two parts, and patience of milliseconds."""
    monkeypatch.setattr(parts, "_GROWTH", STEEP)
    monkeypatch.setattr(buffers, "_PRESSURE_SECONDS", 0.001)
    monkeypatch.setattr(uploads, "_IDLE_SECONDS", 0.002)
    return PartSchedule(BASE_PART, LARGEST)


async def open_many(world, gateway, count):
    return [await world.begin(gateway, Location("landing", f"file-{n}")) for n in range(count)]


async def contents(world, count):
    return [await world.content(Location("landing", f"file-{n}")) for n in range(count)]


def files(count, size):
    chance = random.Random(count)
    return [chance.randbytes(size + 3 * n) for n in range(count)]


async def test_interleaved_with_the_reservation_alone():
    """64 handles written in turns by one session all complete in a budget of just their reservations."""
    world = World(budget_bytes=64 * RESERVATION)
    gateway = world.uploads()
    bodies = files(64, 90)
    opened = await open_many(world, gateway, 64)
    for start in range(0, max(map(len, bodies)), 7):
        for upload, body in zip(opened, bodies, strict=True):
            if start < len(body):
                await upload.write(start, body[start : start + 7])
    for upload in opened:
        await upload.finish()
    assert await contents(world, 64) == bodies
    assert world.budget.peak_bytes == 64 * RESERVATION
    assert world.budget.taken_bytes == 0


async def test_side_by_side_with_a_little_more():
    """Sessions side by side share what is left over, and give all of it back."""
    world = World(budget_bytes=20 * RESERVATION + 3 * BASE_PART)
    gateway = world.uploads(parallel_parts=4)
    bodies = files(20, 300)
    opened = await open_many(world, gateway, 20)

    async def one(upload, body):
        await send(upload, body, size=11)
        await upload.finish()

    await asyncio.gather(*(one(upload, body) for upload, body in zip(opened, bodies, strict=True)))
    assert await contents(world, 20) == bodies
    assert world.budget.taken_bytes == 0


async def test_large_parts_side_by_side(steep):
    """Ten uploads that need a large slot each, and room for one: they take turns, and all complete."""
    world = World(budget_bytes=10 * RESERVATION + LARGEST)
    gateway = world.uploads(schedule=steep, parallel_parts=1)
    bodies = files(10, 900)
    opened = await open_many(world, gateway, 10)

    async def one(upload, body):
        await send(upload, body, size=13)
        await upload.finish()

    await asyncio.gather(*(one(upload, body) for upload, body in zip(opened, bodies, strict=True)))
    assert await contents(world, 10) == bodies
    assert (world.budget.taken_bytes, world.budget.holders) == (0, set())


async def test_large_parts_interleaved_in_one_session(steep):
    """Handles written in turns by one session cannot block each other: who is idle makes room."""
    world = World(budget_bytes=8 * RESERVATION + LARGEST)
    gateway = world.uploads(schedule=steep, parallel_parts=1)
    bodies = files(8, 400)
    opened = await open_many(world, gateway, 8)
    for start in range(0, max(map(len, bodies)), 40):
        for upload, body in zip(opened, bodies, strict=True):
            if start < len(body):
                await upload.write(start, body[start : start + 40])
    for upload in opened:
        await upload.finish()
    assert await contents(world, 8) == bodies
    assert world.budget.taken_bytes == 0


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)


async def fill_to_a_large_slot(upload, more):
    """Send the two base parts and `more` bytes beyond the reservation, so that a large slot is held."""
    await send(upload, bytes(2 * BASE_PART), size=BASE_PART)
    await upload.write(2 * BASE_PART, bytes(MIN_PART + 1))
    assert upload._slot == 4 * BASE_PART - MIN_PART
    if more > 1:
        await upload.write(2 * BASE_PART + MIN_PART + 1, bytes(more - 1))


async def test_an_idle_holder_sends_early(steep):
    """A stalled client that holds a large slot does not hold up the others: what it has is sent early."""
    slot = 4 * BASE_PART - MIN_PART
    world = World(budget_bytes=2 * RESERVATION + slot)
    gateway = world.uploads(schedule=steep, parallel_parts=1)
    idle, busy = await open_many(world, gateway, 2)
    await fill_to_a_large_slot(idle, more=5)
    sent_before = world.store.count("upload_part")
    await asyncio.wait_for(fill_to_a_large_slot(busy, more=1), 5)
    assert idle._slot == 0
    assert world.store.count("upload_part") == sent_before + 2 + 1, "two of the busy one, one sent early"
    rest = 2 * BASE_PART + MIN_PART + 5
    await idle.write(rest, LARGE)
    await idle.finish()
    await busy.finish()
    assert (await contents(world, 2))[0] == bytes(rest) + LARGE
    assert world.budget.taken_bytes == 0


async def test_an_idle_holder_with_little_lets_go(steep):
    """A slot whose bytes fit into the reservation is given back without sending anything."""
    slot = 4 * BASE_PART - MIN_PART
    world = World(budget_bytes=2 * RESERVATION + slot)
    gateway = world.uploads(schedule=steep, parallel_parts=1)
    idle, busy = await open_many(world, gateway, 2)
    # A slot taken by a write that brings one byte more than the reservation, of which a part was cut.
    await fill_to_a_large_slot(idle, more=1)
    idle._buffer.cut(MIN_PART)
    parts_before = world.store.count("upload_part")
    await asyncio.wait_for(fill_to_a_large_slot(busy, more=1), 5)
    assert idle._slot == 0
    assert world.store.count("upload_part") == parts_before + 2
    assert idle._buffer.ready_bytes == 1


async def test_a_busy_holder_is_left_alone(steep, monkeypatch):
    """Who has been writing a moment ago keeps its slot; who waited long enough sends a smallest part."""
    monkeypatch.setattr(uploads, "_IDLE_SECONDS", 60)
    monkeypatch.setattr(uploads, "_SLOT_WAIT_SECONDS", 0.01)
    slot = 4 * BASE_PART - MIN_PART
    world = World(budget_bytes=2 * RESERVATION + slot)
    gateway = world.uploads(schedule=steep, parallel_parts=1)
    holder, waiter = await open_many(world, gateway, 2)
    await fill_to_a_large_slot(holder, more=5)
    body = bytes(2 * BASE_PART) + LARGE[: MIN_PART + 1]
    await send(waiter, body, size=BASE_PART)
    assert holder._slot == slot
    assert waiter._slot == 0
    assert waiter._buffer.ready_bytes == len(body) % MIN_PART, "all parts are of the smallest size"
    await waiter.finish()
    await holder.abandon("gone")
    assert (await contents(world, 2))[1] == body
    assert world.budget.taken_bytes == 0


async def test_an_early_part_that_fails(steep):
    """A part sent early that fails, fails the next WRITE and the CLOSE."""
    world = World(budget_bytes=2 * RESERVATION + 4 * BASE_PART - MIN_PART)
    gateway = world.uploads(schedule=steep, parallel_parts=1)
    idle, busy = await open_many(world, gateway, 2)
    await fill_to_a_large_slot(idle, more=5)
    world.store.fail("upload_part", KeyError("ETag"), when=lambda location, *_: location.key == "file-0")
    await asyncio.wait_for(fill_to_a_large_slot(busy, more=1), 5)
    with pytest.raises(KeyError):
        await idle.write(2 * BASE_PART + MIN_PART + 5, b"more")
    await idle.abandon("gone")
    await busy.abandon("gone")
    assert world.budget.taken_bytes == 0


async def test_no_more_is_waited_for_than_can_come(steep, monkeypatch):
    """Where others' reservations leave less than a large part needs, the part is as large as can be."""
    monkeypatch.setattr(uploads, "_SLOT_WAIT_SECONDS", 60)
    world = World(budget_bytes=4 * RESERVATION + 30)
    gateway = world.uploads(schedule=steep, parallel_parts=1)
    large, *_ = opened = await open_many(world, gateway, 4)
    body = LARGE * 3
    await asyncio.wait_for(send(large, body, size=BASE_PART), 5)
    for upload in opened:
        await upload.finish()
    assert (await contents(world, 1))[0] == body
    # Two base parts, and then parts of what is left over and the reservation's own.
    assert world.store.count("upload_part") == 2 + -(-(len(body) - 2 * BASE_PART) // (MIN_PART + 30))
    assert world.budget.taken_bytes == 0


async def test_abandoned_while_waiting_for_a_slot(steep, monkeypatch):
    """A client that leaves while its WRITE waits for memory takes none with it."""
    monkeypatch.setattr(uploads, "_IDLE_SECONDS", 60)
    monkeypatch.setattr(uploads, "_SLOT_WAIT_SECONDS", 0.02)
    world = World(budget_bytes=2 * RESERVATION + 4 * BASE_PART - MIN_PART)
    gateway = world.uploads(schedule=steep, parallel_parts=1, store_partial=True)
    holder, waiter = await open_many(world, gateway, 2)
    await fill_to_a_large_slot(holder, more=1)
    body = bytes(2 * BASE_PART) + LARGE[: MIN_PART + 1]
    writing = asyncio.create_task(send(waiter, body, size=BASE_PART))
    await until(lambda: world.budget._waiting)
    writing.cancel()
    await waiter.abandon("gone")
    await holder.abandon("gone")
    kept = (await contents(world, 2))[1]
    assert body.startswith(kept)
    assert (world.budget.taken_bytes, world.budget.holders) == (0, set())


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 40)), min_size=1, max_size=8),
    st.integers(0, 3 * BASE_PART),
    st.integers(1, 4),
)
def test_any_files_in_any_budget(wanted, spare, parallel_parts):
    """Whatever the sizes of files and writes, and however little is left over, everything arrives."""

    async def run():
        world = World(budget_bytes=len(wanted) * RESERVATION + spare)
        gateway = world.uploads(parallel_parts=parallel_parts)
        opened = await open_many(world, gateway, len(wanted))
        bodies = [random.Random(size).randbytes(size) for size, _ in wanted]

        async def one(upload, body, step):
            for offset, data in pieces(body, step):
                await upload.write(offset, data)
            await upload.finish()

        await asyncio.gather(
            *(one(u, b, step) for u, b, (_, step) in zip(opened, bodies, wanted, strict=True))
        )
        assert await contents(world, len(wanted)) == bodies
        assert world.budget.taken_bytes == 0

    asyncio.run(run())


async def test_what_is_held_is_what_is_counted(world):
    """At no time does an upload hold more bytes than it has taken: buffer, and parts under way."""
    upload = await world.begin(world.uploads(parallel_parts=3))
    inner = world.store.inner.upload_part
    under_way = 0

    async def counted(location, upload_id, number, body, crc32):
        nonlocal under_way
        under_way += len(body)
        await asyncio.sleep(0)
        assert under_way + len(upload._buffer._data) <= world.budget.taken_bytes
        receipt = await inner(location, upload_id, number, body, crc32)
        under_way -= len(body)
        return receipt

    world.store.inner.upload_part = counted
    body = random.Random(0).randbytes(2000)
    for offset, data in pieces(body, 5):
        await upload.write(offset, data)
        assert under_way + len(upload._buffer._data) <= world.budget.taken_bytes
    await upload.finish()
    await world.keeps_its_promises(upload, body, None)


class TestTooLarge:
    async def test_all_parts_used(self, world, monkeypatch):
        """The byte that needs one part too many fails its WRITE and the CLOSE."""
        monkeypatch.setattr(uploads, "S3_MAX_PARTS", 3)
        monkeypatch.setattr("tidegate.services.part_sender.S3_MAX_PARTS", 3)
        upload = await world.begin()
        await send(upload, bytes(3 * BASE_PART), size=BASE_PART)
        with pytest.raises(TooLarge, match="all 3 parts"):
            await upload.write(3 * BASE_PART, bytes(MIN_PART + 1))
        error = await close(upload)
        assert isinstance(error, TooLarge)
        assert (await world.record(upload)).status is S.FAILED
        await world.keeps_its_promises(upload, b"", error)

    async def test_a_rest_too_many(self, world, monkeypatch):
        """A rest that would be one part too many fails the CLOSE."""
        monkeypatch.setattr(uploads, "S3_MAX_PARTS", 3)
        monkeypatch.setattr("tidegate.services.part_sender.S3_MAX_PARTS", 3)
        upload = await world.begin()
        await send(upload, bytes(3 * BASE_PART + 1), size=BASE_PART)
        error = await close(upload)
        assert isinstance(error, TooLarge)
        assert (await world.record(upload)).status is S.FAILED

    async def test_exactly_all_parts(self, world, monkeypatch):
        """A file of exactly as many parts as S3 takes is a file."""
        monkeypatch.setattr(uploads, "S3_MAX_PARTS", 3)
        monkeypatch.setattr("tidegate.services.part_sender.S3_MAX_PARTS", 3)
        upload = await world.begin()
        await send(upload, bytes(3 * BASE_PART), size=BASE_PART)
        await upload.finish()
        await world.keeps_its_promises(upload, bytes(3 * BASE_PART), None)

    async def test_the_real_last_part(self, world):
        """With S3's own limit the ten thousandth part is sent, and asking for the next size is no error."""
        upload = await world.begin()
        upload._sender.sent_parts = 9_999
        await upload.write(0, bytes(BASE_PART))
        await upload._sender.quiet()
        assert upload._sender.sent_parts == 10_000
        with pytest.raises(TooLarge):
            await upload.write(BASE_PART, bytes(MIN_PART + 1))
        await upload.abandon("gone")
        assert world.budget.taken_bytes == 0

    async def test_largest_object(self, world, monkeypatch):
        """A file beyond the largest object S3 takes is refused before S3 has to."""
        monkeypatch.setattr("tidegate.services.part_sender.S3_MAX_OBJECT_BYTES", 4 * BASE_PART)
        upload = await world.begin()
        with pytest.raises(TooLarge):
            await send(upload, bytes(5 * BASE_PART), size=BASE_PART)
        assert isinstance(await close(upload), TooLarge)
        assert await world.object() is None
        assert world.budget.taken_bytes == 0


async def test_full_and_free_again():
    """A full gateway refuses OPENs in words, and takes new ones when an upload has ended, however it did."""
    world = World(budget_bytes=RESERVATION)
    gateway = world.uploads()
    for end in ("finish", "abandon", "fail"):
        upload = await world.begin(gateway)
        with pytest.raises(Busy):
            await world.begin(gateway)
        await upload.write(0, SMALL)
        if end == "finish":
            await upload.finish()
        elif end == "abandon":
            await upload.abandon("gone")
        else:
            await upload.write(len(SMALL) + 1, b"x")
            assert await close(upload) is not None
    assert world.budget.taken_bytes == 0


def test_the_reservation_is_the_smallest_part_and_the_window():
    """What an upload may hold without asking: one smallest part, and what came early."""
    assert RESERVATION == MIN_PART + WINDOW
    settings = uploads.UploadSettings(PartSchedule(BASE_PART, BASE_PART), WINDOW, 1, False)
    assert settings.reservation_bytes == RESERVATION
