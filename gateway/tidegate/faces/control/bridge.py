"""Between threads that speak HTTP, and the loop that answers."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from tidegate.core.signatures import ApiRequest
from tidegate.faces.control.protocol import Answer, unavailable

# What boto3 waits for an answer before it asks again.
_PATIENCE_SECONDS = 60.0

AnswerRequest: TypeAlias = Callable[[ApiRequest], Awaitable[Answer]]


class Bridge:
    """Lets threads ask what a loop answers."""

    def __init__(self, loop: asyncio.AbstractEventLoop, answer: AnswerRequest) -> None:
        self._loop = loop
        self._answer = answer

    def from_thread(self, request: ApiRequest) -> Answer:
        """Return the answer to a request. Not to be called on the loop."""
        asked = asyncio.run_coroutine_threadsafe(self._asked(request), self._loop)
        try:
            return asked.result(_PATIENCE_SECONDS)
        except (TimeoutError, concurrent.futures.CancelledError):
            asked.cancel()
            return unavailable()

    async def _asked(self, request: ApiRequest) -> Answer:
        return await self._answer(request)
