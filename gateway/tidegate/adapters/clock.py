"""The clock of the machine."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

# Linux counts sleep in CLOCK_BOOTTIME; where there is none, CLOCK_MONOTONIC comes closest.
_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """`Clock` by the machine's own time. `now` may be set back; `monotonic` may not."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        # Time the machine slept through counts: others may have taken us for dead meanwhile.
        return time.clock_gettime(_MONOTONIC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
