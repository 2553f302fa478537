"""Roles as IAM has them, with all of their policies."""

from __future__ import annotations

from typing import Any

from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.errors import NotFound
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
        iam = self._clients.iam
        found = iam.get_role(RoleName=name)["Role"]
        if found["Arn"] != arn:
            raise NotFound(f"IAM has {found['Arn']} under this name")
        policies = [
            (each, iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"])
            for page in iam.get_paginator("list_role_policies").paginate(RoleName=name)
            for each in page["PolicyNames"]
        ]
        policies += [
            (each["PolicyName"], self._attached(each["PolicyArn"]))
            for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
            for each in page["AttachedPolicies"]
        ]
        return RoleDocuments(arn, found["AssumeRolePolicyDocument"], policies)

    def _attached(self, arn: str) -> Any:
        iam = self._clients.iam
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
