"""
A client that asks and does not read: the gateway must not keep the answers for it.

asyncssh sends without ever waiting (2.24.1). Two gates hold requests back: for a socket that takes no
more, and for a channel whose window is used up. Each has its client here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import Packets

MIB = 1024 * 1024
READ_BYTES = 256 * 1024
# 200 MiB of answers: three times what the gateway may grow by.
READS = 800
GROWTH_BYTES = 64 * MIB
FILE_BYTES = 8 * MIB

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the memory of another process is read from /proc"
)


def resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory")


async def read_all(session: Packets, handle: bytes) -> None:
    """Read as much as was asked of the other, one answer after the other."""
    for number in range(READS):
        offset = number * READ_BYTES % FILE_BYTES
        answer = await session.answer(session.ask_read(handle, offset, READ_BYTES))
        assert len(answer.string) == READ_BYTES


async def unread_socket(session: Packets) -> None:
    session.connection._transport.pause_reading()


async def unread_channel(session: Packets) -> None:
    session.channel.pause_reading()


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("stop_reading", "window"), [(unread_socket, 2**30), (unread_channel, 2 * MIB)], ids=["socket", "window"]
)
async def test_a_client_that_does_not_read_costs_no_memory(
    tidegate: LocalGateway,
    packets: Callable[..., Any],
    stop_reading: Callable[[Packets], Awaitable[None]],
    window: int,
) -> None:
    """It waits for itself alone: memory stays, and whoever reads is served as ever."""
    s3 = tidegate.client("s3")
    for partner in ("acme", "bank"):
        s3.put_object(Bucket=tidegate.landing_bucket, Key=f"{partner}/big.bin", Body=bytes(FILE_BYTES))
    async with packets(tidegate, "acme", window) as silent, packets(tidegate, "bank") as other:
        unread, read = await silent.open("big.bin", 0x01), await other.open("big.bin", 0x01)
        # Once round, so that what every download takes is taken before the measuring.
        await read_all(other, read)
        before = resident_bytes(tidegate.pid)
        await stop_reading(silent)
        for number in range(READS):
            silent.ask_read(unread, number * READ_BYTES % FILE_BYTES, READ_BYTES)
        # Requests of two sessions are answered in turns: by the end of this one, the other's would be too.
        await read_all(other, read)
        grown = resident_bytes(tidegate.pid) - before
        assert grown < GROWTH_BYTES, f"grown by {grown // MIB} MiB"
        assert (await other.close(read)).status == 0
    ended = {"direction": "DOWNLOAD", "status": "ABANDONED", "partner": "acme"}
    await asyncio.to_thread(tidegate.wait_for_transfer, "big.bin", **ended)
