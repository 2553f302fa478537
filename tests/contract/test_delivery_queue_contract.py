"""What every `DeliveryQueue` promises, whoever offers it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tidegate.core.deliveries import Delivery, DeliveryStatus, DeliveryTarget, owed
from tidegate.core.errors import ChangedMeanwhile, IllegalTransition
from tidegate.core.ids import GatewayId, new_log_id
from tidegate.core.objects import Location, StoredObject
from tidegate.core.shards import shard_of
from tidegate.core.transfers import Content
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS, OpenWork

S = DeliveryStatus
ALICE, BOB = GatewayId("gw-alice"), GatewayId("gw-bob")
LEASE = timedelta(minutes=5)
SECOND = timedelta(seconds=1)


@pytest.fixture
def owing(log, transfer, now) -> Callable[..., Awaitable[tuple[Delivery, ...]]]:
    """Complete a new upload that owes a delivery to each target named, changed as told."""

    async def owing(**targets: dict[str, object]) -> tuple[Delivery, ...]:
        record = transfer()
        source = Location(record.bucket, record.object_key)
        named = tuple(DeliveryTarget(name, f"{name}-bucket", "in/", "key-2") for name in targets)
        plain = owed(record.log_id, source, "v1", '"e1"', named, now)
        deliveries = tuple(replace(delivery, **targets[delivery.target]) for delivery in plain)
        await log.start(record)
        stored = StoredObject(source, 3, '"e1"', "v1")
        await log.complete(record.owner, Content(3, "00"), stored, deliveries, superseded=False, at=now)
        return deliveries

    return owing


@pytest.fixture
async def delivery(owing) -> Delivery:
    """A delivery that is due now."""
    return (await owing(archive={}))[0]


async def kept(log, of: Delivery) -> Delivery:
    return next(d for d in (await log.story(of.log_id)).deliveries if d.target == of.target)


async def due_items(log, of: Delivery, at, limit=100) -> list[str]:
    return [row.item for row in await log.due(shard_of(of.log_id), at, limit) if row.log_id == of.log_id]


class TestDue:
    async def test_in_its_own_shard(self, log, owing, now):
        """A delivery is due in the shard of its LogID and in no other."""
        deliveries = [(await owing(archive={}))[0] for _ in range(6)]
        rows = {shard: await log.due(shard, now) for shard in range(OPEN_WORK_SHARDS)}
        for shard in range(OPEN_WORK_SHARDS):
            ours = {d.log_id for d in deliveries if shard_of(d.log_id) == shard}
            assert {row.log_id for row in rows[shard]} == ours
        first = deliveries[0]
        assert OpenWork(first.log_id, "delivery#archive", now) in rows[shard_of(first.log_id)]

    async def test_from_its_moment(self, log, delivery, now):
        """A delivery is due from the moment `due_at` says."""
        assert await due_items(log, delivery, now - SECOND) == []
        assert await due_items(log, delivery, now) == ["delivery#archive"]
        assert await due_items(log, delivery, now + LEASE) == ["delivery#archive"]

    async def test_earliest_first(self, log, owing, now):
        """The earliest due come first, and a limit keeps those."""
        a, *_ = await owing(a={}, b={"due_at": now - LEASE}, c={"due_at": now - SECOND})
        assert await due_items(log, a, now) == ["delivery#b", "delivery#c", "delivery#a"]
        assert await due_items(log, a, now, limit=2) == ["delivery#b", "delivery#c"]

    async def test_shows_no_open_transfers(self, log, started, now):
        """An upload under way is no delivery that is due."""
        assert await log.due(shard_of(started.log_id), now + LEASE) == []

    @pytest.mark.parametrize("status", [S.SUPERSEDED, S.DISCARDED])
    async def test_shows_no_others(self, log, owing, now, status):
        """A delivery that has ended is not due, and not to be had."""
        (delivery,) = await owing(archive={"status": status})
        assert await due_items(log, delivery, now + LEASE) == []
        assert await log.claim(delivery.log_id, "archive", ALICE, now + LEASE, now + 2 * LEASE) is None
        assert await kept(log, delivery) == delivery


class TestClaim:
    async def test_takes_it(self, log, delivery, now):
        """A claim names the worker, counts the attempt and holds until the lease ends."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        assert claimed == replace(delivery, lease_owner=ALICE, lease_fence=1, attempts=1, due_at=now + LEASE)
        assert await kept(log, delivery) == claimed

    async def test_only_when_due(self, log, delivery, now):
        """What is not due yet is not to be had."""
        assert await log.claim(delivery.log_id, "archive", ALICE, now - SECOND, now + LEASE) is None
        assert await kept(log, delivery) == delivery

    async def test_unknown(self, log, delivery, now):
        """A delivery that does not exist is not to be had, and does not come to exist."""
        assert await log.claim(delivery.log_id, "elsewhere", ALICE, now, now + LEASE) is None
        assert await log.claim(new_log_id(), "archive", ALICE, now, now + LEASE) is None
        assert len((await log.story(delivery.log_id)).deliveries) == 1

    async def test_exactly_one_claimant_wins(self, log, delivery, now):
        """Of many workers claiming at once exactly one gets the delivery, and the attempt counts once."""
        workers = [GatewayId(f"gw-{n}") for n in range(8)]
        claims = await asyncio.gather(
            *(log.claim(delivery.log_id, "archive", worker, now, now + LEASE) for worker in workers)
        )
        (winner,) = [claim for claim in claims if claim is not None]
        assert (winner.attempts, winner.lease_fence) == (1, 1)
        assert await kept(log, delivery) == winner

    async def test_lease(self, log, delivery, now):
        """During the lease nobody else has it; when it ends the next claim does, under a higher fence."""
        await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        assert await log.claim(delivery.log_id, "archive", BOB, now + LEASE - SECOND, now + 2 * LEASE) is None
        assert await due_items(log, delivery, now + LEASE - SECOND) == []
        assert await due_items(log, delivery, now + LEASE) == ["delivery#archive"]
        taken = await log.claim(delivery.log_id, "archive", BOB, now + LEASE, now + 2 * LEASE)
        assert (taken.lease_owner, taken.lease_fence, taken.attempts) == (BOB, 2, 2)


