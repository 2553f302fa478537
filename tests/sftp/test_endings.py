"""
How uploads end: a CLOSE the client sent completes, and nothing else does.

These pin what docs/decisions/0003-endings-of-uploads.md says of asyncssh: it closes handles by itself
when a session ends, and tells nobody when a connection drops.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from support.relay import Cut
from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh, Packets, Stored

MIB = 1024 * 1024
# One that is a single PutObject in the end, one of which a part is in S3 already.
SIZES = {"of one part": 300_000, "of two parts": 9 * MIB}

sizes = pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


class Dropped:
    """What must hold after an upload of /report.bin whose client went away: exactly one story, told alike."""

    def __init__(self, gateway: LocalGateway, there: Stored, content: bytes) -> None:
        self._gateway = gateway
        self._there = there
        self._content = content

    def is_kept_in_part(self, size: int | None = None) -> None:
        """Transfer Family: what was received is stored and PARTIAL, and never delivered."""
        record = self._gateway.wait_for_transfer("report.bin", status="PARTIAL")
        kept = self._there.content("acme/report.bin")
        assert self._content.startswith(kept)
        assert len(kept) < len(self._content) or size == len(kept)
        assert len(kept) == record["Bytes"] == (size or len(kept))
        assert record["Sha256"] == hashlib.sha256(kept).hexdigest()
        assert self._there.keys() == ["acme/report.bin"]
        # An object of several parts has its metadata from before its outcome was known: it says nothing.
        said = self._there.head("acme/report.bin")["Metadata"].get("tidegate-outcome")
        assert said == (None if len(kept) >= 8 * MIB else "partial")
        self._is_all(record)

    def is_kept_to_go_on(self) -> None:
        """partner-safe: there is no object, and the parts S3 has are kept for whoever goes on with it."""
        record = self._gateway.wait_for_transfer("report.bin", status="KEPT")
        assert 0 < record["Bytes"] < len(self._content)
        assert record["Bytes"] % (8 * MIB) == 0
        assert (self._there.keys(), self._there.unfinished()) == ([], ["acme/report.bin"])
        assert self._there.keys(self._gateway.private_bucket) == []

    def is_discarded(self) -> None:
        """There is no object, no part, and the record says ABANDONED."""
        record = self._gateway.wait_for_transfer("report.bin", status="ABANDONED")
        assert self._there.keys() == []
        self._is_all(record)

    def _is_all(self, record: dict[str, Any]) -> None:
        assert record["Error"]
        assert not record.get("DeliveryTargets")
        assert self._there.unfinished() == []
        assert self._there.keys(self._gateway.private_bucket) == []
        assert [each["LogID"] for each in self._gateway.transfers()] == [record["LogID"]]
        items = self._gateway.client("dynamodb").scan(TableName=self._gateway.transfers_table)["Items"]
        assert len(items) == 1, "no delivery is owed"


async def ended_as_the_preset_says(
    gateway: LocalGateway,
    preset: str,
    stored: type[Stored],
    content: bytes,
    size: int | None = None,
    *,
    has_parts: bool,
) -> None:
    """Check in a thread: the waits would stop the clients that run in this loop."""
    dropped = Dropped(gateway, stored(gateway), content)
    if preset == "partner-safe":
        # An upload of which S3 had not one whole part leaves nothing.
        await asyncio.to_thread(dropped.is_kept_to_go_on if has_parts else dropped.is_discarded)
    else:
        await asyncio.to_thread(dropped.is_kept_in_part, size)


async def half_sent(session: Packets, content: bytes) -> bytes:
    """Open /report.bin, write all of `content` and see it acknowledged; return the handle, still open."""
    handle = await session.open("/report.bin")
    assert {answer.status for answer in await session.write(handle, 0, content)} == {0}
    return handle


# --- completed ------------------------------------------------------------------------------


@sizes
async def test_a_close_completes(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored], size: int
) -> None:
    """When the client reads OK, object and record are there: no wait is needed."""
    async with packets(gateway) as session:
        handle = await half_sent(session, content_of(size))
        assert (await session.close(handle)).status == 0
        (record,) = await asyncio.to_thread(gateway.transfers)
    assert record["Status"] == "COMPLETED"
    assert stored(gateway).content("acme/report.bin") == content_of(size)


@sizes
async def test_a_close_completes_though_its_sender_does_not_wait(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored], size: int
) -> None:
    """CLOSE and the end of the session sent in one go: the file was sent whole, so it is kept."""
    async with packets(gateway) as session:
        handle = await half_sent(session, content_of(size))
        session.ask(4, handle)
        session.writer.write_eof()
        await asyncio.to_thread(gateway.wait_for_transfer, "report.bin")
    assert stored(gateway).content("acme/report.bin") == content_of(size)
    assert len(gateway.transfers()) == 1


async def test_a_close_after_writes_nobody_waited_for_completes(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """Everything pipelined, from the first WRITE to the end of the session."""
    content = content_of(1_000_000)
    async with packets(gateway) as session:
        handle = await session.open("/report.bin")
        for offset in range(0, len(content), 32768):
            session.ask_write(handle, offset, content[offset : offset + 32768])
        session.ask(4, handle)
        session.writer.write_eof()
        await asyncio.to_thread(gateway.wait_for_transfer, "report.bin")
    assert stored(gateway).content("acme/report.bin") == content


# --- dropped --------------------------------------------------------------------------------


async def end_of_input(session: Packets) -> None:
    session.writer.write_eof()


async def end_of_session(session: Packets) -> None:
    session.channel.close()


async def end_of_connection(session: Packets) -> None:
    session.connection.close()


async def broken_connection(session: Packets) -> None:
    session.connection.abort()


async def broken_wire(session: Packets) -> None:
    session.connection._transport.abort()


@sizes
@pytest.mark.parametrize(
    "leave", [end_of_input, end_of_session, end_of_connection, broken_connection, broken_wire]
)
async def test_whoever_leaves_without_a_close_completes_nothing(
    gateway: LocalGateway,
    preset: str,
    packets: Callable[..., Any],
    stored: type[Stored],
    leave: Callable[[Packets], Awaitable[None]],
    size: int,
) -> None:
    """Whatever ends first, input, session, connection or wire: the open handle was never closed."""
    content = content_of(size)
    async with packets(gateway) as session:
        await half_sent(session, content)
        await leave(session)
        await ended_as_the_preset_says(gateway, preset, stored, content, size, has_parts=size > 8 * MIB)


async def test_nothing_received_is_nothing_stored(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """A client that opens and leaves is no empty file, under either preset."""
    async with packets(gateway) as session:
        await session.open("/report.bin")
    await asyncio.to_thread(Dropped(gateway, stored(gateway), b"").is_discarded)


async def test_a_session_that_ends_takes_no_other_with_it(
    tidegate: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """Not even one that ends before its first packet: the other session of the connection goes on."""
    async with packets(tidegate) as session:
        handle = await half_sent(session, b"one")
        writer, reader, _ = await session.connection.open_session(subsystem="sftp", encoding=None)
        writer.write_eof()
        assert await reader.read() == b""
        assert {answer.status for answer in await session.write(handle, 3, b"two")} == {0}
        assert (await session.close(handle)).status == 0
    assert stored(tidegate).content("acme/report.bin") == b"onetwo"


# --- real programs and real wires -----------------------------------------------------------


@asynccontextmanager
async def uploading(client: OpenSsh, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `sftp` with a batch that puts /report.bin; it is gone at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *client.sftp_command(*options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=client.folder,
        env=client.environment,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(b"put report.bin\n")
        process.stdin.close()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(condition: Callable[[], Any], what: str) -> None:
    """Return when the condition, which asks the gateway, holds."""
    deadline = asyncio.get_running_loop().time() + 20
    while not await asyncio.to_thread(condition):
        assert asyncio.get_running_loop().time() < deadline, f"never: {what}"


@pytest.mark.client("sftp")
async def test_a_killed_client_completes_nothing(
    gateway: LocalGateway, preset: str, openssh: Callable[..., OpenSsh], stored: type[Stored]
) -> None:
    """OpenSSH's sftp, killed while its first part is in S3 and the rest of the file is not sent."""
    client, content, there = openssh(gateway), content_of(48 * MIB), stored(gateway)
    (client.folder / "report.bin").write_bytes(content)
    # 6 MB a second: after the first part of 8 MiB there are six seconds left to kill it in.
    async with uploading(client, "-l", "50000") as process:
        await until(there.unfinished, "a multipart upload begins")
        (record,) = await asyncio.to_thread(gateway.transfers)
        assert record["Status"] == "STARTED"
        process.kill()
        await process.wait()
        await ended_as_the_preset_says(gateway, preset, stored, content, has_parts=True)


@pytest.mark.client("sftp")
@pytest.mark.parametrize("cut_after", [200_000, 10 * MIB], ids=["the first part", "the second part"])
async def test_a_cut_wire_completes_nothing(
    gateway: LocalGateway, preset: str, openssh: Callable[..., OpenSsh], stored: type[Stored], cut_after: int
) -> None:
    """The network goes away in the middle of a part; OpenSSH says so, and the gateway knows as well."""
    client, content = openssh(gateway), content_of(20 * MIB)
    (client.folder / "report.bin").write_bytes(content)
    async with Cut(gateway.sftp_port, cut_after) as wire:
        client.port = wire.port
        async with uploading(client) as process:
            has_parts = cut_after > 8 * MIB
            await ended_as_the_preset_says(gateway, preset, stored, content, has_parts=has_parts)
            assert await process.wait() != 0
