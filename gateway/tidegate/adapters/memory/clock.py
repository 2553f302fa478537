"""A clock that stands still until it is told to move."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class ManualClock:
    """
    `Clock` moved by hand: sleeping takes no real time, and nothing wakes before `advance`.

    For one event loop; call it from that loop's thread.

    Args:
        start: The first answer of `now`. Must be aware.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock's start must be aware: give it a tzinfo")
        self._now = start.astimezone(UTC)
        self._waiters: list[tuple[datetime, asyncio.Future[None]]] = []

    @property
    def sleepers(self) -> int:
        """How many tasks are asleep, so that a test can wait until the one it means is."""
        return len(self._waiters)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was advanced by `seconds` or more; at once if that is nothing."""
        if seconds <= 0:
            # A loop that sleeps for nothing must still let others run.
            await asyncio.sleep(0)
            return
        waiter = (self._now + timedelta(seconds=seconds), asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            await waiter[1]
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def advance(self, seconds: float) -> None:
        """
        Move the clock and wake who has slept long enough, the earliest due first.

        Woken tasks run at the caller's next await, and all of them see the new time.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot go back by {-seconds} seconds")
        self._now += timedelta(seconds=seconds)
        due = sorted((w for w in self._waiters if w[0] <= self._now), key=lambda waiter: waiter[0])
        for waiter in due:
            self._waiters.remove(waiter)
            if not waiter[1].done():
                waiter[1].set_result(None)
