"""An identity provider that is a Lambda function, as Transfer Family calls it."""

from __future__ import annotations

import json
from contextlib import closing
from functools import cached_property
from typing import Any

from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.errors import ProviderFailed
from tidegate.core.identity_providers import Question

# What Lambda itself bounds the answer of a synchronous call to.
_MAX_ANSWER_BYTES = 6 * 1024 * 1024


class LambdaFunction:
    """
    The port `IdentityProviderCall` over one function, invoked synchronously.

    Args:
        read_timeout: Seconds after which its thread gives up.
    """

    def __init__(self, clients: AwsClients, arn: str, read_timeout: float) -> None:
        self._clients = clients
        self._arn = arn
        self._read_timeout = read_timeout

    async def ask(self, question: Question) -> object:
        return await self._clients.run_login(self._invoke, question)

    def _invoke(self, question: Question) -> object:
        answer = self._client.invoke(
            FunctionName=self._arn,
            InvocationType="RequestResponse",
            Payload=json.dumps(question.event()).encode(),
        )
        with closing(answer["Payload"]) as payload:
            content = payload.read(_MAX_ANSWER_BYTES)
        if "FunctionError" in answer:
            # Its payload has the function's own words, which may be the password's.
            raise ProviderFailed(
                f"{self._arn} failed: {answer['FunctionError']}", hint="its log group says more"
            )
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise ProviderFailed(f"{self._arn} answered no JSON") from None

    @cached_property
    def _client(self) -> Any:
        return self._clients.lambda_client(self._read_timeout)
