"""Dropped uploads that are kept: what is kept of them, who can go on, and what ends that."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.core.errors import (
    AlreadyExists,
    ChangedMeanwhile,
    GatewayError,
    Incomplete,
    NotFound,
    OutOfOrderWrite,
    StoreUnavailable,
)
from tidegate.core.ids import GatewayId
from tidegate.core.open_modes import ANEW, OpenIntent
from tidegate.core.transfers import TransferStatus
from tidegate.services.intake import Uploads
from tidegate.services.uploads import Upload
from unit.services.faults import AFTER
from unit.services.world import (
    BASE_PART,
    GATEWAY,
    HERE,
    LARGE,
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
THERE = GatewayId("gw-another")
# Three whole parts, and more than one byte of the next.
SENT = 3 * BASE_PART + 5


async def dropped(world: World, uploads: Uploads, sent: int = SENT, body: bytes = LARGE) -> Upload:
    upload = await uploads.begin(SESSION, PATH, HERE)
    await send(upload, body[:sent])
    await upload.abandon("the connection was lost")
    return upload


async def go_on(uploads: Uploads, body: bytes = LARGE) -> Upload:
    """Do what `reput` does: ask how much is there, and send what follows."""
    kept = await uploads.kept_at(SESSION, HERE)
    assert kept is not None
    upload = await uploads.begin(SESSION, PATH, HERE, ON)
    for offset in range(kept.size, len(body), 7):
        await upload.write(offset, body[offset : offset + 7])
    return upload


async def send_from(upload: Upload, offset: int) -> None:
    for start in range(offset, len(LARGE), 7):
        await upload.write(start, LARGE[start : start + 7])


async def test_a_dropped_upload_is_kept_and_not_published(world: World) -> None:
    """Its whole parts stay in S3, its record is KEPT and owes nothing, and there is no object."""
    upload = await dropped(world, world.uploads(resume=True))
    record = await world.record(upload)
    assert (record.status, record.size) == (S.KEPT, 3 * BASE_PART)
    assert record.error == "the connection was lost"
    assert await world.object() is None
    assert len(world.store.inner.open_uploads) == 1
    assert not await world.deliveries(upload)
    assert world.budget.taken_bytes == 0


@pytest.mark.parametrize("gateway", ["the same", "another"])
async def test_it_is_continued(world: World, gateway: str) -> None:
    """The file that comes of it is whole, under the LogID it began with, with the digest of all its bytes."""
    first = world.uploads(resume=True)
    upload = await dropped(world, first)
    second = first if gateway == "the same" else world.uploads(resume=True, gateway=THERE)
    resumed = await go_on(second)
    await resumed.finish()
    record = await world.record(upload)
    assert resumed.record.log_id == upload.record.log_id
    assert await world.content() == LARGE
    assert (record.status, record.size) == (S.COMPLETED, len(LARGE))
    assert record.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert {each.target for each in await world.deliveries(upload)} == {"archive", "lake"}
    assert not world.store.inner.open_uploads


async def test_only_another_gateway_reads_it_again(world: World) -> None:
    """Whoever received the kept parts knows their digest; another reads the file, once it is one."""
    uploads = world.uploads(resume=True)
    await dropped(world, uploads)
    await (await go_on(uploads)).finish()
    assert "read" not in world.calls
    await world.store.delete(HERE)
    world.clock.advance(10)
    await dropped(world, uploads)
    await (await go_on(world.uploads(resume=True, gateway=THERE))).finish()
    assert "read" in world.calls


async def test_the_whole_is_checked_though_nobody_saw_it(world: World) -> None:
    """The CRC32 of the whole is combined from those S3 tells of the parts: a part that changed is refused."""
    uploads = world.uploads(resume=True)
    await dropped(world, uploads)
    resumed = await go_on(world.uploads(resume=True, gateway=THERE))
    (upload,) = world.store.inner.open_uploads.values()
    upload.parts[2] = replace(upload.parts[2], body=bytes(BASE_PART))
    with pytest.raises(GatewayError):
        await resumed.finish()
    assert await world.object() is None


async def test_it_may_be_dropped_again_and_again(world: World) -> None:
    """Each time what S3 has is kept, and in the end the file is whole."""
    uploads = world.uploads(resume=True)
    await dropped(world, uploads, BASE_PART + 3)
    for _ in range(4):
        kept = await uploads.kept_at(SESSION, HERE)
        assert kept is not None
        upload = await uploads.begin(SESSION, PATH, HERE, ON)
        await upload.write(kept.size, LARGE[kept.size : kept.size + BASE_PART + 2])
        await upload.abandon("again")
    await (await go_on(uploads)).finish()
    assert await world.content() == LARGE
    (record,) = await world.records()
    assert (record.status, record.fence) == (S.COMPLETED, 6)


async def test_one_byte_is_always_left_to_send(world: World) -> None:
    """If all that was sent is in S3, the last part is left out: who has no more to send does not go on."""
    uploads = world.uploads(resume=True)
    upload = await dropped(world, uploads, 3 * BASE_PART)
    assert (await world.record(upload)).size == 2 * BASE_PART
    await (await go_on(uploads)).finish()
    assert await world.content() == LARGE
    assert (await world.record(upload)).sha256 == hashlib.sha256(LARGE).hexdigest()


@pytest.mark.parametrize("sent", [0, 5, BASE_PART])
async def test_too_little_to_keep(world: World, sent: int) -> None:
    """An upload of which S3 has no part, or all of it in one, is abandoned."""
    uploads = world.uploads(resume=True)
    upload = await dropped(world, uploads, sent)
    assert (await world.record(upload)).status is S.ABANDONED
    assert await uploads.kept_at(SESSION, HERE) is None
    assert not world.store.inner.open_uploads


async def test_it_is_its_users(world: World) -> None:
    """Another user of the same place sees nothing of it, and writes a file of its own."""
    uploads = world.uploads(resume=True)
    upload = await dropped(world, uploads)
    other = replace(SESSION, user_name="bank")
    assert await uploads.kept_at(other, HERE) is None
    theirs = await uploads.begin(other, PATH, HERE, ON)
    await theirs.write(0, SMALL)
    await theirs.finish()
    assert await world.content() == SMALL
    assert (await world.record(upload)).status is S.KEPT


async def test_two_go_on_and_one_does(world: World) -> None:
    """Of two sessions that found it, on two gateways, one has it; the other is refused before a byte."""
    here, there = world.uploads(resume=True), world.uploads(resume=True, gateway=THERE)
    await dropped(world, here)
    kept = await there.kept_at(SESSION, HERE)
    assert kept is not None
    resumed = await go_on(here)
    with pytest.raises(ChangedMeanwhile):
        await world.kept(THERE).resume(kept, SESSION)
    await resumed.finish()
    assert await world.content() == LARGE


@pytest.mark.parametrize("event", ["a file", "a removal", "an attempt", "an attempt that is open"])
async def test_what_came_since_ends_it(world: World, event: str) -> None:
    """A file that came or went, or a later attempt: what is kept is not continued, or two files would mix."""
    uploads = world.uploads(resume=True)
    await dropped(world, uploads)
    world.clock.advance(10)
    if event in {"a file", "a removal"}:
        other = await uploads.begin(replace(SESSION, user_name="bank"), PATH, HERE)
        await send(other, SMALL)
        await other.finish()
        await world.store.delete(HERE)
    else:
        attempt = await uploads.begin(SESSION, PATH, HERE)
        if event == "an attempt":
            await attempt.abandon("gone")
    assert await uploads.kept_at(SESSION, HERE) is None
    if event != "an attempt that is open":
        return
    await attempt.finish()


async def test_a_later_attempt_that_fails_takes_its_parts_away(world: World) -> None:
    """Nothing is left in S3 of what cannot be continued any more."""
    uploads = world.uploads(resume=True)
    upload = await dropped(world, uploads)
    attempt = await uploads.begin(SESSION, PATH, HERE)
    await attempt.write(0, b"other")
    await attempt.abandon("gone")
    assert (await world.record(upload)).status is S.ABANDONED
    assert not world.store.inner.open_uploads


async def test_it_can_be_given_up(world: World) -> None:
    """REMOVE of its name aborts it; a second finds nothing."""
    uploads = world.uploads(resume=True)
    upload = await dropped(world, uploads)
    assert await uploads.forget_kept(SESSION, HERE)
    assert not await uploads.forget_kept(SESSION, HERE)
    record = await world.record(upload)
    assert (record.status, record.error) == (S.ABANDONED, "removed by its partner")
    assert not world.store.inner.open_uploads


async def test_a_write_at_the_start_begins_anew(world: World) -> None:
    """`scp` opens without TRUNCATE and sends everything: nothing that was kept is in the file."""
    uploads = world.uploads(resume=True)
    upload = await dropped(world, uploads, body=bytes(100))
    again = await uploads.begin(SESSION, PATH, HERE, ON)
    await send(again, LARGE)
    await again.finish()
    assert again.record.log_id == upload.record.log_id
    assert await world.content() == LARGE
    assert (await world.record(upload)).sha256 == hashlib.sha256(LARGE).hexdigest()
    assert not world.store.inner.open_uploads


@pytest.mark.parametrize("offset", [7, 3 * BASE_PART - 1, 3 * BASE_PART + WINDOW + 1])
async def test_a_write_elsewhere_is_refused(world: World, offset: int) -> None:
    """Amid what is kept, or behind a gap: WRITE and CLOSE fail, and it can be continued still."""
    uploads = world.uploads(resume=True)
    upload = await dropped(world, uploads)
    resumed = await uploads.begin(SESSION, PATH, HERE, ON)
    with pytest.raises(OutOfOrderWrite):
        await resumed.write(offset, b"x")
    assert await close(resumed) is not None
    assert (await world.record(upload)).status is S.KEPT
    await (await go_on(uploads)).finish()
    assert await world.content() == LARGE


async def test_a_close_without_a_byte_publishes_nothing(world: World) -> None:
    """It fails, because the file is unfinished; and what is kept stays kept."""
    uploads = world.uploads(resume=True)
    upload = await dropped(world, uploads)
    resumed = await uploads.begin(SESSION, PATH, HERE, ON)
    await resumed.write(0, b"")
    assert isinstance(await close(resumed), Incomplete)
    assert await world.object() is None
    assert (await world.record(upload)).status is S.KEPT


async def test_a_session_that_leaves_before_a_byte_leaves_it_as_it_was(world: World) -> None:
    """It can be continued afterwards, also where the digest has been forgotten."""
    uploads = world.uploads(resume=True)
    await dropped(world, uploads)
    await (await uploads.begin(SESSION, PATH, HERE, ON)).abandon("gone")
    await (await go_on(uploads)).finish()
    assert await world.content() == LARGE


async def test_parts_that_s3_has_dropped_cannot_be_continued(world: World) -> None:
    """The bucket's own rule was faster: there is nothing to go on from, and a new file is begun."""
    uploads = world.uploads(resume=True)
    await dropped(world, uploads)
    world.store.inner.open_uploads.clear()
    assert await uploads.kept_at(SESSION, HERE) is None
    with pytest.raises(NotFound):
        await uploads.begin(SESSION, PATH, HERE, replace(ON, must_exist=True))
    upload = await uploads.begin(SESSION, PATH, HERE, ON)
    await send(upload, SMALL)
    await upload.finish()
    assert await world.content() == SMALL


