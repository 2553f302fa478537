"""A configuration from its source to `Settings`, or to lines that say what is wrong where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from pydantic import ValidationError

from tidegate.settings.kinds import DIRECTORY
from tidegate.settings.layers import Layered, layered
from tidegate.settings.model import Settings
from tidegate.settings.problems import Problem, refusal
from tidegate.settings.sources import read
from tidegate.settings.substitution import substitute
from tidegate.settings.words import problems_in


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """
    Settings and where they came from.

    Args:
        settings: Valid; file names in it are absolute.
        source: What messages call the source: the path as given, `standard input`,
            `TIDEGATE_CONFIG` or `defaults`.
        directory: Absolute; where relative paths started.
    """

    settings: Settings
    source: str
    directory: Path


def load(source: str | None, environ: Mapping[str, str], stdin: TextIO) -> LoadedSettings:
    """
    Read, check and return the settings.

    Args:
        source: A path; `-` for `stdin`; None for the YAML in the variable TIDEGATE_CONFIG or, if
            that is unset or empty, for the defaults.
        environ: Where TIDEGATE_CONFIG and the variables of secrets are looked up.

    Raises:
        InvalidSettings: The configuration cannot be used. `detail` has one line a problem, each
            like `config.yaml line 7: sftp.prot: unknown setting; did you mean sftp.port?`, in the
            order of the file and with no secret in it.
    """
    return load_with_layers(source, environ, stdin)[0]


def load_with_layers(
    source: str | None, environ: Mapping[str, str], stdin: TextIO
) -> tuple[LoadedSettings, Layered]:
    """Return what `load` does, and what the files said to give that. Raises as `load` does."""
    found = read(source, environ, stdin)
    layers = layered(found)
    values, problems = substitute(layers.values, environ)
    try:
        settings = Settings.model_validate(values, context={DIRECTORY: found.directory})
    except ValidationError as error:
        problems += _not_said_yet(problems_in(error), problems)
    if problems:
        # From None: the original holds the values, secrets among them.
        raise refusal(found.name, problems, layers.origins) from None
    return LoadedSettings(settings, found.name, found.directory), layers


def _not_said_yet(problems: list[Problem], said: list[Problem]) -> list[Problem]:
    places = {problem.at for problem in said}
    return [problem for problem in problems if problem.at not in places]
