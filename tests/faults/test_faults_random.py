"""
Random sequences of what can go wrong, in stories that nobody thought of.

The seed is fixed, so that every run is the same few stories. A failing one is printed as the calls that
lead to it: `state.put('a', 'small')`, `state.put_and_kill('b', 'large', 'complete.before')`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from support.fault_house import Gateway, House, Told
from support.fault_proxy import Action, cut_before, lose_answer, refuse

T = TypeVar("T")

BODIES = {"small": b"date;amount\n" * 1000, "large": bytes(range(256)) * 4096 * 11}
FAULTS: dict[str, Action] = {
    "is answered 500": refuse(500, "InternalError"),
    "is cut off": cut_before,
    "takes effect unheard": lose_answer,
}
OPERATIONS = [
    "dynamodb.PutItem",
    "dynamodb.UpdateItem",
    "dynamodb.TransactWriteItems",
    "dynamodb.Query",
    "s3.PutObject",
    "s3.CreateMultipartUpload",
    "s3.UploadPart",
    "s3.CompleteMultipartUpload",
    "s3.AbortMultipartUpload",
    "s3.CopyObject",
    "s3.HeadObject",
    "s3.ListObjectVersions",
]
STEPS = {
    "small": ["start.after", "put.before", "put.after", "complete.before", "complete.after"],
    "large": ["set_upload_id.after", "upload_part.after", "complete_multipart.before", "complete.before"],
}
NAMES = st.sampled_from(["a", "b"])
SIZES = st.sampled_from(sorted(BODIES))
_stories = count(1)


class Story(RuleBasedStateMachine):
    """One story in a house that many stories share: its names are its own."""

    house: House

    def __init__(self) -> None:
        super().__init__()
        self._number, self._versions = next(_stories), count(1)
        self._asleep: Gateway | None = None
        self._kills = 0

    @initialize(a_gateway_sleeps=st.booleans())
    def begin(self, *, a_gateway_sleeps: bool) -> None:
        if a_gateway_sleeps:
            self.freeze_a_gateway()

    @rule(name=NAMES, size=SIZES)
    def put(self, name: str, size: str) -> None:
        told = self._run(self._put(self._awake(), name, size))
        assert told.acknowledged, "nothing went wrong"

    @rule(
        name=NAMES, size=SIZES, operation=st.sampled_from(OPERATIONS), fault=st.sampled_from(sorted(FAULTS))
    )
    def put_while(self, name: str, size: str, operation: str, fault: str) -> None:
        """The next such request to S3 or DynamoDB, whoever sends it, goes wrong, and so does its retry."""
        gateway = self._awake()  # started before the fault is planted: starting is another story
        planted = self.house.proxy.on(operation, FAULTS[fault], times=2)
        self._run(self._put(gateway, name, size))
        planted.times = 0

    @precondition(lambda self: self._kills < 2)
    @rule(name=NAMES, size=SIZES, where=st.data())
    def put_and_kill(self, name: str, size: str, where: st.DataObject) -> None:
        self._kills += 1
        self._run(self._put_and_kill(name, size, where.draw(st.sampled_from(STEPS[size]), "step")))

    @precondition(lambda self: self._asleep is None)
    @rule()
    def freeze_a_gateway(self) -> None:
        self._asleep = self.house.living(2)[1]
        self._asleep.freeze()

    @precondition(lambda self: self._asleep is not None)
    @rule()
    def thaw_it(self) -> None:
        assert self._asleep
        self._asleep.thaw()
        self._asleep = None

    def teardown(self) -> None:
        if self._asleep:
            self._asleep.thaw()
        self.house.proxy.clear()
        self.house.living(1)
        self.house.check()

    # --- how ------------------------------------------------------------------------------

    def _run(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(doing)

    def _awake(self) -> Gateway:
        return next(gateway for gateway in self.house.living(2) if gateway is not self._asleep)

    async def _put(self, gateway: Gateway, name: str, size: str) -> Told:
        # Every version has bytes of its own, or nobody could tell which one is there.
        body = b"%d.%d;" % (self._number, next(self._versions)) + BODIES[size]
        return await self.house.put(gateway, f"/story-{self._number}-{name}.csv", body)

    async def _put_and_kill(self, name: str, size: str, step: str) -> None:
        victim = self._awake()
        trap = self.house.steps.trap(step, pid=victim.process.pid)
        client = asyncio.create_task(self._put(victim, name, size))
        await asyncio.to_thread(trap.wait)
        await asyncio.to_thread(victim.kill)
        trap.release()
        assert not (await client).acknowledged


@pytest.mark.lengthy
def test_random_stories(house: House) -> None:
    """Whatever happens in whatever order, what clients were told is kept, and everything ends."""
    machine = type("Story", (Story,), {"house": house})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=4,
            stateful_step_count=6,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # to shrink would take minutes; the story is short anyway
            suppress_health_check=list(HealthCheck),
        ),
    )
