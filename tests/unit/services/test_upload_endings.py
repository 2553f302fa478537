"""Two ways out of an upload and no third: CLOSE, and everything else."""

from __future__ import annotations

import asyncio

import pytest

from tidegate.core.errors import GatewayError, OutOfOrderWrite, StoreUnavailable
from tidegate.core.transfers import OPEN_STATUSES, TransferStatus
from unit.services.faults import AFTER, BEFORE
from unit.services.world import BASE_PART, LARGE, SMALL, World, close, send, turns

S = TransferStatus
GONE = "the session ended before the file was closed"


class TestAbandonDiscarding:
    @pytest.mark.parametrize("sent", [b"", SMALL, LARGE, LARGE[: 2 * BASE_PART]], ids=len)
    async def test_nothing_is_published(self, world, sent):
        """What was dropped is ABANDONED with its reason, and S3 keeps nothing of it."""
        upload = await world.begin()
        await send(upload, sent)
        await upload.abandon(GONE)
        record = await world.record(upload)
        assert (record.status, record.error) == (S.ABANDONED, GONE)
        assert await world.object() is None
        assert world.owed_count == 0
        await world.keeps_its_promises(upload, sent, StoreUnavailable("dropped"))

    async def test_twice(self, world):
        """A second abandon does nothing."""
        upload = await world.begin()
        await send(upload, LARGE)
        await asyncio.gather(upload.abandon(GONE), upload.abandon("again"))
        await upload.abandon("and again")
        assert world.calls.count("end") == 1
        await world.keeps_its_promises(upload, LARGE, StoreUnavailable("dropped"))

    async def test_after_finish(self, world):
        """What was closed is not abandoned any more."""
        upload = await world.begin()
        await upload.finish()
        await upload.abandon(GONE)
        assert (await world.record(upload)).status is S.COMPLETED
        assert world.budget.taken_bytes == 0

    async def test_record_cannot_be_written(self, world):
        """Abandoning never raises; the record then stays open for the sweep."""
        world.log.fail("end")
        upload = await world.begin()
        await upload.abandon(GONE)
        assert (await world.record(upload)).status is S.STARTED
        await world.keeps_its_promises(upload, b"", StoreUnavailable("dropped"))


class TestAbandonKeeping:
    @pytest.mark.parametrize("sent", [SMALL, LARGE, LARGE[: 2 * BASE_PART]], ids=len)
    async def test_what_came_is_partial(self, world, sent):
        """What was dropped is stored as far as it came, PARTIAL, and owes nothing."""
        upload = await world.begin(world.uploads(store_partial=True))
        await send(upload, sent)
        await upload.abandon(GONE)
        record, stored = await world.record(upload), await world.object()
        assert (record.status, record.error, record.size) == (S.PARTIAL, GONE, len(sent))
        assert (record.version_id, record.etag) == (stored.version_id, stored.etag)
        assert await world.content() == sent
        assert world.owed_count == 0
        await world.keeps_its_promises(upload, sent, StoreUnavailable("dropped"))

    async def test_a_small_one_says_so(self, world):
        """A partial object of one PutObject says in its metadata that it is partial."""
        upload = await world.begin(world.uploads(store_partial=True))
        await send(upload, SMALL)
        await upload.abandon(GONE)
        metadata = (await world.object()).metadata
        assert (metadata["tidegate-outcome"], metadata["tidegate-bytes"]) == ("partial", "9")

    async def test_never_finishing(self, world):
        """A dropped upload is completed from STARTED: FINISHING would say that the client asked for CLOSE."""
        upload = await world.begin(world.uploads(store_partial=True))
        await send(upload, LARGE)
        await upload.abandon(GONE)
        assert "finishing" not in world.calls

    async def test_nothing_came(self, world):
        """Of an upload without a byte there is nothing to keep."""
        upload = await world.begin(world.uploads(store_partial=True))
        await upload.abandon(GONE)
        assert (await world.record(upload)).status is S.ABANDONED
        assert await world.object() is None

    async def test_nothing_came_before_the_gap(self, world):
        """Bytes beyond a gap at the very start are no part of the file."""
        upload = await world.begin(world.uploads(store_partial=True))
        await upload.write(3, b"def")
        await upload.abandon(GONE)
        assert (await world.record(upload)).status is S.ABANDONED
        assert await world.object() is None

    @pytest.mark.parametrize("before", [LARGE[:5], LARGE[: 2 * BASE_PART + 5]], ids=len)
    async def test_up_to_the_gap(self, world, before):
        """What is kept ends where the first byte is missing."""
        upload = await world.begin(world.uploads(store_partial=True))
        await send(upload, before)
        await upload.write(len(before) + 2, b"zz")
        await upload.abandon(GONE)
        assert await world.content() == before
        await world.keeps_its_promises(upload, before, StoreUnavailable("dropped"))

    @pytest.mark.parametrize("method", ["put", "complete_multipart"])
    async def test_outcome_unknown(self, world, method):
        """If storing the rest has no answer and nothing is found, the record stays open."""
        world.store.fail(method)
        upload = await world.begin(world.uploads(store_partial=True))
        await send(upload, SMALL if method == "put" else LARGE)
        await upload.abandon(GONE)
        assert (await world.record(upload)).status is S.STARTED
        assert world.budget.taken_bytes == 0

    @pytest.mark.parametrize("method", ["put", "complete_multipart"])
    async def test_answer_lost(self, world, method):
        """A partial object whose answer was lost is found."""
        sent = SMALL if method == "put" else LARGE
        world.store.fail(method, moment=AFTER)
        upload = await world.begin(world.uploads(store_partial=True))
        await send(upload, sent)
        await upload.abandon(GONE)
        assert (await world.record(upload)).status is S.PARTIAL
        await world.keeps_its_promises(upload, sent, StoreUnavailable("dropped"))

    @pytest.mark.parametrize(("moment", "status"), [(BEFORE, S.STARTED), (AFTER, S.PARTIAL)])
    async def test_record_cannot_be_written(self, world, moment, status):
        """A partial object that is there is never called FAILED: the sweep will find it."""
        world.log.fail("end", moment=moment)
        upload = await world.begin(world.uploads(store_partial=True))
        await send(upload, LARGE)
        await upload.abandon(GONE)
        assert (await world.record(upload)).status is status
        assert await world.landed(upload) == LARGE
        await world.keeps_its_promises(upload, LARGE, StoreUnavailable("dropped"))

    async def test_last_part_fails(self, world):
        """If what came cannot be stored whole, nothing of it is."""
        world.store.fail("upload_part", call=7)
        upload = await world.begin(world.uploads(store_partial=True))
        await send(upload, LARGE)
        await upload.abandon(GONE)
        assert (await world.record(upload)).status is S.FAILED
        await world.keeps_its_promises(upload, LARGE, StoreUnavailable("dropped"))


