"""Renames: whatever is lost on the way, one name holds the file afterwards, and no upload is hidden."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from structlog.typing import EventDict

from tidegate.core.errors import (
    AccessDenied,
    AlreadyExists,
    ChangedMeanwhile,
    GatewayError,
    NotFound,
    OutcomeUnknown,
    StoreUnavailable,
)
from tidegate.core.holding import NOTHING_HELD
from tidegate.core.ids import GatewayId, LogId, new_log_id
from tidegate.core.objects import (
    META_LOG_ID,
    META_RENAME_ID,
    META_RESTORED_FROM,
    Location,
    NewObject,
    Storage,
)
from tidegate.core.renames import Rename, RenameStatus
from tidegate.core.routes import Routes
from tidegate.core.shards import shard_of
from tidegate.ports.objects import NOTHING
from tidegate.services.intake import Backends
from tidegate.services.moves import Move
from tidegate.services.part_sender import Digest
from tidegate.services.renames import MOST_OWNERS, Renames
from unit.services.faults import AFTER, BEFORE
from unit.services.world import GATEWAY, SESSION, World, turns

S = RenameStatus
OLD, NEW = Location("landing", "acme/a.tmp"), Location("landing", "acme/a")
BODY = b"whole"
SWEEPER = GatewayId("gw-sweeper")
# Everything a rename does that lasts, in order.
STEPS = [("intend", AFTER), ("copy", BEFORE), ("copy", AFTER), ("delete", BEFORE), ("delete", AFTER)]


class Killed(BaseException):
    """Stands for SIGKILL: no handler of errors may catch it."""


class Yard:
    """One file in a home, and gateways that rename it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.log_id = new_log_id()
        self.holding = NOTHING_HELD

    def renames(self, gateway_id: GatewayId = GATEWAY) -> Renames:
        world = self.world
        fresh = lambda: world.is_fresh  # noqa: E731
        return Renames(
            Backends(world.store, world.log, world.clock, gateway_id, fresh),
            world.log,
            Routes((), Storage("key")),
            world.held(),
            holding=self.holding,
            on_owed=world.note_owed,
        )

    async def put(self, body: bytes = BODY, at: Location = OLD, log_id: LogId | None = None):
        metadata = {"tidegate-transfer-id": log_id or self.log_id}
        return await self.world.store.inner.put(
            NewObject(at, None, metadata), body, await Digest().take(body)
        )

    async def move(self, replacing: str = NOTHING) -> Move:
        return Move("/a.tmp", "/a", await self.world.store.inner.head(OLD), NEW, replacing)

    async def rename(self, replacing: str = NOTHING, renames: Renames | None = None) -> BaseException | None:
        """Return what the client was told."""
        try:
            await (renames or self.renames()).rename(SESSION, await self.move(replacing))
        except (GatewayError, Killed) as error:
            return error
        return None

    async def recorded(self, log_id: LogId | None = None) -> list[Rename]:
        try:
            return list((await self.world.log.inner.story(log_id or self.log_id)).renames)
        except NotFound:
            return []

    async def sweep(self) -> list[RenameStatus]:
        """Take over and finish what is PENDING, as the sweep does."""
        taken = [
            await self.world.log.inner.take_over_rename(each, SWEEPER, self.world.clock.now())
            for each in await self.recorded()
            if each.is_open
        ]
        return [await self.renames(SWEEPER).resume(each) for each in taken]

    async def names(self) -> tuple[bytes | None, bytes | None]:
        """Return what is under the old name, and under the new."""
        return await self.world.content(OLD), await self.world.content(NEW)


@pytest.fixture(params=[True, False], ids=["versioned", "unversioned"])
def world(request: pytest.FixtureRequest) -> World:
    return World(versioned=request.param)


@pytest.fixture
def versioned() -> World:
    return World()


async def test_in_order(world):
    """The intent is durable before S3 changes, and the original goes only when the copy is there."""
    yard = Yard(world)
    await yard.put()
    assert await yard.rename() is None
    changes = [call for call in world.calls if call in {"intend", "copy", "delete", "settle_rename"}]
    assert changes == ["intend", "copy", "delete", "settle_rename"]
    assert await yard.names() == (None, BODY)
    [recorded] = await yard.recorded()
    assert (recorded.status, recorded.error, recorded.user_name) == (S.DONE, None, "acme")
    moved = await world.object(NEW)
    assert moved.metadata == {META_LOG_ID: yard.log_id, META_RENAME_ID: recorded.rename_id}


