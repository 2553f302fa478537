"""Telling of activities: in order, without waiting, and with what is lost counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from tidegate.adapters.memory.clock import ManualClock
from tidegate.core.activities import Activity, Disconnected, Visitor
from tidegate.core.errors import AccessDenied, StoreUnavailable
from tidegate.core.servers import Server
from tidegate.ports.activities import Written
from tidegate.services.activities import ATTEMPTS, REFUSED_SECONDS, UNTOLD, Activities

AT = datetime(2026, 1, 2, tzinfo=UTC)
SERVER = Server("s-0aa11bb22cc33dd44")


def activity(number: int) -> Disconnected:
    return Disconnected(Visitor(SERVER, "ana", f"{number:016x}", "192.0.2.7"), AT)


class Sink:
    """A sink that keeps what it is given; `answers` are used up first, errors raised."""

    name = "test"
    linger_seconds = 0.0

    def __init__(self, *answers: Written | Exception, batch_size: int = 3) -> None:
        self.batch_size = batch_size
        self.answers = list(answers)
        self.batches: list[list[Activity]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Event()

    def wants(self, activity: Activity) -> bool:
        return True

    async def write(self, batch: Sequence[Activity]) -> Written:
        self.asked.set()
        await self.may_answer.wait()
        answer = self.answers.pop(0) if self.answers else Written()
        if isinstance(answer, Exception):
            raise answer
        if not answer.again:
            self.batches.append(list(batch))
        return answer

    @property
    def written(self) -> list[Activity]:
        return [each for batch in self.batches for each in batch]


@asynccontextmanager
async def telling(*sinks: Sink, limit: int = 100) -> AsyncIterator[tuple[Activities, ManualClock]]:
    clock = ManualClock(AT)
    activities = Activities(sinks, clock, limit)
    activities.start()
    try:
        yield activities, clock
    finally:
        await activities.stop(0)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - steps of the loop, not time
            await asyncio.sleep(0)


async def test_all_is_written_in_order_and_in_batches() -> None:
    """What is told arrives in the order of telling, as many at once as the sink takes."""
    sink = Sink(batch_size=2)
    told = [activity(number) for number in range(5)]
    async with telling(sink) as (activities, _):
        for each in told:
            activities.emit(each)
        await activities.settled(5)
    assert sink.written == told
    assert [len(batch) for batch in sink.batches] == [2, 2, 1]
    assert activities.lost == {"test": 0}


async def test_a_sink_that_hangs_delays_nobody() -> None:
    """Telling returns, the other sink is served, and what is beyond the queue is counted."""
    hanging, other = Sink(), Sink()
    hanging.name = "hanging"
    hanging.may_answer.clear()
    async with telling(hanging, other, limit=4) as (activities, _):
        activities.emit(activity(0))
        await hanging.asked.wait()
        for number in range(1, 10):
            activities.emit(activity(number))
            await until(lambda number=number: len(other.written) == number + 1)
        assert activities.waiting == {"hanging": 4, "test": 0}
        assert activities.lost == {"hanging": 6, "test": 0}
    assert activities.lost["hanging"] == 10  # stopped, and never written


async def test_a_sink_that_hangs_is_not_waited_for_at_the_end() -> None:
    """Stopping takes no longer than it may, and says in the log what was lost."""
    sink = Sink()
    sink.may_answer.clear()
    with capture_logs() as logged:
        async with telling(sink) as (activities, _):
            activities.emit(activity(0))
            await sink.asked.wait()
            activities.emit(activity(1))
    assert [(each["event"], each["count"]) for each in logged] == [("activities lost", 2)]


async def test_what_was_not_taken_is_sent_again() -> None:
    """After an error that may pass, the same is sent, a little later each time."""
    sink = Sink(StoreUnavailable("away"), StoreUnavailable("away"))
    async with telling(sink) as (activities, clock):
        activities.emit(activity(0))
        for seconds in (1, 2):
            await until(lambda: clock.sleepers == 1)
            clock.advance(seconds)
        await until(lambda: bool(sink.batches))
    assert sink.written == [activity(0)]
    assert activities.lost == {"test": 0}


async def test_a_part_that_was_not_taken_is_sent_again_alone() -> None:
    """What the sink has taken is not sent twice."""
    one, two = activity(1), activity(2)
    sink = Sink(Written(again=(two,), why="throttled"))
    async with telling(sink) as (activities, clock):
        activities.emit(one)
        activities.emit(two)
        await until(lambda: clock.sleepers == 1)
        clock.advance(1)
        await until(lambda: bool(sink.batches))
    assert sink.batches == [[two]]


async def test_in_the_end_it_is_lost_and_counted() -> None:
    """A sink that is away for long loses a batch, and is asked again with the next."""
    sink = Sink(*[StoreUnavailable("away")] * ATTEMPTS)
    async with telling(sink) as (activities, clock):
        activities.emit(activity(0))
        for number in range(ATTEMPTS - 1):
            await until(lambda: clock.sleepers == 1)
            clock.advance(2**number)
        await until(lambda: activities.lost["test"] == 1)
        activities.emit(activity(1))
        await until(lambda: bool(sink.batches))
    assert sink.written == [activity(1)]


async def test_a_refusal_is_not_repeated_for_a_while() -> None:
    """Where a permission is missing nothing is sent for a minute; then it is tried once more."""
    sink = Sink(AccessDenied("no"))
    async with telling(sink) as (activities, clock):
        activities.emit(activity(0))
        await until(lambda: activities.lost["test"] == 1)
        activities.emit(activity(1))
        assert activities.lost["test"] == 2
        clock.advance(REFUSED_SECONDS)
        activities.emit(activity(2))
        await until(lambda: bool(sink.batches))
    assert sink.written == [activity(2)]


@pytest.mark.parametrize("error", [ValueError("broken"), RuntimeError("odd")])
async def test_a_sink_that_is_broken_is_only_lost(error: Exception) -> None:
    """An error of no family of ours ends no task."""
    sink = Sink(error)
    async with telling(sink) as (activities, _):
        activities.emit(activity(0))
        await until(lambda: activities.lost["test"] == 1)
        activities.emit(activity(1))
        await until(lambda: bool(sink.batches))


async def test_losses_are_said_once_a_minute() -> None:
    """A flood of losses is one line a minute, with the count of all since the last."""
    sink = Sink()
    sink.may_answer.clear()
    with capture_logs() as logged:
        async with telling(sink, limit=1) as (activities, clock):
            for number in range(50):
                activities.emit(activity(number))
            clock.advance(60)
            activities.emit(activity(50))
            said = [each["count"] for each in logged if each["event"] == "activities lost"]
    assert said == [1, 49]


async def test_more_is_waited_for_and_a_hurry_ends_that() -> None:
    """A sink that lingers gets several at once; whoever wants it settled does not wait for that."""
    sink = Sink()
    sink.linger_seconds = 1.0
    async with telling(sink) as (activities, clock):
        activities.emit(activity(0))
        await until(lambda: clock.sleepers == 1)
        activities.emit(activity(1))
        clock.advance(1)
        await until(lambda: bool(sink.batches))
        activities.emit(activity(2))
        await until(lambda: clock.sleepers == 1)
        await activities.settled(5)
    assert [len(batch) for batch in sink.batches] == [2, 1]


async def test_telling_never_raises() -> None:
    """A meter that is broken fails no transfer."""

    class Broken:
        def note(self, activity: Activity) -> None:
            raise ValueError("broken")

    with capture_logs() as logged:
        Activities(meters=[Broken()]).emit(activity(0))
    assert logged[0]["event"] == "activity lost"


def test_nobody_need_be_told() -> None:
    """Without sinks and meters nothing is kept."""
    UNTOLD.emit(activity(0))
    assert UNTOLD.waiting == {}


async def test_what_a_sink_does_not_want_is_not_kept() -> None:
    """It takes no place in the queue."""

    class Picky(Sink):
        def wants(self, activity: Activity) -> bool:
            return False

    async with telling(Picky()) as (activities, _):
        activities.emit(activity(0))
        assert activities.waiting == {"test": 0}