async def test_a_lost_answer_to_keeping_leaves_it_kept(world: World) -> None:
    """The record says KEPT, whatever the gateway has heard of it."""
    world.log.fail("keep", StoreUnavailable("no answer"), moment=AFTER)
    upload = await dropped(world, world.uploads(resume=True))
    assert (await world.record(upload)).status is S.KEPT


async def test_keeping_that_fails_leaves_it_to_the_sweep(world: World) -> None:
    """The record stays open, and the parts stay where the sweep finds them."""
    world.log.fail("keep", StoreUnavailable("no answer"), call=None)
    upload = await dropped(world, world.uploads(resume=True))
    assert (await world.record(upload)).status is S.STARTED
    assert world.store.inner.open_uploads


async def test_a_file_that_cannot_be_read_again_is_left_to_the_sweep(world: World) -> None:
    """It is complete in S3, and CLOSE says that the outcome is unknown: the record is FINISHING still."""
    await dropped(world, world.uploads(resume=True))
    resumed = await go_on(world.uploads(resume=True, gateway=THERE))
    world.store.fail("read", StoreUnavailable("no answer"), call=None)
    assert await close(resumed) is not None
    record = await world.record(resumed)
    assert (record.status, record.size, record.sha256) == (S.FINISHING, len(LARGE), None)


