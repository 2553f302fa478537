"""Whose credentials these are."""

from __future__ import annotations

from botocore import exceptions

from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.errors import GatewayError
from tidegate.ports.account import Caller

_UNHEARD = (
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
)


async def caller_of(clients: AwsClients) -> Caller:
    """Return account and ARN behind the credentials. Raises `AccessDenied` if there are none."""
    answer = await clients.run(clients.sts.get_caller_identity)
    return Caller(answer["Account"], answer["Arn"])


def was_not_asked(error: GatewayError) -> bool:
    """Return whether nobody heard the question: nothing is there, or there is nothing to sign it with."""
    return isinstance(error.__cause__, _UNHEARD)
