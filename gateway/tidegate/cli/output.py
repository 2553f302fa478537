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

# Columns of numbers, which are read from their last digit.
_NUMBERS = frozenset({"Attempts", "Bytes", "Keys"})


def output_option(command: F) -> F:
    """Add `--output` to a command that prints a table."""
    option = click.option(
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="For people, or for programs.",
    )
    return option(command)


def print_rows(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], output: str, empty: str) -> None:
    """Print rows. JSON holds every member of a row; a table holds `columns`, or says `empty`."""
    rows = list(rows)
    if output == "json":
        print_json(rows)
    elif rows:
        table = [[cell(row.get(column)) for column in columns] for row in rows]
        align = ["right" if column in _NUMBERS else "left" for column in columns]
        click.echo(
            tabulate(table, headers=list(columns), tablefmt="plain", disable_numparse=True, colalign=align)
        )
    else:
        click.echo(empty)


def print_members(members: Mapping[str, Any]) -> None:
    """Print one thing for people: a line a member, without those that say nothing."""
    # By identity: 0 is False too, and says that a file is empty.
    said = {
        name: value for name, value in members.items() if value is not False and value not in (None, "", [])
    }
    shown = [[name, cell(value)] for name, value in said.items()]
    click.echo(tabulate(shown, tablefmt="plain", disable_numparse=True))


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, default=str))


def at(moment: datetime) -> str:
    """Return a time as tables and JSON show it: UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cell(value: Any) -> str:
    """Return a value as a table shows it: on one line, with nothing in it that a terminal would obey."""
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(cell, value))
    return escaped("yes" if value is True else str(value))
