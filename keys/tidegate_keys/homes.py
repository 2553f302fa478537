"""The options that say what a partner's home is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from tidegate.core.errors import Misuse
from tidegate.core.homes import check_home, home_from_target
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--home", metavar="/BUCKET/PREFIX", help="Where its files go.  [default: /LANDING BUCKET/NAME]"
    ),
    click.option(
        "--path-home",
        is_flag=True,
        help="Show the home by its real path, below /, in place of showing it as /.",
    ),
    click.option(
        "--map",
        "directories",
        metavar="/ENTRY=/BUCKET/PREFIX",
        multiple=True,
        help="In place of --home: show this place as /ENTRY. Repeatable.",
    ),
    click.option(
        "--map-file",
        "mapped_files",
        metavar="/ENTRY=/BUCKET/KEY",
        multiple=True,
        help="The same for one file. Repeatable.",
    ),
    click.option(
        "--directory", metavar="/ENTRY", default="/", show_default=True, help="Where its sessions start."
    ),
)


def home_options(command: F) -> F:
    """Add the options of `wanted_home` to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def wanted_home(
    default: str,
    *,
    home: str | None,
    path_home: bool,
    directories: tuple[str, ...],
    mapped_files: tuple[str, ...],
    directory: str,
) -> Home:
    """
    Return the home that the options ask for, checked.

    Args:
        default: The `/BUCKET/PREFIX` of a home that no option names.

    Raises:
        Misuse: Options exclude each other.
        InvalidName: The home cannot be used.
    """
    mappings = [
        *(_mapping(each, MappingType.DIRECTORY) for each in directories),
        *(_mapping(each, MappingType.FILE) for each in mapped_files),
    ]
    if mappings and (home is not None or path_home):
        raise Misuse("--map and --map-file are in place of --home and --path-home", hint="leave one kind out")
    if path_home and directory != "/":
        raise Misuse("--directory is for homes that are not shown by their real path", hint="leave it out")
    (shown,) = home_from_target(default if home is None else home).mappings
    if path_home:
        return check_home(Home(HomeDirectoryType.PATH, shown.target))
    return check_home(Home(HomeDirectoryType.LOGICAL, directory, tuple(mappings) or (shown,)))


def _mapping(text: str, kind: MappingType) -> Mapping:
    entry, sign, target = text.partition("=/")
    if not sign:
        raise Misuse(f"{text!r} names no target", hint="write /ENTRY=/BUCKET/PREFIX")
    return Mapping(entry, f"/{target}", kind)
