"""
One handle that S3 holds up: what else of its session goes on, and what waits for it.

Each fact while a request to S3 is held at a gate. docs/decisions/0016-one-slow-handle.md has the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncssh
import pytest

from support.fault_house import LANDING, Gateway, House, open_house
from support.fault_proxy import Gate

pytestmark = pytest.mark.lengthy

MIB = 1024 * 1024
PIECE = 256 * 1024
PATIENCE_SECONDS = 20


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture(scope="module")
def gateway(house: House) -> Gateway:
    gateway = house.gateway()
    for name in ("slow", "other", "dir/a", "dir/b"):
        house.aws_client("s3").put_object(Bucket=LANDING, Key=f"acme/{name}", Body=name.encode())
    return gateway


@asynccontextmanager
async def session(gateway: Gateway) -> AsyncIterator[asyncssh.SFTPClient]:
    options = {"known_hosts": None, "client_keys": [str(gateway.key)], "agent_path": None, "config": None}
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        asyncssh.connect("127.0.0.1", gateway.port, username="acme", **options) as connection,
        connection.start_sftp_client() as sftp,
    ):
        yield sftp


@asynccontextmanager
async def held(house: House, operation: str, name: str) -> AsyncIterator[Gate]:
    """Hold every request of this kind about this file until the end of the block."""
    gate = Gate()
    house.proxy.on(operation, gate, only=lambda request: request.path.endswith(f"/{name}"))
    try:
        yield gate
    finally:
        gate.open()
        house.proxy.clear()


async def goes_on(sftp: asyncssh.SFTPClient, new: str) -> None:
    """Look, list, read and write elsewhere in the session, from OPEN to CLOSE."""
    assert (await sftp.stat("other")).size == len(b"other")
    assert set(await sftp.listdir("dir")) == {"a", "b"}
    async with sftp.open("other", "rb") as file:
        assert await file.read() == b"other"
    async with sftp.open(new, "wb") as file:
        await file.write(b"new")
    assert (await sftp.stat(new)).size == len(b"new")


async def test_a_slow_close_holds_up_its_own_name_alone(house: House, gateway: Gateway) -> None:
    """Others of the session go on to their own CLOSE; whoever asks for this name hears of the new file."""
    order: list[str] = []
    async with session(gateway) as sftp, held(house, "s3.PutObject", "closing") as gate:
        file = await sftp.open("closing", "wb")
        await file.write(b"whole")
        closing = asyncio.create_task(file.close())
        closing.add_done_callback(lambda _: order.append("close"))
        await asyncio.to_thread(gate.wait_for_arrival)
        await goes_on(sftp, "beside-close")
        asking = asyncio.create_task(sftp.stat("closing"))
        asking.add_done_callback(lambda _: order.append("stat"))
        assert order == []
        gate.open()
        assert (await asking).size == len(b"whole")
        await closing
    assert order == ["close", "stat"]


async def test_a_slow_part_holds_up_its_own_upload_alone(house: House, gateway: Gateway) -> None:
    """WRITEs of this file wait for S3 to take its parts, up to eight of them; nothing else does."""
    async with session(gateway) as sftp, held(house, "s3.UploadPart", "parts") as gate:
        file = await sftp.open("parts", "wb", block_size=0)
        few = asyncio.Semaphore(8)

        async def write(number: int) -> None:
            async with few:
                await file.write(bytes(PIECE), number * PIECE)

        # More than a gateway takes in while no part of it leaves.
        writing = asyncio.gather(*(write(number) for number in range(40 * MIB // PIECE)))
        await asyncio.to_thread(house.proxy.wait_for, "s3.UploadPart")
        await goes_on(sftp, "beside-parts")
        assert not writing.done()
        gate.open()
        await writing
        await file.close()
        assert (await sftp.stat("parts")).size == 40 * MIB


async def test_a_slow_read_holds_up_its_own_download_alone(house: House, gateway: Gateway) -> None:
    """READs of this file wait for S3; nothing else does."""
    async with session(gateway) as sftp, held(house, "s3.GetObject", "slow") as gate:
        file = await sftp.open("slow", "rb")
        reading = asyncio.create_task(file.read())
        await asyncio.to_thread(gate.wait_for_arrival)
        await goes_on(sftp, "beside-read")
        assert not reading.done()
        gate.open()
        assert await reading == b"slow"
        await file.close()
