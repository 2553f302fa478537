"""Ctrl-C and SIGTERM: the first asks to stop, the second does not ask."""

from __future__ import annotations

import asyncio
import os
import signal


class StopSignal:
    """Waits for the first signal; a second one ends the process at once, with exit code 0."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)

    async def wait(self) -> None:
        await self._asked.wait()

    def _on_signal(self) -> None:
        if self._asked.is_set():
            os._exit(0)
        self._asked.set()
