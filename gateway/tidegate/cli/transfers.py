"""`tidegate transfers`: what became of files."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from tidegate.assembly import Backend
from tidegate.cli.output import at, output_option, print_json, print_members, print_rows
from tidegate.cli.target import Target, target_options, with_backend
from tidegate.core.deliveries import Delivery
from tidegate.core.ids import LogId
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
_FOLLOW_SECONDS = 1.0
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Since(click.ParamType[datetime]):
    """A moment: ISO 8601, or how long ago, as 90s, 15m, 2h, 3d, 1w."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        ago = re.fullmatch(r"(\d{1,6})([smhdw])", value)
        if ago:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: write 2h, 3d or 2026-01-31T08:00:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.group()
def transfers() -> None:
    """See what became of files."""


@transfers.command(name="list")
@target_options
@click.option("--partner", help="Only this partner's.")
@click.option("--since", type=Since(), help="Only those started since: 2h, 3d, or an ISO time.")
@click.option(
    "--status", type=click.Choice([status.value for status in TransferStatus]), help="Only in this state."
)
@click.option("--path", "path_glob", metavar="GLOB", help="Only paths like this, e.g. '/in/*.csv'.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most.")
@click.option("--follow", is_flag=True, help="Go on, and print what changes, until Ctrl-C.")
@output_option
def list_transfers(  # noqa: PLR0913, PLR0917 - an option each
    target: Target,
    partner: str | None,
    since: datetime | None,
    status: str | None,
    path_glob: str | None,
    limit: int,
    follow: bool,
    output: str,
) -> None:
    """List transfers, newest first."""
    query = TransferQuery(
        user_name=partner,
        since=since,
        status=TransferStatus(status) if status else None,
        path_glob=path_glob,
        limit=limit,
    )

    async def work(backend: Backend) -> None:
        found = [record async for record in backend.log.find(query)]
        rows = [_members(record) for record in found]
        if not follow:
            print_rows(rows, _COLUMNS, output, "no transfers")
            return
        async for record in _changes(backend, query, found):
            _print_line(record, output)

    with_backend(target, work)


@transfers.command()
@target_options
@click.argument("log_id", metavar="LOGID")
@output_option
def show(target: Target, log_id: str, output: str) -> None:
    """Tell the whole story of one transfer."""

    async def work(backend: Backend) -> Story:
        return await backend.log.story(LogId(log_id))

    story = with_backend(target, work)
    deliveries = [_delivery_members(delivery) for delivery in story.deliveries]
    if output == "json":
        print_json({**_members(story.transfer), "Deliveries": deliveries})
        return
    print_members(_members(story.transfer), output)
    click.echo()
    print_rows(deliveries, _DELIVERY_COLUMNS, output, "no deliveries")


async def _changes(
    backend: Backend, query: TransferQuery, known: list[TransferRecord]
) -> AsyncIterator[TransferRecord]:
    """Yield what is there, oldest first, and then each record whenever its state is a new one."""
    seen: dict[str, TransferStatus] = {}
    began = datetime.now(UTC) - timedelta(hours=1)
    while True:
        for record in reversed(known):
            if seen.get(record.log_id) is not record.status:
                seen[record.log_id] = record.status
                yield record
        await asyncio.sleep(_FOLLOW_SECONDS)
        later = replace(query, since=query.since or began, limit=max(query.limit, 1000))
        known = [record async for record in backend.log.find(later)]


def _print_line(record: TransferRecord, output: str) -> None:
    members = _members(record)
    if output == "json":
        click.echo(json.dumps(members))
        return
    size = "" if record.size is None else str(record.size)
    cells = [at(record.timestamp), record.log_id, record.user_name, record.status.value, size]
    click.echo("  ".join([*cells, repr(record.path)]))


def _members(record: TransferRecord) -> dict[str, Any]:
    """Return the record by its attribute names."""
    return {
        "LogID": record.log_id,
        "Direction": record.direction.value,
        "Status": record.status.value,
        "UserName": record.user_name,
        "Path": record.path,
        "Bytes": record.size,
        "Sha256": record.sha256,
        "StartedAt": at(record.started_at),
        "Timestamp": at(record.timestamp),
        "ClientIp": record.client_ip,
        "ClientVersion": record.client_version,
        "KeyFingerprint": record.key_fingerprint,
        "SessionId": record.session_id,
        "ServerId": record.server_id,
        "Bucket": record.bucket,
        "ObjectKey": record.object_key,
        "VersionId": record.version_id,
        "ETag": record.etag,
        "KmsKeyId": record.kms_key_id,
        "Superseded": record.superseded,
        "DeliveryTargets": list(record.delivery_targets),
        "GatewayId": record.gateway_id,
        "Error": record.error,
    }


def _delivery_members(delivery: Delivery) -> dict[str, Any]:
    return {
        "Target": delivery.target,
        "Status": delivery.status.value,
        "SourceBucket": delivery.source.bucket,
        "ObjectKey": delivery.source.key,
        "DestinationBucket": delivery.destination.bucket,
        "DestinationKey": delivery.destination.key,
        "VersionId": delivery.version_id,
        "Attempts": delivery.attempts,
        "Timestamp": at(delivery.timestamp),
        "DueAt": at(delivery.due_at),
        "Error": delivery.error,
    }
