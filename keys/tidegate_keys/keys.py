"""`tidegate keys`: which keys log a partner in."""

from __future__ import annotations

from typing import Any

import click

from tidegate.assembly import Backend
from tidegate.cli.output import at, output_option, print_rows
from tidegate.cli.target import Target, announce, server_id_of, target_options, with_backend
from tidegate.core.users import SshPublicKey
from tidegate.services.users import Users
from tidegate_keys.pasting import read_key


@click.group()
def keys() -> None:
    """Manage partners' keys."""


@keys.command()
@target_options
@click.argument("partner")
@click.option(
    "--key", "file", metavar="FILE", required=True, help="Public key file, or - for standard input."
)
def add(target: Target, partner: str, file: str) -> None:
    """Let a key log PARTNER in, at once."""
    pasted = read_key(file)
    announce(target)

    async def work(users: Users) -> SshPublicKey:
        return await users.add_key(partner, pasted)

    added: SshPublicKey = _with_users(target, work)
    click.echo(f"added {added.key_id} {added.fingerprint} ({added.algorithm}) to {partner}")


@keys.command(name="list")
@target_options
@click.argument("partner", required=False)
@output_option
def list_keys(target: Target, partner: str | None, output: str) -> None:
    """List PARTNER's keys, or everybody's."""

    async def work(users: Users) -> list[dict[str, Any]]:
        found = [await users.get(partner)] if partner else await users.all()
        return [_members(user.user_name, key) for user in found for key in user.keys]

    columns = ["UserName", "SshPublicKeyId", "Fingerprint", "Algorithm", "Comment", "DateImported"]
    print_rows(_with_users(target, work), columns, output, "no keys")


@keys.command()
@target_options
@click.argument("partner")
@click.argument("key", metavar="KEY_ID|FINGERPRINT")
def remove(target: Target, partner: str, key: str) -> None:
    """Forbid one of PARTNER's keys, at once."""
    announce(target)

    async def work(users: Users) -> SshPublicKey:
        return await users.remove_key(partner, key)

    removed: SshPublicKey = _with_users(target, work)
    click.echo(f"removed {removed.key_id} {removed.fingerprint} from {partner}")


def _with_users(target: Target, work: Any) -> Any:
    async def over(backend: Backend) -> Any:
        return await work(backend.users(await server_id_of(target, backend)))

    return with_backend(target, over)


def _members(user_name: str, key: SshPublicKey) -> dict[str, Any]:
    return {
        "UserName": user_name,
        "SshPublicKeyId": key.key_id,
        "Fingerprint": key.fingerprint,
        "Algorithm": key.algorithm,
        "Comment": key.comment,
        "DateImported": at(key.imported_at),
    }