class TestErrorThatStays:
    @pytest.mark.parametrize("store_partial", [False, True])
    async def test_abandon_after_an_error(self, world, store_partial):
        """An upload whose WRITE had failed is FAILED with that error, and nothing of it is kept."""
        world.store.fail("upload_part", call=2)
        upload = await world.begin(world.uploads(store_partial=store_partial, parallel_parts=1))
        with pytest.raises(StoreUnavailable):
            await send(upload, LARGE * 2)
        await upload.abandon(GONE)
        record = await world.record(upload)
        assert (record.status, record.error) == (S.FAILED, "upload_part: no answer")
        await world.keeps_its_promises(upload, LARGE, StoreUnavailable("dropped"))

    @pytest.mark.parametrize("store_partial", [False, True])
    async def test_abandon_after_an_error_nobody_saw(self, world, store_partial):
        """An upload whose part had failed behind the client is FAILED too."""
        world.store.fail("upload_part")
        upload = await world.begin(world.uploads(store_partial=store_partial, parallel_parts=8))
        await upload.write(0, LARGE[:BASE_PART])
        await upload._sender.quiet()
        await upload.abandon(GONE)
        record = await world.record(upload)
        assert (record.status, record.error) == (S.FAILED, "upload_part: no answer")

    async def test_a_part_that_fails_behind_the_client(self, world):
        """A part that fails after its WRITE was answered fails the CLOSE."""
        world.store.fail("upload_part", call=2)
        upload = await world.begin(world.uploads(parallel_parts=8))
        await upload.write(0, LARGE[: 2 * BASE_PART])
        error = await close(upload)
        assert isinstance(error, StoreUnavailable)
        assert (await world.record(upload)).status is S.FAILED
        await world.keeps_its_promises(upload, LARGE[: 2 * BASE_PART], error)

    async def test_a_refused_write_fails_the_close(self, world):
        """A WRITE refused for its offset fails every later one and the CLOSE, though all bytes came after."""
        upload = await world.begin()
        await send(upload, SMALL)
        with pytest.raises(OutOfOrderWrite):
            await upload.write(100, b"far ahead")
        with pytest.raises(OutOfOrderWrite):
            await upload.write(len(SMALL), b"in order again")
        error = await close(upload)
        assert isinstance(error, OutOfOrderWrite)
        assert (await world.record(upload)).status is S.FAILED
        await world.keeps_its_promises(upload, SMALL, error)

    async def test_a_rewrite_of_what_was_sent(self, world):
        """Bytes that are in S3 already cannot be written again."""
        upload = await world.begin()
        await send(upload, LARGE)
        with pytest.raises(OutOfOrderWrite, match="already sent"):
            await upload.write(0, b"new head")
        assert isinstance(await close(upload), OutOfOrderWrite)
        assert await world.object() is None

    async def test_a_gap_at_close(self, world):
        """Bytes that never came fail the CLOSE; nothing is published."""
        upload = await world.begin()
        await upload.write(0, b"abc")
        await upload.write(5, b"fgh")
        error = await close(upload)
        assert isinstance(error, OutOfOrderWrite)
        assert "bytes from 3 never came" in error.detail
        assert (await world.record(upload)).status is S.FAILED
        await world.keeps_its_promises(upload, b"abc", error)


