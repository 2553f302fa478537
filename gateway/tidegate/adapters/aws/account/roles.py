"""Roles with least privilege: who may assume them, and what they may do."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from tidegate.adapters.aws.account.keys import TAGS
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.audit import Finding, WantedRole
from tidegate.core.errors import NotFound
from tidegate.core.resource_policies import (
    Document,
    may_delete_records,
    open_faults,
    statements,
    wildcard_faults,
    with_statement,
)
from tidegate.ports.account import Aspect

POLICY_NAME = "tidegate"
_TRUST_SID = "TidegateServices"


class RoleResource:
    """
    One role, with our policy inline. Other policies of the role are looked at, and left as they are.

    Args:
        rights: Renders our policy.
        transfers: The table no item of which may be deleted.
    """

    asks = "iam:GetRole"

    def __init__(
        self,
        clients: AwsClients,
        wanted: WantedRole,
        rights: Callable[[], Awaitable[Document]],
        transfers: str,
    ) -> None:
        self.name = f"role {wanted.name}"
        self._clients, self._wanted, self._rights = clients, wanted, rights
        self._transfers = transfers
        self._finding = partial(Finding, self.name)

    async def missing(self) -> Finding | None:
        try:
            await self._role()
        except NotFound:
            return self._finding("existence", "does not exist", by_setup=True)
        return None

    async def create(self) -> None:
        await self._clients.run(
            self._clients.iam.create_role,
            RoleName=self._wanted.name,
            AssumeRolePolicyDocument=json.dumps(with_statement(None, self._trust_statement())),
            Description="tidegate",
            Tags=[{"Key": name, "Value": value} for name, value in TAGS.items()],
        )

    def aspects(self) -> Sequence[Aspect]:
        return (
            Aspect("trust", "iam:GetRole", self._trust, self._add_trust, "iam:UpdateAssumeRolePolicy"),
            Aspect("rights", "iam:GetRolePolicy", self._own_policy, self._put_policy, "iam:PutRolePolicy"),
            Aspect(
                "other policies",
                "iam:ListRolePolicies iam:ListAttachedRolePolicies iam:GetPolicy iam:GetPolicyVersion",
                self._other_policies,
            ),
        )

    # --- who may assume it ------------------------------------------------------------------

    def _trust_statement(self) -> Document:
        return {
            "Sid": _TRUST_SID,
            "Effect": "Allow",
            "Principal": {"Service": sorted(self._wanted.trusted_services)},
            "Action": "sts:AssumeRole",
        }

    async def _trust(self) -> list[Finding]:
        document = (await self._role())["AssumeRolePolicyDocument"]
        faults = [
            self._finding(each.what, each.problem, each.mend, each.severity) for each in open_faults(document)
        ]
        missing = sorted(set(self._wanted.trusted_services) - _trusted(document))
        if missing:
            problem = f"may not be assumed by {', '.join(missing)}"
            faults.append(self._finding("trust", problem, by_setup=True))
        return faults

    async def _add_trust(self) -> None:
        document = (await self._role())["AssumeRolePolicyDocument"]
        await self._clients.run(
            self._clients.iam.update_assume_role_policy,
            RoleName=self._wanted.name,
            PolicyDocument=json.dumps(with_statement(document, self._trust_statement())),
        )

    # --- what it may do ---------------------------------------------------------------------

    async def _own_policy(self) -> list[Finding]:
        try:
            found = await self._inline(POLICY_NAME)
        except NotFound:
            return [self._finding("rights", f"has no inline policy {POLICY_NAME}", by_setup=True)]
        if found == await self._rights():
            return []
        problem = f"its inline policy {POLICY_NAME} is not what the configuration takes"
        return [self._finding("rights", problem, by_setup=True)]

    async def _put_policy(self) -> None:
        await self._clients.run(
            self._clients.iam.put_role_policy,
            RoleName=self._wanted.name,
            PolicyName=POLICY_NAME,
            PolicyDocument=json.dumps(await self._rights()),
        )

    async def _other_policies(self) -> list[Finding]:
        found = []
        for name, document in await self._others():
            faults = list(wildcard_faults(document))
            found += [
                self._finding(each.what, f"policy {name}: {each.problem}", each.mend, each.severity)
                for each in faults
            ]
            if may_delete_records(document, self._transfers):
                problem = f"policy {name} allows dynamodb:DeleteItem on {self._transfers}"
                mend = "take it out: records are evidence, and expire by themselves"
                found.append(self._finding("deleting records", problem, mend))
        return found

    async def _others(self) -> list[tuple[str, Document]]:
        """Return the names and documents of all policies of the role but ours."""
        iam, role = self._clients.iam, self._wanted.name
        inline = (await self._clients.run(iam.list_role_policies, RoleName=role))["PolicyNames"]
        found = [(name, await self._inline(name)) for name in inline if name != POLICY_NAME]
        attached = await self._clients.run(iam.list_attached_role_policies, RoleName=role)
        for each in attached["AttachedPolicies"]:
            arn = each["PolicyArn"]
            version = (await self._clients.run(iam.get_policy, PolicyArn=arn))["Policy"]["DefaultVersionId"]
            answer = await self._clients.run(iam.get_policy_version, PolicyArn=arn, VersionId=version)
            found.append((each["PolicyName"], answer["PolicyVersion"]["Document"]))
        return found

    async def _inline(self, name: str) -> Document:
        answer = await self._clients.run(
            self._clients.iam.get_role_policy, RoleName=self._wanted.name, PolicyName=name
        )
        document: Document = answer["PolicyDocument"]
        return document

    async def _role(self) -> Any:
        answer = await self._clients.run(self._clients.iam.get_role, RoleName=self._wanted.name)
        return answer["Role"]


def _trusted(document: Document) -> set[str]:
    """Return the services that may assume a role without further conditions."""
    found: set[str] = set()
    for each in statements(document):
        services = each.get("Principal", {}).get("Service", []) if _is_plain_trust(each) else []
        found |= {services} if isinstance(services, str) else set(services)
    return found


def _is_plain_trust(statement: Document) -> bool:
    return (
        statement.get("Effect") == "Allow"
        and isinstance(statement.get("Principal"), dict)
        and "sts:AssumeRole" in statement.get("Action", [])
    )
