"""
How an upload ends: what is written to S3 and to the record, in which order.

The order is the promise. Small file: PutObject (its metadata says whose it is and what it should
be), then one transaction with COMPLETED and the deliveries. Large file: FINISHING, then
CompleteMultipartUpload, then that transaction. Only then does CLOSE answer OK.

After a lost or odd answer nothing is assumed: S3 is asked for a version that carries our transfer
id, the log for a record that is ours and COMPLETED. What stays unknown is left open for the sweep,
and the client is told so in words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from tidegate.core.deliveries import DeliveryTarget, owed
from tidegate.core.errors import ChangedMeanwhile, GatewayError, NotFound, OutcomeUnknown, StoreUnavailable
from tidegate.core.objects import (
    META_BYTES,
    META_OUTCOME,
    META_SHA256,
    META_TRANSFER_ID,
    NewObject,
    StoredObject,
)
from tidegate.core.parts import PartBuffer
from tidegate.core.transfers import Content, TransferRecord, TransferStatus
from tidegate.ports.clock import Clock
from tidegate.ports.objects import ObjectStore
from tidegate.ports.transfer_log import TransferLog
from tidegate.services.part_sender import PartSender

_log = structlog.get_logger("tidegate.uploads")


async def find_own_version(store: ObjectStore, new: NewObject) -> StoredObject | None:
    """Return the version of the object that this very upload wrote, if it is there."""
    for version in await store.versions(new.location):
        if version.is_delete_marker:
            continue
        stored = await store.head(new.location, version.version_id)
        if stored.transfer_id == new.metadata[META_TRANSFER_ID]:
            return stored
    return None


@dataclass(frozen=True, slots=True)
class Ending:
    """The endings of one upload."""

    record: TransferRecord
    new: NewObject
    store: ObjectStore
    log: TransferLog
    clock: Clock
    targets: tuple[DeliveryTarget, ...]
    on_owed: Callable[[], None]

    async def complete(self, buffer: PartBuffer, sender: PartSender) -> None:
        """Publish the whole file and record it with its deliveries."""
        stored, content = await self._store_all(buffer, sender, "complete", finishing=True)
        superseded = await self._is_superseded(stored)
        await self._record_completed(content, stored, superseded=superseded)
        self.on_owed()
        self._tell(TransferStatus.COMPLETED, bytes=content.size, sha256=content.sha256)

    async def partial(self, reason: str, buffer: PartBuffer, sender: PartSender) -> None:
        """Keep what came of a dropped upload, as Transfer Family does: PARTIAL, and never delivered."""
        try:
            await sender.settled()
            stored, content = await self._store_all(buffer, sender, "partial", finishing=False)
            await self.log.end(
                self.record.owner,
                TransferStatus.PARTIAL,
                self.clock.now(),
                error=reason,
                content=content,
                stored=stored,
            )
            self._tell(TransferStatus.PARTIAL, bytes=content.size, reason=reason)
        except GatewayError as error:
            await self.failed(error, sender)

    async def abandoned(self, reason: str, sender: PartSender) -> None:
        """Drop everything: nothing is published."""
        await self._close_without_object(TransferStatus.ABANDONED, reason, sender)

    async def failed(self, error: GatewayError, sender: PartSender) -> None:
        """Drop everything because of an error; an unknown outcome is left open for the sweep."""
        if isinstance(error, OutcomeUnknown):
            self._tell(None, error=str(error))
            return
        await self._close_without_object(TransferStatus.FAILED, str(error), sender)

    # --- S3 -------------------------------------------------------------------------------

    async def _store_all(
        self, buffer: PartBuffer, sender: PartSender, outcome: str, *, finishing: bool
    ) -> tuple[StoredObject, Content]:
        if sender.upload_id is None:
            return await self._put(buffer, sender, outcome)
        if buffer.ready_bytes:
            await sender.send(buffer.cut(buffer.ready_bytes), 0)
        await sender.settled()
        content = Content(sender.sent_bytes, sender.digest.sha256())
        if finishing:
            await self.log.finishing(self.record.owner, content, self.clock.now())
        return await self._sure_of(sender.complete, content), content

    async def _put(
        self, buffer: PartBuffer, sender: PartSender, outcome: str
    ) -> tuple[StoredObject, Content]:
        body = buffer.cut(buffer.ready_bytes)
        crc32 = await sender.digest.take(body)
        content = Content(len(body), sender.digest.sha256())
        described = {
            **self.new.metadata,
            META_OUTCOME: outcome,
            META_BYTES: str(content.size),
            META_SHA256: content.sha256,
        }
        new = replace(self.new, metadata=described)
        return await self._sure_of(lambda: self.store.put(new, body, crc32), content), content

    async def _sure_of(self, publish: Callable, content: Content) -> StoredObject:  # type: ignore[type-arg]
        """Run the call that publishes; after an ambiguous answer let the versions decide."""
        try:
            stored: StoredObject = await publish()
        except (StoreUnavailable, NotFound) as error:
            stored = await self._found_after(error)
        if stored.size != content.size:
            raise OutcomeUnknown(f"{stored.location} holds {stored.size} bytes, {content.size} were sent")
        return stored

    async def _found_after(self, error: GatewayError) -> StoredObject:
        try:
            found = await find_own_version(self.store, self.new)
        except GatewayError as second:
            raise OutcomeUnknown(f"{error}; then looking for the object: {second}") from error
        if found is not None:
            return found
        if isinstance(error, NotFound):
            raise error  # the upload or bucket is gone and left no object: a plain failure
        raise OutcomeUnknown(f"{self.new.location}: {error}; no object was found") from error

    async def _is_superseded(self, stored: StoredObject) -> bool:
        """Whether another version is current already: then a later writer has overtaken this one."""
        if stored.version_id is None:
            return False
        try:
            current = await self.store.head(stored.location)
        except NotFound:
            return True  # a delete marker is current
        except GatewayError:
            return False  # only a remark on the record: never worth failing a CLOSE for
        return current.version_id != stored.version_id

    # --- the record -----------------------------------------------------------------------

    async def _record_completed(self, content: Content, stored: StoredObject, *, superseded: bool) -> None:
        now = self.clock.now()
        deliveries = owed(
            self.record.log_id, stored.location, stored.version_id, stored.etag, self.targets, now
        )
        try:
            await self.log.complete(
                self.record.owner, content, stored, deliveries, superseded=superseded, at=now
            )
        except (StoreUnavailable, ChangedMeanwhile) as error:
            await self._must_be_completed(error)

    async def _must_be_completed(self, error: GatewayError) -> None:
        try:
            transfer = (await self.log.story(self.record.log_id)).transfer
        except GatewayError as second:
            raise OutcomeUnknown(f"{error}; then reading the record: {second}") from error
        if transfer.status is not TransferStatus.COMPLETED or transfer.owner != self.record.owner:
            raise OutcomeUnknown(f"the record is {transfer.status} after: {error}") from error

    async def _close_without_object(self, status: TransferStatus, reason: str, sender: PartSender) -> None:
        """
        Abort in S3, then close the record.

        If either fails, the record stays open on purpose: an open record is what the sweep looks
        for, and a closed one over a forgotten multipart upload would be a lie that costs money.
        """
        try:
            await sender.drop()
            await self.log.end(self.record.owner, status, self.clock.now(), error=reason)
        except GatewayError as error:
            self._tell(None, error=str(error), wanted=status.value, reason=reason)
            return
        self._tell(status, reason=reason)

    def _tell(self, status: TransferStatus | None, **facts: object) -> None:
        """The one line a finished upload leaves in the log."""
        record = self.record
        _log.info(
            "upload ended",
            status=status.value if status else "OPEN",
            log_id=record.log_id,
            user=record.user_name,
            session=record.session_id,
            client_ip=record.client_ip,
            path=record.path,
            object=str(self.new.location),
            seconds=round((self.clock.now() - record.started_at).total_seconds(), 3),
            **facts,
        )
