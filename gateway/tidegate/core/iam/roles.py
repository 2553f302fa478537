"""Roles as IAM has them: who may assume one, and what it may do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.core.iam.conditions import TRUST_KEYS
from tidegate.core.iam.documents import Policy, policy_of, trust_of
from tidegate.core.iam.evaluation import Request, concerns

TRANSFER_SERVICE = "transfer.amazonaws.com"
_ARN = re.compile(r"arn:[a-z-]+:iam::(?P<account>[0-9]{12}):role/(?:.*/)?(?P<name>[^/]+)")


@dataclass(frozen=True, slots=True)
class RoleDocuments:
    """A role's documents as parsed JSON: its trust policy, and its identity policies by name."""

    arn: str
    trust: Mapping[str, Any]
    policies: Sequence[tuple[str, Mapping[str, Any]]]

    def identity(self) -> tuple[Policy, ...]:
        """Return the identity policies. Raises `InvalidPolicy`."""
        return tuple(policy_of(f"the role's policy {name}", document) for name, document in self.policies)

    def trusts(self, service: str, facts: Mapping[str, str]) -> bool:
        """
        Tell whether the service may assume the role.

        Args:
            facts: Condition keys in lower case.

        Raises:
            InvalidPolicy: The trust policy is none.
        """
        request = Request("sts:AssumeRole", self.arn, facts)
        about = [
            each.statement
            for each in trust_of(dict(self.trust), TRUST_KEYS)
            if service in each.services or "*" in each.services
        ]
        denied = any(not each.allows and (each.strange or concerns(each, request)) for each in about)
        return not denied and any(each.allows and concerns(each, request) for each in about)


def account_of(role: str) -> str:
    """Return the account in a role's ARN; empty if it is none."""
    found = _ARN.fullmatch(role)
    return found["account"] if found else ""


def name_of(role: str) -> str:
    """Return the name in a role's ARN, without its path; empty if it is none."""
    found = _ARN.fullmatch(role)
    return found["name"] if found else ""


def statement_for_service(service: str) -> str:
    """Return the statement that lets a service assume a role, as JSON."""
    return _statement({"Service": service})


def statement_for_role(arn: str) -> str:
    """Return the statement that lets another role, or whoever has this ARN, assume a role, as JSON."""
    return _statement({"AWS": arn})


def _statement(principal: Mapping[str, str]) -> str:
    return json.dumps({"Effect": "Allow", "Principal": dict(principal), "Action": "sts:AssumeRole"})
