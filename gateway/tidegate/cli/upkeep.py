"""`tidegate transfers sweep` and `verify`: ending what was left open, and proving what was stored."""

from __future__ import annotations

import asyncio

import click

from tidegate.assembly import Backend, delivery_targets, resolve_keys
from tidegate.cli.kinds import transfer_id
from tidegate.cli.output import output_option, print_rows
from tidegate.cli.target import Target, announce, server_id_of, target_options, with_backend
from tidegate.core.errors import ChangedMeanwhile, Misuse
from tidegate.core.ids import LogId, new_gateway_id
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS
from tidegate.services.leases import Lease
from tidegate.services.sweep import Sweep, Swept
from tidegate.services.verifying import Comparison
from tidegate.services.verifying import verify as compare


@click.command(short_help="End what dead gateways left open.")
@target_options
@click.option("--dry-run", is_flag=True, help="Only show what would be ended.")
@output_option
def sweep(target: Target, dry_run: bool, output: str) -> None:
    """
    End what dead gateways left open: completed, partial or abandoned, by what is really in S3.

    Gateways do this by themselves. By hand it takes as long as a lease, because only watching tells
    a dead gateway from a slow one.
    """
    if target.is_endpoint_only:
        raise Misuse(
            "an endpoint does not say how long a lease is, nor what is delivered where",
            hint="name the gateway by --state-dir or --config",
        )
    announce(target)
    swept = with_backend(target, lambda backend: _sweep(target, backend, dry_run=dry_run))
    rows = [
        {
            "LogID": each.log_id,
            "Status": each.before.value,
            "NewStatus": each.after.value if each.after else None,
            "GatewayId": each.gateway_id,
            "Path": each.path,
        }
        for each in swept
    ]
    print_rows(rows, ["LogID", "Status", "NewStatus", "GatewayId", "Path"], output, "nothing to sweep")
    if dry_run and rows:
        click.echo("dry run: nothing was changed", err=True)


@click.command(short_help="Compare a stored object with its record.")
@target_options
@click.argument("log_id", metavar="LOGID", type=transfer_id)
@output_option
def verify(target: Target, log_id: LogId, output: str) -> None:
    """Read the stored object again, and compare size, SHA-256 and KMS key with the record."""
    found = with_backend(target, lambda backend: compare(backend.store, backend.log, log_id))
    rows = [
        {"What": each.what, "Recorded": each.recorded, "Found": each.found, "Agrees": _yes_no(each)}
        for each in found
    ]
    print_rows(rows, ["What", "Recorded", "Found", "Agrees"], output, "nothing to compare")
    if not all(each.agrees for each in found):
        raise ChangedMeanwhile(f"{log_id} is not what its record says", hint="see docs/recovery.md")


async def _sweep(target: Target, backend: Backend, *, dry_run: bool) -> list[Swept]:
    if not await _open_count(backend):
        return []
    settings = backend.settings.sweep
    server_id = await server_id_of(target, backend)
    lease = Lease(backend.leases, backend.clock, server_id, new_gateway_id(), settings.lease_seconds)
    keys = await resolve_keys(backend, create=False)
    sweeping = Sweep(
        store=backend.store,
        log=backend.log,
        clock=backend.clock,
        lease=lease,
        targets=delivery_targets(backend.settings, keys),
        is_open_here=lambda _: False,
        on_owed=lambda: None,
    )
    click.echo(f"watching the gateways' leases for {settings.lease_seconds:g} s", err=True)
    try:
        await _watch(lease, sweeping)
        return await sweeping.run_once(dry_run=dry_run)
    finally:
        await lease.forget(lease.gateway_id)


async def _watch(lease: Lease, sweeping: Sweep) -> None:
    """Look often enough, and long enough, that whoever is dead is known to be."""
    await sweeping.run_once(dry_run=True)  # asks about every owner of an open record, so all are watched
    for _ in range(4):
        await lease.tick()
        await asyncio.sleep(lease.lease_seconds / 3)
    await lease.tick()


async def _open_count(backend: Backend) -> int:
    return sum([len(await backend.log.open_records(shard)) for shard in range(OPEN_WORK_SHARDS)])


def _yes_no(comparison: Comparison) -> str:
    return "yes" if comparison.agrees else "NO"
