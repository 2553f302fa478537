"""Refusals for a limit: one by one while they are few, counted when they are many, never lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.services.logins import Logins
from tidegate.services.refusals import MAX_KINDS, SINGLE_REFUSALS, Refusal, Refusals

AT = datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC)
WHY = "too many connections from this address"


class House:
    def __init__(self) -> None:
        self.clock = ManualClock(AT)
        self.log = MemoryTransferLog(self.clock)
        self.logins = Logins(MemoryUserDirectory(), self.log, self.clock, "s-0123456789abcdef0")
        self.refusals = Refusals(self.logins, self.clock)

    def refuse(self, count=1, address="192.0.2.7", reason=WHY, user=""):
        for _ in range(count):
            self.refusals.note(Refusal("connection refused", reason, address, user))

    async def recorded(self):
        await asyncio.sleep(0)
        await self.logins.recorded()
        found = self.log.find_refused_logins(user_name=None, since=None, limit=100_000)
        return [refused async for refused in found]


@pytest.fixture
async def house():
    made = House()
    yield made
    await made.refusals.said()
    await made.logins.recorded()


async def test_each_of_a_few_is_recorded(house):
    """With address and reason; and the log has a line for it."""
    house.refuse(SINGLE_REFUSALS)
    rows = await house.recorded()
    assert [(row.client_ip, row.reason) for row in rows] == [("192.0.2.7", WHY)] * SINGLE_REFUSALS


async def test_a_flood_is_a_few_records_and_a_count(house):
    """Ten thousand in a minute are one record more than the few; when the minute is over it says how many."""
    house.refuse(10_000)
    assert len(await house.recorded()) == SINGLE_REFUSALS
    house.clock.advance(61)
    await asyncio.sleep(0)
    rows = await house.recorded()
    assert len(rows) == SINGLE_REFUSALS + 1
    assert f"{WHY} (and 9,995 times more)" in {row.reason for row in rows}
    assert house.refusals.counts == {WHY: 10_000}


async def test_the_next_minute_begins_anew(house):
    """What is refused after a minute is recorded one by one again."""
    house.refuse()
    await asyncio.sleep(0)
    house.clock.advance(61)
    await house.recorded()
    house.refuse(2)
    assert len(await house.recorded()) == 3


async def test_kinds_do_not_hide_each_other(house):
    """Another address, another partner, another reason: each has its own few."""
    house.refuse(100)
    house.refuse(address="192.0.2.8")
    house.refuse(user="acme")
    house.refuse(reason="no login in time")
    assert len(await house.recorded()) == SINGLE_REFUSALS + 3


async def test_a_net_of_attackers_makes_no_flood_either(house, monkeypatch):
    """However many addresses refuse to be one, the records of a minute are bounded, and all are counted."""
    monkeypatch.setattr("tidegate.services.logins._MAX_RECORDS_UNDER_WAY", 10_000)
    for number in range(5000):
        house.refuse(address=f"198.51.{number // 250}.{number % 250}")
    assert len(await house.recorded()) <= MAX_KINDS + SINGLE_REFUSALS
    await house.refusals.said()
    rows = await house.recorded()
    assert f"{WHY} (and {5000 - MAX_KINDS - SINGLE_REFUSALS:,} times more)" in {row.reason for row in rows}


async def test_a_stop_does_not_wait_for_the_minute(house):
    """Counts are written at once when the gateway stops, and no task is left."""
    before = asyncio.all_tasks()
    house.refuse(SINGLE_REFUSALS + 7)
    await asyncio.sleep(0)
    await house.refusals.said()
    rows = await house.recorded()
    assert f"{WHY} (and 7 times more)" in {row.reason for row in rows}
    assert asyncio.all_tasks() == before
