"""Every limit met by a real client: what it is told, what is recorded, and that others go on."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import asyncssh
import pytest

from tidegate.testing.gateway import LocalGateway

PATIENCE_SECONDS = 20
KIB = 1024
RATE = 256 * KIB

TIGHT = """
limits:
  connections: 5
  connections_per_address: 3
  connections_per_partner: 2
  sessions_per_connection: 2
  handles_per_session: 3
  max_file_bytes: 200000
"""
HASTY = f"""
sftp: {{login_timeout_seconds: 1}}
limits:
  idle_seconds: 2
  upload_bytes_per_second_per_partner: {RATE}
  download_bytes_per_second_per_partner: {RATE}
"""


@pytest.fixture(scope="module")
def tight_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    with LocalGateway("partner-safe", TIGHT, tmp_path_factory.mktemp("tight")) as server:
        yield server


@pytest.fixture
def tight(tight_server: LocalGateway) -> LocalGateway:
    """A clean gateway where every number is small."""
    tight_server.reset()
    return tight_server


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    with LocalGateway("transfer-family", HASTY, tmp_path_factory.mktemp("hasty")) as server:
        yield server


@pytest.fixture
def hasty(hasty_server: LocalGateway) -> LocalGateway:
    """A clean gateway where every time is short."""
    hasty_server.reset()
    return hasty_server


async def login(gateway: LocalGateway, source: str, name: str = "acme") -> asyncssh.SSHClientConnection:
    partner = await asyncio.to_thread(gateway.partner, name)
    return await asyncssh.connect(
        gateway.sftp_host,
        gateway.sftp_port,
        username=partner.user_name,
        client_keys=[str(partner.private_key_path)],
        known_hosts=str(gateway.known_hosts_path),
        agent_path=None,
        config=None,
        local_addr=(source, 0),
    )


@asynccontextmanager
async def visitors() -> AsyncIterator[Callable[..., Any]]:
    """Give a way to connect; on leaving, every connection is ended, and seen to."""
    async with AsyncExitStack() as stack:

        async def visit(gateway: LocalGateway, source: str, name: str = "acme") -> Any:
            connection = await login(gateway, source, name)
            stack.push_async_callback(connection.wait_closed)
            stack.callback(connection.abort)
            return connection

        yield visit


async def refused(gateway: LocalGateway, count: int = 1) -> set[tuple[str, str, str]]:
    """Return name, address and reason of each record of a refusal, once there are so many."""

    def scan() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(found) < count:  # they are written behind
            assert time.monotonic() < deadline, found
            items = gateway.client("dynamodb").scan(TableName=gateway.transfers_table)["Items"]
            found = [item for item in items if item["Item"]["S"] == "login"]
        return found

    found = await asyncio.to_thread(scan)
    return {(row["ClaimedUserName"]["S"], row["ClientIp"]["S"], row["Error"]["S"]) for row in found}


def events(gateway: LocalGateway, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in gateway.log_path.read_text().splitlines() if line[:1] == "{"]
    return [line for line in lines if line["event"] == name]


# --- connections ------------------------------------------------------------------------------


async def test_connections_of_an_address(tight: LocalGateway) -> None:
    """The fourth is closed before a word is said, and recorded; other addresses, and later ones, get in."""
    raw = [socket.create_connection((tight.sftp_host, tight.sftp_port), source_address=("127.0.0.4", 0))]
    for _ in range(3):
        assert raw[-1].recv(100).startswith(b"SSH-2.0-")  # it is counted by now
        raw.append(
            socket.create_connection((tight.sftp_host, tight.sftp_port), source_address=("127.0.0.4", 0))
        )
    assert raw[3].recv(100) == b""
    async with visitors() as visit:
        await visit(tight, "127.0.0.5")
        for each in raw:
            each.close()
        await visit(tight, "127.0.0.4", "bank")
    assert await refused(tight) == {("", "127.0.0.4", "too many connections from this address")}
    assert events(tight, "connection refused")[-1]["client_ip"] == "127.0.0.4"


async def test_connections_in_all(tight: LocalGateway) -> None:
    """When every place is taken nobody gets one, from whichever address."""
    raw = []
    for number in range(5):
        address = (f"127.0.0.{10 + number}", 0)
        raw.append(socket.create_connection((tight.sftp_host, tight.sftp_port), source_address=address))
        assert raw[-1].recv(100).startswith(b"SSH-2.0-")
    with pytest.raises((OSError, asyncssh.ConnectionLost)):
        await login(tight, "127.0.0.20")
    for each in raw:
        each.close()
    assert await refused(tight) == {("", "127.0.0.20", "too many connections to this gateway")}


async def test_connections_of_a_partner(tight: LocalGateway) -> None:
    """The third is told in words after its login; another partner gets in, and so does this one later."""
    async with visitors() as visit:
        first = await visit(tight, "127.0.0.4")
        await visit(tight, "127.0.0.5")
        third = await visit(tight, "127.0.0.6")
        with pytest.raises((asyncssh.Error, OSError)):
            await third.start_sftp_client()
        await third.wait_closed()
        await visit(tight, "127.0.0.6", "bank")
        first.abort()
        await first.wait_closed()
        async with (await visit(tight, "127.0.0.5")).start_sftp_client() as sftp:
            assert await sftp.listdir("/") is not None
    reason = "too many connections of this partner"
    assert await refused(tight) == {("acme", "127.0.0.6", reason)}


@pytest.mark.client("sftp")
def test_openssh_prints_the_words(tight: LocalGateway, openssh: Callable[..., Any]) -> None:
    """What a person sees is why, and not only that the connection was closed."""

    async def with_two() -> Any:
        async with visitors() as visit:
            await visit(tight, "127.0.0.4")
            await visit(tight, "127.0.0.5")
            return await asyncio.to_thread(client.sftp, "pwd")

    client = openssh(tight)
    done = asyncio.run(with_two())
    assert done.returncode == 255
    assert "Too many connections" in done.stderr


# --- sessions and handles -----------------------------------------------------------------------


async def test_sessions_of_a_connection(tight: LocalGateway) -> None:
    """The third channel fails to open, in words; when one has ended there is room again."""
    async with visitors() as visit:
        connection = await visit(tight, "127.0.0.4")
        first = await connection.start_sftp_client()
        second = await connection.start_sftp_client()
        with pytest.raises(asyncssh.ChannelOpenError, match="Too many sessions"):
            await connection.start_sftp_client()
        first.exit()
        await first.wait_closed()
        assert await second.realpath(".") == "/"  # the other one goes on; and the end of the first is seen
        async with connection.start_sftp_client() as again:
            assert await again.realpath(".") == "/"
    assert await refused(tight) == {("acme", "127.0.0.4", "too many sessions in this connection")}


async def test_handles_of_a_session(tight: LocalGateway, packets: Callable[..., Any]) -> None:
    """Files and directories count together; one too many fails, and the others go on."""
    opendir, closed = 11, 0
    async with packets(tight) as session:
        one = await session.open("/one.csv")
        directory = await session.answer(session.ask(opendir, b"/"))
        await session.open("/two.csv")
        for refusal in (
            await session.answer(session.ask(opendir, b"/")),
            await session.answer(session.ask(3, b"/three.csv", 0x1A, 0)),
        ):
            assert refusal.status == 4
            assert refusal.text.startswith("Too many files and directories are open")
        assert (await session.close(directory.string)).status == closed
        again = await session.answer(session.ask(opendir, b"/"))
        assert (await session.write(one, 0, b"a,b\n"))[0].status == closed
        assert (await session.close(one)).status == closed
        await session.close(again.string)
    reason = "too many open files and directories in a session"
    assert await refused(tight, 2) == {("acme", "127.0.0.1", reason)}


async def test_limits_are_told_to_who_asks(tight: LocalGateway, packets: Callable[..., Any]) -> None:
    """limits@openssh.com names the handles."""
    async with packets(tight) as session:
        answer = await session.answer(session.ask(200, b"limits@openssh.com"))
    assert int.from_bytes(answer.body[24:32], "big") == 3


# --- files ------------------------------------------------------------------------------------


@pytest.mark.client("sftp")
@pytest.mark.parametrize("size", [200_000, 200_001])
def test_the_largest_file(tight: LocalGateway, openssh: Callable[..., Any], size: int) -> None:
    """A file of just the size arrives; with a byte more the client reports failure, and the record why."""
    client = openssh(tight)
    (client.folder / "big.bin").write_bytes(bytes(size))
    done = client.sftp("put big.bin")
    if size == 200_000:
        assert done.returncode == 0, done.stderr
        assert tight.wait_for_transfer("big.bin")["Bytes"] == size
    else:
        assert done.returncode == 1
        assert "close remote" in done.stderr
        record = tight.wait_for_transfer("big.bin", status="FAILED")
        assert "limits.max_file_bytes" in record["Error"]
        assert tight.client("s3").list_objects_v2(Bucket=tight.landing_bucket)["KeyCount"] == 0


# --- time and speed -----------------------------------------------------------------------------


async def test_idle(hasty: LocalGateway, packets: Callable[..., Any]) -> None:
    """A client that does nothing is told so; what it was writing ends as a dropped upload does."""
    async with packets(hasty) as session:
        handle = await session.open("/half.csv")
        await session.write(handle, 0, b"half")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await session.connection.wait_closed()
    record = await asyncio.to_thread(hasty.wait_for_transfer, "half.csv", status="PARTIAL")
    assert record["Error"] == "the client did nothing for 2 seconds"
    assert events(hasty, "idle connection ended")[-1]["user"] == "acme"


async def test_sessions_of_a_partner_share_its_rate(hasty: LocalGateway) -> None:
    """Two connections at once are no faster than one, up or down, and nothing fails of waiting."""
    half = bytes(RATE)

    async def put(sftp: asyncssh.SFTPClient, name: str) -> None:
        async with sftp.open(name, "wb", block_size=2 * RATE) as file:
            await file.write(half)

    async with visitors() as visit:
        connections = await asyncio.gather(*(visit(hasty, "127.0.0.1") for _ in range(2)))
        sftps = await asyncio.gather(*(each.start_sftp_client() for each in connections))
        begun = time.monotonic()
        await asyncio.gather(*(put(sftp, f"/{number}.bin") for number, sftp in enumerate(sftps)))
        up = time.monotonic() - begun
        got = await asyncio.gather(*(read(sftp, f"/{number}.bin") for number, sftp in enumerate(sftps)))
        down = time.monotonic() - begun - up
    assert got == [half, half]
    assert min(up, down) > 1.0  # two seconds' bytes, of which one second's may have been saved up
    assert {each["Status"] for each in await asyncio.to_thread(hasty.transfers)} == {"COMPLETED"}


async def read(sftp: asyncssh.SFTPClient, name: str) -> bytes:
    async with sftp.open(name, "rb") as file:
        data = await file.read()
    assert isinstance(data, bytes)
    return data


async def test_a_login_that_takes_too_long(hasty: LocalGateway) -> None:
    """Whoever trickles bytes is closed at the deadline all the same, and is on record as slow."""
    reader, writer = await asyncio.open_connection(hasty.sftp_host, hasty.sftp_port)

    async def trickle() -> None:
        while not writer.is_closing():
            writer.write(b"S")
            await asyncio.sleep(0.1)

    trickling = asyncio.create_task(trickle())
    async with asyncio.timeout(PATIENCE_SECONDS):
        with suppress(ConnectionError):
            await reader.read()  # until it is closed
    trickling.cancel()
    writer.close()
    assert await refused(hasty) == {("", "127.0.0.1", "no login in time")}