@pytest.mark.parametrize(("method", "moment"), STEPS)
async def test_killed_at_a_step(world, method, moment):
    """Whatever a killed gateway had done, the sweep finishes it: the new name holds the file, alone."""
    yard = Yard(world)
    await yard.put()
    world.log.fail(method, Killed(), moment=moment)
    world.store.fail(method, Killed(), moment=moment)
    with pytest.raises(Killed):
        await yard.renames().rename(SESSION, await yard.move())
    world.store.heal()
    world.log.heal()
    assert await yard.sweep() == [S.DONE]
    assert await yard.names() == (None, BODY)
    assert await yard.sweep() == [], "once is enough"


@pytest.mark.parametrize(("method", "moment"), STEPS)
async def test_no_answer(world, method, moment):
    """An answer that says nothing fails the RENAME; one that was begun is finished by the sweep."""
    yard = Yard(world)
    await yard.put()
    for port in (world.log, world.store):
        port.fail(method, moment=moment)
    renames = yard.renames()
    told = await yard.rename(renames=renames)
    assert isinstance(told, StoreUnavailable)
    for port in (world.log, world.store):
        port.heal()
    [left] = await yard.recorded()
    taken = await world.log.take_over_rename(left, GATEWAY, world.clock.now())
    status = await renames.resume(taken)
    if method == "intend":
        # Its own gateway knows that the client was refused before anything was done.
        assert (status, await yard.names()) == (S.FAILED, (BODY, None))
    else:
        assert (status, await yard.names()) == (S.DONE, (None, BODY))


async def test_intent_refused(world, told: list[EventDict]):
    """Without a record nothing is changed."""
    yard = Yard(world)
    await yard.put()
    world.log.fail("intend", moment=BEFORE)
    assert isinstance(await yard.rename(), StoreUnavailable)
    assert not {"copy", "delete"} & set(world.calls)
    assert await yard.names() == (BODY, None)
    assert await yard.recorded() == []
    assert told[-1]["status"] == "OPEN"


async def test_outcome_not_written(world):
    """What was done is done, though its outcome could not be written: the client reads OK."""
    yard = Yard(world)
    await yard.put()
    world.log.fail("settle_rename")
    assert await yard.rename() is None
    assert [each.status for each in await yard.recorded()] == [S.PENDING]
    assert await yard.sweep() == [S.DONE]
    assert await yard.names() == (None, BODY)


async def test_refusal_not_written(world):
    """What the client was refused is not done later by its gateway, even if the new name is free by then."""
    yard, renames = Yard(world), Yard(world).renames()
    yard.log_id = new_log_id()
    await yard.put()
    await yard.put(b"there", NEW)
    world.log.fail("settle_rename")
    assert isinstance(await yard.rename(renames=renames), AlreadyExists)
    await world.store.inner.delete(NEW)
    [left] = await yard.recorded()
    taken = await world.log.take_over_rename(left, GATEWAY, world.clock.now())
    assert await renames.resume(taken) is S.FAILED
    assert await yard.names() == (BODY, None)


async def test_what_can_never_be_done_ends(world):
    """S3 refuses some copies for ever, in words that leave it open: the rename is given up at last."""
    yard = Yard(world)
    await yard.put()
    world.store.fail("copy", StoreUnavailable("CopyObject: MetadataTooLarge"), call=None)
    assert isinstance(await yard.rename(), StoreUnavailable)
    for _ in range(2, MOST_OWNERS):
        with pytest.raises(StoreUnavailable):
            await yard.sweep()
    assert await yard.sweep() == [S.FAILED]
    [recorded] = await yard.recorded()
    assert recorded.error == f"given up after {MOST_OWNERS} attempts: CopyObject: MetadataTooLarge"
    assert await yard.names() == (BODY, None)


