"""Tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from tabulate import tabulate

from tidegate.logs import escaped

F = TypeVar("F", bound=Callable[..., Any])


def output_option(command: F) -> F:
    """Add `--output` to a command that prints a table."""
    option = click.option(
        "--output", type=click.Choice(["table", "json"]), default="table", help="A table, or JSON."
    )
    return option(command)


def print_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], output: str, empty: str) -> None:
    """Print rows. JSON holds every member of a row; a table holds `columns`, or says `empty`."""
    rows = list(rows)
    if output == "json":
        print_json(rows)
    elif rows:
        table = [[_cell(row.get(column)) for column in columns] for row in rows]
        click.echo(tabulate(table, headers=list(columns), tablefmt="plain", disable_numparse=True))
    else:
        click.echo(empty)


def print_members(members: Mapping[str, Any], output: str) -> None:
    """Print one thing: JSON, or a line a member."""
    if output == "json":
        print_json(members)
    else:
        shown = [[name, _cell(value)] for name, value in members.items() if value not in (None, "", [])]
        click.echo(tabulate(shown, tablefmt="plain", disable_numparse=True))


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, default=str))


def at(moment: datetime) -> str:
    """Return a time as tables and JSON show it: UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(_cell, value))
    # A partner chooses names; a terminal must not obey them.
    return escaped(str(value))
