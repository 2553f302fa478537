"""Host keys and a vault in memory, for tests: they keep the promises of their ports and no secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from tidegate.core.errors import AccessDenied, AlreadyExists, NotFound
from tidegate.core.host_keys import HostKey


class MemoryHostKeys:
    """The port `HostKeys` over a dict."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[HostKey, bytes]] = {}

    async def of_server(self, server_id: str) -> list[HostKey]:
        return [key for (server, _), (key, _) in sorted(self._kept.items()) if server == server_id]

    async def encrypted(self, server_id: str, host_key_id: str) -> bytes:
        try:
            return self._kept[server_id, host_key_id][1]
        except KeyError:
            raise NotFound(f"there is no host key {host_key_id}") from None

    async def add(self, server_id: str, key: HostKey, encrypted: bytes) -> None:
        place = (server_id, key.host_key_id)
        if self._kept.get(place, (key, encrypted))[1] != encrypted:
            raise AlreadyExists(f"the host key {key.fingerprint} is kept already")
        self._kept[place] = (key, encrypted)

    async def change(self, server_id: str, host_key_id: str, change: Callable[[HostKey], HostKey]) -> HostKey:
        try:
            key, encrypted = self._kept[server_id, host_key_id]
        except KeyError:
            raise NotFound(f"there is no host key {host_key_id}") from None
        wanted = change(key)
        changed = replace(key, description=wanted.description, tags=wanted.tags)
        self._kept[server_id, host_key_id] = (changed, encrypted)
        return changed

    async def remove(self, server_id: str, host_key_id: str) -> None:
        if self._kept.pop((server_id, host_key_id), None) is None:
            raise NotFound(f"there is no host key {host_key_id}")


class MemoryVault:
    """The port `Vault`: it turns secrets round, and insists on key and context."""

    async def encrypt(self, key: str, secret: bytes, context: Mapping[str, str]) -> bytes:
        return json.dumps([key, dict(context), secret[::-1].hex()]).encode()

    async def decrypt(self, key: str, ciphertext: bytes, context: Mapping[str, str]) -> bytes:
        used, beside, turned = json.loads(ciphertext)
        if (used, beside) != (key, dict(context)):
            raise AccessDenied(f"it was not encrypted under {key} for {dict(context)}")
        return bytes.fromhex(turned)[::-1]
