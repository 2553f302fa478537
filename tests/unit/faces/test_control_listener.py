"""The control port itself: what connections cost it, and what it asks of nobody."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from tidegate.core.signatures import ApiRequest
from tidegate.faces.control import listener as module
from tidegate.faces.control.listener import ControlListener
from tidegate.faces.control.protocol import Answer


def answer(request: ApiRequest) -> Answer:
    return Answer("200 OK", request.body, {})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A listener with one place, where no name service answers."""

    def no_names(_: str = "") -> str:
        raise AssertionError("nobody is to be asked for names")

    monkeypatch.setattr(socket, "getfqdn", no_names)
    monkeypatch.setattr(module, "_MAX_CONNECTIONS", 1)
    opened = ControlListener("127.0.0.1", 0, answer, None)
    opened.start()
    yield opened.port
    opened.stop()


def test_it_answers_without_a_name_service(port: int) -> None:
    """It would be waited for by everybody, at the start."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/", b"said")
    assert connection.getresponse().read() == b"said"
    connection.close()


def test_a_connection_that_got_no_thread_takes_no_place(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is answered."""
    started, failed = threading.Thread.start, threading.Event()

    def start(thread: threading.Thread) -> None:
        if not failed.is_set() and "process_request" in thread.name:
            failed.set()
            raise RuntimeError("can't start new thread")
        started(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with socket.create_connection(("127.0.0.1", port), 10) as refused:
        assert refused.recv(1) == b""
    assert failed.is_set()
    test_it_answers_without_a_name_service(port)


def test_large_bodies_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody without a signature makes us hold many; small ones are answered meanwhile."""
    monkeypatch.setattr(module, "_MAX_LARGE", 1)
    monkeypatch.setattr(module, "_LARGE_BYTES", 10)
    monkeypatch.setattr(module, "_SILENCE_SECONDS", 0.3)
    opened = ControlListener("127.0.0.1", 0, answer, None)
    opened.start()
    with socket.create_connection(("127.0.0.1", opened.port), 10) as held:
        held.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhalf")
        statuses = []
        for body in (b"small", b"larger than ten"):
            connection = http.client.HTTPConnection("127.0.0.1", opened.port, timeout=10)
            connection.request("POST", "/", body)
            statuses.append(connection.getresponse().status)
            connection.close()
    opened.stop()
    assert statuses == [200, 500]
