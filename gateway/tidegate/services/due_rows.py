"""
Walking the files that wait and are due, so that none keeps others from their turn.

The index gives those first that are due longest. Most rows are put off when they are looked at; those of
another server that shares the table are not, and there may be thousands. So the walk goes on past them,
knows them the next time, and goes on where it stopped when its time had run out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from tidegate.core.ids import LogId
from tidegate.ports.clock import Clock
from tidegate.ports.suspects import SuspectLog
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS, OpenWork

_PAGE = 100
# Of rows that are others', about a MiB is remembered.
_MOST_FOREIGN = 10_000


class DueRows:
    """The rows of all shards, for one gateway."""

    def __init__(self, log: SuspectLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._shard = 0
        self._after: OpenWork | None = None
        self._foreign: set[LogId] = set()
        self.is_through = True

    def pass_over(self, log_id: LogId) -> None:
        """Never yield this one again: it is not ours."""
        if len(self._foreign) >= _MOST_FOREIGN:
            self._foreign.clear()
        self._foreign.add(log_id)

    async def walk(self, seconds: float) -> AsyncIterator[LogId]:
        """
        Yield what is due, from where the walk before was stopped; stop after so many seconds.

        `is_through` tells afterwards whether all shards were walked to their ends.
        """
        now, end = self._clock.now(), self._clock.monotonic() + seconds
        self.is_through = False
        for _ in range(OPEN_WORK_SHARDS):
            async for row in self._of_shard(now):
                if row.log_id in self._foreign:
                    continue
                yield row.log_id
                if self._clock.monotonic() >= end:
                    return
            self._shard, self._after = (self._shard + 1) % OPEN_WORK_SHARDS, None
        self.is_through = True

    async def _of_shard(self, now: datetime) -> AsyncIterator[OpenWork]:
        while True:
            rows = await self._log.waiting(self._shard, now, _PAGE, self._after)
            for row in rows:
                self._after = row
                yield row
            if len(rows) < _PAGE:
                return
