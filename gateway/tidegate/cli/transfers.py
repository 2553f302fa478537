"""`tidegate transfers`: what became of files."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from tidegate.backend import Backend
from tidegate.cli.deliveries import delivery_members
from tidegate.cli.following import changes
from tidegate.cli.kinds import moment, partner_name, transfer_id, transfer_status
from tidegate.cli.output import at, cell, output_option, print_json, print_members, print_rows
from tidegate.cli.records import transfer_members
from tidegate.cli.suspects import discard, release
from tidegate.cli.target import Target, target_options, with_backend
from tidegate.cli.upkeep import sweep, verify
from tidegate.core.ids import LogId
from tidegate.core.renames import Rename
from tidegate.core.transfers import TransferQuery, TransferRecord, TransferStatus
from tidegate.ports.transfer_log import Story

_COLUMNS = ["LogID", "StartedAt", "UserName", "Direction", "Status", "Bytes", "Path"]
_DELIVERY_COLUMNS = [
    "Target",
    "Status",
    "DestinationBucket",
    "DestinationKey",
    "Attempts",
    "Timestamp",
    "Error",
]
_RENAME_COLUMNS = ["RenameId", "Status", "UserName", "Path", "NewPath", "Timestamp", "Error"]


@click.group()
def transfers() -> None:
    """See what became of files."""


transfers.add_command(discard)
transfers.add_command(release)
transfers.add_command(sweep)
transfers.add_command(verify)


@transfers.command(name="list", short_help="List transfers, newest first, or follow them.")
@target_options
@click.option("--partner", metavar="NAME", type=partner_name, help="Only this partner's.")
@click.option(
    "--since", metavar="WHEN", type=moment, help="Only those started since: 2h, 3d, or an ISO 8601 time."
)
@click.option(
    "--status",
    metavar="STATUS",
    type=transfer_status,
    help=f"Only in this state: {', '.join(TransferStatus)}.",
)
@click.option("--path", "path_glob", metavar="GLOB", help="Only paths like this, such as '/in/*.csv'.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="At most so many.",
)
@click.option("--follow", is_flag=True, help="Go on, and print a line for each new state, until Ctrl-C.")
@output_option
def list_transfers(  # noqa: PLR0913, PLR0917 - an option each
    target: Target,
    partner: str | None,
    since: datetime | None,
    status: TransferStatus | None,
    path_glob: str | None,
    limit: int,
    follow: bool,
    output: str,
) -> None:
    """
    List transfers, newest first.

    Without --partner and --since, those of the last 31 days. With --follow, oldest first, one a line.
    """
    query = TransferQuery(
        user_name=partner,
        since=since,
        status=status,
        path_glob=path_glob,
        limit=limit,
    )
    if follow:
        _follow(target, query, output)
    else:
        _list(target, query, output)


@transfers.command(short_help="Tell the whole story of one transfer.")
@target_options
@click.argument("log_id", metavar="LOGID", type=transfer_id)
@output_option
def show(target: Target, log_id: LogId, output: str) -> None:
    """Tell the whole story of the transfer LOGID: its record, its deliveries, its renames."""

    async def work(backend: Backend) -> Story:
        return await backend.log.story(log_id)

    story = with_backend(target, work)
    members = transfer_members(story.record) if story.record else {"LogID": log_id}
    deliveries = [delivery_members(delivery) for delivery in story.deliveries]
    renames = [_rename_members(rename) for rename in story.renames]
    if output == "json":
        print_json({**members, "Deliveries": deliveries, "Renames": renames})
        return
    print_members(members)
    if story.record is None:
        click.echo("no transfer is on record: the file came in another way, or its record has expired")
    click.echo()
    print_rows(deliveries, _DELIVERY_COLUMNS, output, "no deliveries")
    if renames:
        click.echo()
        print_rows(renames, _RENAME_COLUMNS, output, "no renames")


def _list(target: Target, query: TransferQuery, output: str) -> None:
    async def work(backend: Backend) -> list[TransferRecord]:
        return [record async for record in backend.log.find(query)]

    rows = [transfer_members(record) for record in with_backend(target, work)]
    # Why it is held back is what matters of it.
    columns = [*_COLUMNS, "Error"] if query.status is TransferStatus.SUSPECT else _COLUMNS
    print_rows(rows, columns, output, "no transfers")


def _follow(target: Target, query: TransferQuery, output: str) -> None:
    async def work(backend: Backend) -> None:
        async for record in changes(backend, query):
            click.echo(json.dumps(transfer_members(record)) if output == "json" else _line(record))

    try:
        with_backend(target, work)
    except KeyboardInterrupt:
        # The way to end it.
        return


def _line(record: TransferRecord) -> str:
    size = "" if record.size is None else record.size
    return (
        f"{at(record.timestamp)}  {record.log_id}  {record.direction.value:<8}  {record.status.value:<9}  "
        f"{size:>12}  {cell(record.user_name)}  {cell(record.path)}"
    )


def _rename_members(rename: Rename) -> dict[str, Any]:
    return {
        "RenameId": rename.rename_id,
        "Status": rename.status.value,
        "UserName": rename.user_name,
        "Path": rename.path,
        "NewPath": rename.new_path,
        "ClientIp": rename.client_ip,
        "SessionId": rename.session_id,
        "SourceBucket": rename.source.bucket,
        "ObjectKey": rename.source.key,
        "VersionId": rename.version_id,
        "ETag": rename.etag,
        "DestinationBucket": rename.target.bucket,
        "DestinationKey": rename.target.key,
        "RequestedAt": at(rename.started_at),
        "Timestamp": at(rename.timestamp),
        "GatewayId": rename.gateway_id,
        "Error": rename.error,
    }