async def test_uploads_that_are_not_kept_go_as_before(world: World) -> None:
    """Where dropped uploads are discarded nothing is kept, and nobody asks for it."""
    upload = await dropped(world, world.uploads())
    assert (await world.record(upload)).status is S.ABANDONED
    assert not {"keep", "kept_at"} & set(world.calls)


async def test_an_attempt_that_nobody_ended_counts_though_clocks_differ(world: World) -> None:
    """The partner began anew on another gateway, which died: what was kept before is not gone on with."""
    elsewhere = world.uploads(resume=True, gateway=THERE)
    world.clock = ManualClock(world.clock.now() + timedelta(seconds=30))  # that gateway's is behind
    upload = await dropped(world, world.uploads(resume=True))
    await elsewhere.begin(SESSION, PATH, HERE, ANEW)
    assert await world.uploads(resume=True, gateway=GatewayId("gw-c")).kept_at(SESSION, HERE) is None
    assert (await world.record(upload)).status is S.ABANDONED


async def test_a_digest_of_other_bytes_is_not_used(world: World) -> None:
    """Another gateway wrote the file anew, and dropped it at the same size: the first one reads it again."""
    here, elsewhere = world.uploads(resume=True), world.uploads(resume=True, gateway=THERE)
    await dropped(world, here, body=bytes(100))
    again = await elsewhere.begin(SESSION, PATH, HERE, ON)
    await send(again, LARGE[:SENT])
    await again.abandon("lost")
    resumed = await go_on(here)
    await resumed.finish()
    assert await world.content() == LARGE
    assert (await world.record(resumed)).sha256 == hashlib.sha256(LARGE).hexdigest()


