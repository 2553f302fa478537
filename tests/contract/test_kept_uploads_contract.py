"""What every `KeptUploadLog` promises: found by name, continued by one at a time, due in its time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tidegate.core.errors import ChangedMeanwhile
from tidegate.core.ids import GatewayId
from tidegate.core.sessions import Session
from tidegate.core.shards import shard_of
from tidegate.core.transfers import Content, TransferStatus
from tidegate.ports.kept_uploads import Attempt, Name

S = TransferStatus
OTHER = GatewayId("gw-other")
SESSION = Session("fedcba9876543210", "s-0123456789abcdef0", "acme", "198.51.100.9", "SSH-2.0-n", "SHA256:n")
SIZE, HOUR, FOUND = 24, timedelta(hours=1), 'v1 "etag"'


async def keep(log, record, now, *, size=SIZE):
    await log.keep(record, size, "lost", at=now, until=now + HOUR, found=FOUND)


@pytest.fixture
async def kept(log, started, now):
    await log.set_upload_id(started.owner, "upload-1")
    await keep(log, started, now)
    return (await log.story(started.log_id)).transfer


async def at(log, record):
    return await log.kept_at(Name.of(record))


async def test_kept_is_found_by_its_name(log, kept):
    """With what it was and how much of it there is; no other user, name, bucket or server leads to it."""
    assert await at(log, kept) == kept
    assert (kept.status, kept.size, kept.error, kept.upload_id) == (S.KEPT, SIZE, "lost", "upload-1")
    for other in (
        replace(kept, object_key=kept.object_key + "x"),
        replace(kept, bucket="another"),
        replace(kept, server_id="s-11111111111111111"),
        replace(kept, user_name="another"),
    ):
        assert await at(log, other) is None


async def test_it_is_no_open_work(log, kept):
    """A sweep of open records does not find it, whoever owns it."""
    assert await log.open_records(shard_of(kept.log_id)) == []


async def test_due(log, kept, now):
    """When its time is over, and not before; in its own shard."""
    shard = shard_of(kept.log_id)
    assert await log.kept_due(shard, now + HOUR - timedelta(seconds=1)) == []
    (due,) = await log.kept_due(shard, now + HOUR)
    assert (due.log_id, due.gateway_id, due.upload_id) == (kept.log_id, kept.gateway_id, "upload-1")
    assert await log.kept_due((shard + 1) % 16, now + HOUR) == []


async def test_keeping_again_repeats(log, kept, now):
    """A call that repeats one whose answer was lost changes nothing."""
    await keep(log, kept, now)
    assert await at(log, kept) == kept


async def test_only_its_owner_keeps(log, started, now):
    """Neither another gateway nor an older fence; and nothing that has ended."""
    for others in (replace(started, gateway_id=OTHER), replace(started, fence=started.fence - 1)):
        with pytest.raises(ChangedMeanwhile):
            await keep(log, others, now)
    await log.end(started.owner, S.FAILED, now)
    with pytest.raises(ChangedMeanwhile):
        await keep(log, started, now)
    assert await at(log, started) is None


async def test_a_file_that_is_being_finished_is_not_kept(log, started, now):
    """FINISHING leads to an object: there is nothing to go on with."""
    await log.finishing(started.owner, Content(SIZE, "ab" * 32), now)
    with pytest.raises(ChangedMeanwhile):
        await keep(log, started, now)


async def test_continued(log, kept, now):
    """It is STARTED again, and open, under its LogID; the session is new, the beginning is the old one."""
    later = now + timedelta(minutes=5)
    record = await log.continue_kept(kept, SESSION, OTHER, later)
    assert record == (await log.story(kept.log_id)).transfer
    assert (record.status, record.gateway_id, record.fence) == (S.STARTED, OTHER, kept.fence + 1)
    assert (record.session_id, record.client_ip) == (SESSION.session_id, SESSION.client_ip)
    assert (record.client_version, record.key_fingerprint) == (
        SESSION.client_version,
        SESSION.key_fingerprint,
    )
    assert (record.started_at, record.timestamp) == (kept.started_at, later)
    assert (record.size, record.error, record.upload_id) == (None, None, "upload-1")
    assert record.delivery_targets == kept.delivery_targets
    assert await at(log, kept) is None
    assert await log.kept_due(shard_of(kept.log_id), now + HOUR) == []
    (found,) = await log.open_records(shard_of(kept.log_id))
    assert (found.log_id, found.gateway_id) == (kept.log_id, OTHER)


async def test_continued_by_one(log, kept, now):
    """Whoever comes second is refused, and so is the old owner."""
    await log.continue_kept(kept, SESSION, OTHER, now)
    with pytest.raises(ChangedMeanwhile):
        await log.continue_kept(kept, SESSION, GatewayId("gw-third"), now)
    with pytest.raises(ChangedMeanwhile):
        await log.set_upload_id(kept.owner, "upload-2")


async def test_swept(log, kept, now):
    """A sweep takes it over like an open record: it is open then, and cannot be continued."""
    taken = await log.take_over(kept, OTHER, now + HOUR)
    assert (taken.status, taken.fence) == (S.SWEEPING, kept.fence + 1)
    (found,) = await log.open_records(shard_of(kept.log_id))
    assert (found.log_id, found.gateway_id) == (kept.log_id, OTHER)
    assert await log.kept_due(shard_of(kept.log_id), now + HOUR) == []
    with pytest.raises(ChangedMeanwhile):
        await log.continue_kept(kept, SESSION, GatewayId("gw-third"), now)
    await log.end(taken.owner, S.ABANDONED, now + HOUR)
    assert await log.open_records(shard_of(kept.log_id)) == []
    assert await at(log, kept) is None


async def test_a_sweep_keeps(log, started, now):
    """What a dead gateway left is kept by whoever has taken it over."""
    taken = await log.take_over(started, OTHER, now)
    await keep(log, taken, now)
    found = await at(log, started)
    assert (found.status, found.owner) == (S.KEPT, taken.owner)
    assert await log.open_records(shard_of(started.log_id)) == []


async def test_the_last_one_kept_is_found(log, kept, transfer, now):
    """Of two of one name; the earlier one is due all the same."""
    second = transfer(object_key=kept.object_key, bucket=kept.bucket)
    await log.start(second)
    await keep(log, second, now, size=8)
    assert (await at(log, kept)).log_id == second.log_id
    due = {row.log_id for shard in range(16) for row in await log.kept_due(shard, now + HOUR)}
    assert due == {kept.log_id, second.log_id}


async def test_long_names(log, transfer, now):
    """A key of 1,024 bytes, and one with characters of every kind, lead to what they name."""
    for key in ("k" * 1024, "a\nb ü+%2e?#"):
        record = transfer(object_key=key)
        await log.start(record)
        await keep(log, record, now)
        assert (await at(log, record)).log_id == record.log_id


async def test_attempts_are_remembered(log, kept, transfer, now):
    """The last one, kept or not, with what was there; also when its record has ended or is continued."""
    assert await log.last_attempt(Name.of(kept)) == Attempt(kept.log_id, FOUND)
    await log.continue_kept(kept, SESSION, OTHER, now)
    assert await log.last_attempt(Name.of(kept)) == Attempt(kept.log_id, FOUND)
    second = transfer(object_key=kept.object_key, bucket=kept.bucket)
    for found in (' "unversioned"', 'v2 "other"'):
        await log.note_attempt(second, found, now)
        assert await log.last_attempt(Name.of(kept)) == Attempt(second.log_id, found)
    assert await at(log, kept) is None


async def test_no_attempt(log, started):
    """Of a name that nobody failed at nothing is remembered."""
    assert await log.last_attempt(Name.of(started)) is None
