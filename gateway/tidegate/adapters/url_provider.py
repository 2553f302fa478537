"""An identity provider at a URL: the event is POSTed as JSON, and the answer is JSON."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

from tidegate.adapters.json_over_http import answer_of
from tidegate.core.identity_providers import Question


class UrlProvider:
    """The port `IdentityProviderCall` over one URL; `seconds` is when its thread gives up."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url = url
        self._seconds = seconds
        # Its own: somebody else's code answers, as slowly as it likes.
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="login")

    async def ask(self, question: Question) -> object:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        body = json.dumps(question.event()).encode()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, answer_of, self._url, headers, body, self._seconds)
