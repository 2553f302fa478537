"""HELD deliveries: delivered once, under the name that was meant, whoever dies on the way."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest

from tidegate.core.deliveries import Delivery, DeliveryStatus
from tidegate.core.errors import ChangedMeanwhile, GatewayError
from tidegate.core.holding import Holding
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import META_RESTORED_FROM, Location, NewObject, Storage
from tidegate.core.renames import RenameStatus, metadata_of_restored
from tidegate.core.routes import Routes
from tidegate.core.transfers import TransferStatus
from tidegate.ports.objects import NOTHING
from tidegate.services.held import Held
from tidegate.services.intake import Backends
from tidegate.services.moves import Move
from tidegate.services.part_sender import Digest
from tidegate.services.renames import Renames
from unit.services.depot import ALICE, BOB, Depot
from unit.services.faults import AFTER, BEFORE, Faulty
from unit.services.world import SESSION

S = DeliveryStatus
HOLD = 86400
TEMPORARY, OTHER = Location("landing", "acme/x.filepart"), Location("landing", "acme/x.part")
FINAL = Location("landing", "acme/x")
BODY, NEWER = b"the report", b"the report, amended"
SWEEPER = GatewayId("gw-sweeper")
# Everything that a rename does to S3 and the table, in order.
STEPS = [
    (method, moment)
    for method in ("intend", "copy", "delete", "move_held", "settle_rename")
    for moment in (BEFORE, AFTER)
][1:]


class Killed(BaseException):
    """Stands for SIGKILL: no handler of errors may catch it."""


class Yard:
    """A home whose client uses temporary names, gateways that rename, workers that deliver."""

    def __init__(self, depot: Depot) -> None:
        self.depot = depot
        self.store, self.log = Faulty(depot.objects), Faulty(depot.log)
        self.woken = 0

    def renames(self, gateway_id: GatewayId = ALICE) -> Renames:
        return Renames(
            Backends(self.store, self.log, self.depot.clock, gateway_id),
            self.log,
            Routes((), Storage()),
            self.held(),
            holding=Holding(("*.filepart", "*.part"), HOLD),
            on_owed=self._wake,
        )

    def held(self) -> Held:
        return Held(self.store, self.log, self.log, self.depot.clock)

    def _wake(self) -> None:
        self.woken += 1

    async def land(self, body: bytes = BODY, at: Location = TEMPORARY) -> LogId:
        return await self.depot.land(body, at, HOLD)

    async def rename(
        self, old: Location = TEMPORARY, new: Location = FINAL, replacing: str = NOTHING
    ) -> None:
        stored = await self.depot.objects.head(old)
        await self.renames().rename(SESSION, Move(f"/{old.key}", f"/{new.key}", stored, new, replacing))

    async def sweep(self, log_id: LogId) -> list[RenameStatus]:
        self.store.heal()
        self.log.heal()
        found = (await self.depot.log.story(log_id)).renames
        now = self.depot.clock.now()
        taken = [await self.log.take_over_rename(each, SWEEPER, now) for each in found if each.is_open]
        return [await self.renames(SWEEPER).resume(each) for each in taken]

    async def remove(self, at: Location = TEMPORARY) -> None:
        stored = await self.depot.objects.head(at)
        await self.depot.objects.delete(at)
        await self.renames().never_to_come(f"/{at.key}", stored)

    async def pass_by(self, seconds: float = HOLD) -> None:
        """Let time pass, and two workers do what there is to do."""
        self.depot.clock.advance(seconds)
        for worker in (self.depot.worker(ALICE), self.depot.worker(BOB)) * 2:
            await worker.run_once()

    async def status(self, log_id: LogId) -> tuple[DeliveryStatus, str]:
        delivery = await self.depot.delivery(log_id)
        return delivery.status, delivery.destination.key

    async def arrived(self) -> dict[str, bytes]:
        """Return what is at the destination, each version of it once."""
        found: dict[str, bytes] = {}
        for location in (TEMPORARY, OTHER, FINAL):
            there = Location("archive", f"2026/{location.key}")
            versions = await self.depot.objects.versions(there)
            if versions:
                assert len(versions) == 1, f"{there} was delivered {len(versions)} times"
                found[location.key] = await self.depot.delivered(there)
        return found


@pytest.fixture(params=[True, False], ids=["versioned", "unversioned"])
def yard(request: pytest.FixtureRequest) -> Yard:
    return Yard(Depot(versioned=request.param))


@pytest.fixture
def versioned() -> Yard:
    return Yard(Depot())


async def test_nothing_is_delivered_of_a_temporary_name(yard):
    """Until it has another name, or was held for long enough."""
    log_id = await yard.land()
    await yard.pass_by(HOLD - 1)
    assert await yard.status(log_id) == (S.HELD, "2026/acme/x.filepart")
    assert await yard.arrived() == {}


async def test_delivered_under_its_final_name(yard):
    """Once, at once after the rename, and under no other name."""
    log_id = await yard.land()
    await yard.rename()
    assert yard.woken == 1
    await yard.pass_by(1)
    assert await yard.status(log_id) == (S.DELIVERED, "2026/acme/x")
    await yard.pass_by()
    assert await yard.arrived() == {"acme/x": BODY}


async def test_as_winscp_replaces_a_file(yard):
    """The final name is removed before the rename; both deliveries of that name happen, the newer last."""
    old = await yard.depot.land(b"old", FINAL)
    await yard.pass_by(1)
    new = await yard.land()
    await yard.remove(FINAL)
    await yard.rename()
    await yard.pass_by(1)
    assert [(await yard.status(each))[0] for each in (old, new)] == [S.DELIVERED, S.DELIVERED]
    assert await yard.depot.delivered(Location("archive", "2026/acme/x")) == BODY


async def test_an_older_file_does_not_come_out_on_top(versioned):
    """A delivery of the final name that is late brings the renamed file, which is newer, and not its own."""
    old = await versioned.depot.land(b"old", FINAL)
    there = await versioned.depot.objects.head(FINAL)
    new = await versioned.land()
    await versioned.rename(replacing=there.etag)
    worker = versioned.depot.worker()
    assert await worker.attempt(new, "archive")
    assert await worker.attempt(old, "archive")
    assert await versioned.status(old) == (S.SUPERSEDED, "2026/acme/x")
    assert await versioned.arrived() == {"acme/x": BODY}


async def test_from_one_temporary_name_to_another(yard):
    """HELD still, for as long as it was to be; then delivered under the final name."""
    log_id = await yard.land()
    until = (await yard.depot.delivery(log_id)).due_at
    yard.depot.clock.advance(60)
    await yard.rename(TEMPORARY, OTHER)
    held = await yard.depot.delivery(log_id)
    assert (held.status, held.source, held.due_at, yard.woken) == (S.HELD, OTHER, until, 0)
    await yard.rename(OTHER, FINAL)
    await yard.pass_by(1)
    assert await yard.status(log_id) == (S.DELIVERED, "2026/acme/x")
    assert await yard.arrived() == {"acme/x": BODY}


async def test_there_and_back(yard):
    """A name that was left may be taken again on the way."""
    log_id = await yard.land()
    for old, new in [(TEMPORARY, OTHER), (OTHER, TEMPORARY), (TEMPORARY, OTHER), (OTHER, FINAL)]:
        yard.depot.clock.advance(1)
        await yard.rename(old, new)
        owed, there = await yard.depot.delivery(log_id), await yard.depot.objects.head(new)
        assert (owed.source, owed.version_id) == (there.location, there.version_id)
    await yard.pass_by()
    assert await yard.status(log_id) == (S.DELIVERED, "2026/acme/x")
    assert await yard.arrived() == {"acme/x": BODY}


async def test_a_final_name_is_renamed_as_ever(yard):
    """What was PENDING or DELIVERED is not owed again."""
    log_id = await yard.depot.land(BODY, FINAL)
    await yard.pass_by(1)
    before = await yard.depot.delivery(log_id)
    await yard.rename(FINAL, OTHER)
    assert "move_held" not in yard.log.calls
    assert await yard.depot.delivery(log_id) == before
    await yard.pass_by()
    assert await yard.arrived() == {"acme/x": BODY}


class TestDue:
    async def test_nobody_renamed_it(self, yard):
        """It is delivered as it is, once."""
        log_id = await yard.land()
        await yard.pass_by()
        assert await yard.status(log_id) == (S.DELIVERED, "2026/acme/x.filepart")
        await yard.pass_by()
        assert await yard.arrived() == {"acme/x.filepart": BODY}

    async def test_renamed_too_late(self, yard):
        """What was delivered under its temporary name is not delivered again."""
        log_id = await yard.land()
        await yard.pass_by()
        await yard.rename()
        await yard.pass_by()
        assert await yard.status(log_id) == (S.DELIVERED, "2026/acme/x.filepart")
        assert await yard.arrived() == {"acme/x.filepart": BODY}

    async def test_it_waits_for_a_rename_that_is_not_settled(self, yard):
        """However long the sweep is away: the file is not delivered under the name it is losing."""
        log_id = await yard.land()
        yard.store.fail("copy", Killed(), moment=AFTER)
        with pytest.raises(Killed):
            await yard.rename()
        await yard.pass_by()
        assert await yard.status(log_id) == (S.HELD, "2026/acme/x.filepart")
        assert await yard.sweep(log_id) == [RenameStatus.DONE]
        await yard.pass_by(1)
        assert await yard.status(log_id) == (S.DELIVERED, "2026/acme/x")
        assert await yard.arrived() == {"acme/x": BODY}

    async def test_a_rename_that_failed_late(self, yard):
        """A rename that was given up after its copy and its removal: what is there is what is delivered."""
        log_id = await yard.land()
        yard.log.fail("move_held", GatewayError("refused"), call=None)
        await yard.rename()
        (rename,) = (await yard.depot.log.story(log_id)).renames
        await yard.depot.log.settle_rename(
            rename.settled(RenameStatus.FAILED, yard.depot.clock.now(), "given up")
        )
        await yard.pass_by()
        assert await yard.status(log_id) == (S.DELIVERED, "2026/acme/x")
        assert await yard.arrived() == {"acme/x": BODY}

    async def test_two_workers_decide(self, versioned):
        """At the same time: one of them does, and it is delivered once."""
        log_id = await versioned.land()
        await versioned.pass_by(HOLD - 1)
        versioned.depot.clock.advance(1)
        workers = [versioned.depot.worker(GatewayId(f"gw-{n}")) for n in range(4)]
        for _ in range(3):
            for worker in workers:
                await worker.run_once()
        assert await versioned.status(log_id) == (S.DELIVERED, "2026/acme/x.filepart")
        assert await versioned.arrived() == {"acme/x.filepart": BODY}

    async def test_released_while_it_is_decided(self, versioned):
        """A rename that is done while a worker decides has the last word."""
        log_id = await versioned.land()
        versioned.depot.clock.advance(HOLD)
        claimed = await versioned.depot.log.claim(
            log_id, "archive", BOB, versioned.depot.clock.now(), versioned.depot.clock.now() + timedelta(60)
        )
        await versioned.rename()
        with pytest.raises(ChangedMeanwhile):
            await versioned.held().decide(claimed)
        await versioned.pass_by(1)
        assert await versioned.arrived() == {"acme/x": BODY}


class TestRemoved:
    async def test_by_its_partner(self, yard):
        """As WinSCP cancels: nothing is owed any more, and the item says why."""
        log_id = await yard.land()
        await yard.remove()
        delivery = await yard.depot.delivery(log_id)
        assert (delivery.status, delivery.error) == (
            S.DISCARDED,
            "the file was removed while it had a temporary name",
        )
        await yard.pass_by()
        assert await yard.arrived() == {}

    async def test_without_an_answer(self, yard):
        """If that cannot be written then, a worker finds it out when it is due."""
        log_id = await yard.land()
        yard.log.fail("move_held", moment=BEFORE)
        await yard.remove()
        assert (await yard.depot.delivery(log_id)).status is S.HELD
        await yard.pass_by()
        assert (await yard.depot.delivery(log_id)).status is S.DISCARDED
        assert await yard.arrived() == {}

    async def test_another_version(self, versioned):
        """Of the same upload, as somebody's copy onto itself makes one: not the file that is owed went."""
        log_id = await versioned.land()
        await versioned.depot.put(BODY, log_id, TEMPORARY)
        await versioned.remove()
        assert (await versioned.depot.delivery(log_id)).status is S.HELD
        await versioned.pass_by()
        assert (await versioned.depot.delivery(log_id)).status is S.DISCARDED

    async def test_a_restored_one(self, versioned):
        """An upload that a rename had hidden and that was brought back is the same file, removed or not."""
        log_id = await versioned.land()
        hidden = await versioned.depot.objects.head(TEMPORARY)
        await versioned.depot.objects.delete(TEMPORARY)
        new = NewObject(TEMPORARY, None, metadata_of_restored(hidden))
        await versioned.depot.objects.put(new, BODY, await Digest().take(BODY))
        await versioned.remove()
        assert (await versioned.depot.delivery(log_id)).status is S.DISCARDED

    async def test_a_final_name(self, versioned):
        """A file that is owed is delivered though it was removed, as ever."""
        log_id = await versioned.depot.land(BODY, FINAL)
        await versioned.remove(FINAL)
        await versioned.pass_by(1)
        assert await versioned.status(log_id) == (S.DELIVERED, "2026/acme/x")


