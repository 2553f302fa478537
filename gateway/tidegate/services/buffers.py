"""
The memory that all uploads of this gateway share.

The bound, stated to users in docs/memory.md:

    all upload buffers together <= uploads.buffer_budget_bytes

An upload reserves one smallest part (5 MiB) and its reorder window at OPEN; without that it is
refused in words. With the reservation alone it can always go on: fill 5 MiB, send them, wait, fill
again. More comes from what is left, if anything is: the rest of a larger part, and a second part
under way while the next one fills.

Only the large parts of files beyond 8 GiB wait for memory that others hold, and for no more than the
reservations leave. A holder that gets no writes meanwhile sends what it has early, so that neither a
stalled client nor 64 interleaved handles on one session can stop the others; and the wait itself is
bounded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from tidegate.core.errors import Busy
from tidegate.core.limits import MIB

_PRESSURE_SECONDS = 1.0


class SlotHolder(Protocol):
    """An upload that holds memory beyond its reservation."""

    def relieve(self) -> None:
        """Send early what is buffered, if no write has come lately; return at once."""
        ...


class BufferBudget:
    """Counts bytes promised to uploads. Not thread-safe: belongs to the event loop."""

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self.holders: set[SlotHolder] = set()
        self._taken = 0
        self._reserved = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def taken_bytes(self) -> int:
        return self._taken

    @property
    def largest_slot_bytes(self) -> int:
        """The most that can ever be had beyond the reservations of those who are here now."""
        return self.total_bytes - self._reserved

    def admit(self, reservation_bytes: int) -> None:
        """Reserve an upload's minimum. Raises `Busy` when the budget is promised to others."""
        if self._taken + reservation_bytes > self.total_bytes:
            raise Busy(
                f"upload buffers are full: {self._taken // MIB} of {self.total_bytes // MIB} MiB promised",
                hint="raise uploads.buffer_budget_bytes, or add a gateway",
            )
        self._taken += reservation_bytes
        self._reserved += reservation_bytes

    def leave(self, reservation_bytes: int) -> None:
        """End what `admit` began."""
        self._reserved -= reservation_bytes
        self.give_back(reservation_bytes)

    def try_take(self, count: int) -> bool:
        """Take `count` bytes if they are free and nobody has been waiting longer."""
        if self._waiting or self._taken + count > self.total_bytes:
            return False
        self._taken += count
        return True

    async def take_within(self, count: int, seconds: float) -> bool:
        """Wait up to `seconds` for `count` bytes, first come, first served; return whether they came."""
        if self.try_take(count):
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, waiter))
        pressure = asyncio.create_task(self._press())
        try:
            done, _ = await asyncio.wait({waiter}, timeout=seconds)
        except asyncio.CancelledError:
            if waiter.done():
                self.give_back(count)
            raise
        finally:
            pressure.cancel()
            self._waiting = deque(entry for entry in self._waiting if entry[1] is not waiter)
            self._serve()
        return bool(done)

    def give_back(self, count: int) -> None:
        """End what `try_take` or `take_within` began."""
        self._taken -= count
        self._serve()

    def _serve(self) -> None:
        while self._waiting:
            count, waiter = self._waiting[0]
            if self._taken + count > self.total_bytes:
                return
            self._waiting.popleft()
            self._taken += count
            waiter.set_result(None)

    async def _press(self) -> None:
        """While somebody waits, ask those who hold memory without using it to let go."""
        while True:
            for holder in list(self.holders):
                holder.relieve()
            await asyncio.sleep(_PRESSURE_SECONDS)
