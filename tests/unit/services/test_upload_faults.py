"""Every call of an upload failing, before it took effect and after, alone and with others."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import (
    AccessDenied,
    ChangedMeanwhile,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    StoreUnavailable,
)
from tidegate.core.transfers import OPEN_STATUSES, Content, TransferStatus
from unit.services.faults import AFTER, BEFORE
from unit.services.world import LARGE, SMALL, World, close, send, turns

S = TransferStatus
STORE_CALLS = ("put", "create_multipart", "upload_part", "complete_multipart", "abort_multipart")
LOG_CALLS = ("set_upload_id", "finishing", "complete", "end", "story")
LOOKING = ("head", "versions")


def break_at(world, method, error=None, *, moment=BEFORE, call=1):
    port = world.log if method in LOG_CALLS else world.store
    port.fail(method, error, moment=moment, call=call)


async def upload_all(world, body) -> tuple[object, Exception | None]:
    """Send a file as a client does that goes on after an error, and return what CLOSE raised."""
    upload = await world.begin(world.uploads(parallel_parts=1))
    written = True
    try:
        await send(upload, body)
    except Exception:  # noqa: BLE001 - a client goes on whatever it was
        written = False
    try:
        await upload.finish()
    except Exception as error:  # noqa: BLE001 - judged by the caller
        return upload, error
    assert written, "CLOSE answered OK after a failed WRITE"
    return upload, None


# --- one fault ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "moment", "raises", "status"),
    [
        ("put", BEFORE, OutcomeUnknown, S.STARTED),
        ("put", AFTER, None, S.COMPLETED),
        ("head", BEFORE, None, S.COMPLETED),
        ("head", AFTER, None, S.COMPLETED),
        ("complete", BEFORE, None, S.COMPLETED),
        ("complete", AFTER, None, S.COMPLETED),
    ],
)
async def test_small_file(world, method, moment, raises, status):
    """A small file's CLOSE finds out what a lost answer hid, and says unknown when it cannot."""
    break_at(world, method, moment=moment)
    upload, error = await upload_all(world, SMALL)
    assert type(error) is raises if raises else error is None
    assert (await world.record(upload)).status is status
    await world.keeps_its_promises(upload, SMALL, error)


@pytest.mark.parametrize(
    ("method", "call", "moment", "raises", "status"),
    [
        ("create_multipart", 1, BEFORE, StoreUnavailable, S.STARTED),
        ("set_upload_id", 1, BEFORE, StoreUnavailable, S.FAILED),
        ("set_upload_id", 1, AFTER, StoreUnavailable, S.FAILED),
        ("upload_part", 1, BEFORE, StoreUnavailable, S.FAILED),
        ("upload_part", 1, AFTER, StoreUnavailable, S.FAILED),
        ("upload_part", 4, BEFORE, StoreUnavailable, S.FAILED),
        ("upload_part", 7, BEFORE, StoreUnavailable, S.FAILED),
        ("upload_part", 7, AFTER, StoreUnavailable, S.FAILED),
        ("finishing", 1, BEFORE, StoreUnavailable, S.FAILED),
        ("finishing", 1, AFTER, StoreUnavailable, S.FAILED),
        ("complete_multipart", 1, BEFORE, OutcomeUnknown, S.FINISHING),
        ("complete_multipart", 1, AFTER, None, S.COMPLETED),
        ("head", 1, BEFORE, None, S.COMPLETED),
        ("complete", 1, BEFORE, None, S.COMPLETED),
        ("complete", 1, AFTER, None, S.COMPLETED),
    ],
)
async def test_large_file(world, method, call, moment, raises, status):
    """Until S3 is told to complete, a fault is a plain failure; from then on the truth is looked for."""
    break_at(world, method, moment=moment, call=call)
    upload, error = await upload_all(world, LARGE)
    assert type(error) is raises if raises else error is None
    assert (await world.record(upload)).status is status
    await world.keeps_its_promises(upload, LARGE, error)


async def test_creation_without_an_answer(world):
    """An upload S3 may have begun without telling its id leaves the record open: the sweep looks for it."""
    world.store.fail("create_multipart", moment=AFTER)
    upload, error = await upload_all(world, LARGE)
    assert isinstance(error, StoreUnavailable)
    assert (await world.record(upload)).status is S.STARTED
    assert len(world.store.open_uploads) == 1
    assert await world.landed(upload) is None


@pytest.mark.parametrize("method", ["put", "complete_multipart"])
@pytest.mark.parametrize("refusal", [AccessDenied, NotFound])
async def test_refused_by_the_store(world, method, refusal):
    """A refusal is no riddle: the file is FAILED, nothing is published, and CLOSE says why."""
    world.store.fail(method, refusal("KMS says no"))
    body = SMALL if method == "put" else LARGE
    upload, error = await upload_all(world, body)
    assert type(error) is refusal
    assert (await world.record(upload)).status is S.FAILED
    await world.keeps_its_promises(upload, body, error)


