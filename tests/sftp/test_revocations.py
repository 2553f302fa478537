"""A key that is removed while somebody logs in with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
import pytest

from support.memory_house import SERVER, house_in
from tidegate.core.ids import KeyId
from tidegate.core.users import SshPublicKey, User


async def test_who_was_looked_up_before_is_ended_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look cannot know of it, says so, and the next one ends it."""
    async with house_in(tmp_path) as house:
        read, asked, may_answer = house.directory.user, asyncio.Event(), asyncio.Event()
        may_answer.set()

        async def slow(server_id: str, user_name: str) -> User:
            user = await read(server_id, user_name)
            asked.set()
            await may_answer.wait()
            return user

        async def may_stay(user: User, key: SshPublicKey) -> bool:
            return await house.logins.key(user.user_name, key.fingerprint) is not None

        monkeypatch.setattr(house.directory, "user", slow)
        may_answer.clear()
        login = asyncio.create_task(_logged_in(house.connect()))
        async with asyncio.timeout(20):
            # The client asks twice: whether the key would do, and then with its signature.
            await asked.wait()
            asked.clear()
            may_answer.set()
            await asyncio.sleep(0)
            may_answer.clear()
            await asked.wait()
            await house.directory.remove_key(SERVER, "acme", KeyId("key-1"))
            assert not await house.listener.end_revoked(may_stay)
            may_answer.set()
            connection = await login
            assert await house.listener.end_revoked(may_stay)
            await connection.wait_closed()


async def _logged_in(connecting: asyncssh.misc._ACMWrapper) -> asyncssh.SSHClientConnection:
    connection: asyncssh.SSHClientConnection = await connecting
    return connection
