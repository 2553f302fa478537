"""
Who met a limit: each refusal logged and on record, and a flood of them counted instead.

The first few of a kind from one address are written one by one. Then they are counted, and the count is
written when the minute is over. So a flood costs neither a table its capacity nor a log its readers,
and still nothing is lost but the single moments.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from tidegate.ports.clock import Clock
from tidegate.services.logins import Logins
from tidegate.services.quotas import household

WINDOW_SECONDS = 60.0
# As many a minute tell an administrator all there is to know.
SINGLE_REFUSALS = 5
# Kinds and addresses kept apart in one minute; of more, an attacker with a net of machines could make
# writes out of addresses.
MAX_KINDS = 100


@dataclass(frozen=True, slots=True)
class Refusal:
    """Who was refused what; `event` is the name of the line in the log."""

    event: str
    reason: str
    client_ip: str
    user_name: str = ""
    client_version: str = ""
    key_fingerprint: str = ""


@dataclass(slots=True)
class _Minute:
    ends_at: float
    said: int = 0
    unsaid: int = 0
    last: Refusal | None = None


class Refusals:
    """Writes refusals sparingly, through `Logins`."""

    def __init__(self, logins: Logins, clock: Clock) -> None:
        self._logins = logins
        self._clock = clock
        self._minutes: dict[tuple[str, ...], _Minute] = {}
        self._closing: asyncio.Task[None] | None = None
        self.counts: Counter[str] = Counter()  # by reason, since the start

    def note(self, refusal: Refusal) -> None:
        """Log and record a refusal, or count it if there were several of its kind within a minute."""
        self.counts[refusal.reason] += 1
        minute = self._minute(refusal)
        minute.last = refusal
        if minute.said < SINGLE_REFUSALS:
            minute.said += 1
            self._say(refusal)
        else:
            minute.unsaid += 1
        if self._closing is None:
            self._closing = asyncio.create_task(self._close_minutes())

    async def said(self) -> None:
        """Write the counts there are, without waiting for the end of their minutes."""
        if self._closing:
            self._closing.cancel()
            await asyncio.gather(self._closing, return_exceptions=True)
            self._closing = None
        for kind in list(self._minutes):
            self._close(kind)

    def _minute(self, refusal: Refusal) -> _Minute:
        kind: tuple[str, ...] = (refusal.reason, household(refusal.client_ip), refusal.user_name)
        if kind not in self._minutes and len(self._minutes) >= MAX_KINDS:
            kind = (refusal.reason,)
        if kind not in self._minutes:
            self._minutes[kind] = _Minute(self._clock.monotonic() + WINDOW_SECONDS)
        return self._minutes[kind]

    async def _close_minutes(self) -> None:
        try:
            while self._minutes:
                # All last as long, so the one that began first ends first.
                kind, minute = next(iter(self._minutes.items()))
                await self._clock.sleep(max(minute.ends_at - self._clock.monotonic(), 0))
                self._close(kind)
        finally:
            self._closing = None

    def _close(self, kind: tuple[str, ...]) -> None:
        minute = self._minutes.pop(kind)
        if minute.unsaid and minute.last:
            self._say(minute.last, f"{minute.last.reason} (and {minute.unsaid:,} times more)")

    def _say(self, refusal: Refusal, reason: str = "") -> None:
        self._logins.refuse(
            refusal.user_name,
            refusal.client_ip,
            refusal.client_version,
            refusal.key_fingerprint,
            reason or refusal.reason,
            event=refusal.event,
        )
