"""Roles as IAM has them, with all of their policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.errors import translated
from tidegate.core.errors import NotFound, StoreUnavailable
from tidegate.core.iam.roles import RoleDocuments, name_of


class IamRoles:
    """The `RoleBook` port over IAM."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    async def role(self, arn: str) -> RoleDocuments:
        name = name_of(arn)
        if not name:
            raise NotFound(f"{arn} is no ARN of a role")
        return await self._clients.run(self._role, arn, name)

    def _role(self, arn: str, name: str) -> RoleDocuments:
        found = self._clients.iam.get_role(RoleName=name)["Role"]
        if found["Arn"] != arn:
            raise NotFound(f"IAM has {found['Arn']} under this name")
        try:
            with translated():
                policies = [*self._inline(name), *self._all_attached(name)]
        except NotFound as error:
            # One that is listed and cannot be read, as just after its removal: it may have been a Deny.
            raise StoreUnavailable(f"not all policies of {arn} can be read: {error}") from error
        return RoleDocuments(arn, found["AssumeRolePolicyDocument"], policies)

    def _inline(self, name: str) -> Iterator[tuple[str, Any]]:
        iam = self._clients.iam
        for page in iam.get_paginator("list_role_policies").paginate(RoleName=name):
            for each in page["PolicyNames"]:
                yield each, iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"]

    def _all_attached(self, name: str) -> Iterator[tuple[str, Any]]:
        for page in self._clients.iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
            for each in page["AttachedPolicies"]:
                yield each["PolicyName"], self._attached(each["PolicyArn"])

    def _attached(self, arn: str) -> Any:
        iam = self._clients.iam
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
