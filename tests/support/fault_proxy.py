"""
A proxy between a gateway and its S3 and DynamoDB that does what networks and services do.

A rule names an operation as AWS does (`s3.UploadPart`, `dynamodb.TransactWriteItems`, `kms.*`) and what
happens to it: refused with a code, cut off before it arrives, cut off after it took effect, held until
it is let go, answered 200 with an error inside. Rules fire a given number of times, in order. Every
request is remembered, so that a test can wait for one instead of sleeping.
"""

from __future__ import annotations

import fnmatch
import http.client
import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_FOREVER = 1_000_000


@dataclass
class Request:
    """One request on its way through."""

    operation: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path


@dataclass
class Reply:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Cut(Exception):
    """The connection goes away without an answer."""


Forward = Callable[[Request], Reply]
Action = Callable[[Request, Forward], Reply]


@dataclass
class Rule:
    """What happens to matching requests, `times` times after the first `skip`."""

    pattern: str
    action: Action
    times: int = _FOREVER
    skip: int = 0
    only: Callable[[Request], bool] = lambda request: True
    fired: int = field(default=0, init=False)


class Gate:
    """Holds requests until it is opened; lets a test know that one has come."""

    def __init__(self, *, after: bool = False) -> None:
        self._after = after
        self._arrived = threading.Event()
        self._open = threading.Event()

    def __call__(self, request: Request, forward: Forward) -> Reply:
        reply = forward(request) if self._after else None
        self._arrived.set()
        self._open.wait(60)
        return reply or forward(request)

    def wait_for_arrival(self, seconds: float = 60) -> None:
        if not self._arrived.wait(seconds):
            raise TimeoutError("no request came to the gate")

    def open(self) -> None:
        self._open.set()


class Silence(Gate):
    """Takes requests and never answers: none takes effect, and each ends when its sender gives up."""

    def __call__(self, _request: Request, _forward: Forward) -> Reply:
        self._arrived.set()
        self._open.wait(60)
        raise Cut


def refuse(status: int, code: str, message: str = "planted by the test") -> Action:
    """Answer with an AWS error, in the form of the service that was asked."""

    def action(request: Request, _forward: Forward) -> Reply:
        if request.operation.startswith("s3."):
            body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
            return Reply(status, [("Content-Type", "application/xml")], body.encode())
        if request.operation.startswith("sts."):
            error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
            body = f"<ErrorResponse>{error}</ErrorResponse>"
            return Reply(status, [("Content-Type", "text/xml")], body.encode())
        document = json.dumps({"__type": code, "message": message}).encode()
        return Reply(status, [("Content-Type", "application/x-amz-json-1.0")], document)

    return action


def error_in_200(code: str = "InternalError") -> Action:
    """Answer 200 and put the error into the body, as S3 may for Complete and Copy."""
    return refuse(200, code)


def cut_before(_request: Request, _forward: Forward) -> Reply:
    """The request never arrives."""
    raise Cut


def lose_answer(request: Request, forward: Forward) -> Reply:
    """The request takes effect, and nobody learns of it."""
    forward(request)
    raise Cut


