"""
What becomes of deliveries that are HELD.

A rename that is done takes them along, before it is settled: so a gateway that is killed in between leaves a
rename that is finished by the sweep, which comes by here again. A removal discards them. Those that nobody
renamed in time are due, and a worker decides; what is decided is written only over the very item that was
read, so of two that decide at once one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias

import structlog

from tidegate.core.deliveries import Delivery, DeliveryStatus
from tidegate.core.errors import ChangedMeanwhile, GatewayError, NotFound
from tidegate.core.holding import held_at, moved, renamed
from tidegate.core.ids import LogId
from tidegate.core.objects import META_RESTORED_FROM, StoredObject
from tidegate.core.renames import Rename, RenameStatus, all_hold, led_on, story_of
from tidegate.ports.clock import Clock
from tidegate.ports.objects import ObjectStore
from tidegate.ports.transfer_log import DeliveryQueue, Story, TransferLog
from tidegate.services.finished import is_completed
from tidegate.services.versions import find_copy_of_rename

_log = structlog.get_logger("tidegate.held")

# Somebody else changes an item at most a few times: another target's worker, an administrator.
_MOST_ROUNDS = 5
# How long a delivery whose rename is not settled waits for it, each time.
_WAIT = timedelta(seconds=60)
_REMOVED = "the file was removed while it had a temporary name"
_REPLACED = "another file took its temporary name"

# Renames, each from where the one before it led.
_Way: TypeAlias = tuple[Rename, ...]


class Held:
    """HELD deliveries of all gateways of one table."""

    def __init__(self, store: ObjectStore, log: TransferLog, queue: DeliveryQueue, clock: Clock) -> None:
        self._store = store
        self._log = log
        self._queue = queue
        self._clock = clock

    async def follow(self, rename: Rename, copy: StoredObject) -> bool:
        """
        Let what is HELD for the old name be owed under the new one; HELD still if that is temporary, too.

        Any number of times, from wherever it was left.

        Args:
            copy: What the rename made under the new name.

        Returns:
            Whether anything is due now.

        Raises:
            ChangedMeanwhile: It was changed under our hands again and again: try once more.
        """
        released = False
        for _ in range(_MOST_ROUNDS):
            # The whole story may be long: only for the few that have something HELD.
            held = held_at(await self._queue.deliveries_of(rename.log_id), rename.source)
            if not held:
                return released
            story = await self._log.story(rename.log_id)
            # Renamed on already: a rename can be told OK before its record is settled.
            way, there = await self._later(story, rename) or ((), copy)
            holds = all_hold((rename, *way))
            taken = [await self._take_along(each, there, holds=holds) for each in held]
            released |= any(taken) and not holds
            if all(taken):
                return released
        raise ChangedMeanwhile(f"what {rename.log_id} owes was changed meanwhile, {_MOST_ROUNDS} times")

    async def catch_up(self, log_id: LogId) -> bool:
        """
        Let what a file owes follow the renames that were settled before it was owed. Never raises.

        A file can be renamed before it is COMPLETED: its gateway died, or had no answer of the table. Whoever
        writes what is owed comes by here afterwards, and so does whoever settles a rename: whichever of the
        two is later sees what the other wrote. What is left all the same is followed when it is due.

        Returns:
            Whether anything is due now.
        """
        released = False
        try:
            for _ in range(_MOST_ROUNDS):
                behind = await self._behind(log_id)
                if not behind:
                    break
                for held, way, there in behind:
                    holds = all_hold(way)
                    released |= await self._take_along(held, there, holds=holds) and not holds
        except GatewayError as error:
            _log.info("held delivery left", log_id=log_id, reason=str(error))
        return released

    async def _behind(self, log_id: LogId) -> list[tuple[Delivery, _Way, StoredObject]]:
        """Return what is HELD for a name that the file has left, and where it went."""
        if not any(_is_held(each) for each in await self._queue.deliveries_of(log_id)):
            return []
        story = await self._log.story(log_id)
        behind = []
        for held in filter(_is_held, story.deliveries):
            # A name can be left more than once: without versions only the last time counts.
            of = [each for each in story.renames if _is_of(each, held) and each.status is RenameStatus.DONE]
            if not of:
                continue
            last = max(of, key=lambda each: each.rename_id)
            way, there = await self._later(story, last) or ((), await find_copy_of_rename(self._store, last))
            if there and (there.location, there.version_id) != (held.source, held.version_id):
                behind.append((held, (last, *way), there))
        return behind

    async def removed(self, stored: StoredObject) -> None:
        """
        Discard what is HELD for a file that its partner has just removed.

        What cannot be discarded now is when it is due.
        """
        log_id = story_of(stored)
        if log_id is None:
            return
        try:
            deliveries = await self._queue.deliveries_of(log_id)
            for each in held_at(deliveries, stored.location):
                if each.version_id == stored.version_id or META_RESTORED_FROM in stored.metadata:
                    await self._move(each, moved(each, DeliveryStatus.DISCARDED, self._clock.now(), _REMOVED))
        except GatewayError as error:
            _log.info("held delivery left", log_id=log_id, reason=str(error))

    async def decide(self, held: Delivery) -> None:
        """
        Say what becomes of one that was held for long enough.

        It waits on if a rename of the file is not settled. Otherwise it is due under the name the file has,
        a temporary one perhaps; or it has ended, because the file was removed or replaced.

        Raises:
            ChangedMeanwhile: Somebody else has decided.
        """
        story = await self._log.story(held.log_id)
        renames = [each for each in story.renames if _is_of(each, held)]
        if any(each.is_open for each in renames):
            later = self._clock.now() + _WAIT
            await self._move(held, replace(moved(held, DeliveryStatus.HELD, self._clock.now()), due_at=later))
            return
        await self._move(held, await self._fate(held, story, renames))

    async def _fate(self, held: Delivery, story: Story, renames: Sequence[Rename]) -> Delivery:
        now, there = self._clock.now(), await self._current(held)
        if there is not None and story_of(there) == held.log_id:
            return moved(held, DeliveryStatus.PENDING, now)
        copy = await self._renamed(story, renames)
        if copy is not None:
            return renamed(moved(held, DeliveryStatus.PENDING, now), copy)
        if there is None:
            return moved(held, DeliveryStatus.DISCARDED, now, _REMOVED)
        if await is_completed(self._log, there):
            return moved(held, DeliveryStatus.SUPERSEDED, now, _REPLACED)
        # Half a file, or one that nobody sent through a gateway: no reason to give up a whole one.
        is_lost = held.version_id is None
        status = DeliveryStatus.DISCARDED if is_lost else DeliveryStatus.PENDING
        return moved(held, status, now, _REPLACED if is_lost else None)

    async def _current(self, held: Delivery) -> StoredObject | None:
        try:
            return await self._store.head(held.source)
        except NotFound:
            return None

    async def _renamed(self, story: Story, renames: Sequence[Rename]) -> StoredObject | None:
        """Return what one of these renames made, or what became of that; also of one that FAILED late."""
        for rename in reversed(renames):
            # Without versions nothing is left of a copy that was renamed on.
            copy = await find_copy_of_rename(self._store, rename)
            last = await self._later(story, rename)
            if last or copy:
                return last[1] if last else copy
        return None

    async def _later(self, story: Story, rename: Rename) -> tuple[_Way, StoredObject] | None:
        """Return the renames that led on from this one, and what the last of them made."""
        later = tuple(each for each in story.renames if each.rename_id > rename.rename_id)
        way = led_on(later, rename.target)
        there = await find_copy_of_rename(self._store, way[-1]) if way else None
        return None if there is None else (way, there)

    async def _take_along(self, held: Delivery, copy: StoredObject, *, holds: bool) -> bool:
        """Move one to the new name; False if it has changed since it was read."""
        now = self._clock.now()
        if holds:
            to = renamed(moved(held, DeliveryStatus.HELD, now), copy)
            # As long as it was to be held all the same: or one could be renamed for ever.
            to = replace(to, due_at=now if held.lease_owner else held.due_at)
        else:
            to = renamed(moved(held, DeliveryStatus.PENDING, now), copy)
        try:
            await self._move(held, to)
        except ChangedMeanwhile:
            return False
        return True

    async def _move(self, held: Delivery, to: Delivery) -> None:
        await self._queue.move_held(held, to)
        _log.info(
            "held delivery moved",
            status=to.status.value,
            log_id=to.log_id,
            target=to.target,
            object=str(to.source),
            destination=str(to.destination),
            due_at=to.due_at.isoformat(),
            reason=to.error,
        )


def _is_held(delivery: Delivery) -> bool:
    return delivery.status is DeliveryStatus.HELD


def _is_of(rename: Rename, held: Delivery) -> bool:
    version = (held.source, held.version_id, held.etag)
    return (rename.source, rename.version_id, rename.etag) == version
