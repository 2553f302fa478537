"""The health endpoint: what it says, to whom, and how little it lets itself be held up."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

from tidegate.core.errors import InvalidSettings
from tidegate.faces import health
from tidegate.faces.health import HealthListener, health_pages

PATIENCE_SECONDS = 10


@pytest.fixture
def reasons() -> list[str]:
    """Why the gateway is not ready: for the test to fill."""
    return []


@pytest.fixture
async def listener(reasons: list[str]) -> AsyncIterator[HealthListener]:
    listening = HealthListener("127.0.0.1", 0, health_pages(lambda: reasons))
    await listening.start()
    yield listening
    listening.stop()
    await until(lambda: not listening.open)


async def until(holds: Callable[[], bool]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in itertools.count():
            if holds():
                return
            await asyncio.sleep(0)


async def said(listener: HealthListener, *pieces: bytes) -> bytes:
    """Send a request and return everything that is answered; the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        return await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    finally:
        writer.close()


async def asked(listener: HealthListener, line: str) -> tuple[int, bytes]:
    """Return status and body."""
    answer = await said(listener, f"{line} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


async def test_live_while_there_is_somebody_to_answer(listener: HealthListener, reasons: list[str]) -> None:
    """Whatever keeps the gateway from being ready."""
    reasons.append("draining")
    assert await asked(listener, "GET /live") == (200, b'{"live": true}\n')


async def test_ready_says_why_not(listener: HealthListener, reasons: list[str]) -> None:
    """200 when nothing stands against it; 503 with a word for each reason otherwise; never remembered."""
    assert await asked(listener, "GET /ready") == (200, b'{"ready": true, "reasons": []}\n')
    reasons += ["draining", "lease"]
    status, body = await asked(listener, "GET /ready?from=balancer")
    assert (status, json.loads(body)) == (503, {"ready": False, "reasons": ["draining", "lease"]})
    assert b"Cache-Control: no-store\r\n" in await said(listener, b"GET /ready HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize(
    "header",
    [
        b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20, 0, 0, 0]),
        b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11, 0, 12]) + bytes(12),
        b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 8080\r\n",
    ],
    ids=["v2 local", "v2", "v1"],
)
async def test_a_proxy_header_is_passed_over(listener: HealthListener, header: bytes) -> None:
    """A balancer that sends one before each partner's connection sends one before its own questions."""
    request = b"GET /ready HTTP/1.1\r\n\r\n"
    for pieces in ([header + request], [header[:5], header[5:], request]):
        assert (await said(listener, *pieces)).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_head_is_get_without_a_body(listener: HealthListener, reasons: list[str]) -> None:
    """With the same status and length."""
    reasons.append("starting")
    answer = await said(listener, b"HEAD /ready HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"Content-Length: 42\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /", 404),
        ("GET /live/", 404),
        ("GET /../live", 404),
        ("GET /metrics", 404),
        ("HEAD /nothing", 404),
        ("POST /live", 405),
        ("DELETE /ready", 405),
        ("get /live", 405),
        ("GET", 400),
        ("GET /live more", 400),
        ("GET /live FTP/1.1\r\nx:", 400),
    ],
)
async def test_nothing_else_is_there(listener: HealthListener, line: str, status: int) -> None:
    """Two pages, two methods."""
    assert (await asked(listener, line))[0] == status


async def test_a_request_may_come_in_pieces(listener: HealthListener) -> None:
    """And is answered once, whatever follows it."""
    answer = await said(listener, b"GET /li", b"ve HTTP/1.1\r\n", b"\r\n", b"GET /live HTTP/1.1\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 1


async def test_a_request_is_bounded_in_bytes(listener: HealthListener) -> None:
    """8 KiB are enough for what balancers send."""
    answer = await said(listener, b"GET /live HTTP/1.1\r\nX: " + b"x" * 9000)
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("first", [b"", b"GET /live HTTP/1.1\r\n"], ids=["nothing", "a part"])
async def test_a_request_is_bounded_in_time(
    listener: HealthListener, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    """Whoever does not ask in time is not answered."""
    monkeypatch.setattr(health, "_REQUEST_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(first)
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == b""
    writer.close()


async def test_stopping_closes_port_and_connections(listener: HealthListener) -> None:
    """Also those that have not asked yet."""
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    await until(lambda: bool(listener.open))
    listener.stop()
    await until(lambda: not listener.open)
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", listener.port)
    writer.close()


async def test_a_taken_port_is_named() -> None:
    """With the setting to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidSettings, match=f"health checks on 127.0.0.1 port {port}: .* health.port"):
            await HealthListener("127.0.0.1", port, {}).start()


async def test_a_host_that_nobody_knows_is_named() -> None:
    """In the resolver's words, which has errors of its own."""
    with pytest.raises(InvalidSettings, match=r"health checks on no host port 0: (?!Unknown error).*host"):
        await HealthListener("no host", 0, {}).start()
