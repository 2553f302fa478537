"""Servers made at once: what one of them was given no other is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.adapters.memory.host_keys import MemoryHostKeys, MemoryVault
from tidegate.core.errors import InvalidName
from tidegate.core.host_keys import PrivateHostKey, new_host_key
from tidegate.core.servers import AttachedWorkflow
from tidegate.services.host_keys import HostKeyRing
from tidegate.services.servers import ServerMaking, Servers


def making(most: int) -> ServerMaking:
    keys, vault, clock = MemoryHostKeys(), MemoryVault(), ManualClock(datetime(2026, 3, 9, tzinfo=UTC))

    async def kms_key() -> str:
        return "arn:aws:kms:us-east-1:123456789012:key/k"

    async def new_keys() -> list[PrivateHostKey]:
        await asyncio.sleep(0)
        return [new_host_key("ssh-ed25519")]

    async def no_check(_: Iterable[AttachedWorkflow]) -> None:
        return None

    def port_for(taken: Iterable[int]) -> int:
        used = set(taken)
        free = [port for port in range(2200, 2200 + most) if port not in used]
        if not free:
            raise InvalidName("all ports have servers")
        return free[0]

    def ring_of(server_id: str) -> HostKeyRing:
        return HostKeyRing(keys, vault, clock, server_id)

    return ServerMaking(ring_of, kms_key, no_check, port_for, new_keys=new_keys)


async def test_no_two_servers_made_at_once_have_one_port() -> None:
    """As many as there are ports are made, each with its own; the next one is told that there is none."""
    servers = Servers(MemoryUserDirectory(), making(4))
    made = await asyncio.gather(*(servers.create({}) for _ in range(5)), return_exceptions=True)
    ports = [each.port for each in made if not isinstance(each, BaseException)]
    assert sorted(port or 0 for port in ports) == [2200, 2201, 2202, 2203]
    (refused,) = [each for each in made if isinstance(each, BaseException)]
    assert isinstance(refused, InvalidName)
