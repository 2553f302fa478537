"""Pydantic's errors in our words: what was expected, what was found, how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tidegate.core.limits import GIB, KIB, MIB, TIB
from tidegate.settings.kinds import OWN_WORDS, Words
from tidegate.settings.problems import Place, Problem, shown
from tidegate.settings.shape import field_at, is_secret, suggestion, words_of

_UNITS = {"_bytes": " of bytes", "_seconds": " of seconds", "_days": " of days"}


def problems_in(error: ValidationError) -> list[Problem]:
    """Return every problem pydantic found, none of them with a secret in it."""
    return [problem for details in error.errors(include_url=False) for problem in _problems(details)]


def human_size(size: float) -> str:
    """Return `5 MiB` for 5242880; empty if the size is no whole number of KiB or more."""
    for unit, name in ((TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit:.0f} {name}"
    return ""


def _problems(details: ErrorDetails) -> list[Problem]:
    place, context = details["loc"], details.get("ctx", {})
    if details["type"] == OWN_WORDS:
        return cast(list[Problem], context.get("problems")) or [Problem(place, context["text"])]
    say = _SAY.get(details["type"])
    # An unforeseen kind: pydantic's own sentence names the rule, never the value.
    text = say(place, details["input"], context) if say else details["msg"].lower()
    return [Problem(place, text)]


_Say: TypeAlias = Callable[[Place, object, dict[str, Any]], str]


def _unknown(place: Place, _value: object, _context: dict[str, Any]) -> str:
    return f"unknown setting; {suggestion(place)}"


def _missing(_place: Place, _value: object, _context: dict[str, Any]) -> str:
    return "missing; it has no default"


def _expected(what: str) -> _Say:
    def say(place: Place, value: object, _context: dict[str, Any]) -> str:
        return f"expected {what}{_unit(place)}, {_but(place, value)}"

    return say


def _section(_place: Place, value: object, _context: dict[str, Any]) -> str:
    # What stands where a section belongs may be one of its secrets: only its kind is told.
    kind = shown(value) if value is None or isinstance(value, list) else "a single value"
    return f"expected a mapping of settings, not {kind}"


def _choice(place: Place, value: object, context: dict[str, Any]) -> str:
    return f"expected {context['expected']}, {_but(place, value)}"


def _pattern(place: Place, value: object, context: dict[str, Any]) -> str:
    form = words_of(field_at(place)).form or f"text like {context['pattern']}"
    return f"expected {form}, {_but(place, value)}"


def _bound(key: str, relation: str, why: Callable[[Words], str]) -> _Say:
    def say(place: Place, value: object, context: dict[str, Any]) -> str:
        limit = context[key]
        size = human_size(limit) if _unit(place) == _UNITS["_bytes"] else ""
        reason = ", ".join(filter(None, (size, why(words_of(field_at(place))))))
        return f"{shown(value)} is {relation} {_number(limit)}" + (f" ({reason})" if reason else "")

    return say


def _too_long(_place: Place, _value: object, context: dict[str, Any]) -> str:
    return f"longer than {context['max_length']} characters"


def _text(place: Place, value: object, context: dict[str, Any]) -> str:
    # YAML reads 0123, 2026-01-31 and yes as a number, a date and a truth.
    unquoted = value is not None and not isinstance(value, dict | list)
    return _expected("text")(place, value, context) + ("; put it in quotes" if unquoted else "")


def _but(place: Place, value: object) -> str:
    return "not what is there" if is_secret(field_at(place)) else f"not {shown(value)}"


def _unit(place: Place) -> str:
    name = str(place[-1]) if place else ""
    return next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "")


def _number(limit: float) -> str:
    return str(int(limit)) if limit == int(limit) else str(limit)


_SAY: dict[str, _Say] = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "int_type": _expected("a whole number"),
    "float_type": _expected("a number"),
    "finite_number": _expected("a finite number"),
    "bool_type": _expected("true or false"),
    "string_type": _text,
    "path_type": _expected("the name of a file"),
    "tuple_type": _expected("a list"),
    "dict_type": _expected("a mapping"),
    "model_type": _section,
    "literal_error": _choice,
    "string_pattern_mismatch": _pattern,
    "string_too_long": _too_long,
    "greater_than": _bound("gt", "not above", lambda words: words.least),
    "greater_than_equal": _bound("ge", "below", lambda words: words.least),
    "less_than_equal": _bound("le", "above", lambda words: words.most),
}