class TestAfterTheEnd:
    @pytest.mark.parametrize("how", ["finish", "abandon"])
    async def test_write(self, world, how):
        """A WRITE that was on its way when the upload ended is refused and takes no memory."""
        upload = await world.begin()
        await send(upload, SMALL)
        await (upload.finish() if how == "finish" else upload.abandon(GONE))
        for data in (b"x", LARGE):
            with pytest.raises(GatewayError, match="ended already"):
                await upload.write(len(SMALL), data)
        assert world.budget.taken_bytes == 0

    @pytest.mark.parametrize("how", ["finish", "abandon"])
    async def test_finish(self, world, how):
        """A CLOSE after the end publishes nothing and gives no memory back twice."""
        upload = await world.begin()
        other = await world.begin()
        await send(upload, SMALL)
        await (upload.finish() if how == "finish" else upload.abandon(GONE))
        before = await world.record(upload)
        with pytest.raises(GatewayError, match="ended already"):
            await upload.finish()
        assert await world.record(upload) == before
        assert world.budget.taken_bytes > 0, "the other upload's memory is its own"
        await other.finish()
        assert world.budget.taken_bytes == 0


class TestCancelled:
    """A lost connection cancels whoever awaits: no step may be torn in two by it."""

    @pytest.mark.parametrize("store_partial", [False, True])
    @pytest.mark.parametrize("method", ["create_multipart", "set_upload_id", "upload_part"])
    @pytest.mark.parametrize("moment", [BEFORE, AFTER])
    async def test_a_write_while_a_part_is_sent(self, world, store_partial, method, moment):
        """The part that was being sent still arrives; what is kept is an exact beginning of the file."""
        port = world.log if method == "set_upload_id" else world.store
        gate = port.hold(method, moment=moment)
        uploads = world.uploads(store_partial=store_partial, parallel_parts=1)
        upload = await world.begin(uploads)
        writing = asyncio.create_task(send(upload, LARGE))
        await gate.reached.wait()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        ending = asyncio.create_task(upload.abandon(GONE))
        await turns()
        assert not ending.done(), "the ending waits for the step under way"
        gate.go.set()
        await ending
        await uploads.all_ended()
        assert (await world.record(upload)).status is (S.PARTIAL if store_partial else S.ABANDONED)
        await world.keeps_its_promises(upload, LARGE, StoreUnavailable("dropped"))

    @pytest.mark.parametrize("at", range(0, 140, 9))
    async def test_a_write_at_any_moment(self, world, at):
        """Wherever the writer is cancelled, the partial object has no hole."""
        upload = await world.begin(world.uploads(store_partial=True, parallel_parts=1))
        writing = asyncio.create_task(send(upload, LARGE, size=13))
        await turns(at)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await upload.abandon(GONE)
        await world.keeps_its_promises(upload, LARGE, StoreUnavailable("dropped"))

    @pytest.mark.parametrize("method", ["finishing", "complete_multipart", "head", "complete"])
    @pytest.mark.parametrize("moment", [BEFORE, AFTER])
    async def test_finish(self, world, method, moment):
        """A CLOSE that was taken up goes on to its end, whether anybody still listens or not."""
        port = world.log if method in ("finishing", "complete") else world.store
        gate = port.hold(method, moment=moment)
        uploads = world.uploads()
        upload = await world.begin(uploads)
        await send(upload, LARGE)
        closing = asyncio.create_task(upload.finish())
        await gate.reached.wait()
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        assert closing.cancelled()
        gate.go.set()
        await uploads.all_ended()
        assert (await world.record(upload)).status is S.COMPLETED
        await world.keeps_its_promises(upload, LARGE, None)

    async def test_finish_then_abandon(self, world):
        """An abandon that comes while CLOSE is under way waits, and then has nothing to do."""
        gate = world.store.hold("put")
        upload = await world.begin()
        closing = asyncio.create_task(upload.finish())
        await gate.reached.wait()
        abandoning = asyncio.create_task(upload.abandon(GONE))
        await turns()
        gate.go.set()
        await asyncio.gather(closing, abandoning)
        assert (await world.record(upload)).status is S.COMPLETED

    async def test_abandon(self, world):
        """An ending that is cancelled itself goes on all the same."""
        gate = world.log.hold("end")
        uploads = world.uploads()
        upload = await world.begin(uploads)
        ending = asyncio.create_task(upload.abandon(GONE))
        await gate.reached.wait()
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
        gate.go.set()
        await uploads.all_ended()
        assert (await world.record(upload)).status is S.ABANDONED


