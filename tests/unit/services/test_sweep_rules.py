"""A sweep judges by the same rules as CLOSE: what a dead gateway stored may be SUSPECT, too."""

from __future__ import annotations

import pytest

from tidegate.adapters.memory.leases import MemoryGatewayLeases
from tidegate.core.acceptance import Duplicates, Rules
from tidegate.core.errors import StoreUnavailable
from tidegate.core.ids import GatewayId
from tidegate.core.sidecars import Sidecar
from tidegate.core.transfers import TransferRecord, TransferStatus
from tidegate.services.intake import Backends
from tidegate.services.leases import Lease
from tidegate.services.renames import Renames
from tidegate.services.sweep import Sweep
from unit.services.rules_world import RulesWorld
from unit.services.world import GATEWAY, LARGE, SESSION, SMALL, TARGETS, close, send

S = TransferStatus
OK = Sidecar.with_suffix(".ok")
BOTH = pytest.mark.parametrize("body", [SMALL, LARGE], ids=["one PutObject", "parts"])


def sweep_of(world: RulesWorld) -> Sweep:
    """Return the sweep of a gateway that has nothing open."""
    lease = Lease(MemoryGatewayLeases(), world.clock, SESSION.server_id, GATEWAY, 60)
    backends = Backends(world.store, world.log, world.clock, GATEWAY, suspects=world.suspects)
    return Sweep(
        store=world.store,
        log=world.log,
        rename_log=world.log,
        kept_log=world.log,
        renames=Renames(backends, world.log, world.routes, world.held()),
        clock=world.clock,
        lease=lease,
        targets=TARGETS,
        is_open_here=lambda _: False,
        on_owed=world.note_owed,
        suspects=world.suspects,
    )


async def stored_and_left(world: RulesWorld, name: str, body: bytes) -> TransferRecord:
    """Let a gateway die between storing a file and recording it; return the record it leaves."""
    upload = await world.open(name)
    await send(upload, body)
    for method in ("complete", "end"):
        world.log.fail(method, StoreUnavailable("killed"), call=None)
    assert await close(upload) is not None
    world.log.heal()
    record = await world.record(upload)
    assert record.is_open
    return record


@BOTH
async def test_what_does_not_meet_the_rules(body: bytes) -> None:
    """SUSPECT, as CLOSE would have had it: with the reason, what was stored, and no deliveries."""
    world = RulesWorld(Rules(minimum_bytes=1000, last_line="TRL.*"))
    left = await stored_and_left(world, "x.csv", body)
    [swept] = await sweep_of(world).run_once()
    assert (swept.log_id, swept.after) == (left.log_id, S.SUSPECT)
    record = await world.again(left)
    assert record.error.startswith(f"it has {len(body)} bytes, fewer than the 1000 asked for; its last line")
    assert (record.status, record.size, record.delivery_targets) == (
        S.SUSPECT,
        len(body),
        ("archive", "lake"),
    )
    assert record.version_id is not None
    assert await world.deliveries(left.log_id) == ()
    assert world.owed_count == 0


@BOTH
async def test_what_meets_the_rules(body: bytes) -> None:
    """COMPLETED with its deliveries."""
    world = RulesWorld(Rules(minimum_bytes=1, last_line="(?s:.*)"))
    left = await stored_and_left(world, "x.csv", body)
    [swept] = await sweep_of(world).run_once()
    assert swept.after is S.COMPLETED
    assert len(await world.deliveries(left.log_id)) == 2


async def test_the_same_content_before() -> None:
    """A duplicate that is stored already is held back, where CLOSE would have refused it."""
    world = RulesWorld(Rules(duplicates=Duplicates.REJECT))
    first = await world.put("x.csv", SMALL)
    ruled, world.suspects = world.suspects, None
    left = await stored_and_left(world, "x.csv", SMALL)
    world.suspects = ruled
    await sweep_of(world).run_once()
    record = await world.again(left)
    assert record.status is S.SUSPECT
    assert first.log_id in record.error


async def test_a_sidecar_whose_gateway_died() -> None:
    """The sweep completes it, and the file that waits for it is released."""
    world = RulesWorld(Rules(sidecar=OK))
    record = await world.put("x.csv", SMALL)
    left = await stored_and_left(world, "x.csv.ok", b"")
    sweep = sweep_of(world)
    await sweep.run_once()
    await world.suspects.ended()
    assert (await world.again(left)).status is S.COMPLETED
    assert (await world.again(record)).status is S.COMPLETED


async def test_every_sweep_looks_at_what_waits() -> None:
    """A release that a dead gateway owed is made by the sweep of any other; a dry run changes nothing."""
    world = RulesWorld(Rules(sidecar=OK))
    record = await world.put("x.csv", SMALL)
    ruled, world.suspects = world.suspects, None
    await (await world.open("x.csv.ok")).finish()
    world.suspects = world.gateway(GatewayId("gw-other"))
    sweep = sweep_of(world)
    world.passes(60)
    await sweep.run_once(dry_run=True)
    assert (await world.again(record)).status is S.SUSPECT
    await sweep.run_once()
    assert (await world.again(record)).decided_by == "gw-other"
    await ruled.ended()


async def test_what_cannot_be_judged_now() -> None:
    """The record is left open for the next sweep."""
    world = RulesWorld(Rules(sidecar=OK))
    left = await stored_and_left(world, "x.csv", SMALL)
    world.store.fail("head", when=lambda at, *_: at.key.endswith(".ok"))
    sweep = sweep_of(world)
    assert await sweep.run_once() == []
    assert (await world.again(left)).status is S.SWEEPING
    await sweep.run_once()
    assert (await world.again(left)).status is S.SUSPECT
