"""
Leases of gateways: how one gateway learns that another is gone, without comparing clocks.

A lease is a counter its gateway moves on. Observers watch the counter, each by its own clock.
Every method may raise `StoreUnavailable` or `AccessDenied`.
"""

from __future__ import annotations

from typing import Protocol

from tidegate.core.ids import GatewayId


class GatewayLeases(Protocol):
    """Counters of the gateways of one server."""

    async def renew(self, server_id: str, gateway_id: GatewayId) -> int:
        """Move this gateway's counter on, making it if missing; return it."""
        ...

    async def counters(self, server_id: str) -> dict[GatewayId, int]:
        """Return every gateway's counter; strongly consistent."""
        ...

    async def drop(self, server_id: str, gateway_id: GatewayId) -> None:
        """Forget a gateway that has stopped, or whose work has been finished. Idempotent."""
        ...
