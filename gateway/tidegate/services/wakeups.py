"""
Wake-ups: somebody says that an object was created, and whatever is owed for it is paid now.

An event is never a reason. It comes for half a file that was kept, for an object that somebody put there
by hand, for the copy itself; twice, late, or before the record is complete. So the object is asked for
its transfer id, the record for its state, and a delivery is claimed only if it was written when the
transfer completed, and bucket, key and version are those of the record. A renamed file carries the LogID of
its story instead; of that, what is owed under the name the file has now is claimed.

Nothing is lost with an event either: what is due is found by the open-work index, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from tidegate.core.deliveries import Delivery, DeliveryStatus
from tidegate.core.errors import NotFound
from tidegate.core.holding import held_at
from tidegate.core.ids import LogId, is_log_id
from tidegate.core.objects import META_RENAME_ID, StoredObject
from tidegate.core.renames import story_of
from tidegate.core.transfers import TransferRecord, TransferStatus
from tidegate.core.wakeups import Answer, Outcome, Wakeup
from tidegate.ports.objects import ObjectStore
from tidegate.ports.transfer_log import Story, TransferLog
from tidegate.services.deliveries import DeliveryWorker
from tidegate.services.imports import Imports

_log = structlog.get_logger("tidegate.wakeups")


class Wakeups:
    """
    Looks into wake-ups. Any number at once, and any of them twice.

    Args:
        imports: What becomes of objects that no partner uploaded; None ignores them.
    """

    def __init__(
        self, store: ObjectStore, log: TransferLog, worker: DeliveryWorker, imports: Imports | None
    ) -> None:
        self._store = store
        self._log = log
        self._worker = worker
        self._imports = imports

    async def take(self, wakeup: Wakeup) -> Answer:
        """
        Pay what is owed for the object, if anything is, and say what came of it.

        Raises:
            StoreUnavailable: S3 or DynamoDB did not answer: wake again later.
            AccessDenied: The object may not be looked at.
        """
        answer = await self._answer(wakeup)
        _log.info(
            "wake-up",
            outcome=answer.outcome.value,
            reason=answer.reason,
            log_id=answer.log_id,
            object=str(wakeup.location),
            version=wakeup.version_id,
        )
        return answer

    async def _answer(self, wakeup: Wakeup) -> Answer:
        try:
            stored = await self._store.head(wakeup.location, wakeup.version_id)
        except NotFound:
            return Answer(Outcome.IGNORED, "it is gone")
        if stored.transfer_id is None:
            story_id, rename_id = story_of(stored), stored.metadata.get(META_RENAME_ID)
            if story_id and rename_id:
                return await self._renamed(stored, story_id, rename_id)
            return await self._foreign(stored)
        if not is_log_id(stored.transfer_id):
            return Answer(Outcome.IGNORED, "its transfer id is none of ours")
        return await self._landed(stored, LogId(stored.transfer_id))

    async def _foreign(self, stored: StoredObject) -> Answer:
        if self._imports is None:
            return Answer(Outcome.IGNORED, "no partner uploaded it")
        refusal = self._imports.refusal(stored)
        if refusal is not None:
            return Answer(Outcome.IGNORED, refusal)
        story = await self._imports.story_of(stored)
        return await self._pay(story.transfer.log_id, _pending(story), story)

    async def _renamed(self, stored: StoredObject, log_id: LogId, rename_id: str) -> Answer:
        try:
            story = await self._log.story(log_id)
        except NotFound:
            return Answer(Outcome.IGNORED, "no record has its LogID", log_id)
        rename = next((each for each in story.renames if each.rename_id == rename_id), None)
        if rename is None or rename.target != stored.location:
            return Answer(Outcome.IGNORED, "no rename on record made it", log_id)
        if rename.is_open and held_at(story.deliveries, rename.source):
            return Answer(Outcome.LATER, f"its rename is {rename.status}", log_id)
        mine = (stored.location, stored.version_id, stored.etag)
        owed = [each for each in _pending(story) if (each.source, each.version_id, each.etag) == mine]
        return await self._pay(log_id, owed, story)

    async def _landed(self, stored: StoredObject, log_id: LogId) -> Answer:
        try:
            story = await self._log.story(log_id)
            record = story.transfer
        except NotFound:
            return Answer(Outcome.IGNORED, "no record has its transfer id", log_id)
        if (record.bucket, record.object_key) != (stored.location.bucket, stored.location.key):
            return Answer(Outcome.IGNORED, "it is a copy: its record names another place", log_id)
        if record.is_open:
            return Answer(Outcome.LATER, f"its record is {record.status}", log_id)
        if record.status is not TransferStatus.COMPLETED:
            return Answer(Outcome.NOTHING_OWED, f"its record is {record.status}", log_id)
        if not _is_recorded(record, stored):
            return Answer(Outcome.IGNORED, "its record names another version", log_id)
        return await self._pay(log_id, _pending(story), story)

    async def _pay(self, log_id: LogId, pending: Sequence[Delivery], story: Story) -> Answer:
        if not pending:
            return Answer(Outcome.NOTHING_OWED, _told(story), log_id)
        await asyncio.gather(*(self._worker.attempt(log_id, delivery.target) for delivery in pending))
        # What counts is on record: another worker may have had the delivery, or settling it failed.
        after = await self._log.story(log_id)
        delivered = {each.target for each in after.deliveries if each.status is DeliveryStatus.DELIVERED}
        if _pending(after):
            outcome = Outcome.LATER
        elif delivered & {delivery.target for delivery in pending}:
            outcome = Outcome.DELIVERED
        else:
            outcome = Outcome.NOTHING_OWED
        return Answer(outcome, _told(after), log_id)


def _is_recorded(record: TransferRecord, stored: StoredObject) -> bool:
    return (record.version_id, record.etag) == (stored.version_id, stored.etag)


def _pending(story: Story) -> list[Delivery]:
    return [each for each in story.deliveries if each.status is DeliveryStatus.PENDING]


def _told(story: Story) -> str:
    """Return the state of each delivery, in words."""
    told = [
        f"{each.target} {each.status}" + (f" ({each.error})" if each.error else "")
        for each in story.deliveries
    ]
    return ", ".join(told) or "it owes no delivery"
