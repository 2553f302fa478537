"""
The one AWS endpoint of local mode: `transfer` is tidegate's, everything else is moto's.

Loopback only, and only for programs: a web page in somebody's browser can reach loopback too, so
requests with a foreign Host or with any Origin are refused, and moto's CORS headers are taken out.
"""

from __future__ import annotations

import errno
import io
import json
import re
import socket
import threading
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import structlog

from tidegate.core.errors import GatewayError, InvalidSettings
from tidegate.core.limits import MIB
from tidegate.core.objects import META_DELIVERED_FROM
from tidegate.core.signatures import ApiRequest
from tidegate.faces.control.protocol import MAX_BODY_BYTES, Answer, is_transfer_request, unavailable
from tidegate.local.emulator import mend_events, mend_listing_of_directories, mend_listing_of_versions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = structlog.get_logger("tidegate.local")

_OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\]|([\w-]+\.)*localhost)(:\d+)?", re.ASCII)
_RESET_PATH = "/_tidegate/reset"
# What the emulator is made of: the extra `local`.
_EMULATOR = ("moto", "flask", "flask_cors")
# The emulator keeps objects in memory, several times over while it completes an upload.
_LARGE_BYTES = 256 * MIB
_LARGE_REASON = (
    "the embedded emulator holds objects in memory and needs several times their size;"
    " bring another with --aws-endpoint-url"
)


_DROPPED: tuple[str, ...] = ("access-control-",)
_DROPPED_OF_PARTS = (*_DROPPED, "x-amz-checksum-")
_ETAG_OF_PARTS = re.compile(r'-\d+"?$')


def _is_of_parts(header: tuple[str, str]) -> bool:
    """Tell whether a header says that an object came, or may have come, of a multipart upload."""
    name, value = header[0].lower(), header[1]
    return name == f"x-amz-meta-{META_DELIVERED_FROM}" or (
        name == "etag" and _ETAG_OF_PARTS.search(value) is not None
    )


AnswerTransfer = Callable[[ApiRequest], Answer]


def _no_gateway(_: ApiRequest) -> Answer:
    return unavailable()


class LocalEndpoint:
    """The WSGI application in front of moto; `transfer` answers what is Transfer Family's."""

    def __init__(
        self, moto: WSGIApplication, reset: Callable[[], None], transfer: AnswerTransfer = _no_gateway
    ) -> None:
        self._moto = moto
        self._reset = reset
        self._transfer = transfer
        self._sizes: dict[str, int] = {}
        self._one_at_a_time = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if not _OWN_HOST.fullmatch(environ.get("HTTP_HOST", "")) or "HTTP_ORIGIN" in environ:
            return _json(start_response, "403 Forbidden", {"message": "programs on this machine only"})
        if path.startswith("/moto-api"):
            return _json(start_response, "404 Not Found", {"message": "not offered"})
        if path == _RESET_PATH:
            return self._answer_reset(environ["REQUEST_METHOD"], start_response)
        if is_transfer_request(environ.get("HTTP_X_AMZ_TARGET", ""), environ.get("HTTP_AUTHORIZATION", "")):
            return self._answer_transfer(environ, start_response)
        self._watch_size(environ, path)
        if environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB"):
            # When moto refuses a transaction it puts the whole table back as it was before, and with
            # it undoes what other requests wrote meanwhile. So one request at a time.
            body = environ["wsgi.input"].read(_content_length(environ))
            environ["wsgi.input"] = io.BytesIO(body)  # read first: a client that stalls holds up nobody
            with self._one_at_a_time:
                return list(self._moto(environ, _mended(start_response)))
        return self._moto(environ, _mended(start_response))

    def _answer_reset(self, method: str, start_response: StartResponse) -> Iterable[bytes]:
        if method != "POST":
            refusal = {"message": "POST resets the gateway"}
            return _json(start_response, "405 Method Not Allowed", refusal, {"Allow": "POST"})
        try:
            self._reset()
        except (GatewayError, TimeoutError) as error:
            reason = str(error) or "it took too long"
            _log.error("reset failed", reason=reason)
            return _json(start_response, "500 Internal Server Error", {"message": f"reset failed: {reason}"})
        return _json(start_response, "200 OK", {})

    def _answer_transfer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        length, sent = _content_length(environ), environ["wsgi.input"]
        # Of what is too long, enough is kept to see that it is. The rest is read: a client that still
        # sends hears no answer.
        body = sent.read(min(length, MAX_BODY_BYTES + 1))
        left = length - len(body)
        while left > 0 and (more := sent.read(min(left, MIB))):
            left -= len(more)
        request = ApiRequest(
            environ["REQUEST_METHOD"],
            environ.get("PATH_INFO", "/"),
            environ.get("QUERY_STRING", ""),
            _headers(environ),
            body,
            str(environ.get("REMOTE_ADDR", "")),
        )
        answer = self._transfer(request)
        start_response(answer.status, [*answer.headers.items(), ("Content-Length", str(len(answer.body)))])
        return [answer.body]

    def _watch_size(self, environ: WSGIEnvironment, path: str) -> None:
        method = environ["REQUEST_METHOD"]
        upload = parse_qs(environ.get("QUERY_STRING", "")).get("uploadId", [""])[0]
        if method == "PUT":
            before = self._sizes.get(upload, 0)
            after = before + _content_length(environ)
            if upload:
                self._sizes[upload] = after
            if before <= _LARGE_BYTES < after:
                _log.warning("large object in memory", object=path, reason=_LARGE_REASON)
        elif method in ("POST", "DELETE") and upload:
            # Completed or aborted.
            self._sizes.pop(upload, None)


