"""`tidegate doctor`: does everything the gateway will need, once, and says what it was refused."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import asdict

import click

from tidegate.backend import Backend
from tidegate.cli.examination import Examination
from tidegate.cli.output import cell, output_option, print_json
from tidegate.core.errors import GatewayError, Misuse
from tidegate.logs import escaped
from tidegate.services.checkup import Finding, Verdict, examine
from tidegate.settings.loader import load
from tidegate.settings.sources import SOURCE_VARIABLE

_COLOURS = {Verdict.GOOD: "green", Verdict.WARNING: "yellow", Verdict.BAD: "red", Verdict.NOT_ASKED: "yellow"}


@click.command(short_help="Try everything that a gateway will need.")
@click.option(
    "--config",
    metavar="FILE",
    help=f"Configuration; - is standard input. Without it: the YAML in {SOURCE_VARIABLE}.",
)
@output_option
def doctor(config: str | None, output: str) -> None:
    """
    Try everything that a gateway of this configuration will need, by real calls that do no harm.

    Run it where the gateway will run, with its role. It writes and deletes one small object in each bucket
    that uploads land in, begins and aborts one upload in parts in each bucket, and writes an item that
    expires. The exit code is 1 if anything is BAD.
    """
    if config is None and not os.environ.get(SOURCE_VARIABLE):
        raise Misuse("which configuration?", hint=f"--config FILE, or YAML in {SOURCE_VARIABLE}")
    loaded = load(config, os.environ, sys.stdin)
    aws = loaded.settings.aws
    click.echo(f"target: {loaded.source} ({aws.endpoint_url or f'AWS, Region {aws.region}'})", err=True)
    found = asyncio.run(_examined(loaded.source, Backend(loaded.settings), output))
    if output == "json":
        print_json([{name.title(): value for name, value in asdict(each).items()} for each in found])
    bad = sum(each.verdict is Verdict.BAD for each in found)
    if bad:
        raise GatewayError(f"{bad} of {len(found)} answers are BAD")


async def _examined(source: str, backend: Backend, output: str) -> list[Finding]:
    found = []
    try:
        async for finding in examine(Examination(backend, source).questions()):
            found.append(finding)
            if output == "table":
                _tell(finding)
    finally:
        backend.close()
    return found


def _tell(finding: Finding) -> None:
    """Print each answer as it comes: one that does not come is the answer somebody waits for."""
    verdict = click.style(f"{finding.verdict:<9}", fg=_COLOURS[finding.verdict])
    click.echo(f"{verdict}  {escaped(finding.what)}: {cell(finding.said)}")
    if finding.hint and finding.verdict in (Verdict.BAD, Verdict.WARNING):
        click.echo(f"{'':<9}    to mend it: {escaped(finding.hint)}")
