"""Roles that IAM has in part."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import Stubber

from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.adapters.aws.iam_roles import IamRoles
from tidegate.core.errors import NotFound, StoreUnavailable

ROLE = "arn:aws:iam::123456789012:role/sftp"
FOUND: dict[str, Any] = {
    "Role": {
        "Path": "/",
        "RoleName": "sftp",
        "RoleId": "AROA0123456789ABCDEF",
        "Arn": ROLE,
        "CreateDate": "2026-03-09T00:00:00Z",
        "AssumeRolePolicyDocument": "{}",
    }
}


async def test_a_policy_that_cannot_be_read_is_no_role_that_is_not_there() -> None:
    """Where roles that IAM does not know allow everything, one whose Deny was just replaced must not."""
    clients = AwsClients(AwsEndpoint("us-east-1", "http://127.0.0.1:9", "test", "test"))
    roles = IamRoles(clients)
    with Stubber(clients.iam) as iam:
        iam.add_response("get_role", FOUND)
        iam.add_response("list_role_policies", {"PolicyNames": ["wall"]})
        iam.add_client_error("get_role_policy", "NoSuchEntity")
        with pytest.raises(StoreUnavailable, match="not all policies"):
            await roles.role(ROLE)
        iam.add_client_error("get_role", "NoSuchEntity")
        with pytest.raises(NotFound):
            await roles.role(ROLE)
    clients.close()
