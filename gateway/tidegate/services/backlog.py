"""
What administrators see of deliveries that are not done, and what they decide about them.

Nothing here copies: a delivery that is replayed is due, and whatever workers there are find it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from tidegate.core.deliveries import REPLAYABLE_STATUSES, Delivery, DeliveryStatus, advance
from tidegate.core.errors import ChangedMeanwhile, NotFound
from tidegate.core.ids import LogId
from tidegate.ports.clock import Clock
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS, DeliveryQueue, OpenWork

A = TypeVar("A")
B = TypeVar("B")

_log = structlog.get_logger("tidegate.backlog")

_DELIVERY_PREFIX = "delivery#"
_AT_ONCE = 16
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


class Backlog:
    """Deliveries that are PENDING, HELD or DEAD, of all gateways of one table."""

    def __init__(self, queue: DeliveryQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock

    async def dead(self, target: str | None = None) -> list[Delivery]:
        """Return all that are DEAD, or those to one target; oldest upload first. May be seconds late."""
        return await self._found(self._queue.dead, DeliveryStatus.DEAD, target)

    async def pending(self, target: str | None = None) -> list[Delivery]:
        """Return all that are PENDING, due or not; otherwise as `dead`."""
        return await self._found(self._waiting, DeliveryStatus.PENDING, target)

    async def held(self, target: str | None = None) -> list[Delivery]:
        """Return all that are HELD; otherwise as `dead`."""
        return await self._found(self._waiting, DeliveryStatus.HELD, target)

    async def replayable_of(self, log_id: LogId, target: str | None = None) -> list[Delivery]:
        """
        Return the DEAD and HELD deliveries of one LogID, or the one to a target: one at least.

        Raises:
            NotFound: None of them is DEAD or HELD, or there are none.
        """
        deliveries = await self._of(log_id, target)
        replayable = [each for each in deliveries if each.status in REPLAYABLE_STATUSES]
        if not replayable:
            states = ", ".join(f"{each.target} is {each.status}" for each in deliveries)
            raise NotFound(
                f"nothing to replay of {log_id}: {states}", hint="only what is DEAD or HELD can be replayed"
            )
        return replayable

    async def replay(self, given: Sequence[Delivery]) -> list[Delivery]:
        """
        Let these be tried again from the first attempt on, those that are HELD as they are; return what they
        are now.

        One that somebody else has changed meanwhile is left alone: it need not be PENDING.
        """
        return await _in_turns(self._replay, given)

    async def discard(self, log_id: LogId, target: str, reason: str) -> Delivery:
        """
        Give a delivery up for good, with the reason as its error.

        Raises:
            NotFound: There is none.
            IllegalTransition: It has ended.
            ChangedMeanwhile: A worker has it.
        """
        (before,) = await self._of(log_id, target)
        advance(before.status, DeliveryStatus.DISCARDED)
        try:
            discarded = await self._queue.discard(log_id, target, reason, self._clock.now())
        except ChangedMeanwhile:
            (kept,) = await self._of(log_id, target)
            if (kept.status, kept.error) != (DeliveryStatus.DISCARDED, reason):
                raise _not_discarded(kept) from None
            # An earlier answer was lost.
            discarded = kept
        # Warnings, both: commands log from there on, and what people decide is to leave a trace.
        _log.warning(
            "delivery discarded",
            log_id=log_id,
            target=target,
            was=before.status.value,
            attempts=before.attempts,
            last_error=before.error,
            reason=reason,
        )
        return discarded

    async def _waiting(self, shard: int) -> list[OpenWork]:
        return await self._queue.due(shard, _END_OF_TIME, sys.maxsize)

    async def _replay(self, given: Delivery) -> Delivery:
        try:
            replayed = await self._queue.replay(given.log_id, given.target, self._clock.now())
        except ChangedMeanwhile:
            (kept,) = await self._of(given.log_id, given.target)
            if kept.status is not DeliveryStatus.PENDING:
                return kept
            # An earlier answer was lost, or somebody else did the same.
            replayed = kept
        _log.warning(
            "delivery replayed",
            log_id=given.log_id,
            target=given.target,
            was=given.status.value,
            attempts=given.attempts,
            last_error=given.error,
        )
        return replayed

    async def _of(self, log_id: LogId, target: str | None) -> list[Delivery]:
        deliveries = await self._queue.deliveries_of(log_id)
        if not deliveries:
            raise NotFound(f"no delivery of {log_id} is on record", hint="is the LogID complete?")
        chosen = [each for each in deliveries if target in (None, each.target)]
        if not chosen:
            named = ", ".join(each.target for each in deliveries)
            raise NotFound(f"{log_id} owes nothing to {target}", hint=f"its targets: {named}")
        return chosen

    async def _found(
        self, rows_of: Callable[[int], Awaitable[list[OpenWork]]], status: DeliveryStatus, target: str | None
    ) -> list[Delivery]:
        """Return the items of the rows, as they are now: rows are those of an index."""
        item = None if target is None else _DELIVERY_PREFIX + target
        shards = await _in_turns(rows_of, range(OPEN_WORK_SHARDS))
        log_ids = {row.log_id for rows in shards for row in rows if item in (None, row.item)}
        found = await _in_turns(self._queue.deliveries_of, sorted(log_ids))
        return [
            each
            for deliveries in found
            for each in deliveries
            if each.status is status and target in (None, each.target)
        ]


async def _in_turns(work: Callable[[A], Awaitable[B]], subjects: Iterable[A]) -> list[B]:
    """Return what `work` makes of each, in order; some at once. If one fails, those begun still end."""
    todo, results = list(subjects), list[B]()
    for start in range(0, len(todo), _AT_ONCE):
        ended = await asyncio.gather(
            *(work(each) for each in todo[start : start + _AT_ONCE]), return_exceptions=True
        )
        for each in ended:
            if isinstance(each, BaseException):
                raise each
            results.append(each)
    return results


def _not_discarded(kept: Delivery) -> ChangedMeanwhile:
    if kept.lease_owner is not None:
        return ChangedMeanwhile(
            f"delivery of {kept.log_id} to {kept.target} is under way: {kept.lease_owner} has it",
            hint="try again when the attempt is over",
        )
    return ChangedMeanwhile(f"delivery of {kept.log_id} to {kept.target} was changed: it is {kept.status}")
