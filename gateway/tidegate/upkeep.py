"""
One sweep by somebody who is no gateway: a command, or a function on a schedule.

Only watching tells a dead gateway from a slow one. So this takes a lease of its own, watches the others
for as long as a lease is, sweeps once, and gives its lease back.
"""

from __future__ import annotations

import asyncio

from tidegate.backend import Backend, Keys, delivery_targets, held_back, kept_uploads, upload_routes
from tidegate.core.ids import made_at_ms, new_gateway_id
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS
from tidegate.services.held import Held
from tidegate.services.intake import Backends
from tidegate.services.kept_uploads import KeptUploads
from tidegate.services.leases import Lease
from tidegate.services.renames import Renames
from tidegate.services.sweep import Sweep, Swept
from tidegate.settings.presets import behaviour_of

# How often the leases are looked at while one is watched out: first, last, and in between.
_LOOKS = 4


def watching_seconds(lease_seconds: float) -> float:
    """Return how long `sweep_once` watches before it sweeps."""
    return lease_seconds / 3 * _LOOKS


async def open_count(backend: Backend, *, with_renames: bool = True, older_than_seconds: float = 0) -> int:
    """
    Return how many transfers, and renames, have not ended.

    Args:
        older_than_seconds: Only those that began so long ago, by this machine's clock and theirs: good
            for whether to look, not for a decision.
    """
    log, shards = backend.log, range(OPEN_WORK_SHARDS)
    begun: list[str] = [each.log_id for shard in shards for each in await log.open_records(shard)]
    if with_renames:
        begun += [each.rename_id for shard in shards for each in await log.pending_renames(shard)]
    before = (backend.clock.now().timestamp() - older_than_seconds) * 1000
    return sum(made_at_ms(each) <= before for each in begun)


async def sweep_once(
    backend: Backend,
    server_id: str,
    keys: Keys,
    *,
    dry_run: bool = False,
    with_renames: bool = True,
) -> list[Swept]:
    """
    Watch, sweep once, and return what was swept, or would be.

    Args:
        with_renames: As `Sweep` has it.

    Raises:
        GatewayError: S3 or DynamoDB did not answer; what was not swept is as it was.
    """
    settings = backend.settings.sweep
    lease = Lease(backend.leases, backend.clock, server_id, new_gateway_id(), settings.lease_seconds)
    routes, targets = upload_routes(backend.settings, keys), delivery_targets(backend.settings, keys)
    suspects = held_back(backend, server_id, lease.gateway_id, routes, targets)
    backends = Backends(
        backend.store, backend.log, backend.clock, lease.gateway_id, lease.is_fresh, suspects=suspects
    )
    sweeping = Sweep(
        store=backend.store,
        log=backend.log,
        rename_log=backend.log,
        renames=Renames(
            backends,
            backend.log,
            routes,
            Held(backend.store, backend.log, backend.log, backend.clock),
        ),
        clock=backend.clock,
        lease=lease,
        targets=targets,
        is_open_here=lambda _: False,
        on_owed=lambda: None,
        with_renames=with_renames,
        kept_log=backend.log,
        kept=_kept(backend, lease),
        suspects=suspects,
    )
    try:
        await _watch(lease, sweeping)
        return await sweeping.run_once(dry_run=dry_run)
    finally:
        await suspects.ended()
        await lease.forget(lease.gateway_id)


async def look_at_waiting(backend: Backend, server_id: str, keys: Keys) -> int:
    """
    Judge again the files that wait for a sidecar and are due; return how many were released.

    Nobody need be watched for that. Nothing is asked where no route waits for sidecars.
    """
    if not any(route.accept.sidecar for route in backend.settings.routes):
        return 0
    routes, targets = upload_routes(backend.settings, keys), delivery_targets(backend.settings, keys)
    return await held_back(backend, server_id, new_gateway_id(), routes, targets).look_at_due()


def _kept(backend: Backend, lease: Lease) -> KeptUploads | None:
    preset = backend.settings.preset
    return kept_uploads(backend, behaviour_of(backend.settings, preset), lease.gateway_id) if preset else None


async def _watch(lease: Lease, sweeping: Sweep) -> None:
    """Look often enough, and long enough, that whoever is dead is known to be."""
    await sweeping.run_once(dry_run=True)  # asks about every owner of an open record, so all are watched
    for _ in range(_LOOKS):
        await lease.tick()
        await asyncio.sleep(watching_seconds(lease.lease_seconds) / _LOOKS)
    await lease.tick()
