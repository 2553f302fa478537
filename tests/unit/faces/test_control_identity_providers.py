"""TestIdentityProvider, over providers of a test."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.adapters.aws.service_model import transfer_model
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.core.errors import NotFound, ProviderFailed
from tidegate.core.identity_providers import Question
from tidegate.core.servers import IdentityProvider, Server
from tidegate.core.signatures import ApiRequest, Caller
from tidegate.faces.control.api import TransferApi
from tidegate.faces.control.identity_providers import IdentityProviderOperations
from tidegate.services.identity_providers import Identities
from tidegate.services.logins import Logins

ID, NOW = "s-0123456789abcdef0", datetime(2026, 3, 9, tzinfo=UTC)
ROLE = "arn:aws:iam::111122223333:role/sftp"
LAMBDA = IdentityProvider("AWS_LAMBDA", "arn:aws:lambda:eu-west-1:111122223333:function:idp")
API = IdentityProvider("API_GATEWAY", url="https://api.example/prod", invocation_role=ROLE)


class Provider:
    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> object:
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def ask(
    provider: Provider, identity_provider: IdentityProvider = LAMBDA, access: Any = "read", **members: str
) -> tuple[int, dict[str, Any]]:
    clock = ManualClock(NOW)
    logins = Logins(MemoryUserDirectory(), MemoryTransferLog(clock), clock, ID)
    identities = Identities(logins, clock, lambda _: provider)

    async def server(server_id: str) -> Server:
        if server_id != ID:
            raise NotFound("no")
        return Server(ID, identity_provider=identity_provider)

    operations = IdentityProviderOperations(server, identities).operations()
    api = TransferApi(transfer_model(), operations, lambda _: Caller("AKID", access))
    body = json.dumps({"ServerId": ID, "UserName": "acme"} | members).encode()
    headers = {"x-amz-target": "TransferService.TestIdentityProvider"}
    answer = await api.answer(ApiRequest("POST", "/", "", headers, body))
    return int(answer.status[:3]), json.loads(answer.body or b"{}")


async def test_a_password():
    """The provider is asked as at a login, and its answer shown as it is."""
    provider = Provider({"Role": ROLE, "Other": "ü"})
    status, said = await ask(provider, UserPassword="hunter2", SourceIp="192.0.2.7", ServerProtocol="SFTP")
    assert status == 200
    assert json.loads(said.pop("Response")) == provider.answer
    assert said == {"StatusCode": 200, "Message": "", "Url": ""}
    assert provider.asked == [Question("acme", ID, "192.0.2.7", "hunter2")]


async def test_without_a_password_and_by_an_api():
    """The question of keys; an API has a URL."""
    provider = Provider({"Role": ROLE})
    _, said = await ask(provider, API)
    assert said["Url"] == f"https://api.example/prod/servers/{ID}/users/acme/config"
    assert provider.asked == [Question("acme", ID, "0.0.0.0")]


async def test_a_refusal():
    """Status 200, an empty object and no message, as at AWS."""
    _, said = await ask(Provider({}), UserPassword="wrong")
    assert said == {"StatusCode": 200, "Response": "{}", "Message": "", "Url": ""}


async def test_an_answer_that_would_let_nobody_in():
    """The message says why."""
    _, said = await ask(Provider({"Role": ROLE, "HomeDirectoryDetails": []}))
    assert said["StatusCode"] == 200
    assert "HomeDirectoryDetails is a list" in said["Message"]


@pytest.mark.parametrize("identity_provider", [LAMBDA, IdentityProvider("AWS_DIRECTORY_SERVICE")])
async def test_a_failure(identity_provider: IdentityProvider):
    """Status 500 with the reason; the operation itself succeeds."""
    status, said = await ask(Provider(ProviderFailed("it is down")), identity_provider)
    assert (status, said["StatusCode"], said["Response"]) == (200, 500, "")
    assert said["Message"].startswith("Internal server error: ")


async def test_servers_that_have_none_or_are_none():
    """In AWS's words."""
    status, said = await ask(Provider({}), IdentityProvider())
    assert (status, said["__type"]) == (400, "InvalidRequestException")
    assert said["Message"] == f"{ID} not configured for external auth"
    status, said = await ask(Provider({}), ServerId="s-1123456789abcdef0")
    assert (status, said["__type"]) == (400, "ResourceNotFoundException")
    assert said["Message"] == "Unknown server"
