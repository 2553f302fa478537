"""Connections that must begin with a PROXY header: who gets through, who they seem to be, what is left."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from typing import Any

import pytest
from structlog.testing import capture_logs

from tidegate.faces.sftp.arrivals import Arrivals

PATIENCE_SECONDS = 10
HEADER = b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 22\r\n"
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"


class FakeSsh(asyncio.Protocol):
    """Stands where an SSH connection stands: speaks first, notes what comes, says it back."""

    def __init__(self) -> None:
        self.received = b""
        self.lost = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.peer = transport.get_extra_info("peername")
        transport.write(b"hello\n")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


class House:
    """A listener for arrivals, and the connections that got through."""

    def __init__(self, networks: list[str], timeout_seconds: float) -> None:
        self.arrivals = Arrivals(networks, timeout_seconds)
        self.through: list[FakeSsh] = []

    def ssh(self, host: str, port: int) -> FakeSsh:
        self.through.append(FakeSsh())
        return self.through[-1]


Connect = Callable[[], Any]


@asynccontextmanager
async def listening(
    networks: list[str], timeout_seconds: float = PATIENCE_SECONDS, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[House, Connect]]:
    """Give the house and a way to connect; on leaving, everything that was open is seen to end."""
    house = House(networks, timeout_seconds)
    server = await house.arrivals.create_server(house.ssh, host, 0)
    port = server.sockets[0].getsockname()[1]
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(host, port)
        writers.append(writer)
        return reader, writer

    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield house, connect
            for writer in writers:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()
            for each in house.through:
                await each.lost.wait()
            await until(lambda: not house.arrivals.waiting)
    finally:
        server.close()


async def until(holds: Callable[[], bool]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in itertools.count():
            if holds():
                return
            await asyncio.sleep(0)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return what came until the connection was closed, or reset."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_the_header_names_the_client() -> None:
    """What follows it in the same segment is the client's, and reaches SSH; nothing was said before."""
    async with listening(["127.0.0.0/8"]) as (house, connect):
        reader, writer = await connect()
        writer.write(HEADER + b"SSH-2.0-x\r\n")
        assert await reader.readline() == b"hello\n"
        assert await reader.readline() == b"SSH-2.0-x\r\n"
        writer.write(b"more\n")
        assert await reader.readline() == b"more\n"
        (ssh,) = house.through
        assert ssh.peer == ("192.0.2.7", 50_000)
        assert ssh.received == b"SSH-2.0-x\r\nmore\n"
        assert house.arrivals.waiting == set()
        # In all else it is the connection to the balancer.
        assert ssh.transport.get_extra_info("sockname")[0] == "127.0.0.1"
        assert ssh.transport.get_extra_info("nothing", "else") == "else"
        assert not ssh.transport.is_closing()


async def test_a_client_that_does_not_read_is_felt() -> None:
    """The transport tells SSH to stop writing, and to go on, as it tells it without a balancer."""
    async with listening(["127.0.0.1/32"]) as (house, connect):
        reader, writer = await connect()
        writer.write(HEADER)
        assert await reader.readline() == b"hello\n"
        (ssh,) = house.through
        may_write = asyncio.Event()
        may_write.set()
        ssh.pause_writing, ssh.resume_writing = may_write.clear, may_write.set  # type: ignore[method-assign]
        ssh.transport.write(bytes(16 * 2**20))
        assert not may_write.is_set()
        assert len(await reader.readexactly(16 * 2**20)) == 16 * 2**20
        await may_write.wait()


async def test_a_header_may_come_byte_by_byte() -> None:
    """SSH does not begin before its last one."""
    async with listening(["127.0.0.1/32"]) as (house, connect):
        reader, writer = await connect()
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in HEADER[:-1]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert house.through == []
        writer.write(HEADER[-1:])
        assert await reader.readline() == b"hello\n"


async def test_the_balancers_own_connection_keeps_its_address() -> None:
    """LOCAL is about the connection itself."""
    async with listening(["127.0.0.1/32"]) as (house, connect):
        reader, writer = await connect()
        writer.write(LOCAL)
        assert await reader.readline() == b"hello\n"
        assert house.through[0].peer[0] == "127.0.0.1"