async def test_refused_after_the_effect(world):
    """An upload that was completed and then could not be looked at is found by its transfer id."""
    world.store.fail("complete_multipart", AccessDenied("HeadObject"), moment=AFTER)
    upload, error = await upload_all(world, LARGE)
    assert error is None
    await world.keeps_its_promises(upload, LARGE, error)


async def test_a_bucket_that_is_not_there(world):
    """A mapping into a bucket nobody made is a plain failure, not an unknown outcome."""
    world.store.fail("put", NotFound("NoSuchBucket"))
    world.store.fail("versions", NotFound("NoSuchBucket"))
    upload, error = await upload_all(world, SMALL)
    assert type(error) is NotFound
    assert (await world.record(upload)).status is S.FAILED


async def test_an_object_of_another_size(world):
    """An object that is not as long as what was sent is never passed off as the file."""
    upload = await world.begin()
    await send(upload, SMALL)
    put = world.store.inner.put

    async def cut_short(new, body, crc32, *, replacing=None):
        from dataclasses import replace

        return replace(await put(new, body, crc32), size=len(body) - 1)

    world.store.inner.put = cut_short
    with pytest.raises(OutcomeUnknown, match="holds 8 bytes, 9 were sent"):
        await upload.finish()
    assert (await world.record(upload)).status is S.STARTED


async def test_an_odd_answer_of_the_store(world):
    """An answer nobody foresaw leaves the record open: the sweep will see what is there."""
    world.store.fail("put", KeyError("ETag"), moment=AFTER)
    upload, error = await upload_all(world, SMALL)
    assert type(error) is KeyError
    assert (await world.record(upload)).status is S.STARTED
    await world.keeps_its_promises(upload, SMALL, error)


async def test_an_odd_answer_to_a_part(world):
    """A part that was lost for a reason nobody foresaw leaves no hole: the file is never completed."""
    world.store.fail("upload_part", KeyError("ETag"), call=3)
    upload, error = await upload_all(world, LARGE)
    assert type(error) is KeyError
    assert world.store.count("complete_multipart") == 0
    await world.keeps_its_promises(upload, LARGE, error)


async def test_an_odd_answer_while_other_parts_are_under_way(world):
    """CLOSE waits for them: what has ended sends nothing more, and holds no memory."""
    gate = world.store.hold("upload_part", call=1)
    world.store.fail("upload_part", KeyError("ETag"), call=2)
    upload = await world.begin(world.uploads(parallel_parts=3))
    with suppress(KeyError):
        await send(upload, LARGE)
    closing = asyncio.create_task(upload.finish())
    await gate.reached.wait()
    await turns()
    assert not closing.done()
    gate.go.set()
    with pytest.raises(KeyError) as raised:
        await closing
    await world.keeps_its_promises(upload, LARGE, raised.value)


# --- two faults -----------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "method"), [(SMALL, "put"), (LARGE, "complete_multipart")])
@pytest.mark.parametrize("looking", LOOKING)
async def test_lost_and_not_to_be_found(world, body, method, looking):
    """If the answer is lost and S3 does not say what is there, the record stays open and CLOSE says so."""
    world.store.fail(method, moment=AFTER)
    world.store.fail(looking)
    upload, error = await upload_all(world, body)
    assert type(error) is OutcomeUnknown
    assert (await world.record(upload)).status in OPEN_STATUSES
    await world.keeps_its_promises(upload, body, error)


async def test_completed_and_not_to_be_read(world):
    """If the end was written and the record cannot be read, CLOSE says unknown though all is well."""
    world.log.fail("complete", moment=AFTER)
    world.log.fail("story")
    upload, error = await upload_all(world, SMALL)
    assert type(error) is OutcomeUnknown
    assert (await world.record(upload)).status is S.COMPLETED
    await world.keeps_its_promises(upload, SMALL, error)


@pytest.mark.parametrize("moment", [BEFORE, AFTER])
@pytest.mark.parametrize("error", [StoreUnavailable, ChangedMeanwhile])
async def test_the_end_is_written_once(world, error, moment):
    """An end that was not written at first is tried once more, and takes effect once whatever was lost."""
    world.log.fail("complete", error("in somebody's way"), moment=moment)
    upload, raised = await upload_all(world, LARGE)
    assert raised is None
    assert world.log.count("complete") == (2 if moment == BEFORE else 1)
    await world.keeps_its_promises(upload, LARGE, None)


async def test_the_end_lost_twice(world):
    """If the second try is lost too the record is asked again, and says that all is well."""
    world.log.fail("complete", call=1)
    world.log.fail("complete", moment=AFTER, call=2)
    upload, raised = await upload_all(world, SMALL)
    assert raised is None
    await world.keeps_its_promises(upload, SMALL, None)


async def test_the_end_cannot_be_written(world):
    """If neither try is written CLOSE says unknown, and the record stays open for the sweep."""
    world.log.fail("complete", call=None)
    upload, raised = await upload_all(world, SMALL)
    assert type(raised) is OutcomeUnknown
    assert world.log.count("complete") == 2
    assert (await world.record(upload)).status is S.STARTED
    await world.keeps_its_promises(upload, SMALL, raised)


