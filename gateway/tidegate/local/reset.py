"""
Back to how it started, without starting again: what the test plugin does between two tests.

Sessions end, what they were writing is abandoned, buckets and records are emptied, the configured
partners are there again. Only the embedded endpoint offers it: nobody else's data are ours to empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tidegate.adapters.aws.emptying import Emptying
from tidegate.assembly import Gateway
from tidegate.services.users import WantedUser

_PATIENCE_SECONDS = 30.0


class LocalReset:
    """Runs on the gateway's loop, and is called from the endpoint's threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._gateway: Gateway | None = None
        self._partners: Sequence[WantedUser] = ()

    def serve(self, gateway: Gateway, partners: Sequence[WantedUser]) -> None:
        """From now on, reset this gateway to these partners."""
        self._gateway, self._partners = gateway, partners

    def from_thread(self) -> None:
        asyncio.run_coroutine_threadsafe(self._reset(), self._loop).result(_PATIENCE_SECONDS)

    async def _reset(self) -> None:
        gateway = self._gateway
        if gateway is None:
            return
        await gateway.listener.disconnect_all()
        await gateway.pause_deliveries()
        await gateway.settled()
        settings = gateway.backend.settings
        emptying = Emptying(gateway.backend.clients)
        buckets = {settings.landing.bucket, *(target.bucket for target in settings.deliveries.targets)}
        for bucket in sorted(buckets):
            await emptying.bucket(bucket)
        await emptying.table(settings.tables.transfers, "LogID", "Item")
        await emptying.table(settings.tables.directory, "Server", "Entry")
        await gateway.backend.directory.register_server(gateway.server_id)
        await gateway.backend.users(gateway.server_id).bring_to(self._partners, exact=False)
        gateway.resume_deliveries()
