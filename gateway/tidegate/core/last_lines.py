"""
The last line of a file, and the patterns it is held against.

Many formats end in a control record, and a file without it was cut off. The text is a partner's and the
pattern an administrator's. Python's matcher tries one way after another and cannot be stopped, so a careless
pattern could stop the gateway. Hence both are bounded: the line by its length, and the pattern by the
number of ways in which it could match a line of that length, which is counted before it is ever used.
Another thread would be no help: the matcher lets no other run until it has ended.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from re import _constants, _parser  # type: ignore[attr-defined] # a test pins what is used of them
from typing import Any

# So much is looked at from the end of a file: empty lines may follow the last one.
TAIL_BYTES = 8 * 1024
MOST_CHARACTERS = 400
# Two repetitions of anything are well within it, three are not. As many ways are tried within a fifth of a
# second at worst, and in practice within milliseconds. Source: measured, CPython 3.11, November 2026.
MOST_WAYS = 401**3 // 10

_BLANK = " \t\x1a\0"  # Ctrl-Z ends texts of DOS, and records of fixed length are filled up
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)
# Where the parser keeps what is inside. What repeats without going back is tried once for each repetition.
_ALTERNATIVES: dict[Any, Callable[[Any], Iterable[Any]]] = {
    _constants.SUBPATTERN: lambda value: [value[3]],
    _constants.ATOMIC_GROUP: lambda value: [value],
    _constants.POSSESSIVE_REPEAT: lambda value: [value[2]],
    _constants.ASSERT: lambda value: [value[1]],
    _constants.ASSERT_NOT: lambda value: [value[1]],
    _constants.BRANCH: lambda value: value[1],
    _constants.GROUPREF_EXISTS: lambda value: value[1:],
}


def last_line(tail: bytes) -> str | None:
    """
    Return the last line that holds more than blanks, without those at its end; None if there is none.

    Lines end in CR, LF or both. What is not UTF-8 becomes U+FFFD, a character for each byte or more.

    Args:
        tail: The last bytes of a file, at most `TAIL_BYTES`; the whole file if it is smaller.
    """
    for line in reversed(re.split(r"[\r\n]", tail.decode("utf-8", "replace"))):
        if line.strip(_BLANK):
            return line.rstrip(_BLANK).removeprefix("\ufeff")
    return None


def last_line_problem(pattern: str, tail: bytes) -> str | None:
    """Return why the end of a file is not what the pattern asks for; None if it is. The whole line counts."""
    line = last_line(tail)
    if line is None:
        return f"it has no last line within its last {TAIL_BYTES} bytes"
    if len(line) > MOST_CHARACTERS:
        return f"its last line is longer than {MOST_CHARACTERS} characters"
    if re.fullmatch(pattern, line) is None:
        return f"its last line is not as {pattern!r} asks"
    return None


def pattern_problem(pattern: str) -> str | None:
    """Return why a pattern is not to be used; None if it is fit."""
    try:
        with warnings.catch_warnings():
            # What will mean something else to a later Python is not what somebody meant.
            warnings.simplefilter("error", FutureWarning)
            parsed = _parser.parse(pattern)
            re.compile(pattern)
    except FutureWarning as error:
        return f"is no regular expression that will stay what it is: {error}"
    except re.error as error:
        where = "" if error.pos is None else f" at character {error.pos + 1}"
        return f"is no regular expression: {error.msg}{where}"
    except (RecursionError, OverflowError):
        return "is nested too deeply"
    if _ways(parsed) > MOST_WAYS:
        return (
            f"could be tried in more than {MOST_WAYS:,} ways against one line; repeat less often, or without"
            r" going back, as in \d++ and [^;]*+"
        )
    return None


def _ways(parsed: Any) -> int:
    """Return a bound on the ways in which it can match a line of the greatest length."""
    ways = 1
    for kind, value in parsed:
        ways = min(ways * _ways_of(kind, value), MOST_WAYS + 1)
    return ways


def _ways_of(kind: Any, value: Any) -> int:
    if kind in _REPEATS:
        least, most, inner = value
        ways = _repeated(_ways(inner), int(least), min(int(most), MOST_CHARACTERS))
        return ways * _rounds_of_nothing(int(least), inner)
    if kind not in _ALTERNATIVES:
        return 1
    rounds = _rounds_of_nothing(int(value[0]), value[2]) if kind is _constants.POSSESSIVE_REPEAT else 1
    return rounds * sum(_ways(each) for each in _ALTERNATIVES[kind](value) if each is not None)


def _rounds_of_nothing(least: int, inner: Any) -> int:
    """Return how often it is gone round at least, where the end of the line stops nobody."""
    narrowest, _ = inner.getwidth()
    return 1 if narrowest else max(least, 1)


def _repeated(ways: int, least: int, most: int) -> int:
    if ways == 1:
        return max(most - least, 0) + 1
    total, power = 0, ways ** min(least, 64)
    for _ in range(max(most - least, 0) + 1):
        total += power
        if total > MOST_WAYS:
            return MOST_WAYS + 1
        power *= ways
    return total
