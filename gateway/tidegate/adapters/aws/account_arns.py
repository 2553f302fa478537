"""The ARNs of the account that the gateway runs in, asked for once."""

from __future__ import annotations

import asyncio

import structlog

from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.arns import Arns
from tidegate.core.errors import GatewayError
from tidegate.ports.clock import Clock

_log = structlog.get_logger("tidegate.activities")

_ASK_AGAIN_SECONDS = 300.0


class AccountArns:
    """Knows the account as soon as STS has named it; until then ARNs have none, which is what is known."""

    def __init__(self, clients: AwsClients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._arns = Arns(clients.endpoint.region, "")
        self._ask_at: float | None = 0.0
        self._asking = asyncio.Lock()

    async def arns(self) -> Arns:
        """Return them. Never raises: a line with a shorter ARN is better than none."""
        if self._ask_at is not None:
            async with self._asking:  # all sinks begin at once, and none is to be answered before the first
                await self._ask()
        return self._arns

    async def _ask(self) -> None:
        if self._ask_at is not None and self._clock.monotonic() >= self._ask_at:
            self._ask_at = self._clock.monotonic() + _ASK_AGAIN_SECONDS
            try:
                caller = await self._clients.run_telling(
                    lambda: self._clients.sts.get_caller_identity()  # noqa: PLW0108 - made in the thread
                )
            except GatewayError as error:
                _log.warning("the account is not known: ARNs in logs and events lack it", reason=str(error))
            else:
                self._arns = Arns(self._clients.endpoint.region, str(caller["Account"]))
                self._ask_at = None
