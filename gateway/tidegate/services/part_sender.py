"""
Sending one upload's parts to S3: hashed in order, several under way, each counted in the budget.

Nothing here decides how an upload ends. `PartSender` starts the multipart upload when the first part
is sent, notes its id on the record before that, and knows how to drop it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from tidegate.core.attributes import with_mtime
from tidegate.core.errors import OutcomeUnknown, StoreUnavailable, Throttled, TooLarge
from tidegate.core.ids import UploadId
from tidegate.core.limits import MIB, S3_MAX_OBJECT_BYTES, S3_MAX_PARTS, S3_MIN_PART_BYTES
from tidegate.core.objects import KeptPart, NewObject, PartReceipt, StoredObject
from tidegate.core.transfers import Owner
from tidegate.ports.objects import ObjectStore
from tidegate.ports.transfer_log import TransferLog
from tidegate.services.buffers import BufferBudget
from tidegate.services.digests import Digest

# Of a stored object whose beginning is kept; 10,000 of these are more than 5 TiB.
_COPY_PART_BYTES = 560 * MIB


class PartSender:
    """
    One upload's way to S3.

    Args:
        store: Writes the parts, with the rights of the session.
        own: Drops them again, with the gateway's own, whatever the session may; None: as `store`.
    """

    def __init__(
        self,
        new: NewObject,
        owner: Owner,
        store: ObjectStore,
        log: TransferLog,
        budget: BufferBudget,
        parallel_parts: int,
        *,
        own: ObjectStore | None = None,
    ) -> None:
        self._own = own or store
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
        self.last_part_bytes = 0
        self.adds_to: StoredObject | None = None  # the file whose beginning is kept

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
        self._count(len(body))
        spare = len(self._under_way) < self._free_lanes and self._budget.try_take(S3_MIN_PART_BYTES)
        held = slot_bytes + (S3_MIN_PART_BYTES if spare else 0)
        task = asyncio.create_task(self._send(self.sent_parts, body, held))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        if not spare:
            await asyncio.wait({task})
        self.check()

    async def copy(self, of: StoredObject, count: int) -> None:
        """
        Let the first parts be the first bytes of a stored object: copied in S3, and read to hash them.

        While memory is free that goes on behind the caller, and parts sent meanwhile wait their turn. Call
        before anything is sent. `count` is at least the smallest part.

        Raises:
            GatewayError: It could not be begun; or, what `check` raises, carried out.
        """
        await self._begin()
        at_once = -(-count // -(-count // _COPY_PART_BYTES))  # so that none is smaller than S3 takes
        ranges = []
        for start in range(0, count, at_once):
            self._count(length := min(at_once, count - start))
            ranges.append((start, length))
        # The block that is read is no larger; without memory for it the caller's own is free meanwhile.
        held = S3_MIN_PART_BYTES if self._budget.try_take(S3_MIN_PART_BYTES) else 0
        hashing = asyncio.create_task(self.digest.take_stored(self._store, of, ranges))
        await asyncio.sleep(0)  # from here on it has the digest's turn, before anything is sent
        task = asyncio.create_task(self._copy(of, ranges, hashing, held))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        if not held:
            await asyncio.wait({task})
        self.check()

    def adopt(self, upload_id: UploadId, parts: Sequence[KeptPart], digest: Digest | None) -> None:
        """
        Go on with a multipart upload that was begun before. Call before anything is sent.

        Args:
            parts: The first parts, in order; whatever else S3 has of the upload is replaced or left out.
            digest: That of their bytes; None if it is not known here.
        """
        self.upload_id = upload_id
        self._receipts = [part.receipt for part in parts]
        for part in parts:
            self._count(part.size)
        if digest is None:
            self.digest.pass_over(parts)
        else:
            self.digest = digest

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
        return await self._store.complete_multipart(
            self._new.location, self.upload_id, in_order, whole, replacing=self.replacing
        )

    @property
    def replacing(self) -> str | None:
        """What must be there still when the object is published; None: that does not matter."""
        return self.adds_to.etag if self.adds_to else None

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
            await self._own.abort_multipart(self._new.location, self.upload_id)

    def _count(self, size: int) -> None:
        self.sent_parts += 1
        self.sent_bytes += size
        self.last_part_bytes = size

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

    async def _copy(
        self,
        of: StoredObject,
        ranges: Sequence[tuple[int, int]],
        hashing: asyncio.Task[list[str]],
        held: int,
    ) -> None:
        try:
            # Both to their ends: what S3 is asked to do may not go on unseen.
            copying = asyncio.create_task(self._copies(of, ranges))
            await asyncio.wait({copying, hashing})
            copies, crc32s = copying.result(), hashing.result()
            self._receipts += [replace(copy, crc32=crc32) for copy, crc32 in zip(copies, crc32s, strict=True)]
        except Exception as error:  # noqa: BLE001 - kept, as that of a part
            self.failure = self.failure or error
        finally:
            self._budget.give_back(held)

    async def _copies(self, of: StoredObject, ranges: Sequence[tuple[int, int]]) -> list[PartReceipt]:
        assert self.upload_id is not None
        there, upload_id = self._new.location, self.upload_id
        return [
            await self._store.copy_part(there, upload_id, number, of, start, length)
            for number, (start, length) in enumerate(ranges, start=1)
        ]
