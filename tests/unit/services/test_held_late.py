"""Files renamed before they are COMPLETED: one delivery all the same, under the final name, at once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from tidegate.core.deliveries import DeliveryStatus
from tidegate.core.errors import StoreUnavailable
from tidegate.core.holding import Holding
from tidegate.core.ids import LogId
from tidegate.core.objects import META_SHA256, Location
from tidegate.core.renames import RenameStatus
from tidegate.core.transfers import Content, TransferRecord, TransferStatus
from tidegate.ports.objects import NOTHING
from tidegate.services.moves import Move
from tidegate.services.sweep import Sweep, Swept
from unit.services.depot import TARGETS, Depot
from unit.services.faults import AFTER, BEFORE
from unit.services.test_held import BODY, FINAL, HOLD, OTHER, SWEEPER, TEMPORARY, Killed, S, Yard
from unit.services.world import SESSION, SMALL, World, send

ELSEWHERE = Location("landing", "acme/deep/x")


class LateYard(Yard):
    """A yard with files whose gateway died before they were COMPLETED, and a sweep that completes them."""

    async def left(self) -> TransferRecord:
        """Store a file whole, as a gateway that dies before COMPLETED leaves it."""
        record = await self.depot.start(TEMPORARY, HOLD, ("archive",))
        stored = await self.depot.put(BODY, record.log_id, TEMPORARY)
        content = Content(stored.size, stored.metadata[META_SHA256])
        await self.depot.log.finishing(record.owner, content, self.depot.clock.now())
        return record

    async def swept(self) -> list[Swept]:
        lease = SimpleNamespace(
            gateway_id=SWEEPER,
            server_id=SESSION.server_id,
            lease_seconds=60,
            is_dead=lambda _: True,
            dead=list,
        )
        sweep = Sweep(
            store=self.store,
            log=self.log,
            rename_log=self.log,
            kept_log=self.log,
            renames=self.renames(SWEEPER),
            clock=self.depot.clock,
            lease=lease,
            targets=TARGETS,
            is_open_here=lambda _: False,
            on_owed=self._wake,
        )
        return await sweep.run_once()


@pytest.fixture
def yard() -> LateYard:
    """Versioned: without versions a sweep does not find what was renamed."""
    return LateYard(Depot())


class TestTheSweepCompletes:
    async def test_after_the_rename(self, yard):
        """The file is delivered at once, and under the name it was renamed to."""
        record = await yard.left()
        await yard.rename()
        assert [each.after for each in await yard.swept()] == [TransferStatus.COMPLETED]
        assert yard.woken == 1
        await yard.pass_by(1)
        assert await yard.status(record.log_id) == (S.DELIVERED, "2026/acme/x")
        await yard.pass_by()
        assert await yard.arrived() == {"acme/x": BODY}

    async def test_after_two_renames(self, yard):
        """Under the last of the names."""
        record = await yard.left()
        await yard.rename(TEMPORARY, OTHER)
        yard.depot.clock.advance(1)
        await yard.rename(OTHER, FINAL)
        await yard.swept()
        assert await yard.status(record.log_id) == (S.PENDING, "2026/acme/x")

    async def test_under_another_temporary_name(self, yard):
        """HELD still, for that name, and for as long as any."""
        record = await yard.left()
        await yard.rename(TEMPORARY, OTHER)
        await yard.swept()
        held = await yard.depot.delivery(record.log_id)
        assert (held.status, held.source) == (S.HELD, OTHER)
        assert (held.due_at - yard.depot.clock.now()).total_seconds() == HOLD
        await yard.rename(OTHER, FINAL)
        await yard.pass_by(1)
        assert await yard.arrived() == {"acme/x": BODY}

    async def test_there_and_back(self, yard):
        """HELD for the name that it has again; it is not looked for in circles."""
        record = await yard.left()
        for old, new in [(TEMPORARY, OTHER), (OTHER, TEMPORARY)]:
            await yard.rename(old, new)
            yard.depot.clock.advance(1)
        yard.log.calls.clear()
        await yard.swept()
        assert await yard.status(record.log_id) == (S.HELD, "2026/acme/x.filepart")
        assert yard.log.count("move_held") == 1
        await yard.rename()
        await yard.pass_by(1)
        assert await yard.arrived() == {"acme/x": BODY}

    async def test_while_the_rename_is_not_settled(self, yard):
        """The sweep finishes both, whichever it finds first."""
        record = await yard.left()
        yard.store.fail("delete", Killed(), moment=AFTER)
        with pytest.raises(Killed):
            await yard.rename()
        yard.store.heal()
        for _ in range(2):
            await yard.swept()
        await yard.pass_by(1)
        assert await yard.status(record.log_id) == (S.DELIVERED, "2026/acme/x")
        assert await yard.arrived() == {"acme/x": BODY}

    async def test_what_is_not_renamed(self, yard):
        """It is HELD, and nothing is moved."""
        record = await yard.left()
        await yard.swept()
        assert await yard.status(record.log_id) == (S.HELD, "2026/acme/x.filepart")
        assert "move_held" not in yard.log.calls

    @pytest.mark.parametrize(("method", "moment"), [("complete", AFTER), ("move_held", BEFORE)])
    async def test_killed_in_between(self, yard, method, moment):
        """It is delivered when it is due: once, and under the final name."""
        record = await yard.left()
        await yard.rename()
        yard.log.fail(method, Killed(), moment=moment)
        with pytest.raises(Killed):
            await yard.swept()
        assert await yard.status(record.log_id) == (S.HELD, "2026/acme/x.filepart")
        yard.log.heal()
        await yard.pass_by()
        assert await yard.status(record.log_id) == (S.DELIVERED, "2026/acme/x")
        assert await yard.arrived() == {"acme/x": BODY}

    async def test_without_an_answer(self, yard):
        """The record is COMPLETED all the same; what is owed follows when it is due."""
        await yard.left()
        await yard.rename()
        yard.log.fail("move_held", StoreUnavailable("no answer"))
        assert [each.after for each in await yard.swept()] == [TransferStatus.COMPLETED]
        await yard.pass_by()
        assert await yard.arrived() == {"acme/x": BODY}


@pytest.mark.parametrize("moment", [BEFORE, AFTER])
async def test_completed_while_the_rename_is_settled(yard, moment):
    """Between the first look of the rename and its settling, or just after: the later one sees both."""
    record = await yard.left()
    gate = yard.log.hold("settle_rename", moment=moment)
    renaming = asyncio.create_task(yard.rename())
    await gate.reached.wait()
    stored = await yard.depot.objects.head(TEMPORARY, await _first_version(yard))
    await yard.depot.complete(record, stored)
    if moment == BEFORE:
        assert not await yard.held().catch_up(record.log_id)
    gate.go.set()
    await renaming
    assert yard.woken == 1
    assert await yard.status(record.log_id) == (S.PENDING, "2026/acme/x")


async def _first_version(yard: Yard) -> str | None:
    return (await yard.depot.objects.versions(TEMPORARY))[-1].version_id


async def test_a_directory_does_not_hold_again(yard):
    """What a rename has released stays so when the file is moved on with its directory."""
    log_id: LogId = await yard.land()
    yard.log.fail("move_held", moment=BEFORE)
    await yard.rename()
    yard.log.heal()
    yard.depot.clock.advance(1)
    there = await yard.depot.objects.head(FINAL)
    await yard.renames().rename(SESSION, Move("/x", "/deep/x", there, ELSEWHERE, NOTHING, log_id))
    assert await yard.sweep(log_id) == [RenameStatus.DONE]
    assert await yard.status(log_id) == (S.PENDING, "2026/acme/deep/x")


async def test_a_directory_does_not_hold_what_comes_late(yard):
    """Nor if the file was COMPLETED only then."""
    record = await yard.left()
    await yard.rename()
    yard.depot.clock.advance(1)
    there = await yard.depot.objects.head(FINAL)
    await yard.renames().rename(SESSION, Move("/x", "/deep/x", there, ELSEWHERE, NOTHING, record.log_id))
    await yard.swept()
    assert await yard.status(record.log_id) == (S.PENDING, "2026/acme/deep/x")


@pytest.mark.parametrize("refused", [False, True], ids=["answered", "without an answer"])
async def test_its_own_gateway_completes_late(refused):
    """Renamed by another session while COMPLETED is written: CLOSE is OK, and the delivery follows."""
    world = World()
    uploads = world.uploads(holding=Holding(("*.filepart",), HOLD))
    upload = await uploads.begin(SESSION, "/x.filepart", TEMPORARY)
    await send(upload, SMALL)
    gate = world.log.hold("complete")
    closing = asyncio.create_task(upload.finish())
    await gate.reached.wait()
    yard = Yard(SimpleNamespace(objects=world.store.inner, log=world.log.inner, clock=world.clock))
    await yard.rename()
    if refused:
        world.log.fail("move_held", StoreUnavailable("no answer"), call=None)
    gate.go.set()
    await closing
    statuses = {each.status for each in await world.deliveries(upload)}
    assert statuses == {DeliveryStatus.HELD if refused else DeliveryStatus.PENDING}
    assert {each.source for each in await world.deliveries(upload)} == {TEMPORARY if refused else FINAL}


class TestWithoutVersions:
    """A record that is COMPLETED late, over an object that has moved on."""

    async def test_there_and_back(self):
        """It has the name again for which it is HELD: nothing is to be moved."""
        yard = LateYard(Depot(versioned=False))
        record = await yard.left()
        stored = await yard.depot.objects.head(TEMPORARY)
        for old, new in [(TEMPORARY, OTHER), (OTHER, TEMPORARY)]:
            await yard.rename(old, new)
            yard.depot.clock.advance(1)
        await yard.depot.complete(record, stored)
        assert not await yard.held().catch_up(record.log_id)
        assert "move_held" not in yard.log.calls

    async def test_gone_under_its_new_name(self):
        """Nothing is known of it any more: what it owes is decided when it is due."""
        yard = LateYard(Depot(versioned=False))
        record = await yard.left()
        stored = await yard.depot.objects.head(TEMPORARY)
        await yard.rename()
        await yard.depot.objects.delete(FINAL)
        await yard.depot.complete(record, stored)
        assert not await yard.held().catch_up(record.log_id)
        await yard.pass_by()
        assert (await yard.status(record.log_id))[0] is S.DISCARDED