class TestRenew:
    async def test_moves_the_end_of_the_lease(self, log, delivery, now):
        """A renewed lease lasts until its new end, and nothing else of the delivery changes."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        await log.renew(claimed, now + 3 * LEASE)
        assert await kept(log, delivery) == replace(claimed, due_at=now + 3 * LEASE)
        assert await due_items(log, delivery, now + 3 * LEASE - SECOND) == []
        assert await log.claim(delivery.log_id, "archive", BOB, now + 2 * LEASE, now + 4 * LEASE) is None
        assert await due_items(log, delivery, now + 3 * LEASE) == ["delivery#archive"]

    async def test_again_and_again(self, log, delivery, now):
        """The claim that was made serves for every renewal, a repeated one too, and for the outcome."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        for lease in (2, 3, 3):
            await log.renew(claimed, now + lease * LEASE)
        await log.settle(replace(claimed, status=S.DELIVERED))
        assert (await kept(log, delivery)).status is S.DELIVERED

    async def test_late_but_unchallenged(self, log, delivery, now):
        """A lease that has run out may still be renewed as long as nobody has claimed after it."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        await log.renew(claimed, now + 5 * LEASE)
        assert await log.claim(delivery.log_id, "archive", BOB, now + 2 * LEASE, now + 6 * LEASE) is None

    @pytest.mark.parametrize("new_worker", [BOB, ALICE])
    async def test_lease_taken_meanwhile(self, log, delivery, now, new_worker):
        """After another claim the old one renews nothing, even if both are the same worker's."""
        old = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        new = await log.claim(delivery.log_id, "archive", new_worker, now + LEASE, now + 2 * LEASE)
        with pytest.raises(ChangedMeanwhile):
            await log.renew(old, now + 9 * LEASE)
        assert await kept(log, delivery) == new

    @pytest.mark.parametrize("status", [S.PENDING, S.DELIVERED, S.DEAD])
    async def test_settled(self, log, delivery, now, status):
        """After its outcome a claim cannot be renewed: what is due again later stays due then."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        await log.settle(replace(claimed, status=status, due_at=now + SECOND))
        settled = await kept(log, delivery)
        with pytest.raises(ChangedMeanwhile):
            await log.renew(claimed, now + 9 * LEASE)
        assert await kept(log, delivery) == settled

    async def test_without_a_claim(self, log, delivery, now):
        """A delivery nobody has claimed, or that does not exist, cannot be renewed."""
        for unclaimed in (delivery, replace(delivery, lease_owner=ALICE), replace(delivery, target="none")):
            with pytest.raises(ChangedMeanwhile):
                await log.renew(unclaimed, now + LEASE)
        assert (await log.story(delivery.log_id)).deliveries == (delivery,)


class TestSettle:
    @pytest.mark.parametrize("status", [S.DELIVERED, S.SUPERSEDED, S.DEAD, S.DISCARDED])
    async def test_outcome(self, log, delivery, now, status):
        """An outcome is written with its reason and time, ends the lease, and is due no more."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        at = now + SECOND
        await log.settle(replace(claimed, status=status, error="why", timestamp=at, due_at=at))
        expected = replace(claimed, status=status, error="why", timestamp=at, due_at=at, lease_owner=None)
        assert await kept(log, delivery) == expected
        assert await due_items(log, delivery, now + 2 * LEASE) == []
        assert await log.claim(delivery.log_id, "archive", BOB, now + 2 * LEASE, now + 3 * LEASE) is None

    async def test_failed_attempt(self, log, delivery, now):
        """A failed attempt is due again when told, and success at last clears the error."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        again_at = now + 2 * SECOND
        await log.settle(replace(claimed, error="throttled", due_at=again_at, timestamp=now + SECOND))
        assert await due_items(log, delivery, now + SECOND) == []
        claimed = await log.claim(delivery.log_id, "archive", BOB, again_at, again_at + LEASE)
        assert (claimed.attempts, claimed.lease_fence, claimed.error) == (2, 2, "throttled")
        await log.settle(replace(claimed, status=S.DELIVERED, error=None))
        settled = await kept(log, delivery)
        assert (settled.status, settled.error, settled.lease_owner) == (S.DELIVERED, None, None)

    async def test_writes_the_outcome_alone(self, log, delivery, now):
        """What a delivery is, and how often it was tried, no worker can change."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        changed = replace(claimed, status=S.DELIVERED, attempts=0, etag='"x"', destination=delivery.source)
        await log.settle(changed)
        assert await kept(log, delivery) == replace(claimed, status=S.DELIVERED, lease_owner=None)

    async def test_late_but_unchallenged(self, log, delivery, now):
        """A worker that outlived its lease may settle as long as nobody has claimed after it."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        late = now + 2 * LEASE
        await log.settle(replace(claimed, status=S.DELIVERED, timestamp=late))
        assert (await kept(log, delivery)).status is S.DELIVERED

    @pytest.mark.parametrize("new_worker", [BOB, ALICE])
    async def test_lease_taken_meanwhile(self, log, delivery, now, new_worker):
        """After another claim the old one settles nothing, even if both are the same worker's."""
        old = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        new = await log.claim(delivery.log_id, "archive", new_worker, now + LEASE, now + 2 * LEASE)
        with pytest.raises(ChangedMeanwhile):
            await log.settle(replace(old, status=S.DELIVERED))
        assert await kept(log, delivery) == new
        await log.settle(replace(new, status=S.DELIVERED))
        with pytest.raises(ChangedMeanwhile):
            await log.settle(replace(old, status=S.DEAD))
        assert (await kept(log, delivery)).status is S.DELIVERED

    async def test_twice(self, log, delivery, now):
        """A claim is settled once: its lease ends with it."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        await log.settle(replace(claimed, error="first", due_at=now))
        with pytest.raises(ChangedMeanwhile):
            await log.settle(replace(claimed, status=S.DELIVERED))
        assert (await kept(log, delivery)).error == "first"

    async def test_without_a_claim(self, log, delivery):
        """A delivery nobody has claimed, or that does not exist, cannot be settled."""
        for unclaimed in (delivery, replace(delivery, lease_owner=ALICE), replace(delivery, target="none")):
            with pytest.raises(ChangedMeanwhile):
                await log.settle(replace(unclaimed, status=S.DELIVERED))
        assert (await log.story(delivery.log_id)).deliveries == (delivery,)

    async def test_only_legal_moves(self, log, delivery, now):
        """A claimed delivery cannot become HELD: the state table has no such arrow."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        with pytest.raises(IllegalTransition):
            await log.settle(replace(claimed, status=S.HELD))
        assert await kept(log, delivery) == claimed

    async def test_leaves_the_others_alone(self, log, owing, now):
        """Deliveries of one upload are claimed and settled each for itself."""
        archive, vault = await owing(archive={}, vault={})
        claimed = await log.claim(archive.log_id, "archive", ALICE, now, now + LEASE)
        await log.settle(replace(claimed, status=S.DELIVERED))
        assert await kept(log, vault) == vault
        assert await due_items(log, vault, now) == ["delivery#vault"]


