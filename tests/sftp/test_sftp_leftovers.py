"""A listener in this process, over memory: when connections have gone, no task, timer or object stays."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import asyncssh
import pytest

from support.memory_house import House, house_in
from tidegate.faces.sftp.auth import Connection
from tidegate.faces.sftp.files import Files
from tidegate.faces.sftp.limits import Visit
from tidegate.faces.sftp.session import Handler, SftpSession

OURS = (Connection, SftpSession, Handler, Files, Visit, asyncssh.SSHServerConnection)


async def uploads_and_leaves(house: House) -> None:
    async with house.connect() as connection, connection.start_sftp_client() as sftp:
        async with sftp.open("/whole.csv", "wb") as file:
            await file.write(b"a,b\n")
        assert await sftp.listdir("/")


async def is_gone_in_the_middle(house: House) -> None:
    connection = await house.connect()
    sftp = await connection.start_sftp_client()
    file = await sftp.open("/half.csv", "wb")
    await file.write(bytes(100_000))
    connection.abort()
    await connection.wait_closed()


async def has_no_key(house: House) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        await house.connect(asyncssh.generate_private_key("ssh-ed25519"))


async def looks_in(house: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.listener.port)
    await reader.readline()
    writer.close()
    await writer.wait_closed()


VISITS = [uploads_and_leaves, is_gone_in_the_middle, has_no_key, looks_in]


def alive(kinds: Iterable[type]) -> Counter[str]:
    gc.collect()
    return Counter(type(each).__name__ for each in gc.get_objects() if type(each) in kinds)


@pytest.mark.parametrize("visit", VISITS)
async def test_nothing_is_left(tmp_path: Path, visit) -> None:
    """Whatever the client did, its task, timers and objects end with it, and its place is free."""
    async with house_in(tmp_path) as house:
        await visit(house)
        await house.all_gone()
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks()
        for _ in range(5):
            await visit(house)
        await house.all_gone()
        await asyncio.sleep(0.01)
        assert {each for each in asyncio.all_tasks() - tasks if "record" not in repr(each)} == set()
        assert alive(OURS) == {}
        assert (house.guard.places.taken, house.guard.places.names_count) == (0, 0)
        assert len(house.guard.rates._partners) == 0
