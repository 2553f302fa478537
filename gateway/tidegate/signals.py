"""Ctrl-C and SIGTERM: the first asks to stop, the second not to wait, and the third does not ask."""

from __future__ import annotations

import asyncio
import os
import signal


class StopSignal:
    """
    Waits for the first signal.

    A second one sets `hurried`: nobody waits any longer for clients, but what they had open is still
    brought to its end. A third one, or a second one before anybody could be a client, ends the
    process at once, with exit code 0.
    """

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._is_started = False
        self.hurried = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)

    async def wait(self) -> None:
        """Return once somebody asks to stop. To be called when there is something to be stopped."""
        self._is_started = True
        await self._asked.wait()

    def _on_signal(self) -> None:
        if not self._asked.is_set():
            self._asked.set()
        elif self._is_started and not self.hurried.is_set():
            self.hurried.set()
        else:
            os._exit(0)
