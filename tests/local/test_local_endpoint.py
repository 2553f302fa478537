"""The one AWS endpoint: who is let in, who answers, and what is warned of. No sockets, no moto."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog

from tidegate.core.errors import InvalidSettings, StoreUnavailable
from tidegate.core.limits import MIB
from tidegate.core.signatures import ApiRequest
from tidegate.faces.control.protocol import MAX_BODY_BYTES
from tidegate.faces.control.protocol import Answer as TransferAnswer
from tidegate.local import endpoint
from tidegate.local.endpoint import LocalEndpoint, require_moto

SIGNED = (
    "AWS4-HMAC-SHA256 Credential=test/20260131/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
)
RESET = "/_tidegate/reset"


@dataclass
class Answer:
    status: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Endpoint:
    """The endpoint in front of an emulator that only notes what reaches it."""

    reached: list[str] = field(default_factory=list)
    resets: int = 0
    error: Exception | None = None
    transfer: Callable[[ApiRequest], TransferAnswer] | None = None

    def __post_init__(self) -> None:
        more = [self.transfer] if self.transfer else []
        self._application = LocalEndpoint(self._emulator, self._reset, *more)

    def __call__(self, method: str = "GET", path: str = "/", body: bytes = b"", **environ: str) -> Answer:
        sent: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            sent.append((status, headers))

        request = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "HTTP_HOST": "127.0.0.1:4566",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            **environ,
        }
        content = b"".join(self._application(request, start_response))
        ((status, headers),) = sent
        return Answer(status, dict(headers), content)

    def _emulator(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.reached.append(environ["PATH_INFO"])
        cors = [("Access-Control-Allow-Origin", "*"), ("access-control-allow-methods", "PUT")]
        start_response("200 OK", [("ETag", "x"), *cors])
        return [b"moto"]

    def _reset(self) -> None:
        self.resets += 1
        if self.error:
            raise self.error


@pytest.fixture
def aws() -> Endpoint:
    return Endpoint()


# --- who is let in --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:4566",
        "localhost",
        "localhost:1",
        "[::1]:4566",
        "bucket.localhost",
        "a.b-c.localhost:9",
    ],
)
def test_programs_on_this_machine_reach_the_emulator(aws: Endpoint, host: str) -> None:
    """By any of the machine's own names, with a bucket in front or not."""
    assert aws(HTTP_HOST=host).body == b"moto"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:4566",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.2",
        "0.0.0.0",
        "127.0.0.1:4566\n",
        "localhost@evil.example",
        "169.254.169.254",
        "s3.amazonaws.com",
    ],
)
def test_a_name_that_leads_here_from_outside_is_refused(aws: Endpoint, host: str) -> None:
    """A web page whose name was made to point at loopback reaches nothing, the reset included."""
    for path, headers in (
        ("/", {}),
        (RESET, {}),
        ("/", {"HTTP_X_AMZ_TARGET": "TransferService.ListServers"}),
    ):
        assert aws("POST", path, HTTP_HOST=host, **headers).status == "403 Forbidden"
    assert aws.reached == []
    assert aws.resets == 0


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:4566", "null", ""])
def test_web_pages_are_refused(aws: Endpoint, origin: str) -> None:
    """Only browsers send an Origin, and no page has business here, whatever it was loaded from."""
    for method, path in (("OPTIONS", "/"), ("PUT", "/bucket/key"), ("POST", RESET)):
        answer = aws(method, path, HTTP_ORIGIN=origin)
        assert answer.status == "403 Forbidden"
        assert not any(name.lower().startswith("access-control-") for name in answer.headers)
    assert aws.reached == []
    assert aws.resets == 0


def test_the_emulators_permissions_for_web_pages_are_taken_out(aws: Endpoint) -> None:
    """No answer has a CORS header; the others are as the emulator sent them."""
    assert aws("GET", "/bucket").headers == {"ETag": "x"}
    assert aws("POST", "/", HTTP_X_AMZ_TARGET="DynamoDB_20120810.Query").headers == {"ETag": "x"}


@pytest.mark.parametrize("path", ["/moto-api", "/moto-api/reset", "/moto-api/data.json"])
def test_the_emulators_back_door_is_shut(aws: Endpoint, path: str) -> None:
    """Emptying the emulator behind the gateway's back would leave it without its buckets."""
    assert aws("POST", path).status == "404 Not Found"
    assert aws.reached == []


# --- the reset ------------------------------------------------------------------------------


def test_only_a_post_resets(aws: Endpoint) -> None:
    """A link that is followed, or a look at the URL, changes nothing."""
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = aws(method, RESET)
        assert (answer.status, answer.headers["Allow"]) == ("405 Method Not Allowed", "POST")
    assert aws.resets == 0
    assert aws("POST", RESET).status == "200 OK"
    assert (aws.resets, aws.reached) == (1, [])


@pytest.mark.parametrize("error", [TimeoutError(), StoreUnavailable("DynamoDB is out")])
def test_a_failed_reset_is_told_to_whoever_asked(aws: Endpoint, error: Exception) -> None:
    """With the reason, so that a test that needs a clean gateway fails on the spot."""
    aws.error = error
    with structlog.testing.capture_logs() as logged:
        answer = aws("POST", RESET)
    assert answer.status == "500 Internal Server Error"
    assert answer.json["message"] == f"reset failed: {str(error) or 'it took too long'}"
    assert logged[0]["event"] == "reset failed"


