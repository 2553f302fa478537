"""`tidegate logins`: who was not let in, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from tidegate.backend import Backend
from tidegate.cli.kinds import moment
from tidegate.cli.output import at, output_option, print_rows
from tidegate.cli.target import Target, target_options, with_backend

_COLUMNS = ["Timestamp", "UserName", "ClientIp", "KeyFingerprint", "Reason"]


@click.group()
def logins() -> None:
    """See who was not let in, and why."""


@logins.command(short_help="List refused logins, newest first.")
@target_options
# Any text: who was refused may have claimed a name that no partner can have.
@click.option("--partner", metavar="NAME", help="Only those that claimed this name.")
@click.option("--since", metavar="WHEN", type=moment, help="Only since: 2h, 3d, or an ISO 8601 time.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="At most so many.",
)
@output_option
def refused(target: Target, partner: str | None, since: datetime | None, limit: int, output: str) -> None:
    """List refused logins, newest first; without --since, those of the last 31 days."""

    async def work(backend: Backend) -> list[dict[str, Any]]:
        found = backend.log.find_refused_logins(user_name=partner, since=since, limit=limit)
        return [
            {
                "Timestamp": at(each.timestamp),
                "UserName": each.user_name,
                "ClientIp": each.client_ip,
                "KeyFingerprint": each.key_fingerprint,
                "Reason": each.reason,
                "ClientVersion": each.client_version,
            }
            async for each in found
        ]

    print_rows(with_backend(target, work), _COLUMNS, output, "no refused logins")
