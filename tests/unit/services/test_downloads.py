"""Reading: every byte once, one version throughout, in bounded memory, on record."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import ChangedMeanwhile, GatewayError, NotFound, StoreUnavailable
from tidegate.core.objects import NewObject
from tidegate.core.transfers import Direction, TransferStatus
from tidegate.services.downloads import MAX_READ_BYTES, Download, Downloads
from tidegate.services.part_sender import Digest
from unit.services.faults import AFTER, CheckedBudget
from unit.services.world import GATEWAY, HERE, PATH, SESSION, World, turns

S = TransferStatus
AHEAD = 16
BODY = random.Random(1).randbytes(100)


class Fetching:
    """A store that tells which ranges were asked of it."""

    def __init__(self, world: World) -> None:
        self.ranges: list[tuple[int, int]] = []
        inner = world.store.inner.read

        async def read(of, start, length):
            self.ranges.append((start, length))
            return await inner(of, start, length)

        world.store.inner.read = read

    @property
    def bytes(self) -> int:
        return sum(length for _, length in self.ranges)


async def stored(world: World, body: bytes = BODY) -> None:
    crc32 = await Digest().take(body)
    await world.store.inner.put(NewObject(HERE, "key-landing", {}), body, crc32)


def downloads(world: World, budget_bytes: int = 1000) -> Downloads:
    world.budget = CheckedBudget(budget_bytes)
    return Downloads(world.store, world.log, world.clock, GATEWAY, world.budget, AHEAD)


async def opened(world: World, body: bytes = BODY, budget_bytes: int = 1000) -> tuple[Downloads, Download]:
    await stored(world, body)
    gateway = downloads(world, budget_bytes)
    return gateway, await gateway.begin(SESSION, PATH, HERE)


async def read_all(download: Download, size: int) -> bytes:
    """Read to the end as a client does that knows no size: until an empty answer."""
    found = b""
    while piece := await download.read(len(found), size):
        found += piece
    return found


class TestSequential:
    @pytest.mark.parametrize("size", [1, 4, 5, 16, 17, 40, 1000])
    async def test_each_byte_is_fetched_once(self, world, size):
        """A reader in order gets the file from blocks fetched ahead, none of them twice."""
        _, download = await opened(world)
        fetching = Fetching(world)
        assert await read_all(download, size) == BODY
        assert fetching.bytes <= len(BODY) + AHEAD
        assert len(fetching.ranges) == -(-len(BODY) // AHEAD)
        assert download.sent_bytes == len(BODY)

    async def test_the_next_block_is_on_its_way(self, world):
        """While the client reads one block the next one is fetched."""
        _, download = await opened(world)
        fetching = Fetching(world)
        await download.read(0, 1)
        await download.read(1, 1)
        await turns()
        assert fetching.ranges == [(0, AHEAD), (AHEAD, AHEAD)]

    async def test_a_look_at_the_beginning(self, world):
        """Who reads the first bytes and no more costs the first block and no more."""
        _, download = await opened(world)
        fetching = Fetching(world)
        await download.read(0, 1)
        await turns()
        assert fetching.ranges == [(0, AHEAD)]

    async def test_blocks_grow(self, world, monkeypatch):
        """Each block is four times the one before, up to the setting; after a jump they are small again."""
        monkeypatch.setattr("tidegate.services.downloads._FIRST_BLOCK_BYTES", 1)
        _, download = await opened(world)
        fetching = Fetching(world)
        assert await read_all(download, 1) == BODY
        lengths = [length for _, length in fetching.ranges]
        assert lengths[:4] == [1, 4, AHEAD, AHEAD]
        assert fetching.bytes <= len(BODY) + AHEAD
        fetching.ranges.clear()
        for start in (50, 51, 52):
            await download.read(start, 1)
        await turns()
        assert fetching.ranges[:3] == [(50, 1), (51, 1), (52, 4)]

    async def test_no_block_beyond_the_end(self, world):
        """Of a file of one block nothing is fetched ahead."""
        _, download = await opened(world, BODY[:AHEAD])
        fetching = Fetching(world)
        assert await read_all(download, 5) == BODY[:AHEAD]
        await turns()
        assert fetching.ranges == [(0, AHEAD)]

    async def test_answers_are_never_short(self, world):
        """A read across the end of a block is answered in full: a short answer could mean the end."""
        _, download = await opened(world)
        for start in range(0, 90, 10):
            assert await download.read(start, 10) == BODY[start : start + 10]

    async def test_pipelined(self, world):
        """A client that asks for everything at once gets everything, fetched once."""
        _, download = await opened(world)
        fetching = Fetching(world)
        answers = await asyncio.gather(*(download.read(start, 7) for start in range(0, 100, 7)))
        assert b"".join(answers) == BODY
        assert fetching.bytes <= len(BODY) + AHEAD


class TestRandom:
    async def test_what_was_asked_and_no_more(self, world):
        """A reader that jumps fetches exactly what it reads."""
        _, download = await opened(world)
        fetching = Fetching(world)
        for start in (50, 20, 90, 70):
            assert await download.read(start, 3) == BODY[start : start + 3]
        assert fetching.ranges == [(50, 3), (20, 3), (90, 3), (70, 3)]

    async def test_a_jump_and_then_in_order(self, world):
        """A reader that goes on where it jumped to reads ahead from there."""
        _, download = await opened(world)
        fetching = Fetching(world)
        await download.read(40, 4)
        assert await download.read(44, 4) == BODY[44:48]
        assert fetching.ranges[:2] == [(40, 4), (44, AHEAD)]

    async def test_within_the_block(self, world):
        """What is at hand is not fetched again, forwards or backwards."""
        _, download = await opened(world)
        fetching = Fetching(world)
        await download.read(0, 4)
        for start in (8, 2, 12):
            assert await download.read(start, 4) == BODY[start : start + 4]
        assert (0, AHEAD) in fetching.ranges
        assert len(fetching.ranges) <= 2

    @given(st.lists(st.tuples(st.integers(0, 110), st.integers(0, 40)), max_size=25), st.integers(0, 64))
    def test_any_reads(self, reads, budget_bytes):
        """Whatever is read in whatever order, with memory for blocks or without: the bytes are the file's."""

        async def run():
            world = World()
            gateway, download = await opened(world, budget_bytes=budget_bytes)
            for start, length in reads:
                assert await download.read(start, length) == BODY[start : start + length]
            download.finish()
            await gateway.recorded()
            assert world.budget.taken_bytes == 0

        asyncio.run(run())


