"""The clock that is moved by hand, and the one of the machine."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tidegate.adapters.clock import SystemClock
from tidegate.adapters.memory.clock import ManualClock
from tidegate.ports.clock import Clock

START = datetime(2026, 3, 29, 0, 59, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


async def settled() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_stands_still(clock):
    """The time changes by `advance` alone, and is UTC."""
    assert clock.now() == clock.now() == START
    clock.advance(1.5)
    assert clock.now() == START + timedelta(seconds=1.5)
    assert ManualClock(START.astimezone(timezone(timedelta(hours=2)))).now().tzinfo is UTC


async def test_wakes_who_slept_long_enough(clock):
    """A sleeper wakes when the clock has passed its time, not before."""
    sleeper = asyncio.create_task(clock.sleep(10))
    await settled()
    clock.advance(9.9)
    await settled()
    assert not sleeper.done()
    clock.advance(0.1)
    await asyncio.wait_for(sleeper, 1)
    assert clock.sleepers == 0


async def test_wakes_the_earliest_first(clock):
    """Sleepers passed by one step wake in the order they were due."""
    woken = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleep(seconds)) for seconds in (3, 1, 2, 99)]
    await settled()
    clock.advance(5)
    await settled()
    assert woken == [1, 2, 3]
    assert clock.sleepers == 1
    clock.advance(94)
    await asyncio.gather(*tasks)


async def test_a_cancelled_sleeper_is_forgotten(clock):
    """A task cancelled in its sleep leaves nothing behind, even if its time came in the same moment."""
    early, late = asyncio.create_task(clock.sleep(1)), asyncio.create_task(clock.sleep(1))
    await settled()
    early.cancel()
    await settled()
    assert clock.sleepers == 1
    late.cancel()
    clock.advance(1)
    assert all(
        isinstance(end, asyncio.CancelledError)
        for end in await asyncio.gather(early, late, return_exceptions=True)
    )
    assert clock.sleepers == 0


async def test_sleeping_for_nothing_lets_others_run(clock):
    """A pause of no length returns without `advance`, after other tasks had their turn."""
    ran = asyncio.create_task(asyncio.sleep(0))
    await clock.sleep(0)
    await clock.sleep(-1)
    assert ran.done()


async def test_refuses_what_no_clock_does(clock):
    """A clock cannot go back, nor start at a time of no zone."""
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="aware"):
        ManualClock(START.replace(tzinfo=None))


async def test_clock_of_the_machine():
    """The system clock tells aware UTC and sleeps for real."""
    clock: Clock = SystemClock()
    before = datetime.now(UTC)
    await clock.sleep(0.001)
    assert before < clock.now() <= datetime.now(UTC)
    assert clock.now().tzinfo is UTC