class TestSentAgain:
    async def test_the_second_is_renamed(self, yard):
        """Of two uploads of one temporary name the one that got the final name is delivered, alone."""
        first, second = await yard.land(), await yard.land(NEWER)
        await yard.rename()
        await yard.pass_by()
        assert await yard.status(second) == (S.DELIVERED, "2026/acme/x")
        assert (await yard.status(first))[0] is S.DISCARDED
        assert await yard.arrived() == {"acme/x": NEWER}

    async def test_neither_is_renamed(self, yard):
        """The newer is delivered as it is; the older is SUPERSEDED."""
        first, second = await yard.land(), await yard.land(NEWER)
        await yard.pass_by()
        assert await yard.status(second) == (S.DELIVERED, "2026/acme/x.filepart")
        assert (await yard.status(first))[0] is S.SUPERSEDED
        assert await yard.arrived() == {"acme/x.filepart": NEWER}

    async def test_the_same_bytes(self, yard):
        """The same ETag is not the same upload."""
        first, second = await yard.land(), await yard.land()
        await yard.pass_by()
        assert (await yard.status(first))[0] is S.SUPERSEDED
        assert (await yard.status(second))[0] is S.DELIVERED

    async def test_the_older_is_due_first(self, versioned):
        """What was delivered of it by then stays; the newer is held for as long as any."""
        first = await versioned.land()
        await versioned.pass_by()
        second = await versioned.land(NEWER)
        await versioned.pass_by(1)
        assert (await versioned.status(first))[0] is S.DELIVERED
        assert (await versioned.status(second))[0] is S.HELD
        assert await versioned.arrived() == {"acme/x.filepart": BODY}

    async def test_what_is_held_is_not_brought_in_place_of_an_older(self, versioned):
        """A late delivery of the temporary name does not bring an upload that is HELD itself."""
        first = await versioned.land()
        await versioned.depot.log.replay(first, "archive", versioned.depot.clock.now())
        second = await versioned.land(NEWER)
        await versioned.pass_by(1)
        assert await versioned.arrived() == {"acme/x.filepart": BODY}
        assert (await versioned.status(second))[0] is S.HELD

    async def test_replaced_by_what_nobody_uploaded(self, versioned):
        """An object that somebody put there by hand is no reason to give up a whole file."""
        log_id = await versioned.land()
        await versioned.depot.put(b"by hand", None, TEMPORARY)
        await versioned.pass_by()
        assert await versioned.status(log_id) == (S.DELIVERED, "2026/acme/x.filepart")
        assert await versioned.arrived() == {"acme/x.filepart": BODY}

    async def test_replaced_without_versions(self):
        """Then nothing is left of it, and the item says so."""
        yard = Yard(Depot(versioned=False))
        log_id = await yard.land()
        await yard.depot.put(b"by hand", None, TEMPORARY)
        await yard.pass_by()
        delivery = await yard.depot.delivery(log_id)
        assert (delivery.status, delivery.error) == (S.DISCARDED, "another file took its temporary name")

    @pytest.mark.parametrize("ends", [TransferStatus.PARTIAL, TransferStatus.COMPLETED])
    @pytest.mark.parametrize("is_renamed", [False, True], ids=["sent", "renamed"])
    async def test_replaced_by_what_is_whole_or_not(self, versioned, ends, is_renamed):
        """A whole file that took the name is one to give it up for; half a file is not."""
        first = await versioned.land()
        record = await versioned.depot.start(OTHER if is_renamed else TEMPORARY, HOLD)
        stored = await versioned.depot.put(NEWER, record.log_id, record.location)
        if ends is TransferStatus.COMPLETED:
            await versioned.depot.complete(record, stored)
        else:
            now = versioned.depot.clock.now()
            await versioned.depot.log.end(record.owner, ends, now, error="dropped", stored=stored)
        if is_renamed:
            there = await versioned.depot.objects.head(TEMPORARY)
            await versioned.rename(OTHER, TEMPORARY, there.etag)
        await versioned.pass_by()
        is_whole = ends is TransferStatus.COMPLETED
        assert (await versioned.status(first))[0] is (S.SUPERSEDED if is_whole else S.DELIVERED)
        assert await versioned.arrived() == {"acme/x.filepart": NEWER if is_whole else BODY}


