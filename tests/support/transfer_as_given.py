"""
A Transfer endpoint as the contract of `UserDirectory` sees it.

Transfer Family keeps no time of creation, gives keys its own ids and times, wants a role, and leaves out a
start at / that goes without saying. What a test gave of these is put back into what it reads, so that all the
rest is compared as it came.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support.transfer_client import ROLE
from tidegate.adapters.aws.transfer_directory import TransferUserDirectory
from tidegate.core.homes import leads_alike
from tidegate.core.ids import KeyId
from tidegate.core.public_keys import ParsedKey, parse_public_key
from tidegate.core.servers import Server
from tidegate.core.users import Home, SshPublicKey, User

# Tests of the contract that cannot hold there, by name, and why.
CANNOT_HOLD = {
    "TestServers": "servers of one account are not made by registering them",
    "test_servers_are_apart": "there is one server here",
    "test_large_homes_among_others": "a target has 1024 characters at most",
    "test_change_with_a_large_home": "a target has 1024 characters at most",
    "test_change": "a role, once given, cannot be taken away",
    "test_race_of_changes_loses_none": "UpdateUser has no conditions",
    "test_oldest_first": "the time of a key is that of its import",
}


def key_named(name: str) -> ParsedKey:
    """Return a key that is always the same for a name."""
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    return parse_public_key(
        private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    )


class AsGiven:
    """`UserDirectory` over another one, under the server id that the tests use."""

    def __init__(self, directory: TransferUserDirectory, server_id: str, live_server_id: str) -> None:
        self._directory = directory
        self._ids = {server_id: live_server_id}
        self._users: dict[str, User] = {}
        self._keys: dict[tuple[str, str], SshPublicKey] = {}

    async def register_server(self, server_id: str) -> None:
        await self._directory.register_server(self._live(server_id))

    async def server(self, server_id: str) -> Server:
        return await self._directory.server(self._live(server_id))

    async def change_server(self, server_id: str, change: Callable[[Server], Server]) -> Server:
        return await self._directory.change_server(self._live(server_id), change)

    async def server_ids(self) -> list[str]:
        return await self._directory.server_ids()

    async def user(self, server_id: str, user_name: str) -> User:
        return self._given(server_id, await self._directory.user(self._live(server_id), user_name))

    async def users(self, server_id: str, after: str = "") -> AsyncIterator[User]:
        async for user in self._directory.users(self._live(server_id), after):
            yield self._given(server_id, user)

    async def add_user(self, user: User) -> None:
        role = user.role or ROLE
        await self._directory.add_user(replace(user, server_id=self._live(user.server_id), role=role))
        self._users[user.user_name] = user
        self._keep(user.user_name, *user.keys)

    async def set_home(self, server_id: str, user_name: str, home: Home) -> None:
        await self._directory.set_home(self._live(server_id), user_name, home)
        self._users[user_name] = replace(self._users[user_name], home=home)

    async def change_user(self, server_id: str, user_name: str, change: Callable[[User], User]) -> User:
        changed = await self._directory.change_user(self._live(server_id), user_name, change)
        return self._given(server_id, changed)

    async def remove_user(self, server_id: str, user_name: str) -> None:
        await self._directory.remove_user(self._live(server_id), user_name)

    async def add_key(self, server_id: str, user_name: str, key: SshPublicKey) -> None:
        await self._directory.add_key(self._live(server_id), user_name, key)
        self._keep(user_name, key)

    async def remove_key(self, server_id: str, user_name: str, key_id: KeyId) -> None:
        await self._directory.remove_key(self._live(server_id), user_name, key_id)

    def _live(self, server_id: str) -> str:
        return self._ids.get(server_id, server_id)

    def _keep(self, user_name: str, *keys: SshPublicKey) -> None:
        self._keys |= {(user_name, key.fingerprint): key for key in keys}

    def _given(self, server_id: str, user: User) -> User:
        given = self._users[user.user_name]
        keys = []
        for key in user.keys:
            known = self._keys[user.user_name, key.fingerprint]
            keys.append(replace(key, key_id=known.key_id, imported_at=known.imported_at))
        return replace(
            user,
            server_id=server_id,
            home=given.home if leads_alike(user.home, given.home) else user.home,
            created_at=given.created_at,
            role=given.role if user.role == ROLE else user.role,
            keys=tuple(sorted(keys, key=lambda key: (key.imported_at, key.key_id))),
        )
