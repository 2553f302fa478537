"""`tidegate config`: check a configuration, and print its schema."""

from __future__ import annotations

import os
import sys

import click

from tidegate.cli.output import print_json
from tidegate.core.errors import Misuse
from tidegate.partners_file import wanted_users
from tidegate.settings.loader import load
from tidegate.settings.schema import json_schema
from tidegate.settings.sources import SOURCE_VARIABLE


@click.group()
def config() -> None:
    """Check a configuration, or print the schema of all."""


@config.command(short_help="Say what is wrong with a configuration.")
@click.argument("file", required=False)
def check(file: str | None) -> None:
    """
    Read FILE as a gateway would, and say all that is wrong with it.

    FILE is a path, or - for standard input; without it, the YAML in TIDEGATE_CONFIG is checked. AWS is
    not asked whether what it names is there: `tidegate serve` does that when it starts.
    """
    if file is None and not os.environ.get(SOURCE_VARIABLE):
        raise Misuse("which configuration?", hint=f"name a FILE, or set {SOURCE_VARIABLE}")
    loaded = load(file, os.environ, sys.stdin)
    wanted_users(loaded.settings, loaded.source)
    click.echo(f"{loaded.source} is good")


@config.command(short_help="Print the JSON Schema of configurations.")
def schema() -> None:
    """Print the JSON Schema of configurations, for editors."""
    print_json(json_schema())