async def dead_items(log, of: Delivery) -> list[str]:
    return [row.item for row in await log.dead(shard_of(of.log_id)) if row.log_id == of.log_id]


async def die(log, delivery: Delivery, now) -> Delivery:
    """Let a worker give this delivery up."""
    claimed = await log.claim(delivery.log_id, delivery.target, ALICE, now, now + LEASE)
    await log.settle(replace(claimed, status=S.DEAD, error="no bucket", timestamp=now))
    return await kept(log, delivery)


class TestDead:
    async def test_in_its_own_shard(self, log, owing, now):
        """A delivery given up is found in the shard of its LogID, and nothing else is."""
        deliveries = [(await owing(archive={}, vault={}))[0] for _ in range(6)]
        for each in deliveries:
            await die(log, each, now)
        for shard in range(OPEN_WORK_SHARDS):
            ours = {(d.log_id, "delivery#archive") for d in deliveries if shard_of(d.log_id) == shard}
            assert {(row.log_id, row.item) for row in await log.dead(shard)} == ours

    async def test_no_work_for_anybody(self, log, delivery, now):
        """What is found as DEAD is due to no worker, no record to sweep, and no rename."""
        await die(log, delivery, now)
        shard = shard_of(delivery.log_id)
        assert await log.due(shard, now + 9 * LEASE) == []
        assert await log.open_records(shard) == []
        assert await log.pending_renames(shard) == []

    @pytest.mark.parametrize("status", [S.PENDING, S.DELIVERED, S.SUPERSEDED, S.DISCARDED])
    async def test_other_outcomes(self, log, delivery, now, status):
        """A delivery that came to anything else is not among them."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        await log.settle(replace(claimed, status=status, due_at=now))
        assert await dead_items(log, delivery) == []


class TestDeliveriesOf:
    async def test_all_by_target(self, log, owing, now):
        """All deliveries of a LogID are told, by target, as its story tells them."""
        vault, archive = await owing(vault={}, archive={"status": S.HELD})
        dead = await die(log, vault, now)
        assert await log.deliveries_of(vault.log_id) == (archive, dead)

    async def test_none(self, log, started):
        """A transfer that owes nothing, and one that is not there, have none."""
        assert await log.deliveries_of(started.log_id) == ()
        assert await log.deliveries_of(new_log_id()) == ()


class TestReplay:
    async def test_is_due_again(self, log, delivery, now):
        """A replayed delivery is PENDING, due then, as if never tried; its error stays to be read."""
        dead = await die(log, delivery, now)
        at = now + 3 * LEASE
        replayed = await log.replay(delivery.log_id, "archive", at)
        assert replayed == replace(dead, status=S.PENDING, attempts=0, due_at=at, timestamp=at)
        assert replayed.error == "no bucket"
        assert await kept(log, delivery) == replayed
        assert await dead_items(log, delivery) == []
        assert await due_items(log, delivery, at - SECOND) == []
        assert await due_items(log, delivery, at) == ["delivery#archive"]

    async def test_may_die_again(self, log, delivery, now):
        """A replayed delivery is claimed under a higher fence, and may be given up and replayed again."""
        await die(log, delivery, now)
        for fence in (2, 3):
            await log.replay(delivery.log_id, "archive", now)
            dead = await die(log, delivery, now)
            assert (dead.lease_fence, dead.attempts) == (fence, 1)
            assert await dead_items(log, delivery) == ["delivery#archive"]

    async def test_exactly_one(self, log, delivery, now):
        """Of several that replay one delivery at once, one did it."""
        await die(log, delivery, now)
        attempts = [log.replay(delivery.log_id, "archive", now) for _ in range(5)]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        assert sorted(type(each).__name__ for each in outcomes) == ["ChangedMeanwhile"] * 4 + ["Delivery"]

    @pytest.mark.parametrize("status", [S.PENDING, S.DELIVERED, S.SUPERSEDED, S.DISCARDED])
    async def test_only_what_is_dead_or_held(self, log, owing, now, status):
        """Nothing but a DEAD or HELD delivery can be replayed."""
        (delivery,) = await owing(archive={"status": status})
        with pytest.raises(ChangedMeanwhile):
            await log.replay(delivery.log_id, "archive", now + LEASE)
        assert await kept(log, delivery) == delivery

    async def test_the_worker_that_gave_it_up(self, log, delivery, now):
        """The claim that ended in DEAD settles and renews nothing after a replay."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        await log.settle(replace(claimed, status=S.DEAD))
        replayed = await log.replay(delivery.log_id, "archive", now)
        with pytest.raises(ChangedMeanwhile):
            await log.settle(replace(claimed, status=S.DEAD))
        with pytest.raises(ChangedMeanwhile):
            await log.renew(claimed, now + 9 * LEASE)
        assert await kept(log, delivery) == replayed