class FaultProxy:
    """The proxy. Use as a context manager; `url` is what the gateway is told."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._rules: list[Rule] = []
        self._lock = threading.Condition()
        self._seen: list[Request] = []
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def on(self, pattern: str, action: Action, **options: object) -> Rule:
        """Plant a rule; earlier ones win. `times`, `skip` and `only` as in `Rule`."""
        rule = Rule(pattern, action, **options)  # type: ignore[arg-type]
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Take all rules away, and let go whatever a gate still holds."""
        with self._lock:
            gates = [rule.action for rule in self._rules if isinstance(rule.action, Gate)]
            self._rules.clear()
        for gate in gates:
            gate.open()

    def requests(self, pattern: str = "*") -> list[Request]:
        """Return the requests so far, in the order they came."""
        with self._lock:
            return [each for each in self._seen if fnmatch.fnmatchcase(each.operation, pattern)]

    def wait_for(self, pattern: str, count: int = 1, seconds: float = 60) -> None:
        """Return once `count` matching requests have come."""

        def enough() -> bool:
            return sum(fnmatch.fnmatchcase(each.operation, pattern) for each in self._seen) >= count

        with self._lock:
            if not self._lock.wait_for(enough, seconds):
                raise TimeoutError(f"fewer than {count} requests {pattern}; came: {_tally(self._seen)}")

    def handle(self, request: Request) -> Reply:
        action = self._take(request)
        return action(request, self._forward) if action else self._forward(request)

    def _take(self, request: Request) -> Action | None:
        with self._lock:
            self._seen.append(request)
            self._lock.notify_all()
            for rule in self._rules:
                if fnmatch.fnmatchcase(request.operation, rule.pattern) and rule.only(request):
                    rule.fired += 1
                    if rule.skip < rule.fired <= rule.skip + rule.times:
                        return rule.action
            return None

    def _forward(self, request: Request) -> Reply:
        connection = http.client.HTTPConnection(self._upstream, timeout=120)
        try:
            connection.request(request.method, request.target, request.body or None, request.headers)
            answer = connection.getresponse()
            return Reply(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()


def operation_of(method: str, target: str, headers: dict[str, str]) -> str:
    """Return the operation a request asks for, as `service.Operation`."""
    wanted = headers.get("x-amz-target", "")
    if wanted:
        service, _, name = wanted.partition(".")
        services = {"DynamoDB_20120810": "dynamodb", "TrentService": "kms", "TransferService": "transfer"}
        return f"{services.get(service, service)}.{name}"
    if "/sts/" in headers.get("authorization", ""):
        return "sts.Query"  # its operation stands in the body
    split = urlsplit(target)
    query = parse_qs(split.query, keep_blank_values=True)
    is_bucket = split.path.strip("/").count("/") == 0 and not split.path.strip("/").partition("/")[2]
    return "s3." + _s3_operation(method, query, headers, is_bucket=is_bucket)


def _s3_operation(
    method: str, query: dict[str, list[str]], headers: dict[str, str], *, is_bucket: bool
) -> str:
    copies = "x-amz-copy-source" in headers
    if is_bucket:
        named = {
            "versions": "ListObjectVersions",
            "uploads": "ListMultipartUploads",
            "list-type": "ListObjectsV2",
            "versioning": "GetBucketVersioning",
        }
        return next((name for key, name in named.items() if key in query), f"{method.title()}Bucket")
    if method == "PUT":
        if "partNumber" in query:
            return "UploadPartCopy" if copies else "UploadPart"
        return "CopyObject" if copies else "PutObject"
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
    if method == "DELETE":
        return "AbortMultipartUpload" if "uploadId" in query else "DeleteObject"
    found = "ListParts" if "uploadId" in query else "GetObject"
    return {"HEAD": "HeadObject", "GET": found}.get(method, method)


def _tally(seen: list[Request]) -> dict[str, int]:
    tally: dict[str, int] = {}
    for each in seen:
        tally[each.operation] = tally.get(each.operation, 0) + 1
    return tally


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what this proxy is for."""


def _handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - one class, of methods of its base
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            expected = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(expected)
            if len(body) < expected:
                self._reset()  # whoever sent it died in the middle: the request never arrived
                return
            headers = {
                name.lower(): value for name, value in self.headers.items() if name.lower() != "expect"
            }
            operation = operation_of(self.command, self.path, headers)
            try:
                reply = proxy.handle(Request(operation, self.command, self.path, headers, body))
            except (Cut, OSError, http.client.HTTPException):
                self._reset()
                return
            self._answer(reply)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815

        def _answer(self, reply: Reply) -> None:
            self.send_response_only(reply.status)
            for name, value in reply.headers:
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            length = next(
                (v for n, v in reply.headers if n.lower() == "content-length"), str(len(reply.body))
            )
            self.send_header("Content-Length", length if self.command == "HEAD" else str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        def _reset(self) -> None:
            """Close with a reset, so that the other side notices at once."""
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
