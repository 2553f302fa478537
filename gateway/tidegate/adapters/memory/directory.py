"""The directory of users in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from tidegate.core.errors import AlreadyExists, NotFound
from tidegate.core.ids import KeyId
from tidegate.core.servers import Server
from tidegate.core.users import Home, SshPublicKey, User


class MemoryUserDirectory:
    """
    `UserDirectory` for tests and local mode. Safe from several tasks, not from several threads.

    Every call lets other tasks run once before it acts, as a network would, and then acts at once.
    """

    def __init__(self) -> None:
        self._servers: dict[str, Server] = {}
        self._users: dict[tuple[str, str], User] = {}

    async def register_server(self, server_id: str) -> None:
        await asyncio.sleep(0)
        self._servers.setdefault(server_id, Server.configured(server_id))

    async def add_server(self, server: Server) -> None:
        await asyncio.sleep(0)
        if server.server_id in self._servers:
            raise AlreadyExists(f"there is a server {server.server_id} already")
        self._servers[server.server_id] = server

    async def servers(self) -> list[Server]:
        await asyncio.sleep(0)
        return [self._servers[server_id] for server_id in sorted(self._servers)]

    async def remove_server(self, server_id: str) -> None:
        await asyncio.sleep(0)
        self._server(server_id)
        del self._servers[server_id]
        self._users = {at: user for at, user in self._users.items() if at[0] != server_id}

    async def server_ids(self) -> list[str]:
        await asyncio.sleep(0)
        return sorted(self._servers)

    async def server(self, server_id: str) -> Server:
        await asyncio.sleep(0)
        return self._server(server_id)

    async def change_server(self, server_id: str, change: Callable[[Server], Server]) -> Server:
        await asyncio.sleep(0)
        before = self._server(server_id)
        changed = replace(change(before), revocations=before.revocations)
        self._servers[server_id] = changed
        return changed

    async def user(self, server_id: str, user_name: str) -> User:
        await asyncio.sleep(0)
        return self._user(server_id, user_name)

    async def users(self, server_id: str, after: str = "") -> AsyncIterator[User]:
        await asyncio.sleep(0)
        # Names first, users as they are reached: one removed meanwhile is not shown any more.
        for at in sorted(at for at in self._users if at[0] == server_id and at[1] > after):
            if at in self._users:
                yield self._users[at]

    async def add_user(self, user: User) -> None:
        await asyncio.sleep(0)
        if (user.server_id, user.user_name) in self._users:
            raise AlreadyExists(f"user {user.user_name} of server {user.server_id} exists already")
        if len({key.key_id for key in user.keys}) < len(user.keys):
            raise AlreadyExists(f"user {user.user_name} of server {user.server_id} is given one key twice")
        self._keep(user)

    async def set_home(self, server_id: str, user_name: str, home: Home) -> None:
        await asyncio.sleep(0)
        self._keep(replace(self._user(server_id, user_name), home=home))

    async def change_user(self, server_id: str, user_name: str, change: Callable[[User], User]) -> User:
        await asyncio.sleep(0)
        user = self._user(server_id, user_name)
        changed = change(user)
        self._keep(replace(changed, user_name=user_name, created_at=user.created_at, keys=user.keys))
        return self._user(server_id, user_name)

    async def remove_user(self, server_id: str, user_name: str) -> None:
        await asyncio.sleep(0)
        self._user(server_id, user_name)
        del self._users[server_id, user_name]
        self._note_revocation(server_id)

    async def add_key(self, server_id: str, user_name: str, key: SshPublicKey) -> None:
        await asyncio.sleep(0)
        user = self._user(server_id, user_name)
        if any(kept.key_id == key.key_id for kept in user.keys):
            raise AlreadyExists(f"user {user_name} of server {server_id} has the key {key.key_id} already")
        self._keep(replace(user, keys=(*user.keys, key)))

    async def remove_key(self, server_id: str, user_name: str, key_id: KeyId) -> None:
        await asyncio.sleep(0)
        user = self._user(server_id, user_name)
        left = tuple(key for key in user.keys if key.key_id != key_id)
        if len(left) == len(user.keys):
            raise NotFound(f"user {user_name} of server {server_id} has no key {key_id}")
        self._keep(replace(user, keys=left))
        self._note_revocation(server_id)

    def _note_revocation(self, server_id: str) -> None:
        if server := self._servers.get(server_id):
            self._servers[server_id] = replace(server, revocations=server.revocations + 1)

    def _server(self, server_id: str) -> Server:
        try:
            return self._servers[server_id]
        except KeyError:
            raise NotFound(f"there is no server {server_id}") from None

    def _user(self, server_id: str, user_name: str) -> User:
        try:
            return self._users[server_id, user_name]
        except KeyError:
            raise NotFound(f"server {server_id} has no user {user_name}") from None

    def _keep(self, user: User) -> None:
        oldest_first = tuple(sorted(user.keys, key=lambda key: (key.imported_at, key.key_id)))
        self._users[user.server_id, user.user_name] = replace(user, keys=oldest_first)
