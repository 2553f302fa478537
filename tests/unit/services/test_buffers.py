"""The memory that uploads share."""

from __future__ import annotations

import asyncio

import pytest

from tidegate.core.errors import Busy
from tidegate.core.limits import MIB
from tidegate.services import buffers
from unit.services.faults import CheckedBudget
from unit.services.world import turns

SOON = 5.0  # never waited for in full


class Holder:
    def __init__(self, budget, count):
        self.budget, self.count, self.asked = budget, count, 0
        assert budget.try_take(count)
        budget.holders.add(self)

    def relieve(self):
        self.asked += 1
        self.budget.holders.discard(self)
        self.budget.give_back(self.count)


class Stubborn(Holder):
    def relieve(self):
        self.asked += 1


class TestReservation:
    def test_taken_and_given_back(self):
        """A reservation counts until it is given back."""
        budget = CheckedBudget(100)
        budget.admit(60)
        assert (budget.taken_bytes, budget.largest_slot_bytes) == (60, 40)
        budget.leave(60)
        assert (budget.taken_bytes, budget.largest_slot_bytes) == (0, 100)

    def test_slots_do_not_make_slots_smaller(self):
        """What is taken beyond reservations comes back: it can be waited for."""
        budget = CheckedBudget(100)
        budget.admit(60)
        budget.try_take(40)
        assert budget.largest_slot_bytes == 40

    def test_busy(self):
        """What does not fit is refused in words that name the setting, and takes nothing."""
        budget = CheckedBudget(10 * MIB)
        budget.admit(7 * MIB)
        with pytest.raises(Busy) as refused:
            budget.admit(4 * MIB)
        assert refused.value.detail == "upload buffers are full: 7 of 10 MiB promised"
        assert "uploads.buffer_budget_bytes" in refused.value.hint
        assert budget.taken_bytes == 7 * MIB
        budget.admit(3 * MIB)


class TestTryTake:
    def test_what_is_free(self):
        """Free bytes are had at once, up to the last one."""
        budget = CheckedBudget(100)
        assert budget.try_take(100)
        assert not budget.try_take(1)
        assert budget.try_take(0)

    async def test_never_before_a_waiter(self):
        """Nobody passes those who wait, even if what he wants would be free."""
        budget = CheckedBudget(100)
        budget.try_take(90)
        waiting = asyncio.create_task(budget.take_within(50, SOON))
        await turns()
        assert not budget.try_take(1)
        budget.give_back(90)
        assert await waiting
        assert budget.try_take(1)


class TestTakeWithin:
    async def test_free(self):
        """What is free is had without waiting."""
        budget = CheckedBudget(100)
        assert await budget.take_within(100, 0)

    async def test_first_come_first_served(self):
        """Waiters are served in their order, the small ones behind a large one too."""
        budget = CheckedBudget(100)
        budget.try_take(100)
        served = []

        async def wait(name, count):
            assert await budget.take_within(count, SOON)
            served.append(name)

        tasks = []
        for name, count in (("large", 80), ("small", 10), ("medium", 40)):
            tasks.append(asyncio.create_task(wait(name, count)))
            await turns(3)
        budget.give_back(50)
        await turns()
        assert served == []
        budget.give_back(40)
        await turns()
        assert served == ["large", "small"]
        budget.give_back(80)
        await asyncio.gather(*tasks)
        assert served == ["large", "small", "medium"]

    async def test_time_out(self):
        """Who waited in vain has taken nothing, and those behind get what was kept for it."""
        budget = CheckedBudget(100)
        budget.try_take(95)
        large = asyncio.create_task(budget.take_within(50, 0.02))
        await turns(3)
        small = asyncio.create_task(budget.take_within(5, SOON))
        assert not await large
        assert await small
        assert budget.taken_bytes == 100

    async def test_cancelled(self):
        """Who is cancelled while waiting takes nothing."""
        budget = CheckedBudget(100)
        budget.try_take(100)
        waiting = asyncio.create_task(budget.take_within(50, SOON))
        await turns()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        budget.give_back(100)
        assert budget.taken_bytes == 0

    async def test_cancelled_when_served(self):
        """Who is cancelled in the moment it is served gives back what it got."""
        budget = CheckedBudget(100)
        budget.try_take(100)
        waiting = asyncio.create_task(budget.take_within(50, SOON))
        await turns()
        budget.give_back(100)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        assert budget.taken_bytes == 0

    async def test_holders_are_asked_to_let_go(self):
        """While somebody waits, those who hold memory are asked for it, at once."""
        budget = CheckedBudget(100)
        holder = Holder(budget, 80)
        assert await budget.take_within(50, SOON)
        assert holder.asked == 1
        assert budget.taken_bytes == 50

    async def test_holders_are_asked_again(self, monkeypatch):
        """A holder that could not let go is asked again, until the waiter is served or gives up."""
        monkeypatch.setattr(buffers, "_PRESSURE_SECONDS", 0.001)
        budget = CheckedBudget(100)
        holder = Stubborn(budget, 80)
        assert not await budget.take_within(50, 0.05)
        assert holder.asked > 2
        asked = holder.asked
        await asyncio.sleep(0.005)
        assert holder.asked == asked, "nobody waits any more"

    async def test_holders_are_left_alone_while_nobody_waits(self):
        """Without waiters no holder is asked for anything."""
        budget = CheckedBudget(100)
        holder = Stubborn(budget, 80)
        assert budget.try_take(20)
        await turns()
        assert holder.asked == 0
