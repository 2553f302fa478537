"""
`${NAME}` in the configuration: the only way to give a secret, and nowhere else.

A configuration is read, copied and committed by many; a secret in it is a secret lost. A value that
depends on the environment in any other place would make the file say something other than it reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.core.homes import USER_NAME_VARIABLE
from tidegate.settings.problems import Place, Problem, shown
from tidegate.settings.shape import field_at, is_secret

REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_PER_PARTNER = "a home or a route's prefix"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def substitute(
    values: dict[str, object], environ: Mapping[str, str]
) -> tuple[dict[str, object], list[Problem]]:
    """Return the values with secrets filled in from `environ`, and what was wrong with references."""
    filling = _Filling(environ)
    return {key: filling.fill(value, (key,)) for key, value in values.items()}, filling.problems


@dataclass(slots=True)
class _Filling:
    environ: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)

    def fill(self, value: object, place: Place) -> object:
        if is_secret(field_at(place)):
            return value if value is None else self._secret(value, place)
        if _is_of_others(place):
            return value
        if isinstance(value, dict):
            return {key: self.fill(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.fill(inner, (*place, number)) for number, inner in enumerate(value)]
        if isinstance(value, str):
            self._look_for_references(value, place)
        return value

    def _secret(self, value: object, place: Place) -> str:
        match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if match is None or _NAME.fullmatch(match[1]) is None:
            return self._refuse(
                place, "write ${NAME} and set that environment variable; never the value itself"
            )
        if match[1] not in self.environ:
            return self._refuse(place, f"the environment variable {match[1]} is not set")
        if not self.environ[match[1]]:
            return self._refuse(place, f"the environment variable {match[1]} is empty")
        return self.environ[match[1]]

    def _look_for_references(self, value: str, place: Place) -> None:
        allowed = USER_NAME_VARIABLE if _is_per_partner(place) else ""
        for match in REFERENCE.finditer(value):
            if match[0] != allowed:
                also = f", and {allowed} in {_PER_PARTNER}" if allowed else ""
                text = f"{shown(match[0])} is not filled in here; only secrets of aws may be variables{also}"
                self.problems.append(Problem(place, text))
                return

    def _refuse(self, place: Place, text: str) -> str:
        self.problems.append(Problem(place, text))
        # Something of the right type, so that validation goes on to the other settings.
        return "?"


def _is_of_others(place: Place) -> bool:
    """Tell whether this is a session policy or a step, whose variables are IAM's and Transfer Family's."""
    match place:
        case ("partners", int(), "policy") | ("workflows", int(), "steps" | "on_exception_steps"):
            return True
        case _:
            return False


def _is_per_partner(place: Place) -> bool:
    match place:
        case ("partners", int(), "home") | ("routes", int(), "prefix"):
            return True
        case ("partners", int(), "mappings", int(), "target"):
            return True
        case _:
            return False
