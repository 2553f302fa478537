"""Adding to a file that is there: what is kept of it, where writes go, and what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import (
    ChangedMeanwhile,
    Incomplete,
    NotFound,
    OutOfOrderWrite,
    SendWhole,
    StoreUnavailable,
)
from tidegate.core.ids import GatewayId
from tidegate.core.open_modes import OpenIntent
from tidegate.core.transfers import TransferStatus
from tidegate.services.intake import Uploads
from tidegate.services.uploads import Upload
from unit.services.faults import AFTER
from unit.services.world import (
    BASE_PART,
    HERE,
    LARGE,
    MIN_PART,
    PATH,
    SESSION,
    SMALL,
    WINDOW,
    World,
    close,
    send,
)

S = TransferStatus
ON = OpenIntent(is_write=True, must_exist=False, must_be_new=False, continues=True)
APPEND = replace(ON, appends=True)
MORE = bytes(range(100, 160))

olds = pytest.mark.parametrize("old", [SMALL, LARGE[:MIN_PART], LARGE], ids=["small", "one part", "large"])


async def there(world: World, uploads: Uploads, body: bytes) -> Upload:
    upload = await uploads.begin(SESSION, PATH, HERE)
    await send(upload, body)
    await upload.finish()
    world.clock.advance(5)
    return upload


async def sent_from(upload: Upload, offset: int, body: bytes) -> None:
    for start in range(0, len(body), 7):
        await upload.write(offset + start, body[start : start + 7])


@olds
@pytest.mark.parametrize("counts_from", ["the start of the file", "its end"])
async def test_append(world: World, old: bytes, counts_from: str) -> None:
    """Everything goes behind what is there, whichever way the client counts."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, old)
    upload = await uploads.begin(SESSION, PATH, HERE, APPEND)
    await sent_from(upload, len(old) if counts_from == "the start of the file" else 0, MORE)
    await upload.finish()
    record = await world.record(upload)
    assert await world.content() == old + MORE
    assert (record.status, record.size) == (S.COMPLETED, len(old + MORE))
    assert record.sha256 == hashlib.sha256(old + MORE).hexdigest()
    assert world.budget.taken_bytes == 0


@olds
async def test_the_kept_bytes_are_not_sent_again(world: World, old: bytes) -> None:
    """What is large enough for a part is copied in S3; what is not is read and sent with what follows."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, old)
    world.calls.clear()
    upload = await uploads.begin(SESSION, PATH, HERE, APPEND)
    await sent_from(upload, len(old), MORE)
    await upload.finish()
    assert world.calls.count("copy_part") == (len(old) >= MIN_PART)


@given(old=st.binary(max_size=70), keep=st.integers(0, 70), more=st.binary(min_size=1, max_size=70))
async def test_a_first_write_keeps_what_is_before_it(old: bytes, keep: int, more: bytes) -> None:
    """Of any file any beginning: the file is then that beginning and what was written, and nothing else."""
    world, keep = World(), min(keep, len(old))
    uploads = world.uploads(resume=True)
    await there(world, uploads, old)
    upload = await uploads.begin(SESSION, PATH, HERE, ON)
    await sent_from(upload, keep, more)
    await upload.set_size(keep + len(more))
    await upload.finish()
    assert await world.content() == old[:keep] + more
    assert (await world.record(upload)).sha256 == hashlib.sha256(old[:keep] + more).hexdigest()


@pytest.fixture(autouse=True, scope="module")
def small_parts_for_all() -> object:
    """Hypothesis runs many examples within one test: parts must be small in all of them."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("uploads", "part_sender", "kept_uploads", "continuing"):
            patch.setattr(f"tidegate.services.{module}.S3_MIN_PART_BYTES", MIN_PART)
        yield