class TestRefused:
    async def test_something_came_to_the_new_name(self, world):
        """Between looking and copying: it is not replaced, and nothing is renamed."""
        yard = Yard(world)
        await yard.put()
        move = await yard.move()
        await yard.put(b"theirs", NEW)
        with pytest.raises(AlreadyExists):
            await yard.renames().rename(SESSION, move)
        assert await yard.names() == (BODY, b"theirs")
        [recorded] = await yard.recorded()
        assert recorded.status is S.FAILED
        assert "exists by now" in recorded.error

    @pytest.mark.parametrize("gone", [True, False])
    async def test_what_was_to_be_replaced_changed(self, world, gone):
        """An overwriting rename replaces exactly what was there when it was asked for."""
        yard = Yard(world)
        await yard.put()
        there = await yard.put(b"old", NEW)
        if gone:
            await world.store.inner.delete(NEW)
        else:
            await yard.put(b"newer", NEW)
        assert isinstance(await yard.rename(there.etag), ChangedMeanwhile)
        assert await yard.names() == (BODY, None if gone else b"newer")

    async def test_it_replaces_what_it_was_to_replace(self, world):
        """An overwriting rename, with nothing in its way."""
        yard = Yard(world)
        await yard.put()
        there = await yard.put(b"old", NEW)
        assert await yard.rename(there.etag) is None
        assert await yard.names() == (None, BODY)

    @pytest.mark.parametrize("gone", [True, False])
    async def test_the_file_itself_changed(self, world, gone):
        """A file that was removed or replaced meanwhile is not renamed, and what replaced it stays."""
        yard = Yard(world)
        await yard.put()
        move = await yard.move()
        if gone:
            await world.store.inner.delete(OLD)
        else:
            await yard.put(b"newer", log_id=new_log_id())
        with pytest.raises(NotFound if gone else ChangedMeanwhile):
            await yard.renames().rename(SESSION, move)
        assert await yard.names() == (None if gone else b"newer", None)

    async def test_denied(self, world):
        """S3 does not let us copy: nothing is renamed."""
        yard = Yard(world)
        await yard.put()
        world.store.fail("copy", AccessDenied("no key"))
        assert isinstance(await yard.rename(), AccessDenied)
        assert [each.status for each in await yard.recorded()] == [S.FAILED]
        assert await yard.names() == (BODY, None)

    async def test_removing_denied(self, world):
        """Both names hold the file then, and the record says so."""
        yard = Yard(world)
        await yard.put()
        world.store.fail("delete", AccessDenied("no s3:DeleteObject"))
        assert isinstance(await yard.rename(), AccessDenied)
        [recorded] = await yard.recorded()
        assert recorded.status is S.FAILED
        assert "copied to s3://landing/acme/a" in recorded.error
        assert await yard.names() == (BODY, BODY)

    async def test_under_way(self, world):
        """A second rename of either name, while the first is under way, is refused at once."""
        yard = Yard(world)
        await yard.put()
        renames = yard.renames()
        gate = world.store.hold("copy")
        move = await yard.move()
        first = asyncio.create_task(renames.rename(SESSION, move))
        await gate.reached.wait()
        with pytest.raises(ChangedMeanwhile):
            await renames.rename(
                SESSION, Move("/a.tmp", "/b", move.stored, Location("landing", "b"), NOTHING)
            )
        gate.go.set()
        await first
        assert await yard.names() == (None, BODY)


async def test_a_copy_that_was_sent_twice(world):
    """The first took effect and its answer was lost; the second finds it in its way: that is success."""
    yard = Yard(world)
    await yard.put()
    copy = world.store.inner.copy

    async def twice(source, new, *, replacing):
        await copy(source, new, replacing=replacing)
        return await copy(source, new, replacing=replacing)

    world.store.inner.copy = twice
    assert await yard.rename() is None
    assert await yard.names() == (None, BODY)


async def test_a_late_copy_of_a_killed_gateway(world):
    """It comes after the sweep has renamed the file and the client has replaced it: it is refused."""
    yard = Yard(world)
    source = await yard.put()
    gate = world.store.hold("copy")
    late = asyncio.create_task(yard.renames().rename(SESSION, await yard.move()))
    await gate.reached.wait()
    assert await yard.sweep() == [S.DONE]
    await yard.put(b"newer", NEW)
    gate.go.set()
    await asyncio.gather(late, return_exceptions=True)
    assert await yard.names() == (None, b"newer")
    assert source.location == OLD


