"""`tidegate config`: check a configuration, show what it comes to, bring it up to date, print its schema."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import click

from tidegate.cli.output import print_json
from tidegate.core.errors import Misuse
from tidegate.local.files import replace_file
from tidegate.logs import escaped
from tidegate.partners_file import wanted_server, wanted_users
from tidegate.settings.loader import load, load_with_layers
from tidegate.settings.migrations import FORMAT_VERSION, migrated
from tidegate.settings.schema import json_schema
from tidegate.settings.shown import as_yaml, origins_of, resolved, said
from tidegate.settings.sources import SOURCE_VARIABLE, STDIN, read


@click.group(short_help="Check, show and migrate configurations.")
def config() -> None:
    """Check a configuration, show it, bring it up to date, or print the schema of all."""


@config.command(short_help="Say what is wrong with a configuration.")
@click.argument("file", required=False)
def check(file: str | None) -> None:
    """
    Read FILE as a gateway would, and say all that is wrong with it.

    FILE is a path, or - for standard input; without it, the YAML in TIDEGATE_CONFIG is checked. AWS is
    not asked whether what it names is there: `tidegate serve` does that when it starts.
    """
    loaded = load(_named(file), os.environ, sys.stdin)
    wanted_users(loaded.settings, loaded.source)
    wanted_server(loaded.settings, loaded.source)
    click.echo(f"{loaded.source} is good")


@config.command(short_help="Show what a configuration comes to.")
@click.argument("file", required=False)
@click.option(
    "--resolved", "is_resolved", is_flag=True, help="Every setting, with defaults and names filled in."
)
@click.option("--origins", "has_origins", is_flag=True, help="Say in comments where each value comes from.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="What to print.",
)
def show(file: str | None, is_resolved: bool, has_origins: bool, form: str) -> None:
    """
    Print what FILE and the files it extends say together.

    FILE is a path, or - for standard input; without it, the YAML in TIDEGATE_CONFIG is shown. What is
    wrong is said as by `check`. Secrets are masked as ********; with ${NAME} in their place what is
    printed is a configuration again, that of a file beside FILE.
    """
    if has_origins and form == "json":
        raise Misuse("--origins writes comments, which JSON has none of", hint="leave out one of the two")
    loaded, layers = load_with_layers(_named(file), os.environ, sys.stdin)
    values = resolved(loaded.settings) if is_resolved else said(layers)
    if form == "json":
        print_json(values)
    else:
        click.echo(as_yaml(values, origins_of(layers) if has_origins else None), nl=False)


@config.command(short_help="Bring an older configuration up to date.")
@click.argument("file")
@click.option("--in-place", is_flag=True, help="Change FILE itself, in place of printing.")
def migrate(file: str, in_place: bool) -> None:
    """
    Print FILE in the version of the format that this tidegate reads.

    FILE is a path, or - for standard input. Comments and layout stay. Only FILE is looked at: each file that
    it extends is migrated by itself, and `tidegate config check` says what is wrong with the settings.
    """
    if in_place and file == STDIN:
        raise Misuse("standard input cannot be changed in place", hint="leave out --in-place, or name a FILE")
    found = read(file, os.environ, sys.stdin)
    text = migrated(found.text, found.name)
    if text == found.text:
        name = escaped(found.name)
        click.echo(f"{name} is of version {FORMAT_VERSION} already: nothing is to be done", err=True)
    if not in_place:
        click.echo(text, nl=False)
    elif text != found.text:
        _replace(Path(file), text)
        click.echo(f"{escaped(file)} is of version {FORMAT_VERSION} now", err=True)


@config.command(short_help="Print the JSON Schema of configurations.")
def schema() -> None:
    """Print the JSON Schema of configurations, for editors."""
    print_json(json_schema())


def _named(file: str | None) -> str | None:
    if file is None and not os.environ.get(SOURCE_VARIABLE):
        raise Misuse("which configuration?", hint=f"name a FILE, or set {SOURCE_VARIABLE}")
    return file


def _replace(file: Path, text: str) -> None:
    # What a link leads to is changed, and the link stays.
    file = file.resolve()
    mode = stat.S_IMODE(file.stat().st_mode)
    replace_file(file, text.encode(), mode)
    # The umask may have taken away what the file had.
    file.chmod(mode)
