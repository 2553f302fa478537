"""`tidegate servers`: which servers there are, and where they listen."""

from __future__ import annotations

from typing import Any

import click

from tidegate.backend import Backend
from tidegate.cli.output import output_option, print_rows
from tidegate.cli.target import Target, target_options, with_backend
from tidegate.core.servers import Server

_COLUMNS = ["ServerId", "State", "Endpoint", "IdentityProviderType", "MadeBy"]


@click.group()
def servers() -> None:
    """See which servers there are."""


@servers.command(name="list", short_help="List all servers.")
@target_options
@output_option
def list_servers(target: Target, output: str) -> None:
    """
    List all servers: that of the configuration, and those that the Transfer API made.

    A running local gateway says of each whether it listens, and where; of others the directory says whether
    they are meant to.
    """

    async def work(backend: Backend) -> list[Server]:
        return await backend.directory.servers()

    listening = {each["server_id"]: each for each in target.facts.get("servers", [])}
    rows = [_members(each, listening.get(each.server_id)) for each in with_backend(target, work)]
    print_rows(rows, _COLUMNS, output, "no servers")


def _members(server: Server, listening: dict[str, Any] | None) -> dict[str, Any]:
    endpoint = f":{server.port}" if server.port else ""
    if listening:
        endpoint = f"{listening['host']}:{listening['port']}"
    return {
        "ServerId": server.server_id,
        "State": listening["state"] if listening else server.wanted,
        "Endpoint": endpoint,
        "IdentityProviderType": server.identity_provider.type,
        "MadeBy": "configuration" if server.is_configured else "Transfer API",
        "Preset": server.preset,
        "SecurityPolicyName": server.security_policy,
        "Tags": [{"Key": key, "Value": value} for key, value in server.tags],
    }
