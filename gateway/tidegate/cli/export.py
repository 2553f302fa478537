"""`tidegate export`: a server and its partners, as a file."""

from __future__ import annotations

from pathlib import Path

import click

from tidegate.adapters.aws.transfer_directory import TransferUserDirectory
from tidegate.adapters.clock import SystemClock
from tidegate.cli.cloudformation import as_template
from tidegate.cli.partners_document import as_file, check_file
from tidegate.cli.target import Target, partner_target_options, with_directory
from tidegate.cli.workflows_in_file import workflow_sections
from tidegate.local.files import replace_file
from tidegate.ports.directory import UserDirectory
from tidegate.services.users import Users
from tidegate.settings.workflows import WorkflowSettings


@click.command(short_help="Write a server and its partners as a file.")
@partner_target_options
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="In place of printing it.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["file", "cloudformation"]),
    default="file",
    show_default=True,
    help="What to write: a file for apply and diff, or a template.",
)
def export(target: Target, output: Path | None, form: str) -> None:
    """
    Write a server and its partners as a file that `tidegate apply` and `tidegate diff` take.

    It holds settings of the server, partners, homes, keys, roles, policies and tags: nothing secret, and
    no private key. The same server gives the same text.
    """

    async def work(directory: UserDirectory, server_id: str) -> tuple[int, str]:
        users = Users(directory, SystemClock(), server_id)
        server, found = await users.server(), await users.all()
        workflows = []
        if isinstance(directory, TransferUserDirectory):
            workflows = await workflow_sections(directory, server)
        if form == "cloudformation":
            defined = [WorkflowSettings.model_validate(each) for each in workflows]
            return len(found), as_template(server, found, defined)
        text = as_file(server, found, workflows)
        await check_file(text, server, found)
        return len(found), text

    count, text = with_directory(target, work)
    if output is None:
        click.echo(text, nl=False)
        return
    replace_file(output, text.encode(), 0o666)
    click.echo(f"wrote {count} {'partner' if count == 1 else 'partners'} to {output}", err=True)
