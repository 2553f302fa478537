"""AWS JSON 1.1: which requests are answered how, before and behind the operations."""

from __future__ import annotations

import json
from typing import Any

import pytest
import structlog

from tidegate.adapters.aws.service_model import transfer_model
from tidegate.core.errors import (
    AccessDenied,
    ChangedMeanwhile,
    InvalidKey,
    InvalidName,
    StoreUnavailable,
    Throttled,
    TooManyKeys,
)
from tidegate.core.signatures import ApiRequest, Caller, CallerRefused
from tidegate.faces.control.api import TransferApi
from tidegate.faces.control.errors import ApiError, unknown
from tidegate.faces.control.protocol import MAX_BODY_BYTES, Answer

SERVER = "s-0123456789abcdef0"


class Api:
    """The API with operations whose outcome a test chooses."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.outcome: Exception | dict[str, Any] | None = {"Servers": []}
        self.caller: Caller | CallerRefused = Caller("AKID", "admin")
        operations = dict.fromkeys(("ListServers", "DeleteUser", "DescribeUser"), self._carry_out)
        self._api = TransferApi(transfer_model(), operations, self._check)

    async def __call__(
        self, operation: str = "ListServers", body: bytes | dict[str, Any] = b"", **request: Any
    ) -> Answer:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"x-amz-target": f"TransferService.{operation}"} | request.pop("headers", {})
        asked = {"method": "POST", "path": "/", "query": ""} | request
        return await self._api.answer(ApiRequest(headers=headers, body=sent, **asked))

    async def error(self, *args: Any, **request: Any) -> tuple[int, str, str]:
        """Return status, name and text of an answer that is an error."""
        answer = await self(*args, **request)
        body = json.loads(answer.body)
        assert answer.headers["x-amzn-ErrorType"] == body["__type"]
        assert len(answer.headers["x-amzn-RequestId"]) == 36
        assert answer.headers["Content-Type"] == "application/x-amz-json-1.1"
        return int(answer.status[:3]), body["__type"], body.get("Message", "")

    async def _carry_out(self, members: dict[str, Any]) -> dict[str, Any] | None:
        self.asked.append(members)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def _check(self, request: ApiRequest) -> Caller:
        if isinstance(self.caller, CallerRefused):
            raise self.caller
        return self.caller


@pytest.fixture
def api() -> Api:
    return Api()


async def test_an_answer(api):
    """JSON 1.1 with a request id, new each time; a request without a body is one without members."""
    first, second = await api(), await api(body={"MaxResults": 5})
    assert (first.status, first.body) == ("200 OK", b'{"Servers":[]}')
    assert first.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert first.headers["x-amzn-RequestId"] != second.headers["x-amzn-RequestId"]
    assert api.asked == [{}, {"MaxResults": 5}]


async def test_an_operation_that_answers_nothing(api):
    """Its answer has no body."""
    api.outcome = None
    answer = await api("DeleteUser", {"ServerId": SERVER, "UserName": "acme"})
    assert (answer.status, answer.body) == ("200 OK", b"")


async def test_an_operation_we_do_not_offer(api):
    """Of the model, and not ours: 501, and the operation's name; whatever its members are."""
    status, name, text = await api.error("CreateServer", b"no JSON")
    assert (status, name) == (501, "NotImplementedException")
    assert text.startswith("CreateServer is not offered by this version of tidegate.")


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("MakeCoffee", {}),
        ("", {}),
        ("ListServers", {"method": "GET"}),
        ("ListServers", {"path": "/users"}),
        ("", {"headers": {"x-amz-target": "DynamoDB_20120810.ListTables"}}),
        ("", {"headers": {"x-amz-target": ""}}),
    ],
)
async def test_an_operation_nobody_knows(api, operation, request_):
    """Not in the model, or not asked for as AWS JSON is."""
    status, name, _ = await api.error(operation, **request_)
    assert (status, name) == (400, "UnknownOperationException")


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"MaxResults": NaN}', b"[" * 100_000, b"[]", b"7"])
async def test_a_body_that_is_no_request(api, body):
    """Broken, not UTF-8, no number, too deep, or no object."""
    assert (await api.error(body=body))[:2] == (400, "SerializationException")
    assert api.asked == []