# --- Transfer Family ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_X_AMZ_TARGET": "TransferService.ListServers"},
        {"HTTP_AUTHORIZATION": SIGNED.format("transfer")},
        {"HTTP_X_AMZ_TARGET": "TransferService.ListServers", "CONTENT_LENGTH": "much"},
    ],
)
def test_transfer_is_never_the_emulators(aws: Endpoint, headers: dict[str, str]) -> None:
    """By the operation or by the signature: while no gateway is there, an AWS error of our own says so."""
    answer = aws("POST", "/", **headers)
    assert answer.status == "500 Internal Server Error"
    assert answer.headers["x-amzn-ErrorType"] == answer.json["__type"] == "ServiceUnavailableException"
    assert answer.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert "gateway does not answer" in answer.json["Message"]
    assert aws.reached == []


def test_a_transfer_request_reaches_the_gateway_as_it_came() -> None:
    """With method, path, query, headers and body; what is too long is cut where it begins to be."""
    asked: list[ApiRequest] = []

    def transfer(request: ApiRequest) -> TransferAnswer:
        asked.append(request)
        return TransferAnswer("200 OK", b"{}", {"X-Own": "yes"})

    aws = Endpoint(transfer=transfer)
    signed = {"HTTP_X_AMZ_TARGET": "TransferService.ListServers", "CONTENT_TYPE": "application/json"}
    answer = aws("POST", "/", b'{"a": 1}', QUERY_STRING="b=2", **signed)
    assert (answer.status, answer.body, answer.headers) == (
        "200 OK",
        b"{}",
        {"X-Own": "yes", "Content-Length": "2"},
    )
    assert (asked[0].method, asked[0].path, asked[0].query, asked[0].body) == (
        "POST",
        "/",
        "b=2",
        b'{"a": 1}',
    )
    assert asked[0].header("x-amz-target") == "TransferService.ListServers"
    assert asked[0].header("content-type") == "application/json"
    aws("POST", "/", b"x" * (MAX_BODY_BYTES + 100), **signed)
    assert len(asked[1].body) == MAX_BODY_BYTES + 1


@pytest.mark.parametrize("service", ["s3", "dynamodb", "sts", "transfers", "transfer-x"])
def test_other_services_are_the_emulators(aws: Endpoint, service: str) -> None:
    """Also those whose names begin alike, and an object that is called like an operation."""
    assert (
        aws("POST", "/TransferService.ListServers", HTTP_AUTHORIZATION=SIGNED.format(service)).body == b"moto"
    )


# --- size -----------------------------------------------------------------------------------


def warnings_of(aws: Endpoint, *requests: tuple[str, str, int]) -> list[str]:
    """Return the objects that were warned of; a request is its method, its path with query, and its size."""
    with structlog.testing.capture_logs() as logged:
        for method, target, size in requests:
            path, _, query = target.partition("?")
            aws(method, path, QUERY_STRING=query, CONTENT_LENGTH=str(size))
    return [event["object"] for event in logged if event["log_level"] == "warning"]


def test_a_large_object_is_warned_of_once(aws: Endpoint) -> None:
    """Above 256 MiB, in one request or in parts; up to that, nothing is said, and no object is refused."""
    assert warnings_of(aws, ("PUT", "/b/fits", 256 * MIB)) == []
    assert warnings_of(aws, ("PUT", "/b/large", 256 * MIB + 1)) == ["/b/large"]
    part = ("PUT", "/b/parts?uploadId=u&partNumber=1", 100 * MIB)
    assert warnings_of(aws, part, part) == []
    assert warnings_of(aws, part, part, part) == ["/b/parts"]
    assert len(aws.reached) == 7


@pytest.mark.parametrize("end", ["POST", "DELETE"])
def test_an_upload_that_ended_is_forgotten(aws: Endpoint, end: str) -> None:
    """Completed or aborted: what was counted for it is let go."""
    part = ("PUT", "/b/o?uploadId=u&partNumber=1", 200 * MIB)
    assert warnings_of(aws, part, (end, "/b/o?uploadId=u", 0), part) == []
    assert warnings_of(aws, part) == ["/b/o"]


def test_uploads_are_counted_each_for_itself(aws: Endpoint) -> None:
    """Many middling uploads are no large one; nor are reads, whatever length they claim."""
    assert warnings_of(aws, *[("PUT", f"/b/o?uploadId={number}", 200 * MIB) for number in range(5)]) == []
    assert (
        warnings_of(aws, ("GET", "/b/o", 300 * MIB), ("PUT", "/b/o", 200 * MIB), ("PUT", "/b/o", 200 * MIB))
        == []
    )


# --- without the extra ----------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["moto", "flask", "flask_cors"])
def test_the_install_command_is_told_where_the_emulator_is_missing(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Whoever installed tidegate without the extra `local` reads how to get it, or how to go without."""
    monkeypatch.setattr(endpoint, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(InvalidSettings) as refused:
        require_moto()
    assert "pip install 'tidegate[local]'" in refused.value.hint
    assert "--aws-endpoint-url" in refused.value.hint
