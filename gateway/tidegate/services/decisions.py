"""
What becomes of SUSPECT transfers: released with what they owe, or discarded.

A release is one transaction, whoever brings it about: an administrator, a gateway that was told of a sidecar,
a sweep. Its condition is the state SUSPECT, so of any number at once one takes effect, and every delivery is
written once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from tidegate.core.deliveries import DeliveryTarget
from tidegate.core.errors import ChangedMeanwhile, IllegalTransition, InvalidSettings, NotFound
from tidegate.core.holding import owed_by
from tidegate.core.ids import LogId
from tidegate.core.objects import StoredObject
from tidegate.core.renames import all_hold, led_on
from tidegate.core.transfers import Decision, TransferRecord, TransferStatus
from tidegate.ports.clock import Clock
from tidegate.ports.objects import ObjectStore
from tidegate.ports.suspects import SuspectLog
from tidegate.ports.transfer_log import Story, TransferLog
from tidegate.services.held import Held
from tidegate.services.versions import find_copy_of_rename, is_overtaken

_log = structlog.get_logger("tidegate.suspects")


@dataclass(frozen=True, slots=True)
class Placed:
    """
    Where a file is that was held back, under the name it was given last.

    Args:
        user_name: Who gave it that name.
        hold_seconds: How long what it owes is held for that name; None: not at all.
    """

    user_name: str
    path: str
    stored: StoredObject
    is_superseded: bool
    hold_seconds: int | None


@dataclass(frozen=True, slots=True)
class Decisions:
    """Decides about SUSPECT transfers, of all gateways of one table."""

    store: ObjectStore
    log: TransferLog
    suspects: SuspectLog
    clock: Clock
    targets: tuple[DeliveryTarget, ...]
    held: Held | None = None

    async def place(self, story: Story) -> Placed:
        """
        Find the version that the record names, or what it was renamed to.

        Raises:
            NotFound: It is gone.
            ChangedMeanwhile: Another object is there, where there are no versions.
        """
        record = story.transfer
        way = led_on(story.renames, record.location)
        if way:
            rename = way[-1]
            copy = await find_copy_of_rename(self.store, rename)
            if copy is None:
                raise NotFound(f"{rename.target} is not what {record.log_id} was renamed to")
            hold = record.hold_seconds if all_hold(way) else None
            overtaken = await is_overtaken(self.store, copy)
            return Placed(rename.user_name, rename.new_path, copy, overtaken, hold)
        stored = await self.store.head(record.location, record.version_id)
        if stored.etag != record.etag:
            raise ChangedMeanwhile(f"{stored.location} is another object than the record's")
        overtaken = await is_overtaken(self.store, stored)
        return Placed(record.user_name, record.path, stored, overtaken, record.hold_seconds)

    async def release(self, log_id: LogId, by: str, why: str) -> TransferRecord:
        """
        Let a file that is held back be COMPLETED, and owe what it would have owed; return its record then.

        Once it has been released, that changes nothing.

        Raises:
            IllegalTransition: It is neither held back nor was released.
            NotFound: There is no such record, or its version is gone.
            InvalidSettings: It owes a copy to a target that is not configured.
            ChangedMeanwhile: Somebody else has discarded it, or its partner renamed it, at the same time.
        """
        return await self._decided(log_id, TransferStatus.COMPLETED, by, why)

    async def discard(self, log_id: LogId, by: str, why: str) -> TransferRecord:
        """
        Let a file that is held back be FAILED; return its record then. Its version stays where it is.

        Otherwise as `release`, to which its version and targets do not matter.
        """
        return await self._decided(log_id, TransferStatus.FAILED, by, why)

    async def accept(self, story: Story, placed: Placed, decision: Decision) -> None:
        """
        Write a release.

        A rename in the very moment of the write is not seen: what is owed at once is owed under the name
        before, as of a file that was released first. What is HELD follows it.

        Raises:
            ChangedMeanwhile: As `release`; or it was renamed since it was placed: place it again.
            InvalidSettings: As `release`.
        """
        record = story.transfer
        if (await self.log.story(record.log_id)).renames != story.renames:
            raise ChangedMeanwhile(f"{record.log_id} was renamed meanwhile", hint="try again")
        owing = replace(record, hold_seconds=placed.hold_seconds)
        deliveries = owed_by(owing, placed.stored, self._targets_of(record), decision.at)
        await self.suspects.release(record, deliveries, decision, superseded=placed.is_superseded)
        if self.held is not None and placed.hold_seconds is not None:
            # It may have been renamed in this moment, by a gateway that found nothing HELD.
            await self.held.catch_up(record.log_id)
        _tell(record, TransferStatus.COMPLETED, decision)

    async def _decided(self, log_id: LogId, to: TransferStatus, by: str, why: str) -> TransferRecord:
        story = await self.log.story(log_id)
        if _is_done(story.transfer, to):
            return story.transfer
        _must_be_suspect(story.transfer)
        decision = Decision(by, why, self.clock.now())
        try:
            if to is TransferStatus.FAILED:
                await self.suspects.drop(story.transfer, decision)
                _tell(story.transfer, to, decision)
            else:
                await self.accept(story, await self._place_or_say(story), decision)
        except ChangedMeanwhile:
            # Somebody else has decided, or an earlier answer was lost.
            after = (await self.log.story(log_id)).transfer
            if not _is_done(after, to):
                raise
            return after
        return (await self.log.story(log_id)).transfer

    async def _place_or_say(self, story: Story) -> Placed:
        try:
            return await self.place(story)
        except NotFound as error:
            raise NotFound(
                f"{story.transfer.log_id} has nothing to release: {error.detail}",
                hint="its version was removed: it can only be discarded",
            ) from error

    def _targets_of(self, record: TransferRecord) -> tuple[DeliveryTarget, ...]:
        known = {target.name: target for target in self.targets}
        missing = [name for name in record.delivery_targets if name not in known]
        if missing:
            raise InvalidSettings(
                f"{record.log_id} owes a copy to {', '.join(missing)}, which is not configured",
                hint="name the configuration that the gateways have, or put the target back",
            )
        return tuple(known[name] for name in record.delivery_targets)


def _is_done(record: TransferRecord, to: TransferStatus) -> bool:
    return record.status is to and record.decided_by is not None


def _must_be_suspect(record: TransferRecord) -> None:
    if record.status is not TransferStatus.SUSPECT:
        raise IllegalTransition(
            f"{record.log_id} is {record.status}, and not held back",
            hint="tidegate transfers list --status SUSPECT shows what is",
        )


def _tell(record: TransferRecord, to: TransferStatus, decision: Decision) -> None:
    _log.info(
        "suspect decided",
        status=to.value,
        log_id=record.log_id,
        user=record.user_name,
        path=record.path,
        by=decision.by,
        reason=decision.why,
    )