async def test_requests_are_taken_in_their_order(world):
    """WRITEs and the CLOSE that were sent without waiting are carried out one after the other."""
    upload = await world.begin()
    tasks = [asyncio.create_task(upload.write(at, LARGE[at : at + 5])) for at in range(0, 100, 5)]
    closing = asyncio.create_task(upload.finish())
    await asyncio.gather(*tasks, closing)
    await world.keeps_its_promises(upload, LARGE, None)


async def test_the_last_of_two_writes_to_one_place_counts(world):
    """A WRITE overtakes none before it, not even one that had to wait."""
    gate = world.store.hold("upload_part")
    upload = await world.begin(world.uploads(parallel_parts=1))
    sending = asyncio.create_task(upload.write(0, LARGE[:40]))
    await gate.reached.wait()
    tasks = [asyncio.create_task(upload.write(40, data)) for data in (b"first", b"again")]
    await turns()
    gate.go.set()
    await asyncio.gather(sending, *tasks)
    await upload.finish()
    assert await world.content() == LARGE[:40] + b"again"


async def test_a_short_write_does_not_overtake_a_long_one(world):
    """A WRITE that fits at once still waits for the one before it that does not."""
    upload = await world.begin()
    await upload.write(0, b"0123456")
    await asyncio.gather(*(asyncio.create_task(upload.write(7, data)) for data in (b"first", b"2")))
    await upload.finish()
    assert await world.content() == b"01234562irst"


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("versioned", [True, False])
async def test_two_writers(body, order, versioned):
    """Whoever completes last is current; both are COMPLETED with their deliveries, and both bodies landed."""
    world = World(versioned=versioned)
    uploads = world.uploads()
    two = [await world.begin(uploads), await world.begin(uploads)]
    bodies = [body, body[::-1]]
    for upload, data in zip(two, bodies, strict=True):
        await send(upload, data)
    for which in order:
        await two[which].finish()
    assert await world.content() == bodies[order[1]]
    for upload, data in zip(two, bodies, strict=True):
        record = await world.record(upload)
        assert (record.status, record.superseded) == (S.COMPLETED, False), "each was current when it ended"
        assert len(await world.deliveries(upload)) == 2
        if versioned:
            assert await world.landed(upload) == data


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("winner", [0, 1])
async def test_a_writer_overtaken_between_object_and_record(world, body, winner):
    """A version that is not current when its record is completed is marked, and still owes its deliveries."""
    uploads = world.uploads()
    two = [await world.begin(uploads), await world.begin(uploads)]
    for upload in two:
        await send(upload, body)
    loser = 1 - winner
    gate = world.store.hold("head", call=1)
    overtaken = asyncio.create_task(two[loser].finish())
    await gate.reached.wait()
    await two[winner].finish()
    gate.go.set()
    await overtaken
    records = [await world.record(upload) for upload in two]
    assert [record.status for record in records] == [S.COMPLETED] * 2
    assert (records[loser].superseded, records[winner].superseded) == (True, False)
    assert (await world.object()).version_id == records[winner].version_id
    for upload in two:
        assert len(await world.deliveries(upload)) == 2


async def test_removed_before_the_record(world):
    """A file that somebody deleted before its record was completed is not current."""
    gate = world.store.hold("head")
    upload = await world.begin()
    closing = asyncio.create_task(upload.finish())
    await gate.reached.wait()
    await world.store.inner.delete((await world.object()).location)
    gate.go.set()
    await closing
    assert (await world.record(upload)).superseded


async def test_one_line_each(world, told):
    """Every ending leaves one line: status, file, bytes or reason; what stays open says so."""
    uploads = world.uploads(store_partial=True)
    done, dropped, unknown = [await world.begin(uploads) for _ in range(3)]
    await send(done, SMALL)
    await done.finish()
    await send(dropped, SMALL)
    await dropped.abandon(GONE)
    world.store.fail("put")
    await close(unknown)
    lines = [event for event in told if event["event"] == "upload ended"]
    assert [line["status"] for line in lines] == ["COMPLETED", "PARTIAL", "OPEN"]
    assert (lines[0]["bytes"], lines[1]["reason"]) == (9, GONE)
    assert all(line["path"] == "/in/report.csv" and line["user"] == "acme" for line in lines)
    assert (await world.record(unknown)).status in OPEN_STATUSES
