"""An identity provider behind API Gateway, as Transfer Family calls it: a signed GET for each question."""

from __future__ import annotations

import base64
import threading
import time
from typing import Any
from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.json_over_http import answer_of
from tidegate.core.errors import ProviderFailed
from tidegate.core.identity_providers import Question, config_url

# Credentials are left before they expire: a request takes a while to arrive.
_SPARE_SECONDS = 300.0


class ApiGateway:
    """
    The port `IdentityProviderCall` over the URL of a stage.

    Args:
        role: ARN of the role that may ask; empty asks with the gateway's own credentials, as an endpoint
            that is not AWS's is asked anyway.
        seconds: When its thread gives up.
    """

    def __init__(self, clients: AwsClients, url: str, role: str, seconds: float) -> None:
        self._clients = clients
        self._url = url.rstrip("/")
        self._role = "" if clients.endpoint.endpoint_url else role
        self._seconds = seconds
        self._assumed: tuple[Credentials, float] | None = None
        self._assuming = threading.Lock()

    async def ask(self, question: Question) -> object:
        return await self._clients.run_login(self._get, question)

    def _get(self, question: Question) -> object:
        query = urlencode({"protocol": question.protocol, "sourceIp": question.source_ip})
        url = f"{config_url(self._url, question)}?{query}"
        headers = {"Accept": "application/json"}
        if question.password:
            headers |= _password_headers(question.password)
        request: Any = AWSRequest("GET", url, headers=headers)
        SigV4Auth(self._credentials(), "execute-api", self._clients.endpoint.region).add_auth(request)
        return answer_of(url, dict(request.headers.items()), None, self._seconds)

    def _credentials(self) -> Any:
        if self._role:
            with self._assuming:
                return self._assume()
        credentials = self._clients.credentials()
        if credentials is None:
            raise ProviderFailed("there are no AWS credentials to sign with")
        return credentials

    def _assume(self) -> Credentials:
        if self._assumed is None or self._assumed[1] <= time.time():
            got = self._clients.sts.assume_role(RoleArn=self._role, RoleSessionName="tidegate-login")
            kept = got["Credentials"]
            credentials = Credentials(kept["AccessKeyId"], kept["SecretAccessKey"], kept["SessionToken"])
            self._assumed = credentials, kept["Expiration"].timestamp() - _SPARE_SECONDS
        return self._assumed[0]


def _password_headers(password: str) -> dict[str, str]:
    """Return both headers that AWS's templates read; the plain one only where a header can hold it."""
    headers = {"PasswordBase64": base64.b64encode(password.encode()).decode()}
    if password.isascii() and password.isprintable():
        headers["Password"] = password
    return headers
