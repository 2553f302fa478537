"""
Policy documents, from JSON to statements.

What IAM itself would refuse raises `InvalidPolicy`. What IAM takes and is not known here stays with its
statement as a construct by name: such a statement allows nothing, and one that denies does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tidegate.core.errors import InvalidName
from tidegate.core.iam.conditions import KNOWN_KEYS, VARIABLE, Condition, conditions_of
from tidegate.core.iam.patterns import is_arn_pattern

_VERSIONS = ("2008-10-17", "2012-10-17")
_MEMBERS = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", "Principal"}
)


class InvalidPolicy(InvalidName):
    """A policy that IAM would not take; `detail` says what of it is wrong."""


@dataclass(frozen=True, slots=True)
class Statement:
    """
    One statement of a policy.

    Args:
        label: Its number and Sid, for an administrator.
        actions, resources: Patterns; `is_not_...` turns them into "all but these".
        strange_resources: What of its resources is not understood.
        strange_conditions: What of its conditions is not understood.
    """

    label: str
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    is_not_action: bool = False
    is_not_resource: bool = False
    conditions: tuple[Condition, ...] = ()
    strange_resources: tuple[str, ...] = ()
    strange_conditions: tuple[str, ...] = ()

    @property
    def strange(self) -> tuple[str, ...]:
        return self.strange_resources + self.strange_conditions


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that was understood, as far as its statements say."""

    name: str
    statements: tuple[Statement, ...]

    def speaks_of(self, service: str) -> bool:
        """Tell whether any statement names actions of a service, such as `kms`, or all but some actions."""
        return any(
            statement.is_not_action or action == "*" or action.lower().startswith(f"{service}:")
            for statement in self.statements
            for action in statement.actions
        )


def parsed_json(text: str) -> dict[str, Any]:
    """Return the JSON object that a policy's text is. Raises `InvalidPolicy`."""
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise InvalidPolicy(f"the policy is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidPolicy("the policy is no JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        # Which of the two holds would be a guess.
        raise ValueError(f"a member is named twice, among {', '.join(name for name, _ in pairs)}")
    return found


def policy_of(name: str, document: object) -> Policy:
    """Return an identity or session policy. Raises `InvalidPolicy`."""
    return Policy(name, tuple(_statements(name, document, _parsed)))


@dataclass(frozen=True, slots=True)
class TrustStatement:
    """One statement of a trust policy: who may assume the role."""

    statement: Statement
    services: tuple[str, ...]


def trust_of(document: object, known_keys: frozenset[str]) -> tuple[TrustStatement, ...]:
    """Return what a trust policy says of services. Raises `InvalidPolicy`."""

    def parsed(label: str, members: dict[str, Any], *, has_variables: bool) -> TrustStatement:
        statement = _made(
            label, {**members, "Resource": "*"}, has_variables=has_variables, known_keys=known_keys
        )
        return TrustStatement(statement, _services(members.get("Principal")))

    return tuple(_statements("the trust policy", document, parsed))


def _services(principal: object) -> tuple[str, ...]:
    if principal == "*":
        return ("*",)
    named = principal.get("Service", ()) if isinstance(principal, dict) else ()
    everybody = ("*",) if isinstance(principal, dict) and principal.get("AWS") == "*" else ()
    return (*((named,) if isinstance(named, str) else tuple(named)), *everybody)


def _statements(name: str, document: object, parsed: Any) -> Iterable[Any]:
    if not isinstance(document, dict):
        raise InvalidPolicy(f"{name} is no JSON object")
    # Without a word a document is of 2008, in which `${` begins no variable.
    version = document.get("Version", _VERSIONS[0])
    if version not in _VERSIONS:
        raise InvalidPolicy(f"{name}: the Version {version!r} is none of {', '.join(_VERSIONS)}")
    listed = document.get("Statement")
    listed = [listed] if isinstance(listed, dict) else listed
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise InvalidPolicy(f"{name} has no Statement")
    for number, members in enumerate(listed, start=1):
        sid = f" ({members['Sid']})" if "Sid" in members else ""
        label = f"statement {number}{sid} of {name}"
        yield parsed(label, members, has_variables=version == _VERSIONS[1])


def _parsed(label: str, members: dict[str, Any], *, has_variables: bool) -> Statement:
    if "Principal" in members:
        raise InvalidPolicy(f"{label} has a Principal, which belongs to policies of resources")
    return _made(label, members, has_variables=has_variables, known_keys=KNOWN_KEYS)


def _made(
    label: str, members: dict[str, Any], *, has_variables: bool, known_keys: frozenset[str]
) -> Statement:
    if unknown := sorted(members.keys() - _MEMBERS):
        raise InvalidPolicy(f"{label}: {', '.join(unknown)} is no member of a statement")
    if members.get("Effect") not in ("Allow", "Deny"):
        raise InvalidPolicy(f"{label}: the Effect {members.get('Effect')!r} is neither Allow nor Deny")
    actions, is_not_action = _patterns(label, members, "Action")
    resources, is_not_resource = _patterns(label, members, "Resource")
    conditions, strange = conditions_of(members.get("Condition", {}), known_keys, has_variables=has_variables)
    scope = [f"the resource {each}" for each in resources if not is_arn_pattern(each)]
    if has_variables:
        scope += [f"a variable in the resource {each}" for each in resources if VARIABLE in each]
    return Statement(
        label,
        members["Effect"] == "Allow",
        actions,
        resources,
        is_not_action,
        is_not_resource,
        conditions,
        tuple(scope),
        strange,
    )


def _patterns(label: str, members: dict[str, Any], name: str) -> tuple[tuple[str, ...], bool]:
    negated = f"Not{name}"
    if (name in members) is (negated in members):
        raise InvalidPolicy(f"{label} must have either {name} or {negated}")
    value = members.get(name, members.get(negated))
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, str) and each for each in values):
        raise InvalidPolicy(f"{label}: {name} is neither a text nor a list of texts")
    return tuple(values), negated in members
