"""
The control port: the Transfer API over HTTP/1.1, with TLS or without.

The standard library's server, a thread for each connection, of which there may be few: administrators call
it, and their programs. A connection that says nothing for a while is closed, TLS handshakes included, and
a body that is too long is refused unread.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, cast
from urllib.parse import urlsplit

from tidegate.core.errors import InvalidSettings
from tidegate.core.signatures import ApiRequest
from tidegate.faces.control.protocol import MAX_BODY_BYTES, Answer, too_large, unavailable

_SILENCE_SECONDS = 30.0
_MAX_CONNECTIONS = 64
# Whoever connects can make us hold a body before its signature can be checked: so few large ones at a time.
_LARGE_BYTES = 256 * 1024
_MAX_LARGE = 4


class ControlListener:
    """
    A listening HTTP server for the API.

    Args:
        answer: Called in threads.
        tls: What to speak TLS with; None is plain HTTP.
    """

    def __init__(
        self, host: str, port: int, answer: Callable[[ApiRequest], Answer], tls: ssl.SSLContext | None
    ) -> None:
        handler = partial(_Handler, answer=answer)
        try:
            self._server = _server_class(host)((host, port), handler, tls)
        except OSError as error:
            raise InvalidSettings(
                f"cannot listen for the Transfer API on {host} port {port}: {error.strerror or error}",
                hint="choose another with control.port (0 takes a free one) or control.host",
            ) from error
        serve = partial(self._server.serve_forever, poll_interval=0.05)
        self._thread = threading.Thread(target=serve, name="control", daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Answer nobody any more. Blocks for a moment."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: Any, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._places = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        self.large_bodies = threading.BoundedSemaphore(_MAX_LARGE)
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # Not HTTPServer's own: that asks the name service who we are, and the gateway's loop would wait.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.settimeout(_SILENCE_SECONDS)
        if self._tls:
            # The handshake is the thread's: a client that never makes it holds up nobody.
            wrapped = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return wrapped, address
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # there was no thread to be had
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left, or that speaks something else, is nothing to tell of."""


class _ServerOfIpv6(_Server):
    address_family = socket.AF_INET6


def _server_class(host: str) -> type[_Server]:
    return _ServerOfIpv6 if ":" in host else _Server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "tidegate"
    sys_version = ""
    timeout = _SILENCE_SECONDS

    def __init__(self, *args: Any, answer: Callable[[ApiRequest], Answer]) -> None:
        self._answer = answer
        super().__init__(*args)

    def _respond(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(too_large())
            return
        if int(length) <= _LARGE_BYTES:
            self._answer_body(int(length))
            return
        large_bodies = cast(_Server, self.server).large_bodies
        if not large_bodies.acquire(timeout=_SILENCE_SECONDS):
            self.close_connection = True
            self._send(unavailable())
            return
        try:
            self._answer_body(int(length))
        finally:
            large_bodies.release()

    def _answer_body(self, length: int) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(length)
        address = str(self.client_address[0])
        self._send(self._answer(ApiRequest(self.command, parts.path, parts.query, headers, body, address)))

    do_GET = do_POST = do_PUT = do_DELETE = _respond  # noqa: N815 - what the library looks for

    def _send(self, answer: Answer) -> None:
        code, _, phrase = answer.status.partition(" ")
        self.send_response(int(code), phrase)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *args: Any) -> None:
        """What matters is logged by those who answer."""
