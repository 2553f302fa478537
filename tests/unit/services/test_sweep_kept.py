"""What a sweep makes of uploads where dropped ones are kept: those left over, and those nobody continued."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tidegate.adapters.memory.leases import MemoryGatewayLeases
from tidegate.core.errors import SendWhole, StoreUnavailable
from tidegate.core.ids import GatewayId
from tidegate.core.objects import NewObject, Storage
from tidegate.core.open_modes import OpenIntent
from tidegate.core.routes import Routes
from tidegate.core.transfers import TransferStatus
from tidegate.services.leases import Lease
from tidegate.services.renames import Renames
from tidegate.services.sweep import Sweep
from tidegate.services.uploads import Upload
from unit.services.faults import AFTER
from unit.services.world import (
    BASE_PART,
    GATEWAY,
    HERE,
    KEEP_FOR,
    LARGE,
    PATH,
    SESSION,
    SMALL,
    TARGETS,
    World,
    close,
    send,
)

S = TransferStatus
ON = OpenIntent(is_write=True, must_exist=False, must_be_new=False, continues=True)
THERE = GatewayId("gw-another")
SENT = 3 * BASE_PART + 5


def sweep_of(world: World, *, keeps: bool = True) -> Sweep:
    """Return the sweep of the gateway itself, to which every record of its own is left over."""
    lease = Lease(MemoryGatewayLeases(), world.clock, SESSION.server_id, GATEWAY, 60)
    backends = world.uploads()._backends
    return Sweep(
        store=world.store,
        log=world.log,
        rename_log=world.log,
        kept_log=world.log,
        renames=Renames(backends, world.log, Routes((), Storage()), world.held()),
        clock=world.clock,
        lease=lease,
        targets=TARGETS,
        is_open_here=lambda _: False,
        on_owed=world.note_owed,
        kept=world.kept(GATEWAY) if keeps else None,
    )


async def left(world: World, sent: int = SENT) -> Upload:
    """Begin an upload, send so much of it, and forget it as a gateway that is killed does."""
    upload = await world.uploads(resume=True).begin(SESSION, PATH, HERE)
    await send(upload, LARGE[:sent])
    await upload._sender.quiet()
    return upload


async def swept(world: World, sweep: Sweep | None = None) -> list[TransferStatus | None]:
    return [each.after for each in await (sweep or sweep_of(world)).run_once()]  # type: ignore[misc]


@pytest.mark.parametrize(("sent", "kept"), [(SENT, 2), (3 * BASE_PART, 2), (2 * BASE_PART + 1, 1)])
async def test_what_a_gateway_left_is_kept(world: World, sent: int, kept: int) -> None:
    """All but the last part: whoever found the whole file there would never send its CLOSE."""
    upload = await left(world, sent)
    assert await swept(world) == [S.KEPT]
    record = await world.record(upload)
    assert record.size == kept * BASE_PART
    there = await world.uploads(resume=True, gateway=THERE).kept_at(SESSION, HERE)
    assert there is not None
    assert there.size == record.size


@pytest.mark.parametrize("sent", [0, 5, BASE_PART + 1])
async def test_too_little_is_abandoned(world: World, sent: int) -> None:
    """Of one part nothing is left when the last is taken off; S3 has nothing of it afterwards."""
    upload = await left(world, sent)
    assert await swept(world) == [S.ABANDONED]
    assert (await world.record(upload)).status is S.ABANDONED
    assert not world.store.open_uploads


async def test_where_nothing_is_kept(world: World) -> None:
    """As before: aborted."""
    await left(world)
    assert await swept(world, sweep_of(world, keeps=False)) == [S.ABANDONED]
    assert not world.store.open_uploads


async def test_what_was_closed_is_not_kept(world: World) -> None:
    """FINISHING without an object: its client was told nothing, and sends it again."""
    upload = await left(world)
    world.store.fail("complete_multipart", StoreUnavailable("no answer"), call=None)
    assert await close(upload) is not None
    assert (await world.record(upload)).status is S.FINISHING
    assert await swept(world) == [S.ABANDONED]
    assert not world.store.open_uploads


async def test_its_time_is_over(world: World) -> None:
    """Not before, and then once: ABANDONED, with the reason, and S3 has nothing of it."""
    upload = await left(world)
    await swept(world)
    world.clock.advance((KEEP_FOR - timedelta(seconds=1)).total_seconds())
    assert await swept(world) == []
    world.clock.advance(1)
    assert await swept(world) == [S.ABANDONED]
    record = await world.record(upload)
    assert record.error == "it was dropped, and not continued in time"
    assert not world.store.open_uploads
    assert await swept(world) == []


async def test_a_replacement_that_a_gateway_took_with_it(world: World) -> None:
    """Swept and gone, it is remembered: nobody adds to the file that it was to replace."""
    uploads = world.uploads(resume=True, gateway=THERE)
    old = await uploads.begin(SESSION, PATH, HERE)
    await send(old, SMALL)
    await old.finish()
    await left(world, 5)
    assert await swept(world) == [S.ABANDONED]
    adding = await uploads.begin(SESSION, PATH, HERE, ON)
    with pytest.raises(SendWhole):
        await adding.write(len(SMALL), b"more")
    await adding.abandon("gone")


async def test_an_expired_one_says_nothing_of_the_file_that_came_since(world: World) -> None:
    """When it is swept the name has another file, to which its partner may add."""
    await left(world)
    await swept(world)
    uploads = world.uploads(resume=True, gateway=THERE)
    world.log.fail("kept_at", StoreUnavailable("no answer"))  # so what is kept is not given up
    with pytest.raises(StoreUnavailable):
        await uploads.begin(SESSION, PATH, HERE)
    other = await world.uploads(gateway=THERE).begin(SESSION, PATH, HERE)
    await send(other, SMALL)
    await other.finish()
    world.clock.advance(KEEP_FOR.total_seconds())
    assert await swept(world) == [S.ABANDONED]
    adding = await uploads.begin(SESSION, PATH, HERE, ON)
    await adding.write(len(SMALL), b"more")
    await adding.finish()
    assert await world.content() == SMALL + b"more"


async def test_one_begun_anew_whose_id_was_lost(world: World) -> None:
    """What was kept was aborted, the next upload begun unseen: the sweep finds that one, too."""
    upload = await left(world)
    await swept(world)
    uploads = world.uploads(resume=True)
    again = await uploads.begin(SESSION, PATH, HERE, ON)
    world.store.fail("create_multipart", StoreUnavailable("no answer"), moment=AFTER)
    with pytest.raises(StoreUnavailable):
        await send(again, LARGE)
    await again.abandon("gone")
    assert len(world.store.open_uploads) == 1
    world.clock.advance(60)
    assert await swept(world) == [S.ABANDONED]
    assert (await world.record(upload)).status is S.ABANDONED
    assert not world.store.open_uploads


async def test_a_sweep_of_another_record_leaves_what_is_kept(world: World) -> None:
    """Of two users at one name: an upload that no open record names is aborted, but not what is kept."""
    await left(world)
    await swept(world)
    kept = set(world.store.open_uploads)
    lost = await world.store.create_multipart(NewObject(HERE, None, {}))
    bank = replace(SESSION, user_name="bank")
    other = await world.uploads(resume=True).begin(bank, "/other", HERE)
    world.clock.advance(60)
    await swept(world)
    assert set(world.store.open_uploads) == kept
    assert lost not in kept
    assert other.record.status is S.STARTED