class TestHidden:
    @pytest.mark.parametrize("killed", [None, BEFORE, AFTER])
    async def test_an_upload_at_the_last_moment(self, versioned, killed):
        """What landed between the last look and the removal is brought back, by the sweep if need be."""
        yard = Yard(versioned)
        await yard.put()
        gate = versioned.store.hold("delete")
        if killed:
            versioned.store.fail("copy", Killed(), call=2, moment=killed)
        renaming = asyncio.create_task(yard.rename())
        await gate.reached.wait()
        theirs = await yard.put(b"theirs", log_id=new_log_id())
        gate.go.set()
        told = await renaming
        assert isinstance(told, Killed) if killed else told is None
        versioned.store.heal()
        await yard.sweep()
        assert await yard.names() == (b"theirs", BODY)
        back = await versioned.object(OLD)
        assert back.metadata[META_RESTORED_FROM] == theirs.version_id
        assert back.transfer_id is None

    async def test_an_upload_whose_own_rename_failed(self, versioned):
        """A rename on record that changed nothing is no reason to leave an upload hidden."""
        yard, theirs = Yard(versioned), Yard(versioned)
        await yard.put()
        gate = versioned.store.hold("delete")
        renaming = asyncio.create_task(yard.rename())
        await gate.reached.wait()
        await theirs.put(b"theirs")
        assert isinstance(await theirs.rename(), AlreadyExists)
        gate.go.set()
        assert await renaming is None
        assert await yard.names() == (b"theirs", BODY)

    async def test_an_upload_while_one_is_brought_back(self, versioned):
        """What is newer still stays: nothing is brought back over it."""
        yard = Yard(versioned)
        await yard.put()
        removing, restoring = versioned.store.hold("delete"), versioned.store.hold("copy", call=2)
        renaming = asyncio.create_task(yard.rename())
        await removing.reached.wait()
        await yard.put(b"theirs", log_id=new_log_id())
        removing.go.set()
        await restoring.reached.wait()
        await yard.put(b"newest", log_id=new_log_id())
        restoring.go.set()
        assert await renaming is None
        assert await yard.names() == (b"newest", BODY)

    async def test_above_a_file_from_before_versioning(self):
        """A file that has no version, as its bucket had none then, hides no upload either."""
        world = World(versioned=False)
        yard = Yard(world)
        await yard.put()
        bucket = world.store.inner._buckets["landing"]
        world.store.inner._buckets["landing"] = replace(bucket, versioned=True)
        gate = world.store.hold("delete")
        renaming = asyncio.create_task(yard.rename())
        await gate.reached.wait()
        await yard.put(b"theirs", log_id=new_log_id())
        gate.go.set()
        assert await renaming is None
        assert await yard.names() == (b"theirs", BODY)

    async def test_an_upload_before_the_removal(self, versioned):
        """What replaced the file once it was copied is current, and is left alone."""
        yard = Yard(versioned)
        await yard.put()
        gate = versioned.store.hold("copy", moment=AFTER)
        renaming = asyncio.create_task(yard.rename())
        await gate.reached.wait()
        theirs = await yard.put(b"theirs", log_id=new_log_id())
        gate.go.set()
        assert await renaming is None
        assert await yard.names() == (b"theirs", BODY)
        assert (await versioned.object(OLD)).version_id == theirs.version_id

    async def test_an_upload_and_its_removal_after_ours(self, versioned):
        """What a client sent and removed after the rename stays removed."""
        yard = Yard(versioned)
        await yard.put()
        versioned.store.fail("delete", Killed(), moment=AFTER)
        assert isinstance(await yard.rename(), Killed)
        versioned.store.heal()
        await yard.put(b"later", log_id=new_log_id())
        await versioned.store.inner.delete(OLD)
        assert await yard.sweep() == [S.DONE]
        assert await yard.names() == (None, BODY)

    async def test_sent_again_and_renamed_again(self, versioned):
        """A client that was told nothing does all of it again: its second file does not come back to life."""
        yard, again = Yard(versioned), Yard(versioned)
        await yard.put()
        versioned.store.fail("delete", Killed())
        assert isinstance(await yard.rename(), Killed)
        versioned.store.heal()
        await again.put(b"again")
        assert await again.rename((await versioned.object(NEW)).etag) is None
        assert await yard.sweep() == [S.DONE]
        assert await yard.names() == (None, b"again")


class TestNewNameChangedMeanwhile:
    """The copy was made, the original still stands, and a client acts on what it sees: both names."""

    @pytest.mark.parametrize("removed", [True, False], ids=["removed", "replaced"])
    async def test_the_original_stays(self, versioned, removed):
        """If the copy was removed or replaced before the sweep came, the file is not lost."""
        yard = Yard(versioned)
        await yard.put()
        versioned.store.fail("delete", Killed())
        assert isinstance(await yard.rename(), Killed)
        versioned.store.heal()
        if removed:
            await versioned.store.inner.delete(NEW)
        else:
            await yard.put(b"another", NEW, new_log_id())
        assert await yard.sweep() == [S.FAILED]
        assert await yard.names() == (BODY, None if removed else b"another")
        [recorded] = await yard.recorded()
        assert "s3://landing/acme/a.tmp is kept" in recorded.error

    async def test_renamed_on(self, versioned):
        """A copy that a client has renamed again still holds the file: the original goes."""
        yard, later = Yard(versioned), Location("landing", "acme/b")
        await yard.put()
        versioned.store.fail("delete", Killed())
        assert isinstance(await yard.rename(), Killed)
        versioned.store.heal()
        there = await versioned.object(NEW)
        await yard.renames().rename(SESSION, Move("/a", "/b", there, later, NOTHING))
        assert await yard.sweep() == [S.DONE]
        assert await yard.names() == (None, None)
        assert await versioned.content(later) == BODY

    async def test_it_was_renamed_all_the_same(self, versioned):
        """Once the original was removed the rename is done, whatever came to the new name after that."""
        yard = Yard(versioned)
        await yard.put()
        versioned.store.fail("delete", Killed(), moment=AFTER)
        assert isinstance(await yard.rename(), Killed)
        versioned.store.heal()
        await yard.put(b"another", NEW, new_log_id())
        assert await yard.sweep() == [S.DONE]
        assert await yard.names() == (None, b"another")


