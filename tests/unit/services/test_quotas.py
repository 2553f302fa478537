"""Places and rates: who gets in, who waits how long, and that nothing is remembered of who has left."""

from __future__ import annotations

import asyncio
import gc
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.adapters.memory.clock import ManualClock
from tidegate.services.quotas import (
    TOO_MANY_FROM_ADDRESS,
    TOO_MANY_HERE,
    PlaceLimits,
    Places,
    Rate,
    Rates,
    household,
)

AT = datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC)
ONE, OTHER = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(AT)


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(5):
        await asyncio.sleep(0)


class TestPlaces:
    def test_an_address_has_its_share(self):
        """One address gets so many; another one, and the first when one has left, gets more."""
        places = Places(PlaceLimits(10, 2, 10))
        places.enter(ONE)
        places.enter(ONE)
        assert places.refusal(ONE) == TOO_MANY_FROM_ADDRESS
        assert places.refusal(OTHER) == ""
        places.leave(ONE)
        assert places.refusal(ONE) == ""

    def test_all_together_have_theirs(self):
        """When all places are taken, whoever comes is told that, whatever the address."""
        places = Places(PlaceLimits(2, 2, 2))
        places.enter(ONE)
        places.enter(OTHER)
        assert places.refusal("192.0.2.3") == TOO_MANY_HERE
        assert places.refusal(ONE) == TOO_MANY_HERE

    def test_a_partner_has_its_share(self):
        """However many addresses it comes from; what was refused is not counted."""
        places = Places(PlaceLimits(10, 10, 2))
        assert [places.log_in("acme") for _ in range(4)] == [True, True, False, False]
        assert places.log_in("bank")
        places.log_out("acme")
        assert [places.log_in("acme") for _ in range(2)] == [True, False]

    @given(st.lists(st.sampled_from([ONE, OTHER, "2001:db8::1", "unknown"])))
    def test_nobody_is_remembered(self, addresses):
        """Once everybody has left there is no name in memory, and every place is free."""
        places = Places(PlaceLimits(100, 100, 100))
        for address in addresses:
            places.refusal(address)
            places.enter(address)
            assert places.log_in(address)
        for address in addresses:
            places.leave(address)
            places.log_out(address)
        assert (places.taken, places.names_count) == (0, 0)

    @pytest.mark.parametrize(
        ("address", "counts_as"),
        [
            (ONE, ONE),
            ("::ffff:192.0.2.1", ONE),
            ("2001:db8::1", "2001:db8::/64"),
            ("2001:db8::ffff:1", "2001:db8::/64"),
            ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
            ("unknown", "unknown"),
        ],
    )
    def test_one_customer_counts_as_one(self, address, counts_as):
        """Whoever has one IPv6 address has a /64 of them, so that is what counts."""
        assert household(address) == counts_as


class TestRate:
    async def test_it_begins_empty(self, clock):
        """The first bytes wait, too: a partner gains nothing by leaving and coming back."""
        rate = Rate(1000, clock)
        waiting = asyncio.create_task(rate.take(500))
        await settle()
        clock.advance(0.4)
        await settle()
        assert not waiting.done()
        clock.advance(0.2)
        await settle()
        assert waiting.done()

    async def test_a_second_is_saved_up_and_no_more(self, clock):
        """After an hour of silence a second's bytes pass at once, and not an hour's."""
        rate = Rate(1000, clock)
        clock.advance(3600)
        async with asyncio.timeout(1):
            await rate.take(1000)
        waiting = asyncio.create_task(rate.take(1))
        await settle()
        assert not waiting.done()
        clock.advance(1)
        await waiting

    async def test_users_are_served_in_their_order(self, clock):
        """A large request is not overtaken by the small ones that come after it."""
        rate, passed = Rate(1000, clock), []

        async def take(name: str, count: int) -> None:
            await rate.take(count)
            passed.append(name)

        tasks = [asyncio.create_task(take(name, count)) for name, count in [("large", 5000), ("small", 1)]]
        await settle()
        for _ in range(60):
            clock.advance(0.1)
            await settle()
        assert passed == ["large", "small"]
        await asyncio.gather(*tasks)

    async def test_who_gives_up_is_not_paid_for(self, clock):
        """The bytes of a request whose connection dropped are there for the next one."""
        rate = Rate(1000, clock)
        dropped = asyncio.create_task(rate.take(1_000_000))
        await settle()
        dropped.cancel()
        await settle()
        after = asyncio.create_task(rate.take(1000))
        await settle()
        clock.advance(1.1)
        await after

    @given(st.lists(st.integers(1, 4_000_000), min_size=1, max_size=20))
    def test_no_more_than_the_rate_passes(self, counts):
        """Whatever is asked for, in all it takes as long as its bytes do."""

        async def story() -> float:
            clock = ManualClock(AT)
            rate, started = Rate(65_536, clock), clock.monotonic()
            tasks = [asyncio.create_task(rate.take(count)) for count in counts]
            await settle()
            while not all(task.done() for task in tasks):
                clock.advance(1)
                await settle()
            return clock.monotonic() - started

        took = asyncio.run(story())
        assert sum(counts) / 65_536 <= took <= sum(counts) / 65_536 + 2


class TestRates:
    def test_connections_of_a_partner_share(self, clock):
        """One allowance for a partner, another for the next."""
        rates = Rates(1000, None, clock)
        first = rates.of("acme")
        assert rates.of("acme") is first
        assert rates.of("bank") is not first
        assert first.uploads is not None
        assert first.downloads is None

    def test_nothing_is_kept_of_who_has_left(self, clock):
        """An allowance ends with the last connection that holds it."""
        rates = Rates(1000, 1000, clock)
        held = rates.of("acme")
        del held
        gc.collect()
        assert len(rates._partners) == 0
