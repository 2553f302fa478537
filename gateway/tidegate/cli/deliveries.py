"""`tidegate deliveries`: what is owed and what was given up, and what is to become of it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from tidegate.backend import Backend
from tidegate.cli.kinds import reason as reason_type
from tidegate.cli.kinds import transfer_id
from tidegate.cli.output import at, output_option, print_rows
from tidegate.cli.target import Target, announce, target_options, with_backend
from tidegate.core.deliveries import Delivery, DeliveryStatus
from tidegate.core.errors import ChangedMeanwhile, Misuse
from tidegate.core.ids import LogId
from tidegate.services.backlog import Backlog

_COLUMNS = ["LogID", "Target", "Status", "Attempts", "Timestamp", "ObjectKey", "Error"]
_S = DeliveryStatus
_LISTED = (_S.DEAD, _S.HELD, _S.PENDING)


@click.group()
def deliveries() -> None:
    """See and replay what was given up, or is held."""


@deliveries.command(name="list", short_help="List deliveries that were given up, held back, or are owed.")
@target_options
@click.option(
    "--status",
    type=click.Choice([each.value for each in _LISTED], case_sensitive=False),
    default=DeliveryStatus.DEAD.value,
    show_default=True,
    help="Those given up, those held for a temporary name, or those owed.",
)
@click.option("--target", "to", metavar="NAME", help="Only those to this target.")
@output_option
def list_deliveries(target: Target, status: str, to: str | None, output: str) -> None:
    """List deliveries that are DEAD, HELD or PENDING; those of the oldest uploads first."""

    async def work(backend: Backend) -> list[Delivery]:
        backlog = _backlog(backend)
        ask = {_S.DEAD: backlog.dead, _S.HELD: backlog.held, _S.PENDING: backlog.pending}
        return await ask[_S(status)](to)

    _print(with_backend(target, work), output, f"no {status} deliveries")


@deliveries.command(short_help="Have DEAD deliveries tried again, and HELD ones tried now.")
@target_options
@click.argument("log_id", metavar="[LOGID]", type=transfer_id, required=False)
@click.option("--target", "to", metavar="NAME", help="Only the one, or those, to this target.")
@click.option("--all-dead", is_flag=True, help="All that are DEAD, of all transfers.")
@click.option("--yes", is_flag=True, help="Do not ask whether --all-dead is meant.")
@output_option
def replay(
    target: Target, log_id: LogId | None, to: str | None, all_dead: bool, yes: bool, output: str
) -> None:
    """
    Have the DEAD and HELD deliveries of the transfer LOGID tried again, or all that are DEAD with --all-dead.

    What is HELD for a temporary name is delivered under the name it has. Each becomes PENDING, due now and
    with no attempt counted. Workers claim it at their next look.
    """
    if (log_id is None) is not all_dead:
        raise Misuse("replay what?", hint="name one LOGID, or give --all-dead")
    announce(target)
    if log_id is None:
        chosen = with_backend(target, lambda backend: _backlog(backend).dead(to))
        if chosen:
            _make_sure(chosen, yes=yes)
    else:
        chosen = with_backend(target, lambda backend: _backlog(backend).replayable_of(log_id, to))
    now = with_backend(target, lambda backend: _backlog(backend).replay(chosen)) if chosen else []
    _print(now, output, "no DEAD deliveries: nothing to replay")
    _tell(now)


@deliveries.command(short_help="Give a delivery up for good.")
@target_options
@click.argument("log_id", metavar="LOGID", type=transfer_id)
@click.option("--target", "to", metavar="NAME", required=True, help="The one to this target.")
@click.option(
    "--reason", metavar="TEXT", type=reason_type, required=True, help="Why, for whoever reads the record."
)
@output_option
def discard(target: Target, log_id: LogId, to: str, reason: str, output: str) -> None:
    """Give up the delivery of LOGID to one target: it becomes DISCARDED, unless a worker has it."""
    announce(target)
    discarded = with_backend(target, lambda backend: _backlog(backend).discard(log_id, to, reason))
    _print([discarded], output, "")


def delivery_members(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery by its attribute names."""
    return {
        "Target": delivery.target,
        "Status": delivery.status.value,
        "SourceBucket": delivery.source.bucket,
        "ObjectKey": delivery.source.key,
        "DestinationBucket": delivery.destination.bucket,
        "DestinationKey": delivery.destination.key,
        "VersionId": delivery.version_id,
        "ETag": delivery.etag,
        "Attempts": delivery.attempts,
        "Timestamp": at(delivery.timestamp),
        "DueAt": at(delivery.due_at),
        "Error": delivery.error,
    }


def _backlog(backend: Backend) -> Backlog:
    return Backlog(backend.log, backend.clock)


def _print(found: Sequence[Delivery], output: str, empty: str) -> None:
    rows = [{"LogID": each.log_id, **delivery_members(each)} for each in found]
    print_rows(rows, _COLUMNS, output, empty)


def _make_sure(dead: Sequence[Delivery], *, yes: bool) -> None:
    """Say how many it is about, and ask. Raises `Misuse` if nobody is there to answer."""
    per_target = sorted(Counter(each.target for each in dead).items())
    counts = ", ".join(f"{count} to {name}" for name, count in per_target)
    click.echo(f"{len(dead)} DEAD: {counts}", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise Misuse("nobody is here to ask whether to replay them all", hint="add --yes")
    click.confirm("replay them all?", abort=True, err=True)


def _tell(now: Sequence[Delivery]) -> None:
    """Say what was done. Raises `ChangedMeanwhile` if something else was done to any."""
    replayed = [each for each in now if each.status is DeliveryStatus.PENDING]
    if replayed:
        click.echo(f"replayed {len(replayed)}: a worker takes them up at its next look", err=True)
    if len(replayed) < len(now):
        left = f"{len(now) - len(replayed)} of {len(now)}"
        raise ChangedMeanwhile(f"{left} changed meanwhile, and were left as they are: see Status")
