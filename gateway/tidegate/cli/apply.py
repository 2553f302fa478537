"""`tidegate apply`: make a gateway's partners what a file says they are."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace

import click

from tidegate.cli.output import output_option, print_rows
from tidegate.cli.target import Target, announce, target_options, with_users
from tidegate.core.errors import InvalidSettings, Misuse
from tidegate.local.state_dir import StateDirectory
from tidegate.partners_file import wanted_users
from tidegate.services.users import Change, Users, WantedUser
from tidegate.settings.loader import LoadedSettings, load
from tidegate.settings.sources import STDIN

_COLUMNS = ["Action", "UserName", "What"]


@click.command(short_help="Make partners what a file says they are.")
@target_options
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@output_option
def apply(target: Target, file: str, dry_run: bool, output: str) -> None:
    """
    Make the partners of FILE what it says: added, homes set, keys added and removed.

    FILE is a configuration; of it, `partners` and `landing.bucket` are read. - is standard input. A
    partner of FILE has exactly the keys listed there afterwards; at a local gateway one that lists none
    has the key made for it, as at the start. Partners that FILE does not name are left alone.
    """
    if file == STDIN and target.options == f"--config {STDIN}":
        raise Misuse("standard input cannot be both FILE and --config", hint="give one of them as a file")
    loaded = load(file, os.environ, sys.stdin)
    wanted = wanted_users(loaded.settings, loaded.source)
    _refuse_other_landing(target, loaded)
    announce(target)
    without_key: list[str] = []
    if target.state_dir is not None:
        wanted, without_key = _with_demo_keys(wanted, StateDirectory(target.state_dir), dry_run=dry_run)

    async def work(users: Users) -> list[Change]:
        return await users.bring_to(wanted, exact=True, dry_run=dry_run)

    changes = with_users(target, work)
    changes += [Change("add", name, "key, made for it in the state directory") for name in without_key]
    rows = [{"Action": each.action, "UserName": each.user_name, "What": each.what} for each in changes]
    print_rows(rows, _COLUMNS, output, "nothing to change")
    if dry_run and changes:
        click.echo("dry run: nothing was changed", err=True)


def _refuse_other_landing(target: Target, loaded: LoadedSettings) -> None:
    """Raise `InvalidSettings` if homes that FILE leaves to a default would lie in a foreign bucket."""
    theirs, ours = loaded.settings.landing.bucket, target.settings.landing.bucket
    partners = loaded.settings.partners
    homeless = [each.name for each in partners if each.home is None and not each.mappings]
    if homeless and theirs != ours and not target.is_endpoint_only:
        raise InvalidSettings(
            f"{loaded.source}: {homeless[0]} has no home, and would get one in {theirs}, its landing.bucket; "
            f"that of {target.description} is {ours}",
            hint="let FILE extend the configuration of the gateway, or give each partner a home",
        )


def _with_demo_keys(
    wanted: Sequence[WantedUser], state: StateDirectory, *, dry_run: bool
) -> tuple[list[WantedUser], list[str]]:
    """Return the users, each with a key, and the names of those whose key a dry run does not make."""
    users, not_made = [], []
    for user in wanted:
        if user.keys:
            users.append(user)
        elif dry_run and not state.partner_key_file(user.user_name).exists():
            users.append(user)
            not_made.append(user.user_name)
        else:
            users.append(replace(user, keys=(state.partner_key(user.user_name)[1],)))
    return users, not_made