async def test_a_gateway_that_lost_it_leaves_it_alone(world: World) -> None:
    """It was frozen, swept, and gone on with elsewhere: when it wakes it aborts nothing."""
    here, elsewhere = world.uploads(resume=True), world.uploads(resume=True, gateway=THERE)
    frozen = await here.begin(SESSION, PATH, HERE)
    await send(frozen, LARGE[:SENT])
    await frozen._sender.quiet()
    taken = await world.log.take_over(await world.record(frozen), THERE, world.clock.now())
    await world.kept(THERE).keep(taken, 2 * BASE_PART, "swept")
    resumed = await go_on(elsewhere)
    world.is_fresh = False
    assert await close(frozen) is not None
    await frozen.abandon("gone")
    await resumed.finish()
    assert await world.content() == LARGE


async def test_disorder_where_it_is_continued(world: World) -> None:
    """The first WRITE may be a little ahead, as everywhere; further ahead it is a gap."""
    uploads = world.uploads(resume=True)
    await dropped(world, uploads)
    resumed = await uploads.begin(SESSION, PATH, HERE, ON)
    at = 3 * BASE_PART
    await resumed.write(at + 4, LARGE[at + 4 : at + 8])
    await resumed.write(at, LARGE[at : at + 4])
    await send_from(resumed, at + 8)
    await resumed.finish()
    assert await world.content() == LARGE