class TestEdges:
    async def test_at_and_beyond_the_end(self, world):
        """At the end and beyond it answers are empty, and nothing is fetched."""
        _, download = await opened(world)
        fetching = Fetching(world)
        assert await download.read(100, 10) == b""
        assert await download.read(10**15, 10) == b""
        assert fetching.ranges == []
        assert await download.read(98, 10) == BODY[98:]

    async def test_empty_file(self, world):
        """An empty file is read by one empty answer."""
        _, download = await opened(world, b"")
        assert await read_all(download, 10) == b""

    async def test_long_requests(self, world):
        """An answer has at most 256 KiB, however much was asked for."""
        body = random.Random(2).randbytes(MAX_READ_BYTES + 100)
        _, download = await opened(world, body)
        assert await download.read(0, 2**31) == body[:MAX_READ_BYTES]

    async def test_nothing_there(self, world):
        """What is not there cannot be opened, and leaves no record."""
        with pytest.raises(NotFound):
            await downloads(world).begin(SESSION, PATH, HERE)
        assert await world.records() == []

    async def test_the_store_has_fewer_bytes(self, world):
        """A store that answers with nothing before the end is an error: empty would mean the end."""
        _, download = await opened(world)

        async def nothing(*_):
            return b""

        world.store.inner.read = nothing
        with pytest.raises(StoreUnavailable, match="no bytes at 0 of 100"):
            await download.read(0, 10)


class TestOneVersion:
    async def test_overwritten(self, world):
        """A file that is replaced while it is read is read to its end as it was."""
        _, download = await opened(world)
        first = await download.read(0, 10)
        await stored(world, b"another file")
        assert first + await download.read(10, 90) == BODY

    async def test_removed(self, world):
        """A file that is deleted while it is read is read to its end as well."""
        _, download = await opened(world)
        await world.store.inner.delete(HERE)
        assert await read_all(download, 30) == BODY

    async def test_without_versions(self):
        """Where the bucket keeps no versions, the rest of a replaced file is an error, never mixed bytes."""
        world = World(versioned=False)
        _, download = await opened(world)
        assert await download.read(0, 4) == BODY[:4]
        await turns()
        await stored(world, bytes(100))
        with pytest.raises(ChangedMeanwhile):
            await read_all(download, 30)


