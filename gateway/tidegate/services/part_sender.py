"""
Sending one upload's parts to S3: hashed in order, several under way, each counted in the budget.

Nothing here decides how an upload ends. `PartSender` starts the multipart upload when the first part
is sent, notes its id on the record before that, and knows how to drop it again.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from dataclasses import replace

from tidegate.core.attributes import with_mtime
from tidegate.core.checksums import as_s3_writes, crc32_combine
from tidegate.core.errors import OutcomeUnknown, StoreUnavailable, Throttled, TooLarge
from tidegate.core.ids import UploadId
from tidegate.core.limits import S3_MAX_OBJECT_BYTES, S3_MAX_PARTS, S3_MIN_PART_BYTES
from tidegate.core.objects import NewObject, PartReceipt, StoredObject, WholeObject
from tidegate.core.transfers import Owner
from tidegate.ports.objects import Body, ObjectWriter
from tidegate.ports.transfer_log import TransferLog
from tidegate.services.buffers import BufferBudget


class Digest:
    """The running SHA-256 and CRC32 of a file, and the CRC32 of each piece, computed off the event loop."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._crc32 = 0
        self._size = 0
        self._in_order = asyncio.Lock()  # hands itself on first come, first served

    async def take(self, body: Body) -> str:
        """Hash the next bytes of the file; return their CRC32 as S3 writes it. Call in file order."""
        async with self._in_order:
            return await asyncio.to_thread(self._take, body)

    def _take(self, body: Body) -> str:
        self._sha256.update(body)
        crc32 = zlib.crc32(body)
        self._crc32 = crc32_combine(self._crc32, crc32, len(body))
        self._size += len(body)
        return as_s3_writes(crc32)

    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def whole(self) -> WholeObject:
        """Return what everything taken so far comes to."""
        return WholeObject(self._size, as_s3_writes(self._crc32))


class PartSender:
    """One upload's way to S3."""

    def __init__(
        self,
        new: NewObject,
        owner: Owner,
        store: ObjectWriter,
        log: TransferLog,
        budget: BufferBudget,
        parallel_parts: int,
    ) -> None:
        self._new = new
        self._owner = owner
        self._store = store
        self._log = log
        self._budget = budget
        self._free_lanes = parallel_parts
        self._under_way: set[asyncio.Task[None]] = set()
        self._receipts: list[PartReceipt] = []
        self.failure: Exception | None = None  # the first of any part
        self.digest = Digest()
        self.upload_id: UploadId | None = None
        self.mtime: int | None = None  # the time the client gives the file, as far as it is known
        self._begun_mtime: int | None = None  # the one it has as metadata, of several parts
        self._unseen = False  # an answer was lost that may have brought an upload id
        self.sent_bytes = 0
        self.sent_parts = 0

    @property
    def late_mtime(self) -> int | None:
        """The time that became known too late to go into the metadata of an upload of several parts."""
        return self.mtime if self.upload_id is not None and self.mtime != self._begun_mtime else None

    async def send(self, body: bytearray, slot_bytes: int) -> None:
        """
        Send the next part; return when the next bytes may be taken in.

        That is at once while memory and lanes are free, and otherwise when this part has arrived:
        the caller's reservation is then free again.

        Args:
            body: The part; not to be touched again by the caller.
            slot_bytes: Memory taken for it beyond the reservation; given back once it is sent, or if it
                cannot be.

        Raises:
            TooLarge: S3 takes no more parts, or no larger object.
            GatewayError: This or an earlier part failed beyond its retries.
        """
        try:
            self._refuse_excess(len(body))
            await self._begin()
        except BaseException:
            self._budget.give_back(slot_bytes)
            raise
        self.sent_parts += 1
        self.sent_bytes += len(body)
        spare = len(self._under_way) < self._free_lanes and self._budget.try_take(S3_MIN_PART_BYTES)
        held = slot_bytes + (S3_MIN_PART_BYTES if spare else 0)
        task = asyncio.create_task(self._send(self.sent_parts, body, held))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        if not spare:
            await asyncio.wait({task})
        self.check()

    def check(self) -> None:
        """Raise the first failure of any part."""
        if self.failure:
            raise self.failure

    async def settled(self) -> None:
        """Return when all sent parts are in S3; raise the first failure."""
        await self.quiet()
        self.check()
        # S3 would make an object of whatever parts it is told, holes and all.
        if len(self._receipts) != self.sent_parts:
            raise StoreUnavailable(f"{len(self._receipts)} of {self.sent_parts} parts are in S3")

    async def quiet(self) -> None:
        """Return when no part is under way any more, whatever came of them."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    async def complete(self) -> StoredObject:
        """Complete the multipart upload of all sent parts. Call when settled."""
        assert self.upload_id is not None
        in_order = sorted(self._receipts, key=lambda receipt: receipt.number)
        # The whole is what was hashed in file order: a receipt that is missing or misplaced shows against it.
        whole = self.digest.whole()
        return await self._store.complete_multipart(self._new.location, self.upload_id, in_order, whole)

    async def drop(self) -> None:
        """
        Wait for parts under way, then abort the multipart upload, if there is one.

        Raises:
            OutcomeUnknown: One may have been begun that nobody has seen yet.
        """
        await self.quiet()
        if self._unseen:
            raise OutcomeUnknown(f"a multipart upload of {self._new.location} may have been begun unseen")
        if self.upload_id is not None:
            await self._store.abort_multipart(self._new.location, self.upload_id)

    def _refuse_excess(self, count: int) -> None:
        if self.sent_parts >= S3_MAX_PARTS or self.sent_bytes + count > S3_MAX_OBJECT_BYTES:
            raise TooLarge(
                f"{self._new.location}: {self.sent_bytes} bytes in {self.sent_parts} parts are sent already",
                hint="more uploads.buffer_budget_bytes allow larger parts",
            )

    async def _begin(self) -> None:
        if self.upload_id is None:
            self._begun_mtime = self.mtime
            described = replace(self._new, metadata=with_mtime(self._new.metadata, self.mtime))
            try:
                self.upload_id = await self._store.create_multipart(described)
            except StoreUnavailable as error:
                self._unseen = not isinstance(error, Throttled)
                raise
            await self._log.set_upload_id(self._owner, self.upload_id)

    async def _send(self, number: int, body: bytearray, held: int) -> None:
        try:
            assert self.upload_id is not None
            crc32 = await self.digest.take(body)
            receipt = await self._store.upload_part(self._new.location, self.upload_id, number, body, crc32)
            self._receipts.append(receipt)
        except Exception as error:  # noqa: BLE001 - kept, and raised by `check`: no part may be missing unseen
            self.failure = self.failure or error
        finally:
            self._budget.give_back(held)
