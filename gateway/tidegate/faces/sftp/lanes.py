"""
Requests that wait for their own handle and for nobody else's.

The requests of one handle are answered one after the other, in the order they came. Those of different
handles do not wait for each other: see docs/decisions/0016-one-slow-handle.md. What a session may have
waiting is bounded; beyond that nothing more of it is taken up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from tidegate.core.limits import MIB

# Node's and Go's clients have 64 WRITEs of 32 KiB under way for a file: room for those, and some more.
MAX_WAITING_BYTES = 3 * MIB
MAX_WAITING_REQUESTS = 256
# Each may be a CompleteMultipartUpload under way.
MAX_WAITING_ENDINGS = 16


@dataclass(slots=True)
class _Waiting:
    size: int
    answer: Callable[[], Awaitable[None]]
    after: list[asyncio.Future[None]]
    ended: asyncio.Future[None] | None


class Lanes:
    """
    The lanes of one session.

    Args:
        on_idle: Called whenever the last request that waited has been answered.
    """

    def __init__(self, on_idle: Callable[[], None]) -> None:
        self._on_idle = on_idle
        self._queues: dict[bytes, deque[_Waiting]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._endings: dict[asyncio.Future[None], str] = {}
        self._bytes = 0
        self._requests = 0
        self._changed = asyncio.Event()
        self._failure: BaseException | None = None

    @property
    def is_idle(self) -> bool:
        return not self._requests

    def put(
        self, handle: bytes, size: int, answer: Callable[[], Awaitable[None]], ends: str | None = None
    ) -> None:
        """
        Have a request answered when those before it on its handle are.

        Args:
            size: Bytes it keeps in memory until then.
            ends: The path of the file that becomes visible by it; it waits for earlier ones of that file.
        """
        after = self._endings_of([ends]) if ends else []
        ended = asyncio.get_running_loop().create_future() if ends else None
        if ended and ends:
            self._endings[ended] = ends
        self._bytes += size
        self._requests += 1
        waiting = _Waiting(size, answer, after, ended)
        queue = self._queues.get(handle)
        if queue is not None:
            queue.append(waiting)
            return
        self._queues[handle] = deque([waiting])
        worker = asyncio.create_task(self._work(handle))
        self._workers.add(worker)
        worker.add_done_callback(self._left)

    async def room(self) -> None:
        """Return when another request may be taken up. Raises what went wrong in a lane."""
        while not self._has_room and self._failure is None:
            self._changed.clear()
            await self._changed.wait()
        if self._failure:
            raise self._failure

    async def ended(self, paths: Iterable[str]) -> None:
        """Return when no file at, above or below these paths is about to become visible."""
        named = list(paths)
        while endings := self._endings_of(named):
            await asyncio.wait(endings)

    async def settle(self) -> None:
        """Return when everything that waits has been answered."""
        while self._workers:
            await asyncio.wait(set(self._workers))

    def cancel(self) -> None:
        """Answer nothing more."""
        for worker in self._workers:
            worker.cancel()

    @property
    def _has_room(self) -> bool:
        return (
            self._bytes < MAX_WAITING_BYTES
            and self._requests < MAX_WAITING_REQUESTS
            and len(self._endings) < MAX_WAITING_ENDINGS
        )

    def _endings_of(self, paths: Iterable[str]) -> list[asyncio.Future[None]]:
        named = list(paths)
        return [each for each, path in self._endings.items() if any(_touch(path, other) for other in named)]

    async def _work(self, handle: bytes) -> None:
        queue = self._queues[handle]
        try:
            while queue:
                waiting = queue[0]
                if waiting.after:
                    await asyncio.wait(waiting.after)
                await waiting.answer()
                self._answered(queue.popleft())
        finally:
            # Left only if the session is over: nobody answers these any more, and nobody must wait for them.
            while queue:
                self._answered(queue.popleft())
            del self._queues[handle]
            if not self._requests:
                self._on_idle()

    def _answered(self, waiting: _Waiting) -> None:
        self._bytes -= waiting.size
        self._requests -= 1
        if waiting.ended:
            del self._endings[waiting.ended]
            if not waiting.ended.done():
                waiting.ended.set_result(None)
        self._changed.set()

    def _left(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (error := worker.exception()):
            self._failure = error
            self._changed.set()


def _touch(path: str, other: str) -> bool:
    """Tell whether one is the other, or a directory above it."""
    return path == other or path.startswith(_below(other)) or other.startswith(_below(path))


def _below(path: str) -> str:
    return path.rstrip("/") + "/"
