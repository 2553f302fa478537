"""
A configuration written out again: what its layers say together, or every setting there is.

Secrets are masked wherever they stand. All else is YAML, or JSON, that loads again to the same settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import yaml
from pydantic import BaseModel, SecretStr

from tidegate.settings.document import parse
from tidegate.settings.layers import EXTENDS, Layered
from tidegate.settings.model import Settings
from tidegate.settings.names import with_names
from tidegate.settings.problems import Place
from tidegate.settings.shape import field_at, is_secret

MASK = "********"
# Says in a few words where the value at a place comes from.
OriginOf: TypeAlias = Callable[[Place], str]


def said(layers: Layered) -> dict[str, object]:
    """Return what the layers say together, in the order of the settings."""
    known = {key: layers.values[key] for key in Settings.model_fields if key in layers.values}
    return {key: _masked(value, (key,)) for key, value in known.items()}


def resolved(settings: Settings) -> dict[str, object]:
    """
    Return every setting with its value, defaults and names filled in; files by their absolute names.

    What is held to once it is written, such as a partner's role, is there only if it was written.
    """
    values = _plain(settings)
    assert isinstance(values, dict)
    del values[EXTENDS]
    return values


def origins_of(layers: Layered) -> OriginOf:
    """Return the function that says `prod.yaml line 7`, or by what else the value at a place is decided."""
    named = with_names(layers.values)

    def origin_of(place: Place) -> str:
        if place in layers.origins:
            origin = layers.origins[place]
            return origin.source if origin.line is None else f"{origin.source} line {origin.line}"
        return "from name_prefix" if _is_in(named, place) else "default"

    return origin_of


def as_yaml(values: dict[str, object], origin_of: OriginOf | None = None) -> str:
    """Return the values as YAML; with `origin_of` each line that holds a value ends in a comment."""
    text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text if origin_of is None else _commented(text, origin_of)


class _Dumper(yaml.SafeDumper):
    """Writes every single value on one line, and lists indented below their names."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _commented(text: str, origin_of: OriginOf) -> str:
    document = parse(text, "")
    deepest: dict[int, Place] = {}
    for place, line in document.lines.items():
        if len(place) >= len(deepest.get(line, ())):
            deepest[line] = place
    lines = text.removesuffix("\n").split("\n")
    for line, place in deepest.items():
        if place and not _has_lines_of_its_own(document.values, place):
            lines[line - 1] += f"  # {_on_one_line(origin_of(place))}"
    return "\n".join(lines) + "\n"


def _has_lines_of_its_own(values: object, place: Place) -> bool:
    value = _at(values, place)
    return bool(value) and isinstance(value, dict | list)


def _on_one_line(text: str) -> str:
    return text if text.isprintable() else repr(text)


def _masked(value: object, place: Place) -> object:
    if value is not None and is_secret(field_at(place)):
        return MASK
    if isinstance(value, dict):
        return {key: _masked(inner, (*place, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, (*place, number)) for number, inner in enumerate(value)]
    return value


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return {key: _plain(inner) for key, inner in value if _is_shown(value, key)}
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Path):
        return str(value)
    # 30 seconds are 30.0 inside, which nobody wrote.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_shown(section: BaseModel, key: str) -> bool:
    held: frozenset[str] = getattr(section, "held_if_written", frozenset())
    return key not in held or key in section.model_fields_set


def _is_in(values: object, place: Place) -> bool:
    return _at(values, place) is not _NOTHING


_NOTHING = object()


def _at(values: object, place: Place) -> object:
    for key in place:
        values = dict(_members(values)).get(key, _NOTHING)
    return values


def _members(values: object) -> Iterable[tuple[object, object]]:
    if isinstance(values, dict):
        return values.items()
    return enumerate(values) if isinstance(values, list | tuple) else ()
