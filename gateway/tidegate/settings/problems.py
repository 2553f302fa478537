"""What is wrong with a configuration, said in lines that each stand on their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tidegate.core.errors import InvalidSettings

# Where a value sits: keys of mappings and positions in lists, from the top.
Place: TypeAlias = tuple[str | int, ...]
Lines: TypeAlias = Mapping[Place, int]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: what messages call the source, and the line, from 1."""

    source: str
    line: int | None


Origins: TypeAlias = Mapping[Place, Origin]

# More would push what matters off the screen; so many mean that the wrong file was named.
MOST_LINES = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One thing that is wrong.

    Args:
        at: The setting it is about; empty for the document as a whole.
        text: What is wrong and how to mend it, on one line, with no secret in it.
        line: Counted from 1, if it is not simply the line of `at`.
    """

    at: Place
    text: str
    line: int | None = None


def dotted(place: Place) -> str:
    """Return the name people read and write: `deliveries.targets[0].bucket`."""
    name = ""
    for step in place:
        if isinstance(step, int):
            name += f"[{step}]"
        else:
            name += ("." if name else "") + _readable(step)
    return name


def shown(value: object) -> str:
    """Return a value of the file as an error may quote it: one short line, no Python in it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a huge number"
    return _short(repr(value) if isinstance(value, str) else str(value))


def refusal(source: str, problems: Iterable[Problem], origins: Origins) -> InvalidSettings:
    """
    Return the error that says the problems, a line each, in the order of the file, 50 at most.

    Args:
        source: What a problem is of whose place has no origin.
    """
    placed = [(_origin_of(problem, origins, source), problem) for problem in problems]
    # What the file itself says comes before what it was given by the files it extends.
    placed.sort(key=lambda pair: (pair[0].source != source, pair[0].source, pair[0].line or 0))
    said = [_sentence(origin, problem) for origin, problem in placed[:MOST_LINES]]
    if len(placed) > MOST_LINES:
        said.append(f"{source}: and {len(placed) - MOST_LINES} more problems")
    return InvalidSettings("\n".join(said))


def _sentence(origin: Origin, problem: Problem) -> str:
    where = origin.source if origin.line is None else f"{origin.source} line {origin.line}"
    return ": ".join(part for part in (where, dotted(problem.at), problem.text) if part)


def _origin_of(problem: Problem, origins: Origins, source: str) -> Origin:
    """Look for the setting itself, then for what it is in: a missing key has no line of its own."""
    if problem.line is not None:
        return Origin(source, problem.line)
    for length in range(len(problem.at), 0, -1):
        if problem.at[:length] in origins:
            return origins[problem.at[:length]]
    # A rule broken by defaults alone has no line; a document that is no mapping starts somewhere.
    nowhere = Origin(source, None)
    return nowhere if problem.at else origins.get((), nowhere)


def _readable(key: str) -> str:
    return key if re.fullmatch(r"[\w-]{1,60}", key) else _short(repr(key))


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:76] + " ..."
