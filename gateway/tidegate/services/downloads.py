"""
Reading files: ranged, one version throughout, a little ahead of a client that reads in order.

A client reads a file in requests of 32 to 256 KiB, many of them under way at once. One GET for each
would be slow and dear, so a block is fetched and kept. Whoever goes on reading in order gets the next block
fetched while it reads this one, each larger than the one before: a look at the first bytes of a large
file costs little, and the whole file comes at full speed. A random reader gets what it asked for and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from tidegate.core.errors import GatewayError, StoreUnavailable
from tidegate.core.ids import GatewayId
from tidegate.core.limits import KIB, MIB
from tidegate.core.objects import Location, StoredObject
from tidegate.core.sessions import Session
from tidegate.core.transfers import Direction, TransferRecord, TransferStatus
from tidegate.ports.clock import Clock
from tidegate.ports.objects import ObjectReader
from tidegate.ports.transfer_log import TransferLog
from tidegate.services.buffers import BufferBudget

_log = structlog.get_logger("tidegate.downloads")

# OpenSSH and paramiko ask for no more; a longer request gets a shorter answer, as the protocol allows.
MAX_READ_BYTES = 256 * KIB
# The first block of a reader in order. A smaller one would save little: any call takes S3 20 ms and more.
_FIRST_BLOCK_BYTES = MIB
# With 1 MiB at first: 4 MiB, then the 8 MiB of the setting. A file of 5 MiB is two calls.
_GROWTH = 4
_MAX_RECORDS_UNDER_WAY = 1000


class Download:
    """
    The live object behind an open read handle. Made by `Downloads.begin`.

    Reads may be under way at once; they are served one after the other.

    Memory: one answer of at most 256 KiB; and, while the gateway's budget allows, two blocks of at most
    `read_ahead_bytes`.
    """

    def __init__(
        self,
        stored: StoredObject,
        store: ObjectReader,
        budget: BufferBudget,
        read_ahead_bytes: int,
        on_end: Callable[[Download, TransferStatus, str | None], None],
    ) -> None:
        self.stored = stored
        self.sent_bytes = 0
        self._store = store
        self._budget = budget
        self._ahead = read_ahead_bytes
        self._on_end = on_end
        self._granted = False
        self._block = (0, b"")
        self._next: asyncio.Task[bytes] | None = None
        self._next_bytes = min(_FIRST_BLOCK_BYTES, read_ahead_bytes)  # of a reader in order
        self._expected = 0  # where a reader in order reads next
        self._in_order = 0  # how many reads have followed one on the other
        self._ended = False
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<download of {str(self.stored.location)!r}>"

    async def read(self, offset: int, length: int) -> bytes:
        """
        Return `length` bytes from `offset`, at most 256 KiB; fewer only where the file ends.

        Raises:
            ChangedMeanwhile: The object was replaced since OPEN, and the old version is gone.
            StoreUnavailable: The store did not answer, or not with what it has.
        """
        length = min(length, MAX_READ_BYTES, max(self.stored.size - offset, 0))
        async with self._turn:
            self._note(offset)
            data = self._from_block(offset, length)
            # A client may take a short answer for the end of the file: draft-ietf-secsh-filexfer-02, 6.4.
            while len(data) < length:
                at, missing = offset + len(data), length - len(data)
                await self._load(at, missing)
                data += self._from_block(at, missing)
            self._expected = offset + length
            self.sent_bytes += length
            self._look_ahead()
        return data

    def finish(self) -> None:
        """End the download because the client closed it."""
        self._end(TransferStatus.COMPLETED, None)

    def abandon(self, reason: str) -> None:
        """End the download because the client went away."""
        self._end(TransferStatus.ABANDONED, reason)

    def _from_block(self, offset: int, length: int) -> bytes:
        start, block = self._block
        return block[offset - start : offset - start + length] if start <= offset else b""

    def _note(self, offset: int) -> None:
        """Note whether this read follows the last one; the first at the start of the file does."""
        if offset == self._expected:
            self._in_order += 1
        else:
            self._in_order = 0
            self._next_bytes = min(_FIRST_BLOCK_BYTES, self._ahead)

    async def _load(self, offset: int, length: int) -> None:
        """Make `offset` the start of the block."""
        self._refuse_ended()
        start, block = self._block
        if self._next and offset == start + len(block):
            fetching, self._next = self._next, None
            data = await fetching
        else:
            self._drop_next()
            data = await self._store.read(self.stored, offset, self._block_bytes() or length)
        self._refuse_ended()
        if not data:
            # An empty answer to the client would say that the file ends here.
            raise StoreUnavailable(f"{self.stored.location} has no bytes at {offset} of {self.stored.size}")
        self._block = (offset, data)

    def _look_ahead(self) -> None:
        """Fetch the next block for a client that has gone on reading."""
        start, block = self._block
        following = start + len(block)
        if self._in_order < 2 or self._next or self._ended or not start <= self._expected <= following:
            return
        if following < self.stored.size and (count := self._block_bytes()):
            self._next = asyncio.create_task(self._store.read(self.stored, following, count))

    def _block_bytes(self) -> int:
        """Return the size of the block to fetch for a reader in order, and enlarge the next; 0 for others."""
        if not self._in_order or not (self._granted or self._budget.try_take(2 * self._ahead)):
            return 0
        self._granted = True
        count, self._next_bytes = self._next_bytes, min(_GROWTH * self._next_bytes, self._ahead)
        return count

    def _refuse_ended(self) -> None:
        # A request that was on its way when the session ended; its memory is not ours any more.
        if self._ended:
            raise GatewayError("the download has ended already")

    def _drop_next(self) -> None:
        if self._next:
            self._next.cancel()
            # Nobody will await it; its error, if it has one, concerns nobody any more.
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._next = None

    def _end(self, status: TransferStatus, reason: str | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._drop_next()
        self._block = (0, b"")
        if self._granted:
            self._budget.give_back(2 * self._ahead)
        self._on_end(self, status, reason)


class Downloads:
    """All downloads of this gateway. Each leaves one record, written behind the client's back."""

    def __init__(
        self,
        store: ObjectReader,
        log: TransferLog,
        clock: Clock,
        gateway_id: GatewayId,
        budget: BufferBudget,
        read_ahead_bytes: int,
    ) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._gateway_id = gateway_id
        self._budget = budget
        self._read_ahead_bytes = read_ahead_bytes
        self._records: set[asyncio.Task[None]] = set()

    async def begin(
        self, session: Session, path: str, location: Location, *, store: ObjectReader | None = None
    ) -> Download:
        """
        Open the current version for reading. Raises `NotFound`.

        Args:
            store: Reads with the rights of the session; None: with the gateway's own.
        """
        acting = store or self._store
        stored = await acting.head(location)
        begun = TransferRecord.begun(
            Direction.DOWNLOAD, session, path, location, self._gateway_id, self._clock.now()
        )

        def on_end(download: Download, status: TransferStatus, reason: str | None) -> None:
            record = replace(
                begun,
                status=status,
                timestamp=self._clock.now(),
                version_id=stored.version_id,
                etag=stored.etag,
                size=download.sent_bytes,
                kms_key_id=stored.kms_key_id,
                error=reason,
            )
            self._tell(record)
            self._record_later(record)

        return Download(stored, acting, self._budget, self._read_ahead_bytes, on_end)

    async def recorded(self) -> None:
        """Return when the records of all ended downloads are written."""
        while self._records:
            await asyncio.wait(set(self._records))

    def _record_later(self, record: TransferRecord) -> None:
        if len(self._records) >= _MAX_RECORDS_UNDER_WAY:
            _log.warning("download not recorded", log_id=record.log_id, reason="too many under way")
            return
        task = asyncio.create_task(self._record(record))
        self._records.add(task)
        task.add_done_callback(self._records.discard)

    async def _record(self, record: TransferRecord) -> None:
        try:
            await self._log.start(record)
        except GatewayError as error:
            _log.warning("download not recorded", log_id=record.log_id, reason=str(error))

    def _tell(self, record: TransferRecord) -> None:
        _log.info(
            "download ended",
            status=record.status.value,
            log_id=record.log_id,
            user=record.user_name,
            session=record.session_id,
            client_ip=record.client_ip,
            path=record.path,
            bytes=record.size,
            seconds=round((record.timestamp - record.started_at).total_seconds(), 3),
        )
