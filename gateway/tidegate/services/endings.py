"""
How an upload ends: what is written to S3 and to the record, in which order.

The order is the promise. Small file: PutObject (its metadata says whose it is and what it should
be), then one transaction with COMPLETED and the deliveries. Large file: FINISHING, then
CompleteMultipartUpload, then that transaction. Only then does CLOSE answer OK.

After a lost or odd answer nothing is assumed: S3 is asked for a version that carries our transfer
id, the log for a record that is ours and COMPLETED. What stays unknown is left open for the sweep,
and the client is told so in words.

Where a route has rules, the verdict falls between the two writes: what does not meet them is recorded as
SUSPECT in place of COMPLETED, and owes nothing yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from tidegate.core.acceptance import Verdict, next_look
from tidegate.core.attributes import with_mtime
from tidegate.core.deliveries import DeliveryTarget
from tidegate.core.errors import (
    ChangedMeanwhile,
    GatewayError,
    Incomplete,
    OutcomeUnknown,
    StoreUnavailable,
)
from tidegate.core.holding import owed_by
from tidegate.core.objects import META_BYTES, META_OUTCOME, META_SHA256, NewObject, StoredObject
from tidegate.core.parts import PartBuffer
from tidegate.core.transfers import Content, TransferRecord, TransferStatus
from tidegate.ports.clock import Clock
from tidegate.ports.objects import ObjectStore
from tidegate.ports.transfer_log import TransferLog
from tidegate.services.acceptance import Judge
from tidegate.services.continuing import Earlier
from tidegate.services.digests import Digest, sha256_of
from tidegate.services.held import Held
from tidegate.services.kept_times import keep_time
from tidegate.services.kept_uploads import KeptUploads
from tidegate.services.part_sender import PartSender
from tidegate.services.recording import Recording
from tidegate.services.versions import find_own_version, is_overtaken

_log = structlog.get_logger("tidegate.uploads")


@dataclass(frozen=True, slots=True)
class Ending:
    """
    The endings of one upload.

    Args:
        store: The gateway's own: what was written is looked for with it, whatever the session may read.
        acting: Writes with the rights of the session; None: as `store`.
    """

    record: TransferRecord
    new: NewObject
    store: ObjectStore
    log: TransferLog
    clock: Clock
    targets: tuple[DeliveryTarget, ...]
    on_owed: Callable[[], None]
    is_fresh: Callable[[], bool] = lambda: True
    kept: KeptUploads | None = None  # where dropped uploads are kept
    judge: Judge | None = None  # where its route asks for more than a CLOSE
    held: Held | None = None  # where names can be temporary
    acting: ObjectStore | None = None

    async def complete(self, buffer: PartBuffer, sender: PartSender) -> StoredObject:
        """
        Publish the whole file and record it with its deliveries; or held back, if its route's rules say so.

        Raises:
            SentBefore: The rules refuse it. Nothing of it is published.
        """
        stored, content = await self._store_all(buffer, sender, "complete", finishing=True)
        if sender.late_mtime is not None:
            # Before anything is owed, so that no delivery copies the object without it.
            await keep_time(self._acting, stored, sender.late_mtime)
        verdict = await self._verdict(content, stored)
        if verdict.is_met:
            superseded = await self._is_superseded(stored)
            await self._record_completed(content, stored, superseded=superseded)
            if self.held and self.record.hold_seconds is not None:
                await self.held.catch_up(self.record.log_id)
            self.on_owed()
            self._tell(TransferStatus.COMPLETED, bytes=content.size, sha256=content.sha256)
        else:
            await self._record_suspect(content, stored, verdict)
            self._tell(TransferStatus.SUSPECT, bytes=content.size, sha256=content.sha256, reason=verdict.text)
        if self.judge:
            self.judge.recorded(verdict)
        return stored

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

    async def keep(self, reason: str, buffer: PartBuffer, sender: PartSender) -> None:
        """Publish nothing of a dropped upload, and keep its parts for its partner to go on with."""
        assert self.kept is not None
        try:
            await sender.settled()
        except Exception as error:  # noqa: BLE001 - there is nobody to raise to
            await self.failed(error, sender)
            return
        # Something is left to be sent in any case: a client that has no more to send does not go on.
        is_rest = bool(buffer.ready_bytes or buffer.has_gap)
        size = sender.sent_bytes - (0 if is_rest else sender.last_part_bytes)
        if size:
            await self._keep(size, reason, sender.digest if is_rest else None, sender)
        else:
            await self.abandoned(reason, sender)

    async def unchanged(self, earlier: Earlier, sender: PartSender) -> None:
        """
        End an upload that was closed without a byte, and leave what was there as it was.

        Raises:
            Incomplete: That is no file, but what is kept of one.
        """
        if not earlier.is_published:
            raise Incomplete(f"{self.record.path} is unfinished still: nothing was sent before CLOSE")
        await self.untouched("closed before anything was sent: the file is as it was", earlier, sender)

    async def untouched(self, reason: str, earlier: Earlier, sender: PartSender) -> None:
        """End an upload of which nothing was sent; what was there stays as it was. Never raises."""
        if earlier.is_published:
            await self._close_without_object(TransferStatus.ABANDONED, reason, sender, is_attempt=False)
        else:
            await self._keep(earlier.size, reason, None, sender)

    async def _keep(self, size: int, reason: str, digest: Digest | None, sender: PartSender) -> None:
        assert self.kept is not None
        try:
            await self.kept.keep(self.record, size, reason, digest, sender.upload_id)
        except Exception as error:  # noqa: BLE001 - there is nobody to raise to
            # It stays open: the sweep finds the parts.
            self._tell(None, error=_words(error), wanted=TransferStatus.KEPT.value, reason=reason)
            return
        self._tell(TransferStatus.KEPT, bytes=size, reason=reason)

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

    @property
    def _acting(self) -> ObjectStore:
        return self.acting or self.store

    @property
    def _has_ending_rights(self) -> bool:
        return self._acting is not self.store

    async def _must_be_ours(self, *, even_if_fresh: bool = False) -> None:
        """
        Refuse to publish what a sweep may have ended: this gateway was silent for longer than its lease.

        The fence keeps a gateway that was frozen and woken from writing to the record. This keeps it from
        writing to S3 what the record no longer speaks of.
        """
        if self.is_fresh() and not even_if_fresh:
            return
        transfer = (await self.log.story(self.record.log_id)).transfer
        if transfer.owner != self.record.owner:
            raise ChangedMeanwhile(f"{self.record.log_id} was swept while this gateway was silent")

    async def _store_all(
        self, buffer: PartBuffer, sender: PartSender, outcome: str, *, finishing: bool
    ) -> tuple[StoredObject, Content]:
        if sender.upload_id is None:
            return await self._put(buffer, sender, outcome)
        if self.kept:
            await self._must_be_ours()  # or it would replace a part of whoever goes on with it
        if buffer.ready_bytes:
            await sender.send(self._seen(buffer.cut(buffer.ready_bytes)), 0)
        await sender.settled()
        content = Content(sender.sent_bytes, sender.digest.sha256())
        if finishing:
            await self._refuse_duplicate(content)
        await self._must_be_ours()
        if finishing:
            await self.log.finishing(self.record.owner, content, self.clock.now())
        # Any error may come after the effect: S3 takes minutes, and the adapter looks at the object last.
        stored = await self._sure_of(sender.complete, content, ambiguous=GatewayError)
        return stored, await self._with_digest(content, stored)

    async def _with_digest(self, content: Content, stored: StoredObject) -> Content:
        """Read what another gateway had received of the file: now it is an object, and can be read."""
        if content.sha256 is not None:
            return content
        try:
            return replace(content, sha256=await sha256_of(self.store, stored))
        except GatewayError as error:
            raise OutcomeUnknown(f"{stored.location} is stored, and could not be read: {error}") from error

    async def _put(
        self, buffer: PartBuffer, sender: PartSender, outcome: str
    ) -> tuple[StoredObject, Content]:
        body = self._seen(buffer.cut(buffer.ready_bytes))
        crc32 = await sender.digest.take(body)
        sha256 = sender.digest.sha256()
        assert sha256 is not None  # nothing was sent before, here or elsewhere
        content = Content(len(body), sha256)
        described = {
            **with_mtime(self.new.metadata, sender.mtime),
            META_OUTCOME: outcome,
            META_BYTES: str(content.size),
            META_SHA256: sha256,
        }
        new = replace(self.new, metadata=described)
        if outcome == "complete":
            await self._refuse_duplicate(content)
        await self._must_be_ours()
        stored = await self._sure_of(
            lambda: self._acting.put(new, body, crc32, replacing=sender.replacing),
            content,
            # A repeat after a lost answer finds its own object in its way, or rights that ended meanwhile.
            ambiguous=GatewayError if sender.replacing or self._has_ending_rights else StoreUnavailable,
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

    # --- the rules of its route -----------------------------------------------------------

    def _seen(self, last: bytearray) -> bytearray:
        if self.judge:
            self.judge.saw_last(last)
        return last

    async def _refuse_duplicate(self, content: Content) -> None:
        if self.judge:
            await self.judge.before(content, self.clock.now())

    async def _verdict(self, content: Content, stored: StoredObject) -> Verdict:
        if self.judge is None:
            return Verdict()
        try:
            return await self.judge.verdict(content, stored, self.clock.now())
        except GatewayError as error:
            # The object is there. The sweep judges it by the same rules.
            raise OutcomeUnknown(f"{stored.location} is stored, and could not be judged: {error}") from error

    # --- the record -----------------------------------------------------------------------

    async def _record_completed(self, content: Content, stored: StoredObject, *, superseded: bool) -> None:
        now = self.clock.now()
        deliveries = owed_by(self.record, stored, self.targets, now)

        async def complete() -> None:
            await self.log.complete(
                self.record.owner, content, stored, deliveries, superseded=superseded, at=now
            )

        await Recording(self.log, self.record, TransferStatus.COMPLETED).write(complete)

    async def _record_suspect(self, content: Content, stored: StoredObject, verdict: Verdict) -> None:
        now = self.clock.now()
        look_at = next_look(now, now) if verdict.waits else None

        async def hold_back() -> None:
            await self.log.end(
                self.record.owner,
                TransferStatus.SUSPECT,
                now,
                error=verdict.text,
                content=content,
                stored=stored,
                look_at=look_at,
            )

        await Recording(self.log, self.record, TransferStatus.SUSPECT).write(hold_back)

    async def _close_without_object(
        self, status: TransferStatus, reason: str, sender: PartSender, *, is_attempt: bool = True
    ) -> None:
        """
        Abort in S3, then close the record.

        If either fails, the record stays open on purpose: an open record is what the sweep looks
        for, and a closed one over a forgotten multipart upload would be a lie that costs money.
        """
        try:
            if self.kept:  # another gateway may be going on with this very upload by now
                await self._must_be_ours(even_if_fresh=True)
            await sender.drop()
            if self.kept and is_attempt and not sender.adds_to:
                await self.kept.note_attempt(self.record)
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
