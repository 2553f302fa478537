"""`tidegate setup`: bring an account to what a configuration needs, or say what is wrong with it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import click

from tidegate.backend import Backend
from tidegate.cli.account_plan import NOBODY, Brought, estate_of, resources_of, roles_of, whose
from tidegate.cli.output import output_option, print_json, print_rows
from tidegate.core.audit import Finding
from tidegate.core.errors import GatewayError, InvalidKey, InvalidSettings, Misuse
from tidegate.core.host_keys import read_host_key
from tidegate.core.policies import POLICIES, setup_policy
from tidegate.logs import escaped
from tidegate.ports.account import Caller
from tidegate.services.setup import Outcome, bring, look
from tidegate.settings.loader import LoadedSettings, load
from tidegate.settings.model import Settings
from tidegate.settings.serving import check_for_setup
from tidegate.settings.sources import SOURCE_VARIABLE

_COLUMNS = ["Severity", "Resource", "What", "Problem", "Mend"]
_DONE = {"missing": "missing", "created": "created", "wrong": "left as it is", "mended": "mended"}
_WOULD = {"missing": "would be created", "wrong": "would be left as it is", "mended": "would be mended"}


@click.command(short_help="Bring an AWS account to what a configuration needs.")
@click.option(
    "--config",
    metavar="FILE",
    help=f"Configuration; - is standard input. Without it: the YAML in {SOURCE_VARIABLE}.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be made and mended.")
@click.option("--check", is_flag=True, help="Only list what is wrong, with the mend; exit 1 if anything is.")
@click.option(
    "--import-host-key",
    "host_key_files",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Keep this private host key, in place of new ones; may be given several times.",
)
@click.option(
    "--policies",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write the policies of all roles there, and ask AWS nothing.",
)
@output_option
def setup(
    config: str | None,
    dry_run: bool,
    check: bool,
    host_key_files: tuple[Path, ...],
    policies: Path | None,
    output: str,
) -> None:
    """
    Make and mend what a gateway needs: KMS keys, buckets, tables, host keys, roles, notifications.

    May be repeated: what is as it should be is left alone. Nothing is deleted, nothing is made weaker,
    and what somebody else wrote is added to, never replaced.
    """
    if sum((dry_run, check, policies is not None)) > 1 or (host_key_files and (check or policies)):
        raise Misuse("one thing at a time", hint="--dry-run, --check, --policies: give one of them, alone")
    loaded = _loaded(config)
    if policies is not None:
        _write_policies(loaded.settings, policies)
        return
    brought = _brought(loaded.settings, host_key_files)
    outcomes = asyncio.run(
        _run(loaded.settings, brought, output, changes=not (dry_run or check), check=check)
    )
    if check:
        _print_findings(outcomes, output)
    elif output == "json":
        print_json([_as_json(each) for each in outcomes])
    if dry_run:
        click.echo("dry run: nothing was changed", err=True)
    _judge(outcomes, check=check)


def _loaded(config: str | None) -> LoadedSettings:
    if config is None and not os.environ.get(SOURCE_VARIABLE):
        raise Misuse("setup needs a configuration", hint=f"--config FILE, or YAML in {SOURCE_VARIABLE}")
    loaded = load(config, os.environ, sys.stdin)
    problems = check_for_setup(loaded.settings)
    if problems:
        raise InvalidSettings("\n".join(f"{loaded.source}: {problem}" for problem in problems))
    return loaded


def _brought(settings: Settings, files: Sequence[Path]) -> list[Brought]:
    """Return the host keys to be kept. All are read before anything is changed."""
    if files and settings.sftp.host_key_files:
        raise InvalidSettings(
            "sftp.host_key_files names files, and gateways use those",
            hint="take it out of the configuration, and import these files",
        )
    found = []
    for file in files:
        try:
            found.append(Brought(read_host_key(file.read_bytes()), file.name))
        except InvalidKey as error:
            raise InvalidKey(f"host key {file}: {error.detail}", hint=error.hint) from error
    return found


# --- running --------------------------------------------------------------------------------


async def _run(
    settings: Settings, brought: Sequence[Brought], output: str, *, changes: bool, check: bool
) -> list[Outcome]:
    backend = Backend(settings)
    try:
        caller = await _announced(backend)
        resources = resources_of(backend, caller, brought)
        outcomes = []
        async for outcome in _outcomes(resources, changes=changes):
            outcomes.append(outcome)
            if not check and output == "table":
                _print_outcome(outcome, changed=changes)
        return outcomes
    finally:
        backend.close()


def _outcomes(resources: Any, *, changes: bool) -> AsyncIterator[Outcome]:
    return bring(resources) if changes else look(resources)


async def _announced(backend: Backend) -> Caller:
    """Say which account this is about, before anything is asked of it or done to it."""
    aws = backend.settings.aws
    where = aws.endpoint_url or "AWS"
    try:
        caller = await whose(backend)
    except GatewayError as error:
        raise InvalidSettings(
            f"cannot tell whose account this is: {error.detail}",
            hint=error.hint or "look at the credentials, at aws.region and at aws.endpoint_url",
        ) from error
    who = "an account nobody names" if caller == NOBODY else f"account {caller.account}, as {caller.arn}"
    click.echo(f"target: {who}, Region {aws.region}, at {where}", err=True)
    return caller


# --- telling --------------------------------------------------------------------------------


def _print_outcome(outcome: Outcome, *, changed: bool) -> None:
    click.echo(escaped(f"{outcome.resource}: {_words_for(outcome, changed=changed)}"))
    for finding in outcome.left:
        if changed or not finding.by_setup:
            click.echo(escaped(f"  {finding.severity}: {finding.what}: {finding.problem}"))
            click.echo(escaped(f"    to mend it: {finding.mend}"))


def _words_for(outcome: Outcome, *, changed: bool) -> str:
    if outcome.state == "as it should be":
        return outcome.state
    if not changed and outcome.state == "wrong" and outcome.mended:
        return f"would be mended: {', '.join(outcome.mended)}"
    words = (_DONE if changed else _WOULD)[outcome.state]
    return f"{words}: {', '.join(outcome.mended)}" if outcome.state == "mended" else words


def _print_findings(outcomes: Sequence[Outcome], output: str) -> None:
    found = [finding for outcome in outcomes for finding in outcome.left]
    in_order = sorted(found, key=lambda finding: finding.severity != "error")
    print_rows(map(_row, in_order), _COLUMNS, output, "all is as it should be")


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "Severity": finding.severity,
        "Resource": finding.resource,
        "What": finding.what,
        "Problem": finding.problem,
        "Mend": finding.mend,
        "BySetup": finding.by_setup,
    }


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "Resource": outcome.resource,
        "State": outcome.state,
        "Mended": list(outcome.mended),
        "Findings": [_row(finding) for finding in outcome.left],
    }


def _judge(outcomes: Sequence[Outcome], *, check: bool) -> None:
    """Raise if anything is left to do: at a check anything at all, otherwise what a person must do."""
    found = [finding for outcome in outcomes for finding in outcome.left]
    by_setup = sum(finding.by_setup for finding in found)
    if check and found:
        mends = f", of which tidegate setup mends {by_setup}"
        if len(found) == 1:
            mends = f"; tidegate setup {'mends' if by_setup else 'does not mend'} it"
        raise InvalidSettings(_counted(len(found)) + mends, hint="the last column says how")
    if len(found) > by_setup:
        raise InvalidSettings(
            f"{_counted(len(found) - by_setup)} left that tidegate setup does not mend",
            hint="see the lines above",
        )


def _counted(number: int) -> str:
    return "one finding" if number == 1 else f"{number} findings"


# --- policies -------------------------------------------------------------------------------


def _write_policies(settings: Settings, folder: Path) -> None:
    estate = estate_of(settings)
    documents = {name: render(estate) for name, render in POLICIES.items()}
    documents["setup"] = setup_policy(estate, [role.name for role in roles_of(settings)])
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        click.echo(str(file))
