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

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from tidegate.core.attributes import with_mtime
from tidegate.core.deliveries import DeliveryTarget, owed
from tidegate.core.errors import ChangedMeanwhile, GatewayError, OutcomeUnknown, StoreUnavailable
from tidegate.core.objects import META_BYTES, META_OUTCOME, META_SHA256, NewObject, StoredObject
from tidegate.core.parts import PartBuffer
from tidegate.core.transfers import Content, TransferRecord, TransferStatus
from tidegate.ports.clock import Clock
from tidegate.ports.objects import ObjectStore
from tidegate.ports.transfer_log import TransferLog
from tidegate.services.kept_times import keep_time
from tidegate.services.part_sender import PartSender
from tidegate.services.versions import find_own_version, is_overtaken

_log = structlog.get_logger("tidegate.uploads")


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
    is_fresh: Callable[[], bool] = lambda: True

    async def complete(self, buffer: PartBuffer, sender: PartSender) -> None:
        """Publish the whole file and record it with its deliveries."""
        stored, content = await self._store_all(buffer, sender, "complete", finishing=True)
        if sender.late_mtime is not None:
            # Before anything is owed, so that no delivery copies the object without it.
            await keep_time(self.store, stored, sender.late_mtime)
        superseded = await self._is_superseded(stored)
        await self._record_completed(content, stored, superseded=superseded)
        self.on_owed()
        self._tell(TransferStatus.COMPLETED, bytes=content.size, sha256=content.sha256)

    async def partial(self, reason: str, buffer: PartBuffer, sender: PartSender) -> None:
        """Keep what came of a dropped upload, as Transfer Family does: PARTIAL, and never delivered."""
        try:
            await sender.settled()
            stored, content = await self._store_all(buffer, sender, "partial", finishing=False)
        except Exception as error:  # noqa: BLE001 - there is nobody to raise to
            await self.failed(error, sender)
            return
        try:
            await self.log.end(
                self.record.owner,
                TransferStatus.PARTIAL,
                self.clock.now(),
                error=reason,
                content=content,
                stored=stored,
            )
        except Exception as error:  # noqa: BLE001 - there is nobody to raise to
            # The object is there: the sweep will find it, and no other end would be true.
            self._tell(None, error=_words(error), wanted=TransferStatus.PARTIAL.value, reason=reason)
            return
        self._tell(TransferStatus.PARTIAL, bytes=content.size, reason=reason)

    async def abandoned(self, reason: str, sender: PartSender) -> None:
        """Drop everything: nothing is published."""
        await self._close_without_object(TransferStatus.ABANDONED, reason, sender)

    async def failed(self, error: Exception, sender: PartSender) -> None:
        """Drop everything because of an error; what may have taken effect is left open for the sweep."""
        # An error that is not of our family came from where nobody can say what was done.
        if isinstance(error, OutcomeUnknown) or not isinstance(error, GatewayError):
            await sender.quiet()  # other parts may be under way: what has ended sends nothing more
            self._tell(None, error=_words(error))
            return
        await self._close_without_object(TransferStatus.FAILED, str(error), sender)

    # --- S3 -------------------------------------------------------------------------------

    async def _must_be_ours(self) -> None:
        """
        Refuse to publish what a sweep may have ended: this gateway was silent for longer than its lease.

        The fence keeps a gateway that was frozen and woken from writing to the record. This keeps it from
        writing to S3 what the record no longer speaks of.
        """
        if self.is_fresh():
            return
        transfer = (await self.log.story(self.record.log_id)).transfer
        if transfer.owner != self.record.owner:
            raise ChangedMeanwhile(f"{self.record.log_id} was swept while this gateway was silent")

    async def _store_all(
        self, buffer: PartBuffer, sender: PartSender, outcome: str, *, finishing: bool
    ) -> tuple[StoredObject, Content]:
        if sender.upload_id is None:
            return await self._put(buffer, sender, outcome)
        if buffer.ready_bytes:
            await sender.send(buffer.cut(buffer.ready_bytes), 0)
        await sender.settled()
        content = Content(sender.sent_bytes, sender.digest.sha256())
        await self._must_be_ours()
        if finishing:
            await self.log.finishing(self.record.owner, content, self.clock.now())
        # Any error may come after the effect: S3 takes minutes, and the adapter looks at the object last.
        return await self._sure_of(sender.complete, content, ambiguous=GatewayError), content

    async def _put(
        self, buffer: PartBuffer, sender: PartSender, outcome: str
    ) -> tuple[StoredObject, Content]:
        body = buffer.cut(buffer.ready_bytes)
        crc32 = await sender.digest.take(body)
        content = Content(len(body), sender.digest.sha256())
        described = {
            **with_mtime(self.new.metadata, sender.mtime),
            META_OUTCOME: outcome,
            META_BYTES: str(content.size),
            META_SHA256: content.sha256,
        }
        new = replace(self.new, metadata=described)
        await self._must_be_ours()
        stored = await self._sure_of(
            lambda: self.store.put(new, body, crc32), content, ambiguous=StoreUnavailable
        )
        return stored, content

    async def _sure_of(
        self,
        publish: Callable[[], Awaitable[StoredObject]],
        content: Content,
        *,
        ambiguous: type[GatewayError],
    ) -> StoredObject:
        """Run the call that publishes; after an ambiguous answer let the versions decide."""
        try:
            stored = await publish()
        except ambiguous as error:
            stored = await self._found_after(error)
        if stored.size != content.size:
            raise OutcomeUnknown(f"{stored.location} holds {stored.size} bytes, {content.size} were sent")
        return stored

    async def _found_after(self, error: GatewayError) -> StoredObject:
        try:
            found = await find_own_version(self.store, self.new.location, self.record.log_id)
        except GatewayError as second:
            raise OutcomeUnknown(f"{error}; then looking for the object: {second}") from error
        if found is not None:
            return found
        if not isinstance(error, StoreUnavailable):
            raise error  # S3 has refused, and there is no object: a plain failure
        # It may still come: S3 can act on a request long after its answer was given up.
        raise OutcomeUnknown(f"{self.new.location}: {error}; no object was found") from error

    async def _is_superseded(self, stored: StoredObject) -> bool:
        """Whether a later writer has overtaken this one already, as far as it can be learnt."""
        try:
            return await is_overtaken(self.store, stored)
        except GatewayError:
            return False  # only a remark on the record: never worth failing a CLOSE for

    # --- the record -----------------------------------------------------------------------

    async def _record_completed(self, content: Content, stored: StoredObject, *, superseded: bool) -> None:
        now = self.clock.now()
        deliveries = owed(
            self.record.log_id, stored.location, stored.version_id, stored.etag, self.targets, now
        )

        async def complete() -> None:
            await self.log.complete(
                self.record.owner, content, stored, deliveries, superseded=superseded, at=now
            )

        try:
            await complete()
        except GatewayError as error:
            if await self._is_completed(error):
                return
            await self._once_more(complete)

    async def _once_more(self, complete: Callable[[], Awaitable[None]]) -> None:
        """
        The record is ours still and says no: a conflict, or a request that never arrived.

        It may be sent again, because its conditions let it take effect only once.
        """
        try:
            await complete()
        except GatewayError as error:
            if not await self._is_completed(error):
                raise OutcomeUnknown(f"the record is open still after: {error}") from error

    async def _is_completed(self, error: GatewayError) -> bool:
        """
        Ask the record, after an error, whether it is COMPLETED; False: it is open, and ours.

        Raises:
            OutcomeUnknown: It cannot be read, or is somebody else's.
        """
        try:
            transfer = (await self.log.story(self.record.log_id)).transfer
        except GatewayError as second:
            raise OutcomeUnknown(f"{error}; then reading the record: {second}") from error
        if transfer.owner != self.record.owner:
            raise OutcomeUnknown(f"the record is {transfer.status} and not ours after: {error}") from error
        return transfer.status is TransferStatus.COMPLETED

    async def _close_without_object(self, status: TransferStatus, reason: str, sender: PartSender) -> None:
        """
        Abort in S3, then close the record.

        If either fails, the record stays open on purpose: an open record is what the sweep looks
        for, and a closed one over a forgotten multipart upload would be a lie that costs money.
        """
        try:
            await sender.drop()
            await self.log.end(self.record.owner, status, self.clock.now(), error=reason)
        except Exception as error:  # noqa: BLE001 - whoever called has an error of its own to raise, or nobody
            self._tell(None, error=_words(error), wanted=status.value, reason=reason)
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


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, GatewayError) else repr(error)