class TestChangedMeanwhile:
    async def test_while_it_is_taken_along(self, yard):
        """What somebody else changed is read and moved again."""
        log_id = await yard.land()
        yard.log.fail("move_held", ChangedMeanwhile("a worker has it"))
        await yard.rename()
        assert await yard.status(log_id) == (S.PENDING, "2026/acme/x")

    async def test_again_and_again(self, yard):
        """The client reads OK, and the rename stays PENDING until it can be taken along."""
        log_id = await yard.land()
        yard.log.fail("move_held", ChangedMeanwhile("a worker has it"), call=None)
        await yard.rename()
        assert await yard.status(log_id) == (S.HELD, "2026/acme/x.filepart")
        assert await yard.sweep(log_id) == [RenameStatus.DONE]
        assert await yard.status(log_id) == (S.PENDING, "2026/acme/x")

    async def test_renamed_while_a_worker_has_it(self, versioned):
        """Under another temporary name it is due at once: its time was over."""
        log_id = await versioned.land()
        versioned.depot.clock.advance(HOLD)
        now = versioned.depot.clock.now()
        await versioned.depot.log.claim(log_id, "archive", BOB, now, now + timedelta(seconds=60))
        await versioned.rename(TEMPORARY, OTHER)
        held = await versioned.depot.delivery(log_id)
        assert (held.status, held.source, held.due_at) == (S.HELD, OTHER, now)


