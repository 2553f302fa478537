"""
Numbers about a gateway, and the text in which Prometheus reads them (exposition format 0.0.4).

Label values come from outside, partners' names for one. So a family holds a bounded number of series: what
comes beyond is counted under `(other)`, and nothing is lost of the sum.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

# Of CloudWatch's metrics. Names that begin with `AWS/` are for AWS's own services.
AWS_NAMESPACE = "AWS/Transfer"
OWN_NAMESPACE = "Tidegate/Transfer"

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_SERIES = 2_000
OTHER = "(other)"  # no partner can have this name

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

Labels = tuple[str, ...]


@dataclass(slots=True)
class Counter:
    """What only grows, by the values of its labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    max_series: int = MAX_SERIES
    _values: dict[Labels, float] = field(default_factory=dict)

    def add(self, count: float, *values: str) -> None:
        """Add to the series of these label values, one for each label."""
        if values not in self._values and len(self._values) >= self.max_series:
            values = (OTHER,) * len(self.labels)
        self._values[values] = self._values.get(values, 0) + count

    def value(self, *values: str) -> float:
        """Return what was counted; 0 where nothing was."""
        return self._values.get(values, 0)

    def read(self) -> Mapping[Labels, float]:
        # A counter without labels is there from the beginning; with them, nobody knows which will be.
        return self._values or ({} if self.labels else {(): 0})


@dataclass(slots=True)
class Gauge:
    """What is as it is when somebody asks: `reading` returns it, by the values of its labels."""

    name: str
    help: str
    reading: Callable[[], Mapping[Labels, float]]
    labels: tuple[str, ...] = ()
    # A count that is kept elsewhere is read in the same way.
    kind: Literal["gauge", "counter"] = "gauge"

    def read(self) -> Mapping[Labels, float]:
        return self.reading()


Family = Counter | Gauge


def exposition(families: Sequence[Family]) -> str:
    """Return all families as text. Raises `ValueError` for a name that is none, or is there twice."""
    lines: list[str] = []
    seen: set[str] = set()
    for family in families:
        _check(family, seen)
        kind = family.kind if isinstance(family, Gauge) else "counter"
        lines += [f"# HELP {family.name} {_help(family.help)}", f"# TYPE {family.name} {kind}"]
        for values, number in sorted(family.read().items()):
            lines.append(f"{family.name}{_labels(family.labels, values)} {_number(number)}")
    return "\n".join([*lines, ""])


def _check(family: Family, seen: set[str]) -> None:
    if not _NAME.fullmatch(family.name) or family.name in seen:
        raise ValueError(f"{family.name!r} is no name of a metric, or is there already")
    for label in family.labels:
        if not _LABEL.fullmatch(label) or label.startswith("__"):
            raise ValueError(f"{label!r} is no name of a label")
    seen.add(family.name)


def _labels(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_value(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _value(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _number(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)
