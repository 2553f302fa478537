"""Two workers and two versions of one file, in any order: the newest stays at the destination."""

from __future__ import annotations

import asyncio
from itertools import chain, count, product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.deliveries import DeliveryStatus
from tidegate.services.deliveries import DeliveryWorker
from unit.services.depot import ALICE, BOB, LEASE, Depot, until

S = DeliveryStatus


class Turnstile:
    """Lets one of several actors take one step at a time, in the order it is told."""

    def __init__(self) -> None:
        self.waiting: dict[str, asyncio.Event] = {}

    async def step(self, actor: str) -> None:
        event = self.waiting[actor] = asyncio.Event()
        await event.wait()

    def let(self, actor: str) -> None:
        self.waiting.pop(actor).set()


class Stepping:
    """A store that asks at the turnstile before each call takes effect, and before it answers."""

    def __init__(self, inner: Any, turnstile: Turnstile, actor: str) -> None:
        self._inner, self._turnstile, self._actor = inner, turnstile, actor

    def __getattr__(self, name: str) -> Any:
        async def called(*args: Any, **kwargs: Any) -> Any:
            await self._turnstile.step(self._actor)
            result = await getattr(self._inner, name)(*args, **kwargs)
            if name == "copy":
                await self._turnstile.step(self._actor)
            return result

        return called


async def play(turnstile: Turnstile, actors: dict[str, asyncio.Task], order: list[int]) -> None:
    """Let the actors take steps: who is next `order` says, and at its end they take turns."""
    choices = chain(order, count())
    while True:
        await until(lambda: all(name in turnstile.waiting or task.done() for name, task in actors.items()))
        names = sorted(turnstile.waiting)
        if not names:
            return
        turnstile.let(names[next(choices) % len(names)])


async def settled(depot: Depot) -> None:
    """Let time pass until nothing is due any more."""
    for _ in range(10):
        depot.clock.advance(LEASE * 20)
        if not await depot.worker().run_once():
            return


async def race(order: list[int], *, lands_meanwhile: bool) -> None:
    depot, turnstile = Depot(), Turnstile()
    older = await depot.land(b"older")
    newer = None if lands_meanwhile else await depot.land(b"newer")

    def worker(name: str, gateway_id: Any) -> DeliveryWorker:
        return depot.worker(gateway_id, store=Stepping(depot.objects, turnstile, name))

    async def second_upload() -> None:
        nonlocal newer
        await turnstile.step("upload")
        record = await depot.start()
        stored = await depot.put(b"newer", record.log_id)
        await turnstile.step("upload")
        await depot.complete(record, stored)
        newer = record.log_id

    async def bob() -> None:
        # The second version is delivered by the second worker, as soon as it owes.
        while newer is None:
            await turnstile.step("bob")
        await worker("bob", BOB)._attempt(newer, "archive")

    async def alice() -> None:
        await worker("alice", ALICE)._attempt(older, "archive")

    actors = {"alice": asyncio.create_task(alice()), "bob": asyncio.create_task(bob())}
    if lands_meanwhile:
        actors["upload"] = asyncio.create_task(second_upload())
    await play(turnstile, actors, order)
    await asyncio.gather(*actors.values())
    await settled(depot)
    assert await depot.delivered() == b"newer"
    assert (await depot.delivery(newer)).status is S.DELIVERED
    assert (await depot.delivery(older)).status in (S.DELIVERED, S.SUPERSEDED)


def test_two_versions_two_workers():
    """Every beginning of an interleaving ends with the newest version at the destination."""
    for order in product((0, 1), repeat=7):
        asyncio.run(race(list(order), lands_meanwhile=False))


@given(st.lists(st.integers(0, 1), min_size=8, max_size=40))
def test_two_versions_two_workers_to_the_end(order):
    """However the steps of two workers are mixed, the newest version stays."""
    asyncio.run(race(order, lands_meanwhile=False))


@given(st.lists(st.integers(0, 5), min_size=8, max_size=60))
def test_a_version_that_lands_meanwhile(order):
    """However an upload lands amid two workers' steps, its version is what stays."""
    asyncio.run(race(order, lands_meanwhile=True))