async def test_ipv6_balancers_are_known_by_their_network() -> None:
    """And bring clients of either family."""
    async with listening(["192.0.2.0/24", "::1/128"], host="::1") as (house, connect):
        reader, writer = await connect()
        block = ip_address("2001:db8::7").packed + bytes(16) + b"\x00\x05\x00\x16"
        writer.write(b"\r\n\r\n\x00\r\nQUIT\n\x21\x21" + len(block).to_bytes(2, "big") + block)
        assert await reader.readline() == b"hello\n"
        assert house.through[0].peer == ("2001:db8::7", 5)


@pytest.mark.parametrize("first", [b"", HEADER, b"SSH-2.0-x\r\n"], ids=["nothing", "forged", "ssh"])
async def test_a_peer_outside_the_networks_is_closed_at_once(first: bytes) -> None:
    """Whatever it says: it hears nothing, SSH never begins, and the log has its real address."""
    async with listening(["192.0.2.0/24", "::/0"]) as (house, connect):
        with capture_logs() as events:
            reader, writer = await connect()
            writer.write(first)
            assert await ended(reader) == b""
        assert house.through == []
        (event,) = events
        assert (event["event"], event["peer"]) == ("connection refused", "127.0.0.1")


async def test_what_is_no_header_is_refused_at_once() -> None:
    """Long before the deadline; the log says why."""
    async with listening(["127.0.0.1/32"]) as (house, connect):
        with capture_logs() as events:
            reader, writer = await connect()
            writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
            assert await ended(reader) == b""
        assert house.through == []
        assert "it begins with something else" in events[0]["reason"]


@pytest.mark.parametrize("first", [b"", HEADER[:-1]], ids=["nothing", "a part"])
async def test_a_header_has_a_deadline(first: bytes) -> None:
    """From the first moment on; what was waited for is then gone."""
    async with listening(["127.0.0.1/32"], timeout_seconds=0.05) as (house, connect):
        with capture_logs() as events:
            reader, writer = await connect()
            writer.write(first)
            assert await ended(reader) == b""
        assert (house.through, house.arrivals.waiting) == ([], set())
        assert events[0]["reason"] == "no whole PROXY header within 0.05 s"


async def test_the_deadline_ends_with_the_header() -> None:
    """A session may be silent for longer."""
    async with listening(["127.0.0.1/32"], timeout_seconds=0.05) as (_, connect):
        reader, writer = await connect()
        writer.write(HEADER)
        assert await reader.readline() == b"hello\n"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)


@pytest.mark.parametrize("first", [b"", HEADER[:9]], ids=["nothing", "a part"])
async def test_looking_in_is_silent(first: bytes) -> None:
    """A connection that is closed without a header is a health check, and leaves nothing."""
    async with listening(["127.0.0.1/32"]) as (house, connect):
        with capture_logs() as events:
            _, writer = await connect()
            writer.write(first)
            await until(lambda: bool(house.arrivals.waiting))
            writer.close()
            await until(lambda: not house.arrivals.waiting)
        assert {event["log_level"] for event in events} <= {"debug"}


async def test_closing_ends_who_is_still_waiting() -> None:
    """And nobody whose header has come."""
    async with listening(["127.0.0.1/32"]) as (house, connect):
        inside, writer = await connect()
        writer.write(HEADER)
        assert await inside.readline() == b"hello\n"
        waiting, _ = await connect()
        await until(lambda: bool(house.arrivals.waiting))
        house.arrivals.close()
        assert await ended(waiting) == b""
        writer.write(b"still here\n")
        assert await inside.readline() == b"still here\n"


@pytest.mark.parametrize(
    ("peer", "is_trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("10.2.0.1", False),
        ("fe80::1%eth0", True),
        ("2001:db8::1", False),
        ("unknown", False),
    ],
)
def test_networks_are_compared_as_addresses(peer: str, *, is_trusted: bool) -> None:
    """Of either family, with a zone or mapped; what is no address is not trusted."""
    assert Arrivals(["10.1.0.0/16", "fe80::/10"], 1).trusts(peer) is is_trusted