@pytest.mark.parametrize(
    ("intent", "offset"), [(ON, len(LARGE) + WINDOW + 1), (APPEND, 1), (APPEND, len(LARGE) + 1)]
)
async def test_a_first_write_that_knows_another_file(world: World, intent: OpenIntent, offset: int) -> None:
    """Behind the end, or an append that is neither at the end nor at 0: refused, and the file stays."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, LARGE)
    upload = await uploads.begin(SESSION, PATH, HERE, intent)
    with pytest.raises(OutOfOrderWrite):
        await upload.write(offset, b"x")
    assert await close(upload) is not None
    assert await world.content() == LARGE
    assert (await world.record(upload)).status is S.FAILED
    assert not world.store.inner.open_uploads


@pytest.mark.parametrize("intent", [ON, APPEND])
async def test_closed_without_a_byte(world: World, intent: OpenIntent) -> None:
    """CLOSE answers OK, and the file is the version that was there."""
    uploads = world.uploads(resume=True)
    first = await there(world, uploads, LARGE)
    upload = await uploads.begin(SESSION, PATH, HERE, intent)
    await upload.finish()
    record = await world.record(upload)
    assert (record.status, record.version_id) == (S.ABANDONED, None)
    assert (await world.object()).transfer_id == first.record.log_id
    assert not await world.deliveries(upload)


async def test_nothing_there_is_a_new_file(world: World) -> None:
    """APPEND of a file that is not there makes it; without CREATE it is refused."""
    uploads = world.uploads(resume=True)
    with pytest.raises(NotFound):
        await uploads.begin(SESSION, PATH, HERE, replace(APPEND, must_exist=True))
    upload = await uploads.begin(SESSION, PATH, HERE, APPEND)
    await sent_from(upload, 0, LARGE)
    await upload.finish()
    assert await world.content() == LARGE
    assert world.budget.taken_bytes == 0


@olds
@pytest.mark.parametrize("size", [0, 4, MIN_PART - 1, len(LARGE)])
async def test_cut_without_a_write(world: World, old: bytes, size: int) -> None:
    """FSETSTAT of a size: smaller cuts the file, its own changes nothing, larger fails CLOSE."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, old)
    upload = await uploads.begin(SESSION, PATH, HERE, ON)
    await upload.set_size(size)
    error = await close(upload)
    assert (error is None) == (size <= len(old))
    assert await world.content() == old[: max(size, 0)]


async def test_written_from_the_start_and_cut(world: World) -> None:
    """What `scp` does onto a longer file: nothing of the old one is left, with and without the cut."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, LARGE)
    upload = await uploads.begin(SESSION, PATH, HERE, ON)
    await send(upload, SMALL)
    await upload.set_size(len(SMALL))
    await upload.finish()
    assert await world.content() == SMALL


async def test_a_file_replaced_meanwhile(world: World) -> None:
    """CLOSE fails: what was written belongs to a file that is not the current one any more."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, LARGE)
    upload = await uploads.begin(SESSION, PATH, HERE, APPEND)
    await sent_from(upload, len(LARGE), MORE)
    await there(world, uploads, SMALL)
    assert isinstance(await close(upload), ChangedMeanwhile)
    assert await world.content() == SMALL
    assert (await world.record(upload)).status is S.FAILED


@pytest.mark.parametrize("call", ["copy_part", "read", "create_multipart"])
async def test_what_cannot_be_kept(world: World, call: str) -> None:
    """An error of S3 fails the WRITE and the CLOSE; the file stays, and no upload is left over."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, LARGE)
    upload = await uploads.begin(SESSION, PATH, HERE, APPEND)
    world.store.fail(call, StoreUnavailable("no answer"), call=None)
    with pytest.raises(StoreUnavailable):
        await upload.write(len(LARGE), MORE)
    assert await close(upload) is not None
    assert await world.content() == LARGE
    assert world.budget.taken_bytes == 0


async def test_an_append_that_is_dropped_can_be_continued(world: World) -> None:
    """Not while the file is there under its name: that is what its partner sees and goes on from."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, LARGE)
    upload = await uploads.begin(SESSION, PATH, HERE, APPEND)
    await sent_from(upload, len(LARGE), MORE)
    await upload.abandon("lost")
    assert await world.content() == LARGE
    again = await uploads.begin(SESSION, PATH, HERE, APPEND)
    await sent_from(again, len(LARGE), MORE)
    await again.finish()
    assert await world.content() == LARGE + MORE


async def test_the_size_shown_while_it_is_open(world: World) -> None:
    """FSTAT tells what is there before the first byte, and then what the file has come to."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, LARGE)
    upload = await uploads.begin(SESSION, PATH, HERE, APPEND)
    assert upload.received_bytes == len(LARGE)
    await upload.write(len(LARGE), b"abc")
    assert upload.received_bytes == len(LARGE) + 3
    await upload.finish()


async def test_disorder_behind_what_is_kept(world: World) -> None:
    """The window is the same as that of any upload: a little disorder is absorbed."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, LARGE)
    upload = await uploads.begin(SESSION, PATH, HERE, APPEND)
    at = len(LARGE)
    await upload.write(at, MORE[:4])
    await upload.write(at + 8, MORE[8:12])
    await upload.write(at + 4, MORE[4:8])
    await upload.finish()
    assert await world.content() == LARGE + MORE[:12]


