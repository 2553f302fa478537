"""A connection that has logged in: when it is idle, and how many sessions it has."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.core.sessions import Session
from tidegate.faces.sftp.limits import TOO_MANY_SESSIONS, FaceLimits, Guard, Visit
from tidegate.services.logins import Logins
from tidegate.services.quotas import TOO_MANY_FROM_ADDRESS, PlaceLimits, Places, Rates
from tidegate.services.refusals import Refusal, Refusals

WHO = Refusal("", "", "192.0.2.7", "acme", "SSH-2.0-x", "SHA256:k")
SESSION = Session("0123456789abcdef", "s-0123456789abcdef0", "acme", "192.0.2.7", "SSH-2.0-x", "SHA256:k")
IDLE_SECONDS = 100.0


class Timers:
    """Stands where a loop's clock and timers stand; `advance` runs what is due."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self.now, self._due = 0.0, []
        monkeypatch.setattr(loop, "time", lambda: self.now)
        monkeypatch.setattr(loop, "call_later", self._call_later)

    def _call_later(self, delay, callback):
        timer = asyncio.TimerHandle(self.now + delay, callback, (), asyncio.get_running_loop())
        self._due.append(timer)
        return timer

    @property
    def waiting(self) -> int:
        return sum(not timer.cancelled() for timer in self._due)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for timer in [each for each in self._due if each.when() <= self.now]:
            self._due.remove(timer)
            if not timer.cancelled():
                timer._run()


class House:
    def __init__(self, timers: Timers, idle_seconds: float | None = IDLE_SECONDS) -> None:
        clock = ManualClock(datetime(2026, 3, 9, tzinfo=UTC))
        self.log = MemoryTransferLog(clock)
        self.logins = Logins(MemoryUserDirectory(), self.log, clock, SESSION.server_id)
        self.refusals = Refusals(self.logins, clock)
        limits, places = FaceLimits(2, 3, idle_seconds), Places(PlaceLimits(2, 1, 1))
        self.guard = Guard(limits, places, Rates(None, None, clock), self.refusals)
        self.ended = 0
        self.timers = timers
        self.visit = Visit(self.guard, WHO, self._end)

    def _end(self) -> None:
        self.ended += 1
        self.visit.end()

    async def recorded(self) -> list[str]:
        await self.refusals.said()
        await self.logins.recorded()
        found = self.log.find_refused_logins(user_name=None, since=None, limit=100)
        return [f"{each.user_name} {each.reason}" async for each in found]


@pytest.fixture
async def timers(monkeypatch: pytest.MonkeyPatch):
    return Timers(monkeypatch)


@pytest.fixture
async def house(timers):
    return House(timers)


class TestIdle:
    async def test_silence_ends_it(self, house, timers):
        """After just that long, and the reason is in words."""
        timers.advance(99)
        assert house.ended == 0
        timers.advance(1)
        assert house.ended == 1
        assert house.visit.why_ended == "the client did nothing for 100 seconds"

    async def test_anything_that_comes_in_counts(self, house, timers):
        """The time begins again with each sign of life, and is exact."""
        for _ in range(5):
            timers.advance(60)
            house.visit.touch()
        timers.advance(99)
        assert house.ended == 0
        timers.advance(1)
        assert house.ended == 1

    async def test_a_request_that_takes_long_is_no_silence(self, house, timers):
        """A CLOSE that S3 takes an hour for; the time begins when it is answered."""
        house.visit.asked(SESSION)
        for _ in range(36):
            timers.advance(100)
        house.visit.answered(SESSION)
        timers.advance(99)
        assert house.ended == 0
        timers.advance(1)
        assert house.ended == 1

    async def test_a_client_that_does_not_read_is_idle(self, house, timers):
        """An answer that cannot be sent is no work of ours; that it is taken at last is a sign of life."""
        house.visit.asked(SESSION)
        house.visit.blocked(SESSION)
        timers.advance(60)
        house.visit.unblocked(SESSION)
        house.visit.blocked(SESSION)
        timers.advance(60)
        assert house.ended == 0
        timers.advance(100)
        assert house.ended == 1

    async def test_never(self, timers):
        """Without the limit no timer is set."""
        House(timers, idle_seconds=None)
        assert timers.waiting == 0

    async def test_nothing_is_left_of_it(self, house, timers):
        """When the connection ends its timer does."""
        house.visit.end()
        assert timers.waiting == 0
        timers.advance(1000)
        assert house.ended == 0


async def test_sessions_are_counted(house):
    """One too many is refused and recorded under the partner's name; a place that is left is free."""
    assert [house.visit.begin_session() for _ in range(3)] == [True, True, False]
    house.visit.end_session()
    assert house.visit.begin_session()
    assert await house.recorded() == [f"acme {TOO_MANY_SESSIONS}"]


async def test_who_is_not_admitted_is_recorded(house):
    """With an address and no name, since none was said."""
    assert house.guard.admits("192.0.2.7")
    house.guard.places.enter("192.0.2.7")
    assert not house.guard.admits("192.0.2.7")
    assert house.guard.admits("192.0.2.8")
    assert await house.recorded() == [f" {TOO_MANY_FROM_ADDRESS}"]
