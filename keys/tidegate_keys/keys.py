"""`tidegate keys`: which keys log a partner in."""

from __future__ import annotations

from typing import Any

import click

from tidegate.cli.kinds import partner_name
from tidegate.cli.output import output_option, print_rows
from tidegate.cli.target import Target, announce, partner_target_options, with_users
from tidegate.core.users import SshPublicKey
from tidegate.services.users import Users
from tidegate_keys.members import KEY_COLUMNS, key_members
from tidegate_keys.pasting import read_key


@click.group()
def keys() -> None:
    """Manage the keys that log partners in."""


@keys.command(short_help="Let a key log a partner in.")
@partner_target_options
@click.argument("partner", type=partner_name)
@click.option(
    "--key", "file", metavar="FILE", required=True, help="Public key file; - is standard input.  [required]"
)
def add(target: Target, partner: str, file: str) -> None:
    """Let a key log PARTNER in, from the next login on."""
    pasted = read_key(file)
    announce(target)

    async def work(users: Users) -> SshPublicKey:
        added = await users.add_key(partner, pasted)
        if target.transfer is None:
            return added
        # There the endpoint gives keys their ids.
        kept = (await users.get(partner)).keys
        return next((key for key in kept if key.fingerprint == added.fingerprint), added)

    added = with_users(target, work)
    click.echo(f"added {added.key_id} {added.fingerprint} ({added.algorithm}) to {partner}")


@keys.command(name="list", short_help="List a partner's keys, or everybody's.")
@partner_target_options
@click.argument("partner", required=False, type=partner_name)
@output_option
def list_keys(target: Target, partner: str | None, output: str) -> None:
    """List the keys of PARTNER, or of all partners."""

    async def work(users: Users) -> list[dict[str, Any]]:
        found = await users.all() if partner is None else [await users.get(partner)]
        return [{"UserName": user.user_name, **key_members(key)} for user in found for key in user.keys]

    print_rows(with_users(target, work), ["UserName", *KEY_COLUMNS], output, "no keys")


@keys.command(short_help="Forbid one of a partner's keys.")
@partner_target_options
@click.argument("partner", type=partner_name)
@click.argument("key", metavar="KEY_ID|FINGERPRINT")
def remove(target: Target, partner: str, key: str) -> None:
    """Forbid one of PARTNER's keys, from the next login on. `tidegate keys list` shows them."""
    announce(target)

    async def work(users: Users) -> tuple[SshPublicKey, int]:
        removed = await users.remove_key(partner, key)
        return removed, len((await users.get(partner)).keys)

    removed, left = with_users(target, work)
    click.echo(f"removed {removed.key_id} {removed.fingerprint} from {partner}")
    if not left:
        command = target.command(f"keys add {partner} --key FILE")
        click.echo(f"that was the last: nobody can log in as {partner} until {command}", err=True)