class TestSilence:
    async def test_taken_over(self, world):
        """A gateway that was silent for a lease writes nothing more to S3 once a sweep has its rename."""
        yard = Yard(world)
        await yard.put()
        gate = world.log.hold("intend", moment=AFTER)
        renaming = asyncio.create_task(yard.rename())
        await gate.reached.wait()
        world.is_fresh = False
        [left] = await yard.recorded()
        await world.log.inner.take_over_rename(left, SWEEPER, world.clock.now())
        gate.go.set()
        assert isinstance(await renaming, OutcomeUnknown)
        assert not {"copy", "delete", "settle_rename"} & set(world.calls)

    @pytest.mark.parametrize("step", ["head", "copy", "delete"])
    async def test_taken_over_later(self, versioned, step):
        """Nor does it copy, remove, or bring anything back, if it was silent after an earlier step."""
        yard = Yard(versioned)
        await yard.put()
        if step == "delete":
            sending = versioned.store.hold("delete")
        gate = versioned.store.hold(step, moment=AFTER)
        renaming = asyncio.create_task(yard.rename())
        if step == "delete":
            await sending.reached.wait()
            await yard.put(b"hidden", log_id=new_log_id())
            sending.go.set()
        await gate.reached.wait()
        done = len([call for call in versioned.calls if call in {"copy", "delete"}])
        versioned.is_fresh = False
        [left] = await yard.recorded()
        await versioned.log.inner.take_over_rename(left, SWEEPER, versioned.clock.now())
        gate.go.set()
        assert isinstance(await renaming, OutcomeUnknown)
        assert len([call for call in versioned.calls if call in {"copy", "delete"}]) == done

    async def test_still_ours(self, world):
        """A gateway that was silent and was not missed goes on."""
        yard = Yard(world)
        await yard.put()
        world.is_fresh = False
        assert await yard.rename() is None
        assert await yard.names() == (None, BODY)


async def test_client_gone(world):
    """A client that hangs up has asked for it all the same; whoever stops the gateway waits for it."""
    yard = Yard(world)
    await yard.put()
    renames = yard.renames()
    gate = world.store.hold("copy")
    renaming = asyncio.create_task(renames.rename(SESSION, await yard.move()))
    await gate.reached.wait()
    renaming.cancel()
    await asyncio.gather(renaming, return_exceptions=True)
    [pending] = await world.log.pending_renames(shard_of(yard.log_id))
    assert renames.is_under_way(pending.rename_id)
    ended = asyncio.create_task(renames.ended())
    await turns()
    assert not ended.done()
    gate.go.set()
    await ended
    assert not renames.is_under_way(pending.rename_id)
    assert await yard.names() == (None, BODY)


async def test_foreign_object(world):
    """A file that came in another way is renamed under a LogID of its own, which goes with it."""
    yard = Yard(world)
    body = await Digest().take(BODY)
    await world.store.inner.put(NewObject(OLD, None, {}), BODY, body)
    assert await yard.rename() is None
    log_id = LogId((await world.object(NEW)).metadata[META_LOG_ID])
    assert [each.status for each in await yard.recorded(log_id)] == [S.DONE]
    stored = await world.object(NEW)
    await yard.renames().rename(SESSION, Move("/a", "/b", stored, OLD, NOTHING))
    assert len(await yard.recorded(log_id)) == 2


async def test_one_line(world, told: list[EventDict]):
    """Who renamed what to what, under which LogID, and how it ended."""
    yard = Yard(world)
    await yard.put()
    await yard.rename()
    [line] = [event for event in told if event["event"] == "rename ended"]
    assert line["status"] == "DONE"
    assert (line["user"], line["session"], line["client_ip"]) == ("acme", SESSION.session_id, "192.0.2.7")
    assert (line["path"], line["new_path"], line["log_id"]) == ("/a.tmp", "/a", yard.log_id)
