"""The Transfer Family API of the embedded endpoint: its threads ask, the gateway's loop answers."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Iterable

from tidegate.control import ApiRules, transfer_api
from tidegate.core.errors import GatewayError
from tidegate.core.signatures import ApiRequest, any_caller
from tidegate.faces.control.api import TransferApi
from tidegate.faces.control.protocol import Answer, unavailable
from tidegate.fleet import Fleet

# What boto3 waits for an answer before it asks again.
_PATIENCE_SECONDS = 60.0


class LocalTransferApi:
    """Answers once a gateway is there; until then it says that it is not, and clients try again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._fleet: Fleet | None = None
        self._api: TransferApi | None = None

    def serve(self, fleet: Fleet) -> None:
        """From now on, answer for these servers."""
        self._fleet = fleet

    def from_thread(self, request: ApiRequest) -> Answer:
        """Return the answer to a request. Not to be called on the loop."""
        if self._fleet is None:
            return unavailable()
        asked = asyncio.run_coroutine_threadsafe(self._answer(self._fleet, request), self._loop)
        try:
            return asked.result(_PATIENCE_SECONDS)
        except (TimeoutError, concurrent.futures.CancelledError):
            asked.cancel()
            return unavailable()

    async def _answer(self, fleet: Fleet, request: ApiRequest) -> Answer:
        if self._api is None:
            # Asked for when it is needed first: most who start a gateway never call this API.
            try:
                self._api = await transfer_api(fleet, any_caller, ApiRules(_any_port, may_delete_first=True))
            except GatewayError:
                return unavailable()
        return await self._api.answer(request)


def _any_port(_: Iterable[int]) -> int:
    return 0
