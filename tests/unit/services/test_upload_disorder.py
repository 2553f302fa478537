"""Clients that read their file with several readers: order is theirs, the object is the file."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import OutOfOrderWrite
from tidegate.core.transfers import TransferStatus
from unit.services.world import BASE_PART, WINDOW, World, close, pieces


@st.composite
def disorderly(draw) -> tuple[bytes, list[tuple[int, bytes]]]:
    """A file, and its writes in an order in which none reaches beyond the window when it comes."""
    body = draw(st.binary(min_size=1, max_size=5 * BASE_PART))
    left = list(pieces(body, draw(st.integers(1, WINDOW))))
    ordered, received = [], set()
    while left:
        end = 0
        while end in received:
            end += 1
        fits = [write for write in left if write[0] == end or write[0] + len(write[1]) <= end + WINDOW]
        chosen = draw(st.sampled_from(fits))
        left.remove(chosen)
        ordered.append(chosen)
        received |= set(range(chosen[0], chosen[0] + len(chosen[1])))
    return body, ordered


@given(disorderly(), st.integers(1, 3))
def test_any_order_within_the_window(sent, parallel_parts):
    """Whatever the order, the object is identical to the file."""
    body, writes = sent

    async def run():
        world = World()
        upload = await world.begin(world.uploads(parallel_parts=parallel_parts))
        for offset, data in writes:
            await upload.write(offset, data)
        await upload.finish()
        await world.keeps_its_promises(upload, body, None)

    asyncio.run(run())


@given(disorderly(), st.data())
def test_any_gap(sent, data):
    """Whichever write is lost, but for the last of the file, the CLOSE fails and nothing is published."""
    body, writes = sent
    lost = data.draw(st.sampled_from(writes))
    if lost[0] + len(lost[1]) == len(body):
        return

    async def run():
        world = World()
        upload = await world.begin()
        for offset, piece in writes:
            if (offset, piece) == lost:
                continue
            try:
                await upload.write(offset, piece)
            except OutOfOrderWrite:
                break
        error = await close(upload)
        assert isinstance(error, OutOfOrderWrite)
        assert (await world.record(upload)).status is TransferStatus.FAILED
        assert await world.object() is None
        await world.keeps_its_promises(upload, body, error)

    asyncio.run(run())


@given(disorderly(), st.data())
def test_any_repetition(sent, data):
    """A write that is sent again while its bytes are still here changes nothing, and takes no more memory."""
    body, writes = sent

    async def run():
        world = World(budget_bytes=40)
        upload = await world.begin()
        for offset, piece in writes:
            await upload.write(offset, piece)
            again = data.draw(st.sampled_from(writes))
            here = range(upload._buffer.end - upload._buffer.ready_bytes, upload._buffer.end)
            if again[0] in here:
                await upload.write(*again)
        await upload.finish()
        await world.keeps_its_promises(upload, body, None)

    asyncio.run(run())


async def test_overlapping_writes_stay_within_the_memory(world):
    """A write that repeats a byte and brings new ones is held in the same memory as one that does not."""
    body = bytes(range(200))
    upload = await world.begin()
    held = 0
    for at in range(0, 195, 4):
        await upload.write(at, body[at : at + 5])
        held = max(held, upload._buffer.ready_bytes)
        assert upload._buffer.ready_bytes <= upload._limit
    await upload.finish()
    assert held <= BASE_PART
    await world.keeps_its_promises(upload, body[:197], None)
