"""
What policies say of one request: an explicit Deny wins, and what nothing allows is denied.

The policies of a role together are one layer, a session policy is another: both must allow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.core.iam.documents import Policy, Statement
from tidegate.core.iam.patterns import matches, matches_action, matches_arn


@dataclass(frozen=True, slots=True)
class Request:
    """One action on one resource, by its ARN; `context` holds condition keys in lower case."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


@dataclass(frozen=True, slots=True)
class Layer:
    """Policies that say together what is allowed, and what an administrator calls them."""

    name: str
    policies: tuple[Policy, ...]

    def refusal(self, request: Request) -> str | None:
        """Return why the request is denied; None: it is allowed."""
        statements = [each for policy in self.policies for each in policy.statements]
        for statement in statements:
            if not statement.allows and _may_concern(statement, request):
                return f"{request} is denied by {statement.label}{_why_strange(statement)}"
        if any(each.allows and concerns(each, request) for each in statements):
            return None
        return f"{request} is allowed by no statement of {self.name}"

    def speaks_of(self, service: str) -> bool:
        return any(policy.speaks_of(service) for policy in self.policies)


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What one session may do: what all of its layers allow. Without any layer that is everything."""

    layers: tuple[Layer, ...] = ()

    def refusal(self, request: Request) -> str | None:
        """Return why the request is denied; None: it is allowed."""
        return next((why for layer in self.layers if (why := layer.refusal(request))), None)

    def but_silent(self, service: str) -> Entitlement:
        """Return it without the layers that say nothing of a service."""
        return Entitlement(tuple(layer for layer in self.layers if layer.speaks_of(service)))

    @property
    def strange(self) -> Sequence[Statement]:
        """The statements that are not understood."""
        return [
            statement
            for layer in self.layers
            for policy in layer.policies
            for statement in policy.statements
            if statement.strange
        ]


def concerns(statement: Statement, request: Request) -> bool:
    """Tell whether a statement is about a request; one that is not understood is about none."""
    if statement.strange:
        return False
    is_named = _names_action(statement, request) and _names_resource(statement, request)
    return is_named and _is_met(statement, request)


def _may_concern(statement: Statement, request: Request) -> bool:
    """Tell the same of one that denies: what is not understood might be met."""
    is_there = bool(statement.strange_resources) or _names_resource(statement, request)
    return is_there and _names_action(statement, request) and _is_met(statement, request)


def _names_action(statement: Statement, request: Request) -> bool:
    return _any(matches_action, statement.actions, request.action) is not statement.is_not_action


def _names_resource(statement: Statement, request: Request) -> bool:
    # At the end of a part `*` can stand for more than that part, says AWS, and not when. Where that takes
    # rights away it is taken so; where it would give some, it stays within its part.
    narrows = statement.allows is statement.is_not_resource
    test = matches if narrows else matches_arn
    return _any(test, statement.resources, request.resource) is not statement.is_not_resource


def _any(test: Callable[[str, str], bool], patterns: Sequence[str], text: str) -> bool:
    return any(test(pattern, text) for pattern in patterns)


def _is_met(statement: Statement, request: Request) -> bool:
    """Tell whether those of its conditions that are understood are met."""
    return all(condition.is_met(request.context) for condition in statement.conditions)


def _why_strange(statement: Statement) -> str:
    return f", which is not understood: {', '.join(statement.strange)}" if statement.strange else ""
