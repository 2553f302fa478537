"""Whose credentials these are."""

from __future__ import annotations

from tidegate.adapters.aws.clients import AwsClients
from tidegate.ports.account import Caller


async def caller_of(clients: AwsClients) -> Caller:
    """Return account and ARN behind the credentials. Raises `AccessDenied` if there are none."""
    answer = await clients.run(clients.sts.get_caller_identity)
    return Caller(answer["Account"], answer["Arn"])
