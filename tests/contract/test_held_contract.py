"""What every `DeliveryQueue` promises of deliveries that are HELD, and every log of what holds them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tidegate.core.deliveries import Delivery, DeliveryStatus, DeliveryTarget
from tidegate.core.errors import ChangedMeanwhile, IllegalTransition
from tidegate.core.holding import moved, owed_by, renamed
from tidegate.core.ids import GatewayId
from tidegate.core.objects import Location, StoredObject
from tidegate.core.shards import shard_of
from tidegate.core.transfers import Content

S = DeliveryStatus
ALICE, BOB = GatewayId("gw-alice"), GatewayId("gw-bob")
HOLD = timedelta(hours=24)
LEASE = timedelta(minutes=5)
TARGETS = (DeliveryTarget("archive", "archive", "in/", "key-2"),)


@pytest.fixture
async def held(log, transfer, now) -> Delivery:
    """What a COMPLETED upload owes that has a temporary name."""
    record = replace(transfer(), delivery_targets=("archive",), hold_seconds=int(HOLD.total_seconds()))
    await log.start(record)
    stored = StoredObject(Location(record.bucket, record.object_key), 3, '"e1"', "v1")
    deliveries = owed_by((await log.story(record.log_id)).transfer, stored, TARGETS, now)
    await log.complete(record.owner, Content(3, "00"), stored, deliveries, superseded=False, at=now)
    (held,) = await log.deliveries_of(record.log_id)
    return held


def copied(held: Delivery) -> StoredObject:
    return StoredObject(Location(held.source.bucket, "acme/final"), 3, '"e1"', "v2")


async def kept(log, of: Delivery) -> Delivery:
    (found,) = await log.deliveries_of(of.log_id)
    return found


async def due(log, of: Delivery, at) -> list[str]:
    return [row.item for row in await log.due(shard_of(of.log_id), at) if row.log_id == of.log_id]


async def test_how_long_it_is_held_is_on_record(log, held, now):
    """Whoever completes an upload reads from its record that what it owes is to be held."""
    assert (held.status, held.due_at) == (S.HELD, now + HOLD)
    assert (await log.story(held.log_id)).transfer.hold_seconds == HOLD.total_seconds()


async def test_is_not_due_before(log, held, now):
    """Until then nobody finds it, and nobody has it."""
    before = now + HOLD - timedelta(seconds=1)
    assert await due(log, held, before) == []
    assert await log.claim(held.log_id, "archive", ALICE, before, before + LEASE) is None
    assert await kept(log, held) == held


async def test_is_claimed_when_due(log, held, now):
    """Then one worker has it, and it is HELD still: what becomes of it is to be decided."""
    at = now + HOLD
    assert await due(log, held, at) == ["delivery#archive"]
    claimed = await log.claim(held.log_id, "archive", ALICE, at, at + LEASE)
    assert claimed == replace(
        held, attempts=1, due_at=at + LEASE, lease_owner=ALICE, lease_fence=held.lease_fence + 1
    )
    assert await log.claim(held.log_id, "archive", BOB, at, at + LEASE) is None
    with pytest.raises(ChangedMeanwhile):
        await log.settle(replace(claimed, status=S.PENDING))
    with pytest.raises(ChangedMeanwhile):
        await log.renew(claimed, at + 2 * LEASE)


async def test_takes_the_new_name(log, held, now):
    """Source, version, ETag and destination change together with the state; it is due at once."""
    to = renamed(moved(held, S.PENDING, now + LEASE), copied(held))
    await log.move_held(held, to)
    assert await kept(log, held) == to
    assert await due(log, held, now + LEASE - timedelta(seconds=1)) == []
    assert await due(log, held, now + LEASE) == ["delivery#archive"]
    claimed = await log.claim(held.log_id, "archive", ALICE, now + LEASE, now + 2 * LEASE)
    assert (claimed.status, claimed.attempts, claimed.lease_fence) == (S.PENDING, 1, 2)
    await log.settle(replace(claimed, status=S.DELIVERED))
    assert (await kept(log, held)).status is S.DELIVERED


async def test_stays_held(log, held, now):
    """Under another temporary name it is HELD, and due when it was to be."""
    to = replace(renamed(moved(held, S.HELD, now), copied(held)), due_at=held.due_at)
    await log.move_held(held, to)
    assert await kept(log, held) == to
    assert await due(log, held, now + HOLD - LEASE) == []
    assert await due(log, held, now + HOLD) == ["delivery#archive"]


@pytest.mark.parametrize("status", [S.DISCARDED, S.SUPERSEDED])
async def test_ends(log, held, now, status):
    """With its reason, and in no index."""
    to = moved(held, status, now, "removed")
    await log.move_held(held, to)
    assert await kept(log, held) == to
    assert await due(log, held, now + 9 * HOLD) == []
    assert await log.dead(shard_of(held.log_id)) == []


@pytest.mark.parametrize("status", [S.DELIVERED, S.DEAD])
async def test_has_no_other_ends(log, held, now, status):
    """The state table has no such arrows."""
    with pytest.raises(IllegalTransition):
        await log.move_held(held, replace(held, status=status, timestamp=now))
    assert await kept(log, held) == held


async def test_only_as_it_was_read(log, held, now):
    """Of two that decide at once one does; a claim in between counts as a change."""
    to = moved(held, S.PENDING, now)
    attempts = [log.move_held(held, each) for each in (to, moved(held, S.DISCARDED, now, "no"), to)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["ChangedMeanwhile"] * 2 + ["NoneType"]


async def test_a_claim_is_a_change(log, held, now):
    """Whoever had read it before looks again; and a worker that was overtaken settles nothing."""
    at = now + HOLD
    claimed = await log.claim(held.log_id, "archive", ALICE, at, at + LEASE)
    with pytest.raises(ChangedMeanwhile):
        await log.move_held(held, moved(held, S.PENDING, at))
    await log.move_held(claimed, renamed(moved(claimed, S.PENDING, at), copied(held)))
    assert (await kept(log, held)).lease_owner is None
    with pytest.raises(ChangedMeanwhile):
        await log.move_held(claimed, moved(claimed, S.PENDING, at))


async def test_not_there(log, held, now):
    """What does not exist does not come to exist."""
    elsewhere = replace(held, target="elsewhere")
    with pytest.raises(ChangedMeanwhile):
        await log.move_held(elsewhere, moved(elsewhere, S.PENDING, now))
    assert len(await log.deliveries_of(held.log_id)) == 1


async def test_released_by_hand(log, held, now):
    """A replay does not wait any longer: due at once under the name it has."""
    replayed = await log.replay(held.log_id, "archive", now + LEASE)
    assert replayed == replace(held, status=S.PENDING, due_at=now + LEASE, timestamp=now + LEASE)
    assert await due(log, held, now + LEASE) == ["delivery#archive"]
    with pytest.raises(ChangedMeanwhile):
        await log.move_held(held, moved(held, S.DISCARDED, now, "too late"))