@pytest.mark.parametrize(("method", "moment"), STEPS)
async def test_killed_at_a_step(yard, method, moment):
    """Wherever the gateway is killed: delivered once under the final name, and under no other."""
    log_id = await yard.land()
    for port in (yard.store, yard.log):
        port.fail(method, Killed(), moment=moment)
    with pytest.raises(Killed):
        await yard.rename()
    await yard.sweep(log_id)
    await yard.pass_by()
    assert await yard.status(log_id) == (S.DELIVERED, "2026/acme/x")
    assert await yard.arrived() == {"acme/x": BODY}


@pytest.mark.parametrize(("method", "moment"), STEPS)
async def test_no_answer(yard, method, moment):
    """Wherever an answer is lost: once under the name the file has at the end."""
    log_id = await yard.land()
    for port in (yard.store, yard.log):
        port.fail(method, moment=moment)
    with suppress(GatewayError):
        await yard.rename()
    await yard.sweep(log_id)
    await yard.pass_by()
    assert (await yard.status(log_id))[0] is S.DELIVERED
    assert await yard.arrived() == {"acme/x": BODY}


async def test_renamed_on_before_the_first_was_settled(yard):
    """A rename may be told OK before it is settled: whoever settles it follows the file to its last name."""
    log_id = await yard.land()
    yard.log.fail("move_held", moment=BEFORE)
    await yard.rename(TEMPORARY, OTHER)
    yard.log.heal()
    yard.depot.clock.advance(1)
    await yard.rename(OTHER, FINAL)
    assert (await yard.depot.delivery(log_id)).source == TEMPORARY
    await yard.sweep(log_id)
    await yard.pass_by()
    assert await yard.status(log_id) == (S.DELIVERED, "2026/acme/x")
    assert await yard.arrived() == {"acme/x": BODY}


async def test_a_restored_file(versioned):
    """An upload that a rename had hidden, and that was brought back, is the same file to what it owes."""
    log_id = await versioned.land()
    hidden = await versioned.depot.objects.head(TEMPORARY)
    await versioned.depot.objects.delete(TEMPORARY)
    new = NewObject(TEMPORARY, None, metadata_of_restored(hidden))
    await versioned.depot.objects.put(new, BODY, await Digest().take(BODY))
    assert META_RESTORED_FROM in (await versioned.depot.objects.head(TEMPORARY)).metadata
    await versioned.rename()
    await versioned.pass_by()
    assert await versioned.status(log_id) == (S.DELIVERED, "2026/acme/x")
    assert await versioned.arrived() == {"acme/x": BODY}


async def test_every_target(yard):
    """One that somebody changed meanwhile does not keep the others."""
    log_id = await yard.land()
    held: Delivery = await yard.depot.delivery(log_id)
    await yard.depot.log.discard(log_id, held.target, "by hand", yard.depot.clock.now())
    await yard.rename()
    await yard.pass_by()
    assert (await yard.depot.delivery(log_id)).error == "by hand"
    assert await yard.arrived() == {}
