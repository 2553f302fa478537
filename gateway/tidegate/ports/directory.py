"""
The directory of servers, users and keys.

Reads are strongly consistent, so a removed key is gone at the next login. Writes are conditional:
two administrators lose nothing. Every method may raise `StoreUnavailable` or `AccessDenied`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from tidegate.core.ids import KeyId
from tidegate.core.users import Home, SshPublicKey, User
from tidegate.ports.servers import ServerDirectory


class UserDirectory(ServerDirectory, Protocol):
    """Servers, their users and their keys."""

    async def user(self, server_id: str, user_name: str) -> User:
        """Return the user with all keys, oldest key first. Raises `NotFound`."""
        ...

    def users(self, server_id: str, after: str = "") -> AsyncIterator[User]:
        """Yield the users of the server whose names come after `after`, in order of their names."""
        ...

    async def add_user(self, user: User) -> None:
        """Write a new user and its keys, all or nothing. Raises `AlreadyExists`."""
        ...

    async def set_home(self, server_id: str, user_name: str, home: Home) -> None:
        """Replace the home. Raises `NotFound`."""
        ...

    async def change_user(self, server_id: str, user_name: str, change: Callable[[User], User]) -> User:
        """
        Put what `change` makes of the user in its place, and return it; name, time and keys stay.

        `change` is called again if somebody else changed it meanwhile. Raises `NotFound`, and what it raises.
        """
        ...

    async def remove_user(self, server_id: str, user_name: str) -> None:
        """Remove the user and all its keys, and count a revocation. Raises `NotFound`."""
        ...

    async def add_key(self, server_id: str, user_name: str, key: SshPublicKey) -> None:
        """Add a key. Raises `NotFound` (the user), `AlreadyExists` (the key)."""
        ...

    async def remove_key(self, server_id: str, user_name: str, key_id: KeyId) -> None:
        """Remove a key, and count a revocation. Raises `NotFound`."""
        ...