class TestDiscard:
    @pytest.mark.parametrize("status", [S.DEAD, S.HELD, S.PENDING])
    async def test_ends_it(self, log, owing, now, status):
        """What is given up by hand is DISCARDED with the reason, and neither due nor DEAD any more."""
        (delivery,) = await owing(archive={"status": status})
        discarded = await log.discard(delivery.log_id, "archive", "sent by mail", now + LEASE)
        assert discarded == replace(delivery, status=S.DISCARDED, error="sent by mail", timestamp=now + LEASE)
        assert await kept(log, delivery) == discarded
        assert await due_items(log, delivery, now + 9 * LEASE) == []
        assert await dead_items(log, delivery) == []
        assert await log.claim(delivery.log_id, "archive", ALICE, now + LEASE, now + 2 * LEASE) is None

    @pytest.mark.parametrize("status", [S.DELIVERED, S.SUPERSEDED, S.DISCARDED])
    async def test_not_what_has_ended(self, log, owing, now, status):
        """A delivery that has ended stays as it ended."""
        (delivery,) = await owing(archive={"status": status})
        with pytest.raises(ChangedMeanwhile):
            await log.discard(delivery.log_id, "archive", "why", now)
        assert await kept(log, delivery) == delivery

    async def test_not_while_a_worker_has_it(self, log, delivery, now):
        """A delivery under way is its worker's; when the lease has run out, it may be given up."""
        claimed = await log.claim(delivery.log_id, "archive", ALICE, now, now + LEASE)
        with pytest.raises(ChangedMeanwhile):
            await log.discard(delivery.log_id, "archive", "why", now + LEASE - SECOND)
        assert await kept(log, delivery) == claimed
        discarded = await log.discard(delivery.log_id, "archive", "why", now + LEASE)
        assert (discarded.status, discarded.lease_owner) == (S.DISCARDED, None)
        with pytest.raises(ChangedMeanwhile):
            await log.settle(replace(claimed, status=S.DELIVERED))

    async def test_not_there(self, log, delivery, now):
        """What does not exist can be neither discarded nor replayed, and does not come to exist."""
        for log_id, target in ((delivery.log_id, "elsewhere"), (new_log_id(), "archive")):
            with pytest.raises(ChangedMeanwhile):
                await log.discard(log_id, target, "why", now)
            with pytest.raises(ChangedMeanwhile):
                await log.replay(log_id, target, now)
        assert await log.deliveries_of(delivery.log_id) == (delivery,)