async def test_parts_with_a_hole_are_kept_up_to_it(world: World) -> None:
    """A part that is missing, and one too small to be followed, end what can be gone on with."""
    uploads = world.uploads(resume=True)
    upload = await uploads.begin(SESSION, PATH, HERE)
    await send(upload, LARGE[:SENT])
    await upload.finish()
    begun = await uploads.begin(SESSION, PATH, HERE)
    await send(begun, LARGE[:SENT])
    await begun._sender.quiet()
    record = await world.record(begun)
    (open_upload,) = world.store.inner.open_uploads.values()
    kept = world.kept(GATEWAY)
    assert [part.size for part in await kept.whole_parts(record)] == [BASE_PART] * 3
    second = open_upload.parts.pop(2)
    assert [part.size for part in await kept.whole_parts(record)] == [BASE_PART]
    open_upload.parts[2] = replace(second, body=b"small")
    assert [part.size for part in await kept.whole_parts(record)] == [BASE_PART]
    await begun.abandon("gone")


async def test_a_size_amid_a_part_is_not_continued(world: World) -> None:
    """The record and S3 tell of different uploads: nothing is gone on with."""
    uploads = world.uploads(resume=True)
    upload = await uploads.begin(SESSION, PATH, HERE)
    await send(upload, LARGE[:SENT])
    await upload._sender.quiet()
    await world.kept(GATEWAY).keep(await world.record(upload), BASE_PART + 1, "lost")
    assert await uploads.kept_at(SESSION, HERE) is None


async def test_who_comes_back_takes_over_from_a_broken_line(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while of silence the same user's next session drops the earlier upload, and goes on."""
    monkeypatch.setattr("tidegate.services.uploads._SILENT_SECONDS", 0)
    uploads = world.uploads(resume=True, one_writer=True)
    silent = await uploads.begin(SESSION, PATH, HERE)
    await send(silent, LARGE[:SENT])
    again = replace(SESSION, session_id="fedcba9876543210")
    assert silent.is_left_by(again)
    assert silent.continuable_bytes == 3 * BASE_PART
    resumed = await uploads.begin(again, PATH, HERE, ON)
    assert resumed.received_bytes == 3 * BASE_PART
    await send_from(resumed, 3 * BASE_PART)
    with pytest.raises(GatewayError):
        await silent.write(SENT, b"late")
    await resumed.finish()
    assert await world.content() == LARGE


@pytest.mark.parametrize("who", ["the same session", "another user", "too early"])
async def test_who_does_not_take_over(world: World, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own session, by another user, or before it was silent for long, a second writer is refused."""
    monkeypatch.setattr("tidegate.services.uploads._SILENT_SECONDS", 1000 if who == "too early" else 0)
    uploads = world.uploads(resume=True, one_writer=True)
    first = await uploads.begin(SESSION, PATH, HERE)
    other = {
        "the same session": SESSION,
        "another user": replace(SESSION, user_name="bank", session_id="b" * 16),
        "too early": replace(SESSION, session_id="b" * 16),
    }[who]
    with pytest.raises(AlreadyExists):
        await uploads.begin(other, PATH, HERE, ON)
    await send(first, LARGE)
    await first.finish()
    assert await world.content() == LARGE


async def test_what_cannot_come_whole_is_no_writer(world: World) -> None:
    """A client that failed comes back at once, while its first upload is being ended: it is let in."""
    uploads = world.uploads(resume=True, one_writer=True)
    first = await uploads.begin(SESSION, PATH, HERE)
    with pytest.raises(OutOfOrderWrite):
        await first.write(1000, b"x")
    again = await uploads.begin(replace(SESSION, session_id="b" * 16), PATH, HERE)
    await first.abandon("gone")
    await send(again, LARGE)
    await again.finish()
    assert await world.content() == LARGE


async def test_truncating_opens_what_is_kept_to_nobody(world: World) -> None:
    """A new file by TRUNCATE is a story of its own, and what was kept of that name is gone."""
    uploads = world.uploads(resume=True, gateway=THERE)
    upload = await dropped(world, world.uploads(resume=True))
    anew = await uploads.begin(SESSION, PATH, HERE, ANEW)
    assert (await world.record(upload)).status is S.ABANDONED
    assert not world.store.inner.open_uploads
    await send(anew, LARGE)
    await anew.finish()
    assert anew.record.log_id != upload.record.log_id
    assert await world.content() == LARGE
