"""`tidegate apply`: make a server and its partners what a file says they are."""

from __future__ import annotations

from typing import Any

import click

from tidegate.adapters.aws.transfer_directory import TransferUserDirectory
from tidegate.adapters.aws.transfer_members import check_held
from tidegate.adapters.clock import SystemClock
from tidegate.cli.output import output_option, print_rows
from tidegate.cli.target import Target, announce, partner_target_options, with_directory
from tidegate.cli.wanted import Wanted, role_option, wanted_by
from tidegate.cli.workflows_in_file import made
from tidegate.core.errors import Misuse
from tidegate.ports.directory import UserDirectory
from tidegate.services.users import Change, Plan, Users

_COLUMNS = ["Action", "UserName", "What"]
_NAMES_SHOWN = 10


@click.command(short_help="Make partners what a file says they are.")
@partner_target_options
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--prune", is_flag=True, help="Remove partners that FILE does not name.")
@click.option("--prune-all", is_flag=True, help="The same, even if none of those that are there stays.")
@role_option
@output_option
def apply(
    target: Target, file: str, dry_run: bool, prune: bool, prune_all: bool, role: str | None, output: str
) -> None:
    """
    Make the partners of FILE what it says: added, homes set, keys added and removed.

    FILE is a configuration; of it, `server`, `partners` and `landing.bucket` are read. - is standard input.
    A partner of FILE has exactly the keys listed there afterwards; at a local gateway one that lists none
    has the key made for it, as at the start. Partners that FILE does not name are left alone, unless --prune
    is given.
    """
    wanted = wanted_by(file, target, role, dry_run=dry_run)
    announce(target)

    async def work(directory: UserDirectory, server_id: str) -> list[Change]:
        users = Users(directory, SystemClock(), server_id)

        async def planned(server: dict[str, Any]) -> Plan:
            return await users.plan(
                wanted.users,
                exact=True,
                prune=prune or prune_all,
                server=server,
                check=check_held if target.transfer else None,
            )

        settled = await wanted.settled(directory)
        plan = await planned(settled.server)
        _tell_of_removals(plan, even_all=prune_all)
        if not dry_run:
            if settled.missing and isinstance(directory, TransferUserDirectory):
                plan = await planned(await made(directory, settled))
            await plan.carry_out()
        return settled.changes + plan.changes

    changes = _with_keys_to_be_made(with_directory(target, work), wanted)
    rows = [{"Action": each.action, "UserName": each.user_name, "What": each.what} for each in changes]
    print_rows(rows, _COLUMNS, output, "nothing to change")
    if dry_run and changes:
        click.echo("dry run: nothing was changed", err=True)


def _tell_of_removals(plan: Plan, *, even_all: bool) -> None:
    gone = plan.removed_users
    if not gone:
        return
    if not plan.users_kept and not even_all:
        raise Misuse(
            f"FILE names none of the {len(gone)} partners that are there: all of them would be removed",
            hint="is it the right file, and the right gateway? If so: --prune-all",
        )
    more = f" and {len(gone) - _NAMES_SHOWN} more" if len(gone) > _NAMES_SHOWN else ""
    count = "1 partner" if len(gone) == 1 else f"{len(gone)} partners"
    click.echo(f"not in FILE, so to be removed: {count}: {', '.join(gone[:_NAMES_SHOWN])}{more}", err=True)


def _with_keys_to_be_made(changes: list[Change], wanted: Wanted) -> list[Change]:
    made = "key, made for it in the state directory"
    return changes + [Change("add", name, made) for name in wanted.without_key]
