"""Crowds: many who do nothing, many who upload, many who never log in; and what is left of them."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tidegate.testing.gateway import LocalGateway

pytestmark = [
    pytest.mark.lengthy,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a process holds is read from /proc"),
]

KIB, MIB = 1024, 1024 * 1024
PATIENCE_SECONDS = 120
# docs/memory.md: what a connection costs that does nothing, logged in or not.
CONNECTION_BYTES = 100 * KIB
# An allocator keeps some of what it was given back; it does not ask for it again.
KEPT_BYTES = 48 * MIB

CONFIG = """
sftp: {login_timeout_seconds: 60}
limits: {connections: 1200, connections_per_address: 1200, connections_per_partner: 1200}
# 7 MiB are promised to each upload that is open.
uploads: {buffer_budget_bytes: 2147483648}
deliveries: {targets: []}
"""


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    with LocalGateway("partner-safe", CONFIG, tmp_path_factory.mktemp("roomy")) as gateway:
        yield gateway


class Holdings:
    """What a gateway's process holds, and what it has logged and recorded since."""

    def __init__(self, gateway: LocalGateway) -> None:
        self.gateway = gateway
        self.files = self.open_files()
        self.memory = self.resident_bytes()
        self._log_from = gateway.log_path.stat().st_size

    def open_files(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.gateway.pid}/fd").iterdir())

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.gateway.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    @property
    def grown_bytes(self) -> int:
        return self.resident_bytes() - self.memory

    def logged(self) -> Counter[str]:
        with self.gateway.log_path.open("rb") as log:
            log.seek(self._log_from)
            return Counter(json.loads(line)["event"] for line in log.read().splitlines())

    def refused(self) -> list[str]:
        pages = self.gateway.client("dynamodb").get_paginator("scan")
        items = [
            item for page in pages.paginate(TableName=self.gateway.transfers_table) for item in page["Items"]
        ]
        return [item["Error"]["S"] for item in items if item["Item"]["S"] == "login"]

    async def all_gone(self) -> None:
        """Return once no connection is left."""

        def wait() -> None:
            deadline = time.monotonic() + PATIENCE_SECONDS
            # The AWS clients keep some connections of their own, which come and go.
            while (left := self.open_files() - self.files) > 40:
                assert time.monotonic() < deadline, f"{left} files are left open"
                time.sleep(0.1)

        await asyncio.to_thread(wait)


async def login(gateway: LocalGateway, key: str) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        gateway.sftp_host,
        gateway.sftp_port,
        username="acme",
        client_keys=[key],
        known_hosts=str(gateway.known_hosts_path),
        agent_path=None,
        config=None,
        login_timeout=PATIENCE_SECONDS,
    )


@asynccontextmanager
async def crowd(gateway: LocalGateway, count: int) -> AsyncIterator[list[asyncssh.SFTPClient]]:
    """Give so many connections with a session each, made a few at a time."""
    key, few = str((await asyncio.to_thread(gateway.partner, "acme")).private_key_path), asyncio.Semaphore(20)
    connections: list[asyncssh.SSHClientConnection] = []

    async def come() -> asyncssh.SFTPClient:
        async with few:
            connections.append(connection := await login(gateway, key))
            return await connection.start_sftp_client()

    try:
        yield await asyncio.gather(*(come() for _ in range(count)))
    finally:
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.wait_closed() for connection in connections))


async def greeted(gateway: LocalGateway, says: bytes = b"") -> tuple[Any, Any]:
    reader, writer = await asyncio.open_connection(gateway.sftp_host, gateway.sftp_port)
    assert (await reader.readline()).startswith(b"SSH-2.0-tidegate")
    writer.write(says)
    return reader, writer


async def test_a_thousand_idle_connections(roomy: LocalGateway) -> None:
    """Each costs what is stated; others work meanwhile; when they have gone nothing of them is left."""
    async with crowd(roomy, 20):
        pass  # what is loaded and cached with the first ones is no cost of the others
    before = Holdings(roomy)
    async with crowd(roomy, 1000) as sftps:
        grown = before.grown_bytes
        assert await sftps[-1].realpath(".") == "/"
        async with sftps[500].open("/between.csv", "wb") as file:
            await file.write(b"a,b\n")
    await before.all_gone()
    assert grown < 1000 * CONNECTION_BYTES
    async with crowd(roomy, 1000):
        again = before.grown_bytes
    assert again < grown + KEPT_BYTES  # the second thousand lives where the first one did
    await before.all_gone()
    assert before.refused() == []
    told = before.logged()
    assert (told["login"], told["upload ended"]) == (2000, 1)
    assert told.keys() <= {"login", "session ended", "upload ended"}


async def test_two_hundred_busy_sessions(roomy: LocalGateway) -> None:
    """All upload at once, all arrive whole, and none is refused."""
    roomy.reset()
    before = Holdings(roomy)
    data = bytes(256 * KIB)

    async def put(sftp: asyncssh.SFTPClient, number: int) -> None:
        async with sftp.open(f"/{number}.bin", "wb") as file:
            await file.write(data)

    async with crowd(roomy, 200) as sftps:
        await asyncio.gather(*(put(sftp, number) for number, sftp in enumerate(sftps)))
    await before.all_gone()
    ended = Counter((each["Status"], int(each["Bytes"])) for each in roomy.transfers())
    assert ended == {("COMPLETED", len(data)): 200}
    assert before.refused() == []


async def test_slow_logins(tmp_path: Path) -> None:
    """Whoever trickles bytes is closed at the deadline; hundreds of them are a few records and a count."""
    config = "sftp: {login_timeout_seconds: 3}"
    with LocalGateway("partner-safe", config, tmp_path) as gateway:
        before = Holdings(gateway)
        slow = [await greeted(gateway) for _ in range(400)]
        assert before.grown_bytes < 400 * CONNECTION_BYTES

        async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for letter in b"SSH-2.0-slow_" * 20:
                if reader.at_eof():
                    return
                writer.write(bytes([letter]))
                await asyncio.sleep(0.25)

        async with asyncio.timeout(30):
            trickling = [asyncio.create_task(trickle(*each)) for each in slow]
            done = await asyncio.gather(*(reader.read() for reader, _ in slow), return_exceptions=True)
            assert len(done) == 400
        for task in trickling:
            task.cancel()
        for _, writer in slow:
            writer.close()
        await before.all_gone()
        assert 1 <= len(before.refused()) <= 5
        assert set(before.refused()) == {"no login in time"}
        assert before.logged()["login refused"] <= 5
        assert before.logged().keys() == {"login refused"}
        assert before.grown_bytes < KEPT_BYTES


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-check\r\n"], ids=["nothing", "a version"])
async def test_health_checks_all_day(roomy: LocalGateway, says: bytes) -> None:
    """Three thousand that look in and leave: no line, no record, no socket, no memory."""
    for _ in range(200):
        (_, writer) = await greeted(roomy, says)
        writer.close()
    roomy.reset()
    before = Holdings(roomy)
    for _ in range(3000):
        _, writer = await greeted(roomy, says)
        writer.close()
    await before.all_gone()
    assert before.logged() == {}
    assert before.refused() == []
    assert before.grown_bytes < 4 * MIB
