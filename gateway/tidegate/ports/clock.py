"""Time, so that tests need not wait for it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall clock and pauses."""

    def now(self) -> datetime:
        """Return the time now, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start that never go back, this machine's sleep included."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after about `seconds`."""
        ...
