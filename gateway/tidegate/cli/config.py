"""`tidegate config`: check a configuration, and print its schema."""

from __future__ import annotations

import os
import sys

import click

from tidegate.cli.output import print_json
from tidegate.partners_file import wanted_users
from tidegate.settings.loader import load
from tidegate.settings.schema import json_schema


@click.group()
def config() -> None:
    """Check configurations."""


@config.command()
@click.argument("file")
def check(file: str) -> None:
    """Read FILE (- for standard input) as a gateway would, and say what is wrong with it."""
    loaded = load(file, os.environ, sys.stdin)
    wanted_users(loaded.settings, loaded.source)
    click.echo(f"{loaded.source} is good")


@config.command()
def schema() -> None:
    """Print the JSON Schema of configurations, for editors."""
    print_json(json_schema())