class EmbeddedAws:
    """moto's server and our endpoint in threads of this process."""

    def __init__(self, port: int, reset: Callable[[], None], transfer: AnswerTransfer = _no_gateway) -> None:
        self._server = _make_server(port, reset, transfer)
        # It looks so often whether it is to stop.
        serve = partial(self._server.serve_forever, poll_interval=0.05)
        self._thread = threading.Thread(target=serve, name="aws", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def require_moto() -> None:
    """Raise `InvalidSettings` with the install command if the extra `local` is not installed."""
    if any(find_spec(name) is None for name in _EMULATOR):
        raise InvalidSettings(
            "the embedded AWS emulator is not installed",
            hint="pip install 'tidegate[local]', or bring your own with --aws-endpoint-url",
        )


def _make_server(port: int, reset: Callable[[], None], transfer: AnswerTransfer) -> Any:
    require_moto()
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 - an extra, and slow to import
        DomainDispatcherApplication,
        create_backend_app,
    )
    from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: PLC0415

    class QuietHandler(WSGIRequestHandler):
        # Only then is "Expect: 100-continue" answered, for which boto3 waits before each body.
        protocol_version = "HTTP/1.1"

        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
            pass

    mend_listing_of_versions()
    mend_listing_of_directories()
    mend_events()
    _refuse_taken(port)
    application = LocalEndpoint(DomainDispatcherApplication(create_backend_app), reset, transfer)
    server: Any = make_server("127.0.0.1", port, application, threaded=True, request_handler=QuietHandler)
    server.daemon_threads = True
    return server


def _refuse_taken(port: int) -> None:
    """werkzeug ends the process when a port is taken, so it is asked for beforehand."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise _unusable_port(port, error) from error


def _unusable_port(port: int, error: OSError) -> InvalidSettings:
    if error.errno != errno.EADDRINUSE:
        return InvalidSettings(
            f"port {port} cannot be used for the AWS endpoint: {error.strerror}",
            hint="take a free one with --aws-port 0",
        )
    likely = " (probably by LocalStack, whose usual port it is)" if port == 4566 else ""
    return InvalidSettings(
        f"port {port} for the AWS endpoint is taken{likely}",
        hint=f"use it with --aws-endpoint-url http://127.0.0.1:{port}, stop it, or take a free port with"
        " --aws-port 0",
    )


def _content_length(environ: WSGIEnvironment) -> int:
    length = environ.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdecimal() else 0


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    """Return the request's headers by their names in small letters."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    return headers | {"content-type": environ.get("CONTENT_TYPE", "")}


def _json(
    start_response: StartResponse, status: str, body: dict[str, Any], headers: dict[str, str] | None = None
) -> Iterable[bytes]:
    data = json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **(headers or {}), "Content-Length": str(len(data))}
    start_response(status, list(sent.items()))
    return [data]


def _mended(start_response: StartResponse) -> StartResponse:
    """Let moto's headers through, but for those a browser obeys and those that are wrong."""

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        # moto gives the checksum of checksums without the part count that marks it as one, and hands it on
        # to copies. Every SDK that compares it with the bytes refuses the object.
        dropped = _DROPPED_OF_PARTS if any(map(_is_of_parts, headers)) else _DROPPED
        kept = [each for each in headers if not each[0].lower().startswith(dropped)]
        return start_response(status, kept, exc_info) if exc_info else start_response(status, kept)

    return start
