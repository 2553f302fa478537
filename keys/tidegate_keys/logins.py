"""`tidegate logins`: who was not let in, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from tidegate.assembly import Backend
from tidegate.cli.output import at, output_option, print_rows
from tidegate.cli.target import Target, target_options, with_backend
from tidegate.cli.transfers import Since


@click.group()
def logins() -> None:
    """See refused logins."""


@logins.command()
@target_options
@click.option("--partner", help="Only those that claimed this name.")
@click.option("--since", type=Since(), help="Only since: 2h, 3d, or an ISO time.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most.")
@output_option
def refused(target: Target, partner: str | None, since: datetime | None, limit: int, output: str) -> None:
    """List refused logins, newest first."""

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

    columns = ["Timestamp", "UserName", "ClientIp", "KeyFingerprint", "Reason"]
    print_rows(with_backend(target, work), columns, output, "no refused logins")
