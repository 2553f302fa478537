"""The Transfer Family API of the embedded endpoint: its threads ask, the gateway's loop answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from tidegate.control import ApiRules, transfer_api
from tidegate.core.errors import GatewayError
from tidegate.core.signatures import ApiRequest, any_caller
from tidegate.faces.control.api import TransferApi
from tidegate.faces.control.bridge import Bridge
from tidegate.faces.control.protocol import Answer, unavailable
from tidegate.fleet import Fleet


class LocalTransferApi:
    """Answers once a gateway is there; until then it says that it is not, and clients try again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._fleet: Fleet | None = None
        self._api: TransferApi | None = None
        self.from_thread = Bridge(loop, self._answer).from_thread

    def serve(self, fleet: Fleet) -> None:
        """From now on, answer for these servers."""
        self._fleet = fleet

    async def _answer(self, request: ApiRequest) -> Answer:
        if self._fleet is None:
            return unavailable()
        if self._api is None:
            # Asked for when it is needed first: most who start a gateway never call this API.
            rules = ApiRules(_any_port, may_delete_first=True)
            try:
                self._api = await transfer_api(self._fleet, any_caller, rules)
            except GatewayError:
                return unavailable()
        return await self._api.answer(request)


def _any_port(_: Iterable[int]) -> int:
    return 0