async def test_a_body_that_is_too_long(api):
    """More than any request needs is not read."""
    assert (await api.error(body=b" " * (MAX_BODY_BYTES + 1)))[0] == 413


async def test_a_request_that_does_not_fit(api):
    """The operation never sees it."""
    status, name, text = await api.error(body={"MaxResults": 0})
    assert (status, name) == (400, "InvalidRequestException")
    assert text.startswith("1 validation error detected: Value '0' at 'maxResults'")
    assert api.asked == []


@pytest.mark.parametrize(
    ("error", "status", "name", "text"),
    [
        (InvalidName("no name", hint="take one"), 400, "InvalidRequestException", "no name (take one)"),
        (TooManyKeys("too many"), 400, "InvalidRequestException", "too many"),
        (
            InvalidKey("cut short"),
            400,
            "InvalidRequestException",
            "Unsupported or invalid SSH public key format: cut short",
        ),
        (StoreUnavailable("DynamoDB is out"), 500, "ServiceUnavailableException", "DynamoDB is out"),
        (ChangedMeanwhile("rivals"), 500, "ServiceUnavailableException", "rivals"),
        (AccessDenied("no rights"), 500, "InternalServiceError", "no rights"),
    ],
)
async def test_errors_of_ours(api, error, status, name, text):
    """Each has its name at AWS; whoever calls administers, and reads what is wrong."""
    api.outcome = error
    assert await api.error() == (status, name, text)


async def test_a_client_that_must_wait(api):
    """ThrottlingException has no text, and its seconds are a string."""
    api.outcome = Throttled("too much")
    answer = await api()
    assert answer.status == "400 Bad Request"
    assert json.loads(answer.body) == {"__type": "ThrottlingException", "RetryAfterSeconds": "1"}


async def test_what_is_not_there_is_named(api):
    """HTTP 400, with what it is and of what kind."""
    api.outcome = unknown("Server", SERVER)
    answer = await api()
    assert answer.status == "400 Bad Request"
    assert json.loads(answer.body) == {
        "__type": "ResourceNotFoundException",
        "Message": "Unknown server",
        "Resource": SERVER,
        "ResourceType": "Server",
    }


@pytest.mark.parametrize("outcome", [KeyError("secret"), {"Unknown": 1}, {}])
async def test_a_mistake_of_ours(api, outcome):
    """It is logged in full, and the caller reads an id to find it by, and nothing of the inside."""
    api.outcome = outcome
    with structlog.testing.capture_logs() as logged:
        status, name, text = await api.error()
    assert (status, name) == (500, "InternalServiceError")
    assert "secret" not in text
    assert logged[0]["error_id"] in text
    assert logged[0]["log_level"] == "error"


async def test_a_caller_who_is_refused(api):
    """Before anything else: not even what operations there are is told."""
    api.caller = CallerRefused("InvalidSignatureException", "wrong")
    with structlog.testing.capture_logs() as logged:
        assert await api.error("MakeCoffee") == (403, "InvalidSignatureException", "wrong")
    assert logged[0]["event"] == "caller refused"


async def test_a_caller_who_may_only_look(api):
    """Describe and List; everything else is denied, offered or not."""
    api.caller = Caller("AKID", "read")
    assert (await api()).status == "200 OK"
    for operation in ("DeleteUser", "CreateServer"):
        status, name, text = await api.error(operation, {})
        assert (status, name) == (400, "AccessDeniedException")
        assert text == "You do not have sufficient access to perform this action."
    assert api.asked == [{}]


async def test_changes_are_logged_with_who_made_them(api):
    """Looking is not."""
    api.outcome = None
    with structlog.testing.capture_logs() as logged:
        await api("DeleteUser", {"ServerId": SERVER, "UserName": "acme"})
        api.outcome = {"Servers": []}
        await api()
    (line,) = logged
    assert (line["operation"], line["UserName"], line["by"]) == ("DeleteUser", "acme", "AKID")


async def test_a_name_that_no_model_has(api):
    """An error beside the model says its own status; without one it is the client's fault."""
    api.outcome = ApiError("OddException", "odd")
    assert await api.error() == (400, "OddException", "odd")
