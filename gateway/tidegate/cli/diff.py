"""`tidegate diff`: where a server and its partners are not what a file says."""

from __future__ import annotations

import click

from tidegate.adapters.clock import SystemClock
from tidegate.cli.output import output_option, print_rows
from tidegate.cli.target import Target, partner_target_options, with_directory
from tidegate.cli.wanted import role_option, wanted_by
from tidegate.core.errors import GatewayError, Misuse
from tidegate.ports.directory import UserDirectory
from tidegate.services.users import Change, Users

_COLUMNS = ["Drift", "UserName", "Member", "File", "Target"]
# What `apply` would do about it, and what it is, as seen from the file.
_DRIFT = {"add": "removed", "remove": "added", "change": "changed"}


class _Differs(click.ClickException):
    exit_code = 1


@click.command(short_help="Show where partners are not what a file says.")
@partner_target_options
@click.argument("file")
@click.option("--named-only", is_flag=True, help="Say nothing of partners that FILE does not name.")
@role_option
@output_option
def diff(target: Target, file: str, named_only: bool, role: str | None, output: str) -> None:
    """
    Show where a server and its partners are not what FILE says; change nothing.

    What FILE has and the server has not is `removed`, what the server has and FILE has not `added`. The
    exit code is 0 if there is nothing to show, 1 if there is, and 2 if it could not be found out.
    """
    try:
        changes = _changes(target, file, role, named_only=named_only)
    except GatewayError as error:
        # 1 says that something differs: whoever asks by exit code must not take a failure for that.
        raise Misuse(error.detail, hint=error.hint) from error
    print_rows([_row(change) for change in changes], _COLUMNS, output, "no drift")
    if changes:
        count = "1 difference" if len(changes) == 1 else f"{len(changes)} differences"
        raise _Differs(f"{count} between {file} and {target.description}")


def _changes(target: Target, file: str, role: str | None, *, named_only: bool) -> list[Change]:
    wanted = wanted_by(file, target, role, dry_run=True)

    async def work(directory: UserDirectory, server_id: str) -> list[Change]:
        settled = await wanted.settled(directory)
        users = Users(directory, SystemClock(), server_id)
        plan = await users.plan(wanted.users, exact=True, prune=not named_only, server=settled.server)
        return settled.changes + plan.changes

    made = "made for it in the state directory"
    return with_directory(target, work) + [
        Change("add", name, "key", "key", made) for name in wanted.without_key
    ]


def _row(change: Change) -> dict[str, str]:
    return {
        "Drift": _DRIFT[change.action],
        "UserName": change.user_name,
        "Member": change.member or "partner",
        "File": change.wanted,
        "Target": change.there,
    }
