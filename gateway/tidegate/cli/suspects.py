"""`tidegate transfers release` and `discard`: what becomes of files that were held back."""

from __future__ import annotations

import getpass
import socket

import click

from tidegate.backend import Backend, file_decisions
from tidegate.cli.kinds import reason as reason_type
from tidegate.cli.kinds import transfer_id
from tidegate.cli.output import output_option, print_rows
from tidegate.cli.records import transfer_members
from tidegate.cli.target import Target, announce, target_options, with_backend
from tidegate.core.deliveries import DeliveryTarget
from tidegate.core.errors import Misuse
from tidegate.core.ids import LogId
from tidegate.core.transfers import TransferRecord
from tidegate.services.decisions import Decisions

_COLUMNS = ["LogID", "Status", "UserName", "Path", "DeliveryTargets", "Superseded", "DecidedBy", "Decision"]


@click.command(short_help="Let a file go that was held back.")
@target_options
@click.argument("log_id", metavar="LOGID", type=transfer_id)
@click.option("--reason", metavar="TEXT", type=reason_type, help="Why, for whoever reads the record.")
@output_option
def release(target: Target, log_id: LogId, reason: str | None, output: str) -> None:
    """
    Let the SUSPECT transfer LOGID be COMPLETED, with the deliveries it would have owed.

    Its version must still be there. If it is not the current one any more, it is marked as superseded.
    """
    if target.is_endpoint_only:
        raise Misuse(
            "an endpoint does not say what is delivered where",
            hint="name the gateway by --state-dir or --config",
        )
    announce(target)
    now = with_backend(target, lambda backend: _decisions(backend).release(log_id, _whoever(), reason or ""))
    _print(now, output)
    owed = ", ".join(now.delivery_targets) or "nobody"
    click.echo(f"released: a copy is owed to {owed}", err=True)


@click.command(short_help="Give up a file that was held back.")
@target_options
@click.argument("log_id", metavar="LOGID", type=transfer_id)
@click.option(
    "--reason", metavar="TEXT", type=reason_type, required=True, help="Why, for whoever reads the record."
)
@output_option
def discard(target: Target, log_id: LogId, reason: str, output: str) -> None:
    """Let the SUSPECT transfer LOGID be FAILED: it is never delivered. Its object stays where it is."""
    announce(target)
    now = with_backend(target, lambda backend: _decisions(backend).discard(log_id, _whoever(), reason))
    _print(now, output)
    version = f", version {now.version_id}," if now.version_id else ""
    click.echo(f"discarded: {now.location}{version} stays in the bucket, where its partner sees it", err=True)


def _decisions(backend: Backend) -> Decisions:
    # What is written of a delivery names no key: that is its worker's to know.
    targets = tuple(
        DeliveryTarget(target.name, target.bucket, target.prefix, None)
        for target in backend.settings.deliveries.targets
    )
    return file_decisions(backend, targets)


def _print(record: TransferRecord, output: str) -> None:
    print_rows([transfer_members(record)], _COLUMNS, output, "")


def _whoever() -> str:
    """Return who decides, as this machine knows them; AWS's own trail knows the role."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"  # a container's user often has no name
    return f"{name}@{socket.gethostname()}"
