"""The Transfer Family API of the embedded endpoint: its threads ask, the gateway's loop answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from tidegate.control import ApiOnDemand, ApiRules
from tidegate.core.signatures import ApiRequest, any_caller
from tidegate.faces.control.bridge import Bridge
from tidegate.faces.control.protocol import Answer, unavailable
from tidegate.fleet import Fleet


class LocalTransferApi:
    """Answers once a gateway is there; until then it says that it is not, and clients try again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._api: ApiOnDemand | None = None
        self.from_thread = Bridge(loop, self._answer).from_thread

    def serve(self, fleet: Fleet) -> None:
        """From now on, answer for these servers."""
        self._api = ApiOnDemand(fleet, any_caller, ApiRules(_any_port, may_delete_first=True))

    async def _answer(self, request: ApiRequest) -> Answer:
        return await self._api.answer(request) if self._api else unavailable()


def _any_port(_: Iterable[int]) -> int:
    return 0
