"""`tidegate transfers sweep` and `verify`: ending what was left open, and proving what was stored."""

from __future__ import annotations

import click

from tidegate.backend import Backend, resolve_keys
from tidegate.cli.kinds import transfer_id
from tidegate.cli.output import output_option, print_rows
from tidegate.cli.target import Target, announce, server_id_of, target_options, with_backend
from tidegate.core.errors import ChangedMeanwhile, Misuse
from tidegate.core.ids import LogId
from tidegate.services.sweep import Swept
from tidegate.services.verifying import Comparison
from tidegate.services.verifying import verify as compare
from tidegate.upkeep import look_at_waiting, open_count, sweep_once


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
    count, swept = with_backend(target, lambda backend: _sweep(target, backend, dry_run=dry_run))
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
    left = f"{count} open, none swept: their gateways live, or the log says what is in the way"
    empty = left if count else "nothing to sweep"
    print_rows(rows, ["LogID", "Status", "NewStatus", "GatewayId", "Path"], output, empty)
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


async def _sweep(target: Target, backend: Backend, *, dry_run: bool) -> tuple[int, list[Swept]]:
    """Return how many were open, and those that were swept."""
    count = await open_count(backend)
    # Files that wait for a sidecar are not open; a sweep looks at those that are due.
    waits = not dry_run and any(route.accept.sidecar for route in backend.settings.routes)
    if not count and not waits:
        return 0, []
    server_id = await server_id_of(target, backend)
    keys = await resolve_keys(backend, create=False)
    if waits and (released := await look_at_waiting(backend, server_id, keys)):
        click.echo(f"released {released} whose sidecar has come", err=True)
    if not count:
        return 0, []
    click.echo(f"watching the gateways' leases for {backend.settings.sweep.lease_seconds:g} s", err=True)
    return count, await sweep_once(backend, server_id, keys, dry_run=dry_run)


def _yes_no(comparison: Comparison) -> str:
    return "yes" if comparison.agrees else "NO"
