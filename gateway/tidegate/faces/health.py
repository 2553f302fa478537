"""
Questions of load balancers and orchestrators, over HTTP/1.1: one request a connection, GET or HEAD.

Whoever reaches the port may ask, so nothing is told but states, each in a word. A request is bounded
in bytes and in time, its answer is fixed, and a connection is a timer and a few bytes, not a task.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from tidegate.core.errors import InvalidSettings
from tidegate.core.proxy_protocol import InvalidProxyHeader, read_header

_MAX_REQUEST_BYTES = 8192
_REQUEST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to a request."""

    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"


Page = Callable[[], Answer]


def health_pages(unready: Callable[[], list[str]]) -> dict[str, Page]:
    """
    Return `/live`, which is 200 for as long as there is somebody to answer, and `/ready`.

    Args:
        unready: Says why no upload can be taken now, one word for each reason; [] if it can.
    """

    def ready() -> Answer:
        reasons = unready()
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        return Answer(status, _as_json({"ready": not reasons, "reasons": reasons}))

    return {"/live": lambda: Answer(HTTPStatus.OK, _as_json({"live": True})), "/ready": ready}


class HealthListener:
    """
    A listening HTTP server for a few pages.

    Args:
        pages: By their paths. Everything else is 404.
    """

    def __init__(self, host: str, port: int, pages: Mapping[str, Page]) -> None:
        self._host = host
        self.port = port
        self.pages = pages
        self.open: set[_Visit] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Sets `port`. Raises `InvalidSettings` when the port is taken."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Visit(self), self._host, self.port)
        except OSError as error:
            raise InvalidSettings(
                f"cannot listen for health checks on {self._host} port {self.port}: "
                f"{os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error}",
                hint="choose another with health.port (0 takes a free one) or health.host",
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Answer nobody any more. May be repeated."""
        if self._server:
            self._server.close()
        for visit in list(self.open):
            visit.end()


class _Visit(asyncio.Protocol):
    """One connection: a request, an answer, the end."""

    def __init__(self, listener: HealthListener) -> None:
        self._listener = listener
        self._received = b""
        self._is_answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._listener.open.add(self)
        # Also for the answer: a client that never reads is not waited for.
        self._deadline = asyncio.get_running_loop().call_later(_REQUEST_SECONDS, self.end)

    def data_received(self, data: bytes) -> None:
        if self._is_answered:
            return
        self._received += data
        head, end, _ = _request_in(self._received).partition(b"\r\n\r\n")
        if len(head) > _MAX_REQUEST_BYTES:
            self._answer(_plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        elif end:
            self._answer_request(head)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._deadline.cancel()
        self._listener.open.discard(self)

    def end(self) -> None:
        self._transport.abort()

    def _answer_request(self, head: bytes) -> None:
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            self._answer(_plain(HTTPStatus.BAD_REQUEST))
            return
        method, target, _ = words
        page = self._listener.pages.get(target.partition("?")[0])
        if page is None:
            self._answer(_plain(HTTPStatus.NOT_FOUND), with_body=method != "HEAD")
        elif method not in ("GET", "HEAD"):
            self._answer(_plain(HTTPStatus.METHOD_NOT_ALLOWED))
        else:
            self._answer(page(), with_body=method == "GET")

    def _answer(self, answer: Answer, *, with_body: bool = True) -> None:
        self._is_answered = True
        head = [
            f"HTTP/1.1 {answer.status.value} {answer.status.phrase}",
            f"Content-Type: {answer.content_type}",
            f"Content-Length: {len(answer.body)}",
            "Cache-Control: no-store",
            "Connection: close",
        ]
        if answer.status is HTTPStatus.METHOD_NOT_ALLOWED:
            head.append("Allow: GET, HEAD")
        self._transport.write("\r\n".join([*head, "", ""]).encode() + (answer.body if with_body else b""))
        self._transport.close()


def _request_in(received: bytes) -> bytes:
    """
    Return what follows a PROXY header, or all of it: a balancer told to send one sends it here, too.

    Who asks makes no difference to the answer, so the header is passed over and not believed.
    """
    try:
        header = read_header(received)
    except InvalidProxyHeader:
        return received
    return received[header.length :] if header else b""


def _plain(status: HTTPStatus) -> Answer:
    return Answer(status, _as_json({"error": status.phrase}))


def _as_json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
