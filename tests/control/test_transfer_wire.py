"""The Transfer API on the wire: what stands in requests and answers, beneath any SDK."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.transfer_client import ROLE, Transfer
from tidegate.testing.gateway import LocalGateway

SIGNED = (
    "AWS4-HMAC-SHA256 Credential=anybody/20260131/eu-west-1/transfer/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJc9K9q1j9x0pJZ1Yt8p9wq9v0v3w2J8cJm3kq2m7Y0F"


class Wire:
    """Sends what it is told, and tells what comes back."""

    def __init__(self, gateway: LocalGateway) -> None:
        self._where = urlsplit(gateway.endpoint_url).netloc

    def __call__(
        self,
        operation: str,
        body: bytes = b"{}",
        *,
        method: str = "POST",
        path: str = "/",
        **headers: str | None,
    ) -> tuple[int, dict[str, str], bytes]:
        sent = {
            "X-Amz-Target": f"TransferService.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": SIGNED,
        } | headers
        connection = http.client.HTTPConnection(self._where, timeout=10)
        try:
            wanted = {name: value for name, value in sent.items() if value is not None}
            connection.request(method, path, body, wanted)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def error(self, *args: Any, **request: Any) -> tuple[int, str]:
        status, headers, body = self(*args, **request)
        name = json.loads(body)["__type"]
        assert headers["x-amzn-errortype"] == name
        return status, name


@pytest.fixture
def wire(tidegate: LocalGateway) -> Wire:
    return Wire(tidegate)


def test_an_answer(wire: Wire, transfer: Transfer) -> None:
    """JSON 1.1 with a request id; moments are numbers, and what there is not is not there."""
    transfer("create_user", UserName="bob", Role=ROLE, SshPublicKeyBody=KEY)
    request = json.dumps({"ServerId": transfer.server_id, "UserName": "bob"}).encode()
    status, headers, body = wire("DescribeUser", request)
    assert (status, headers["content-type"]) == (200, "application/x-amz-json-1.1")
    assert len(headers["x-amzn-requestid"]) == 36
    user = json.loads(body)["User"]
    assert isinstance(user["SshPublicKeys"][0]["DateImported"], float | int)
    assert None not in user.values()
    status, _, body = wire("DeleteUser", request)
    assert (status, body) == (200, b"")


def test_any_credential_does_but_there_must_be_one(wire: Wire) -> None:
    """A client that forgot to sign learns of it here already, and not at AWS only."""
    assert wire("ListServers")[0] == 200
    assert wire.error("ListServers", Authorization=None) == (403, "MissingAuthenticationTokenException")
    for header in ("Basic dGVzdDp0ZXN0", SIGNED.replace("Signature=", "Sig=")):
        assert wire.error("ListServers", Authorization=header) == (400, "IncompleteSignatureException")


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"operation": "MakeCoffee"}, (400, "UnknownOperationException")),
        ({"operation": "ListServers", "method": "PUT"}, (400, "UnknownOperationException")),
        ({"operation": "ListServers", "path": "/servers"}, (400, "UnknownOperationException")),
        ({"operation": "ListServers", "body": b"{"}, (400, "SerializationException")),
        ({"operation": "CreateConnector"}, (501, "NotImplementedException")),
    ],
)
def test_requests_that_are_none(wire: Wire, request_, error) -> None:
    """Each has an error with a name, whatever was sent."""
    assert wire.error(**request_) == error
