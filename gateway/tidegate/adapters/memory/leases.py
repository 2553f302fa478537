"""Leases of gateways in memory."""

from __future__ import annotations

import asyncio

from tidegate.core.ids import GatewayId


class MemoryGatewayLeases:
    """`GatewayLeases` for tests."""

    def __init__(self) -> None:
        self._counters: dict[tuple[str, GatewayId], int] = {}

    async def renew(self, server_id: str, gateway_id: GatewayId) -> int:
        await asyncio.sleep(0)
        at = (server_id, gateway_id)
        self._counters[at] = self._counters.get(at, 0) + 1
        return self._counters[at]

    async def counters(self, server_id: str) -> dict[GatewayId, int]:
        await asyncio.sleep(0)
        return {at[1]: counter for at, counter in self._counters.items() if at[0] == server_id}

    async def drop(self, server_id: str, gateway_id: GatewayId) -> None:
        await asyncio.sleep(0)
        self._counters.pop((server_id, gateway_id), None)
