"""
Telling of what happens in sessions, without ever holding up what happens.

`emit` appends to a queue for each sink and returns: it waits for nothing and raises nothing. Each sink has a
task of its own, so that one that hangs delays no other. A queue that is full takes no more; what is lost is
counted, and said in the log once a minute at most.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

import structlog

from tidegate.core.activities import Activity
from tidegate.core.errors import GatewayError, StoreUnavailable
from tidegate.ports.activities import ActivitySink, Written
from tidegate.ports.clock import Clock

_log = structlog.get_logger("tidegate.activities")

DEFAULT_QUEUE = 10_000
# For what a sink says may be sent again. The AWS adapters have tried more often beneath.
ATTEMPTS = 5
_FIRST_PAUSE_SECONDS = 1.0
# After a refusal that no repetition mends, such as a missing permission, nothing is sent for so long.
REFUSED_SECONDS = 60.0
_TELL_SECONDS = 60.0


class Meter(Protocol):
    """Counts activities as they happen. Must not wait."""

    def note(self, activity: Activity) -> None: ...


class Activities:
    """
    All activities of a gateway's sessions.

    Args:
        sinks: Where they are written to; without any, `emit` does nothing but count.
        clock: Needed where there are sinks.
        queue_limit: How many may wait for each sink.
        meters: Who counts them.
    """

    def __init__(
        self,
        sinks: Sequence[ActivitySink] = (),
        clock: Clock | None = None,
        queue_limit: int = DEFAULT_QUEUE,
        meters: Sequence[Meter] = (),
    ) -> None:
        assert clock or not sinks
        self._lanes = [] if clock is None else [_Lane(sink, clock, queue_limit) for sink in sinks]
        self._meters = meters
        self._tasks: list[asyncio.Task[None]] = []

    def emit(self, activity: Activity) -> None:
        """Tell of it. Never waits, never raises."""
        try:
            for meter in self._meters:
                meter.note(activity)
            for lane in self._lanes:
                lane.put(activity)
        except Exception as error:  # noqa: BLE001 - whoever tells of a transfer must not fail it
            _log.error("activity lost", kind=type(activity).__name__, exc_info=error)

    @property
    def lost(self) -> dict[str, int]:
        """How many were lost, by the names of their sinks."""
        return {lane.sink.name: lane.lost for lane in self._lanes}

    @property
    def waiting(self) -> dict[str, int]:
        """How many wait to be written, by the names of their sinks."""
        return {lane.sink.name: lane.waiting for lane in self._lanes}

    def start(self) -> None:
        """Begin to write. May be repeated."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(lane.run()) for lane in self._lanes]

    async def settled(self, within_seconds: float) -> None:
        """Return when all so far are written or lost, or the time is over."""
        if self._tasks:
            flushing = [asyncio.create_task(lane.flushed()) for lane in self._lanes]
            try:
                await asyncio.wait(flushing, timeout=within_seconds)
            finally:
                for task in flushing:
                    task.cancel()
                await asyncio.gather(*flushing, return_exceptions=True)

    async def stop(self, within_seconds: float) -> None:
        """Write what waits, within the time; what is left then is lost, and counted."""
        await self.settled(within_seconds)
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for lane in self._lanes:
            lane.close()


class _Lane:
    """One sink, its queue and its task."""

    def __init__(self, sink: ActivitySink, clock: Clock, limit: int) -> None:
        self.sink = sink
        self.lost = 0
        self._clock = clock
        self._limit = limit
        self._waiting: deque[Activity] = deque()
        self._under_way: Sequence[Activity] = ()
        self._came = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._hurried = asyncio.Event()
        self._refused_until = -1.0
        self._untold = 0
        self._tell_at = -1.0

    @property
    def waiting(self) -> int:
        return len(self._waiting) + len(self._under_way)

    def put(self, activity: Activity) -> None:
        if not self.sink.wants(activity):
            return
        if self._refused_until > 0 and self._clock.monotonic() < self._refused_until:
            self._lose(1, "refused a moment ago")
        elif self.waiting >= self._limit:
            self._lose(1, "the queue is full")
        else:
            self._waiting.append(activity)
            self._empty.clear()
            self._came.set()

    async def run(self) -> None:
        while True:
            await self._came.wait()
            await self._pause(self.sink.linger_seconds)
            while self._waiting:
                count = min(self.sink.batch_size, len(self._waiting))
                self._under_way = [self._waiting.popleft() for _ in range(count)]
                await self._write_out()
            self._came.clear()
            self._empty.set()

    async def flushed(self) -> None:
        """Return when the queue is empty; meanwhile nothing lingers."""
        self._hurried.set()
        try:
            await self._empty.wait()
        finally:
            self._hurried.clear()

    def close(self) -> None:
        """Count what nobody will write any more."""
        left, self._under_way = self.waiting, ()
        self._waiting.clear()
        self._came.clear()
        self._empty.set()
        self._tell_at = -1.0
        self._lose(left, "the gateway has stopped")

    async def _write_out(self) -> None:
        pause, why = _FIRST_PAUSE_SECONDS, ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._pause(pause)
                pause *= 2
            written = await self._write()
            self._under_way, why = written.again, written.why
            self._lose(written.lost, why)
            if not self._under_way:
                return
        left, self._under_way = len(self._under_way), ()
        self._lose(left, why)

    async def _write(self) -> Written:
        batch = tuple(self._under_way)
        try:
            return await self.sink.write(batch)
        except StoreUnavailable as error:
            return Written(again=batch, why=str(error))
        except GatewayError as error:
            self._refused_until = self._clock.monotonic() + REFUSED_SECONDS
            return Written(lost=len(batch), why=str(error))
        except Exception as error:  # noqa: BLE001 - told and counted: the lane goes on with what comes next
            return Written(lost=len(batch), why=repr(error))

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless somebody is in a hurry."""
        if seconds > 0:
            await _first_of(self._clock.sleep(seconds), self._hurried.wait())

    def _lose(self, count: int, why: str) -> None:
        if not count:
            return
        self.lost += count
        self._untold += count
        if self._clock.monotonic() >= self._tell_at:
            _log.warning("activities lost", sink=self.sink.name, count=self._untold, reason=why)
            self._untold, self._tell_at = 0, self._clock.monotonic() + _TELL_SECONDS


async def _first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when one of them returns; cancels the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


# Where nobody is told.
UNTOLD = Activities()