class TestFailures:
    async def test_a_failed_read_can_be_repeated(self, world):
        """An error of the store fails the READ, and the next one is tried anew."""
        world.store.fail("read")
        _, download = await opened(world)
        with pytest.raises(StoreUnavailable):
            await download.read(0, 10)
        assert await read_all(download, 10) == BODY

    async def test_a_failed_read_ahead(self, world):
        """A block that failed on its way ahead fails the READ that wants it, and can be read again."""
        world.store.fail("read", call=2)
        _, download = await opened(world)
        assert await download.read(0, AHEAD) == BODY[:AHEAD]
        with pytest.raises(StoreUnavailable):
            await download.read(AHEAD, 4)
        assert await download.read(AHEAD, 4) == BODY[AHEAD : AHEAD + 4]

    async def test_a_failed_read_ahead_nobody_wants(self, world):
        """A block that failed on its way ahead and is not wanted any more concerns nobody."""
        world.store.fail("read", call=2)
        _, download = await opened(world)
        await download.read(0, 4)
        await download.read(4, 4)
        await turns()
        assert await download.read(80, 4) == BODY[80:84]

    async def test_cancelled(self, world):
        """A READ that is cancelled leaves the download usable."""
        gate = world.store.hold("read", call=2)
        _, download = await opened(world)
        await download.read(0, 1)
        await download.read(1, AHEAD - 1)
        await gate.reached.wait()
        reading = asyncio.create_task(download.read(AHEAD, 4))
        await turns()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert await download.read(AHEAD, 4) == BODY[AHEAD : AHEAD + 4]


class TestMemory:
    async def test_two_blocks(self, world):
        """A reader in order takes two blocks, a reader that jumps none; the end gives them back."""
        gateway, download = await opened(world)
        await download.read(50, 1)
        assert world.budget.taken_bytes == 0
        await download.read(51, 1)
        assert world.budget.taken_bytes == 2 * AHEAD
        download.finish()
        assert world.budget.taken_bytes == 0
        await gateway.recorded()

    async def test_without_memory_it_goes_on(self, world):
        """Without memory for blocks every read is answered by a fetch of its own."""
        _, download = await opened(world, budget_bytes=2 * AHEAD - 1)
        fetching = Fetching(world)
        assert await read_all(download, 10) == BODY
        assert {length for _, length in fetching.ranges} == {10}
        assert world.budget.peak_bytes == 0

    async def test_ended_while_reading(self, world):
        """A read that is under way when the session ends keeps no block and fetches none ahead."""
        gate = world.store.hold("read", moment=AFTER)
        gateway, download = await opened(world)
        reading = asyncio.create_task(download.read(0, 4))
        await gate.reached.wait()
        download.abandon("gone")
        assert world.budget.taken_bytes == 0
        gate.go.set()
        with pytest.raises(GatewayError, match="ended already"):
            await reading
        assert download._block == (0, b"")
        assert download._next is None
        await gateway.recorded()


class TestRecord:
    @pytest.mark.parametrize("how", ["finish", "abandon"])
    async def test_one_at_the_end(self, world, how):
        """A download leaves one record: who read which version, and how many bytes of it."""
        gateway, download = await opened(world)
        assert await world.records() == []
        await download.read(0, 30)
        world.clock.advance(5)
        download.finish() if how == "finish" else download.abandon("gone")
        await gateway.recorded()
        (record,) = await world.records()
        assert record.direction is Direction.DOWNLOAD
        expected = (S.COMPLETED, None) if how == "finish" else (S.ABANDONED, "gone")
        assert (record.status, record.error) == expected
        assert (record.version_id, record.etag) == (download.stored.version_id, download.stored.etag)
        assert (record.size, record.path, record.user_name) == (30, PATH, "acme")
        assert (record.timestamp - record.started_at).total_seconds() == 5

    async def test_ended_twice(self, world):
        """The first end counts."""
        gateway, download = await opened(world)
        download.finish()
        download.abandon("gone")
        download.finish()
        await gateway.recorded()
        (record,) = await world.records()
        assert record.status is S.COMPLETED

    async def test_never_blocks(self, world):
        """The client's CLOSE does not wait for the record."""
        gate = world.log.hold("start")
        gateway, download = await opened(world)
        download.finish()
        await gate.reached.wait()
        gate.go.set()
        await gateway.recorded()
        assert len(await world.records()) == 1

    async def test_cannot_be_written(self, world, told):
        """A record that cannot be written is told, and hurts nobody."""
        world.log.fail("start")
        gateway, download = await opened(world)
        download.finish()
        await gateway.recorded()
        assert await world.records() == []
        assert [event["event"] for event in told] == ["download ended", "download not recorded"]

    async def test_too_many_under_way(self, world, told, monkeypatch):
        """While the log is slow, records beyond a bound are told and not kept in memory."""
        monkeypatch.setattr("tidegate.services.downloads._MAX_RECORDS_UNDER_WAY", 2)
        gate = world.log.hold("start", call=None)
        await stored(world)
        gateway = downloads(world)
        for _ in range(3):
            (await gateway.begin(SESSION, PATH, HERE)).finish()
        gate.go.set()
        await gateway.recorded()
        assert len(await world.records()) == 2
        assert [event["reason"] for event in told if event["event"] == "download not recorded"] == [
            "too many under way"
        ]