@pytest.mark.parametrize("refusal", [AccessDenied, NotFound, ChangedMeanwhile])
async def test_whole_in_s3_and_refused_by_the_log(world, refusal):
    """A whole object whose record cannot be completed is unknown, never FAILED: the sweep completes it."""
    world.log.fail("complete", refusal("TransactWriteItems"), call=None)
    upload, error = await upload_all(world, LARGE)
    assert type(error) is OutcomeUnknown
    assert (await world.record(upload)).status is S.FINISHING
    assert await world.landed(upload) == LARGE


@pytest.mark.parametrize("moment", [BEFORE, AFTER])
async def test_abort_fails(world, moment):
    """A record is not closed over a multipart upload that may still be there."""
    world.store.fail("upload_part", call=2)
    world.store.fail("abort_multipart", moment=moment)
    upload, _ = await upload_all(world, LARGE)
    record = await world.record(upload)
    assert record.status is S.STARTED
    assert record.upload_id is not None
    assert len(world.store.open_uploads) == (1 if moment == BEFORE else 0)


async def test_taken_over_by_a_sweep(world):
    """An upload whose record another gateway has taken cannot complete it: CLOSE says unknown."""
    upload = await world.begin()
    await send(upload, SMALL)
    record = await world.record(upload)
    await world.log.inner.take_over(record, "gw-sweeper", world.clock.now())
    error = await close(upload)
    assert type(error) is OutcomeUnknown
    assert (await world.record(upload)).status is S.SWEEPING
    assert await world.deliveries(upload) == ()


async def test_completed_by_a_sweep(world):
    """A record that another gateway has completed is not ours to acknowledge: CLOSE says unknown."""
    world.log.fail("complete")
    gate = world.log.hold("story")
    upload = await world.begin()
    await send(upload, SMALL)
    closing = asyncio.create_task(close(upload))
    await gate.reached.wait()
    record = await world.record(upload)
    swept = await world.log.inner.take_over(record, "gw-sweeper", world.clock.now())
    await world.log.inner.complete(
        swept.owner,
        Content(len(SMALL), "00"),
        await world.object(),
        (),
        superseded=False,
        at=world.clock.now(),
    )
    gate.go.set()
    assert type(await closing) is OutcomeUnknown
    await world.keeps_its_promises(upload, SMALL, OutcomeUnknown("swept"))


# --- all of them ----------------------------------------------------------------------------

ERRORS = (StoreUnavailable, AccessDenied, NotFound, ChangedMeanwhile, KeyError)
REFUSALS = (AccessDenied, NotFound, ChangedMeanwhile)


def can_be(method, kind, moment):
    """Whether the world can be so: S3 does not refuse a call that it has carried out."""
    return not (method in ("put", "create_multipart") and kind in REFUSALS and moment == AFTER)


def judge(world, upload, body, error):
    record = asyncio.run(world.record(upload))
    if record.status in OPEN_STATUSES and isinstance(error, GatewayError):
        told = isinstance(error, OutcomeUnknown)
        unseen = "create_multipart" in world.calls and "set_upload_id" not in world.calls
        # An open record without an unknown outcome: it could not be closed.
        assert told or unseen or "end" in world.calls or "abort_multipart" in world.calls


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("method", [*STORE_CALLS, *LOG_CALLS, *LOOKING])
def test_any_call_any_error(method, body):
    """Whatever fails, with whatever error, at whichever call, before or after: the promises hold."""
    for kind, moment, call in product(ERRORS, (BEFORE, AFTER), (1, 2, 7, None)):
        if not can_be(method, kind, moment):
            continue
        world = World()
        break_at(world, method, kind("fault"), moment=moment, call=call)

        async def run(world=world):
            upload, error = await upload_all(world, body)
            await world.keeps_its_promises(upload, body, error)
            return upload, error

        upload, error = asyncio.run(run())
        judge(world, upload, body, error)


faults = st.tuples(
    st.sampled_from([*STORE_CALLS, *LOG_CALLS, *LOOKING]),
    st.sampled_from(ERRORS),
    st.sampled_from([BEFORE, AFTER]),
    st.sampled_from([1, 2, 3, None]),
).filter(lambda fault: can_be(*fault[:3]))


@given(st.lists(faults, min_size=2, max_size=5), st.sampled_from([SMALL, LARGE]), st.booleans())
def test_any_faults_together(planted, body, drops):
    """However many things fail at once, and whether the client closes or drops: the promises hold."""

    async def run():
        world = World()
        for method, kind, moment, call in planted:
            break_at(world, method, kind("fault"), moment=moment, call=call)
        upload = await world.begin(world.uploads(parallel_parts=3, store_partial=True))
        error = None
        try:
            await send(upload, body)
            await (upload.abandon("gone") if drops else upload.finish())
        except Exception as raised:  # noqa: BLE001 - judged below
            error = raised
            await upload.abandon("gone")
        await world.keeps_its_promises(upload, body, StoreUnavailable("dropped") if drops else error)

    asyncio.run(run())