async def test_a_file_of_many_parts_is_copied_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is smaller than S3 takes, whatever the size of the file."""
    monkeypatch.setattr("tidegate.services.part_sender._COPY_PART_BYTES", 3 * BASE_PART)
    uploads = world.uploads(resume=True)
    await there(world, uploads, LARGE)
    for extra in range(3):
        old = await world.content()
        assert old is not None
        upload = await uploads.begin(SESSION, PATH, HERE, APPEND)
        await upload.write(len(old), MORE[extra : extra + 1])
        await upload.finish()
        world.clock.advance(5)
    assert await world.content() == LARGE + MORE[:3]


# --- what must not be mixed, or lost -----------------------------------------------------------


@pytest.mark.parametrize("sent", [0, 5, 3 * BASE_PART + 2, 90], ids=["nothing", "a little", "parts", "more"])
@pytest.mark.parametrize("how", ["dropped", "failed"])
async def test_a_replacement_that_came_to_nothing(world: World, sent: int, how: str) -> None:
    """Whoever goes on after it believes to have the new file there: adding to the old one is refused."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, SMALL)
    replacing = await uploads.begin(SESSION, PATH, HERE)
    await send(replacing, LARGE[:sent])
    if how == "dropped":
        await replacing.abandon("lost")
    else:
        with pytest.raises(OutOfOrderWrite):
            await replacing.write(sent + 50, b"x")
        assert await close(replacing) is not None
    for intent in (ON, APPEND):
        upload = await uploads.begin(SESSION, PATH, HERE, intent)
        with pytest.raises(SendWhole):
            await upload.write(len(SMALL), b"the end of the new file")
        assert await close(upload) is not None
    assert await world.content() == SMALL
    await there(world, uploads, LARGE)
    added = await uploads.begin(SESSION, PATH, HERE, APPEND)
    await sent_from(added, len(LARGE), MORE)
    await added.finish()
    assert await world.content() == LARGE + MORE


async def test_another_ones_failure_is_not_ours(world: World) -> None:
    """What another user tried at the same place says nothing of what this one believes."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, LARGE)
    theirs = await uploads.begin(replace(SESSION, user_name="bank"), PATH, HERE)
    await theirs.write(0, b"x")
    await theirs.abandon("lost")
    upload = await uploads.begin(SESSION, PATH, HERE, APPEND)
    await sent_from(upload, len(LARGE), MORE)
    await upload.finish()
    assert await world.content() == LARGE + MORE


@olds
async def test_two_that_append_at_once(world: World, old: bytes) -> None:
    """One of two on two gateways reads OK; the other fails, whenever it looked."""
    here, elsewhere = world.uploads(resume=True), world.uploads(resume=True, gateway=GatewayId("gw-b"))
    await there(world, here, old)
    first = await here.begin(SESSION, PATH, HERE, APPEND)
    second = await elsewhere.begin(SESSION, PATH, HERE, APPEND)
    await sent_from(first, len(old), b"AAAA")
    await sent_from(second, len(old), b"BBBB")
    assert await close(first) is None
    assert isinstance(await close(second), ChangedMeanwhile)
    assert await world.content() == old + b"AAAA"
    assert (await world.record(second)).status is S.FAILED


@olds
async def test_an_append_whose_answer_was_lost(world: World, old: bytes) -> None:
    """Its own object stands in the way of the repeat; it is found, and CLOSE answers OK."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, old)
    upload = await uploads.begin(SESSION, PATH, HERE, APPEND)
    await sent_from(upload, len(old), b"AAAA")
    for call in ("put", "complete_multipart"):
        world.store.fail(call, ChangedMeanwhile("412"), moment=AFTER)
    assert await close(upload) is None
    assert await world.content() == old + b"AAAA"


async def test_what_is_written_into_the_middle(world: World) -> None:
    """The old end would be lost: CLOSE fails, unless the client has said that the file ends there."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, LARGE)
    upload = await uploads.begin(SESSION, PATH, HERE, ON)
    await upload.write(7, b"1234")
    assert isinstance(await close(upload), Incomplete)
    assert await world.content() == LARGE
    upload = await uploads.begin(SESSION, PATH, HERE, ON)
    await upload.write(7, b"1234")
    await upload.set_size(11)
    await upload.finish()
    assert await world.content() == LARGE[:7] + b"1234"


async def test_the_first_write_does_not_wait_for_the_copy(world: World) -> None:
    """A large file is copied and read behind the client, which is answered; what it sends takes its turn."""
    uploads = world.uploads(resume=True, parallel_parts=4)
    await there(world, uploads, LARGE)
    upload = await uploads.begin(SESSION, PATH, HERE, APPEND)
    gate = world.store.hold("read")
    await upload.write(len(LARGE), MORE[:12])
    await gate.reached.wait()
    gate.go.set()
    await sent_from(upload, len(LARGE) + 12, MORE[12:])
    await upload.finish()
    assert await world.content() == LARGE + MORE
    assert (await world.record(upload)).sha256 == hashlib.sha256(LARGE + MORE).hexdigest()


async def test_a_copy_without_memory_to_spare(world: World) -> None:
    """It is done with the memory of the upload itself, before the first WRITE is answered."""
    uploads = world.uploads(resume=True)
    await there(world, uploads, LARGE)
    upload = await uploads.begin(SESSION, PATH, HERE, APPEND)
    free = world.budget.total_bytes - world.budget.taken_bytes
    assert world.budget.try_take(free)
    await upload.write(len(LARGE), MORE[:3])
    world.budget.give_back(free)
    await upload.finish()
    assert await world.content() == LARGE + MORE[:3]
