"""Host keys that all gateways of a server share, and the vault that their private halves are closed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from tidegate.core.host_keys import HostKey


class HostKeys(Protocol):
    """The host keys of servers; private halves are encrypted before they come here."""

    async def of_server(self, server_id: str) -> list[HostKey]:
        """Return all keys of the server, in order of their ids."""
        ...

    async def encrypted(self, server_id: str, host_key_id: str) -> bytes:
        """Return the private half as it was added. Raises `NotFound`."""
        ...

    async def add(self, server_id: str, key: HostKey, encrypted: bytes) -> None:
        """Keep a key. Raises `AlreadyExists` if one of its id is there."""
        ...

    async def change(self, server_id: str, host_key_id: str, change: Callable[[HostKey], HostKey]) -> HostKey:
        """
        Put the description and tags that `change` makes in the place of the key's, and return it.

        `change` is called again if somebody else changed it meanwhile. Raises `NotFound`, and what it raises.
        """
        ...

    async def remove(self, server_id: str, host_key_id: str) -> None:
        """Remove a key. Raises `NotFound`."""
        ...


class Vault(Protocol):
    """Encrypts small secrets under a key that never leaves it. What it was told beside must be told again."""

    async def encrypt(self, key: str, secret: bytes, context: Mapping[str, str]) -> bytes:
        """Return the ciphertext. Raises `NotFound`, `AccessDenied`."""
        ...

    async def decrypt(self, key: str, ciphertext: bytes, context: Mapping[str, str]) -> bytes:
        """Return the secret. Raises `AccessDenied` if the key may not be used, or the context is another."""
        ...
