"""`tidegate apply`: make a gateway's partners what a file says they are."""

from __future__ import annotations

import os
import sys

import click

from tidegate.assembly import Backend
from tidegate.cli.output import output_option, print_rows
from tidegate.cli.target import Target, announce, server_id_of, target_options, with_backend
from tidegate.partners_file import wanted_users
from tidegate.services.users import Change
from tidegate.settings.loader import load


@click.command()
@target_options
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@output_option
def apply(target: Target, file: str, dry_run: bool, output: str) -> None:
    """
    Make the partners of FILE what it says: added, homes set, keys added and removed.

    A partner of the file has exactly the keys listed there afterwards. Partners that the file does not
    name are left alone.
    """
    loaded = load(file, os.environ, sys.stdin)
    wanted = wanted_users(loaded.settings, loaded.source)
    announce(target)

    async def work(backend: Backend) -> list[Change]:
        users = backend.users(await server_id_of(target, backend))
        return await users.bring_to(wanted, exact=True, dry_run=dry_run)

    changes = with_backend(target, work)
    rows = [{"ACTION": each.action, "PARTNER": each.user_name, "WHAT": each.what} for each in changes]
    print_rows(rows, ["ACTION", "PARTNER", "WHAT"], output, "nothing to change")
    if dry_run and changes:
        click.echo("dry run: nothing was changed", err=True)
