"""Host keys by the API, where a request fails halfway and comes again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.adapters.memory.host_keys import MemoryHostKeys, MemoryVault
from tidegate.core.arns import Arns
from tidegate.core.errors import StoreUnavailable
from tidegate.core.servers import AttachedWorkflow, Server
from tidegate.faces.control.errors import ApiError
from tidegate.faces.control.host_keys import HostKeyOperations
from tidegate.services.host_keys import HostKeyRing
from tidegate.services.servers import ServerMaking, Servers

SERVER = "s-0123456789abcdef0"


class Directory(MemoryUserDirectory):
    """Answers no change as often as told."""

    fails = 0

    async def change_server(self, server_id: str, change: Callable[[Server], Server]) -> Server:
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("no answer")
        return await super().change_server(server_id, change)


class Vault(MemoryVault):
    """Encrypts nothing twice alike, as KMS does."""

    count = 0

    async def encrypt(self, key: str, secret: bytes, context: Mapping[str, str]) -> bytes:
        self.count += 1
        return await super().encrypt(key, secret, context) + b" " * self.count


class World:
    """One server with the operations on its host keys."""

    def __init__(self) -> None:
        self.directory = Directory()
        keys, vault, clock = MemoryHostKeys(), Vault(), ManualClock(datetime(2026, 3, 9, tzinfo=UTC))
        self.ring = HostKeyRing(keys, vault, clock, SERVER)

        async def no_check(_: Iterable[AttachedWorkflow]) -> None:
            return None

        making = ServerMaking(lambda _: self.ring, self._kms_key, no_check, lambda _: 0)
        self.servers = Servers(self.directory, making)
        arns = Arns("us-east-1", "123456789012")
        self.ask = HostKeyOperations(self.servers, lambda _: self.ring, self._kms_key, arns).operations()

    async def _kms_key(self) -> str:
        return "arn:aws:kms:us-east-1:123456789012:key/k"

    async def changes(self) -> int:
        return (await self.directory.server(SERVER)).host_key_changes


def new_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


async def test_gateways_hear_of_a_key_that_is_gone_when_it_is_removed_again() -> None:
    """The first request removed it and could not say so: nobody may show it for ever."""
    world = World()
    await world.directory.register_server(SERVER)
    for _ in range(2):
        await world.ask["ImportHostKey"]({"ServerId": SERVER, "HostKeyBody": new_key()})
    first = (await world.ring.kept())[0].host_key_id
    before, world.directory.fails = await world.changes(), 1
    with pytest.raises(StoreUnavailable):
        await world.ask["DeleteHostKey"]({"ServerId": SERVER, "HostKeyId": first})
    with pytest.raises(ApiError, match="host key"):
        await world.ask["DeleteHostKey"]({"ServerId": SERVER, "HostKeyId": first})
    assert await world.changes() == before + 1


async def test_gateways_hear_of_a_key_that_is_there_when_it_is_imported_again() -> None:
    """Likewise, by either operation; and UpdateServer then changes what else it names."""
    world = World()
    await world.directory.register_server(SERVER)
    key = new_key()
    world.directory.fails = 1
    with pytest.raises(StoreUnavailable):
        await world.ask["ImportHostKey"]({"ServerId": SERVER, "HostKeyBody": key})
    with pytest.raises(ApiError, match="exists"):
        await world.ask["ImportHostKey"]({"ServerId": SERVER, "HostKeyBody": key})
    assert await world.changes() == 1
    members = {"HostKey": key, "PreAuthenticationLoginBanner": "Ships only."}
    changed = await world.servers.update(SERVER, members, is_offline=False)
    assert changed.pre_login_banner == "Ships only."
    assert await world.changes() == 2
