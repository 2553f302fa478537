"""
One upload, from OPEN to its end.

There are two ways out, and no third: `finish` for a CLOSE the client sent, `abandon` for everything
else. `finish` answers only when the object is complete in S3 and its record and deliveries are
written. An error of a WRITE stays on the upload and fails its CLOSE: clients send CLOSE all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime

from tidegate.core.attributes import time_of
from tidegate.core.errors import GatewayError, TooLarge
from tidegate.core.limits import S3_MAX_OBJECT_BYTES, S3_MAX_PARTS, S3_MIN_PART_BYTES
from tidegate.core.objects import StoredObject
from tidegate.core.parts import PartBuffer, PartSchedule
from tidegate.core.sessions import Session
from tidegate.core.transfers import TransferRecord
from tidegate.services.buffers import BufferBudget
from tidegate.services.continuing import Beginning
from tidegate.services.endings import Ending
from tidegate.services.part_sender import PartSender
from tidegate.services.wholeness import why_not_whole

# A large part waits this long for its memory, then a smallest part is sent instead.
_SLOT_WAIT_SECONDS = 30.0
_IDLE_SECONDS = 1.0
# A client that comes back so long after its last WRITE finds its broken line taken for broken.
_SILENT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """What all uploads of a gateway have in common."""

    schedule: PartSchedule
    reorder_window_bytes: int
    parallel_parts: int
    store_partial: bool
    max_file_bytes: int = S3_MAX_OBJECT_BYTES
    resume: bool = False

    @property
    def reservation_bytes(self) -> int:
        return S3_MIN_PART_BYTES + self.reorder_window_bytes


class Upload:
    """
    The live object behind an open write handle. Made by `Uploads.begin`.

    Memory: at most its reservation, one part of `schedule.size_of(n)` being filled, and
    `parallel_parts` under way, each counted in the gateway's budget.
    """

    def __init__(
        self,
        record: TransferRecord,
        sender: PartSender,
        ending: Ending,
        budget: BufferBudget,
        settings: UploadSettings,
        on_end: Callable[[Upload], None],
        beginning: Beginning | None = None,
    ) -> None:
        self.record = record
        self._settings = settings
        self._budget = budget
        self._buffer = PartBuffer(settings.reorder_window_bytes)
        self._sender = sender
        self._ending = ending
        self._on_end = on_end
        self._beginning = beginning or Beginning()
        self._error: Exception | None = None
        self._slot = 0  # bytes taken for the part being filled, beyond the reservation
        self._announced = 0  # bytes the client has said its file has
        self._given_up = False
        self._ended = False
        self.stored: StoredObject | None = None  # once it is acknowledged
        self._turn = asyncio.Lock()
        self._steps: set[asyncio.Task[None]] = set()
        self._last_write = asyncio.get_running_loop().time()

    def __repr__(self) -> str:
        return f"<upload {self.record.log_id} of {self.record.path!r}>"

    @property
    def received_bytes(self) -> int:
        """The bytes received without a gap: what STAT shows while the file is being sent."""
        earlier = self._beginning.earlier
        return earlier.size if earlier else self._buffer.end

    @property
    def is_alive(self) -> bool:
        """Whether the file may still become what its client sends: not ended, failed or given up."""
        return not (self._ended or self._given_up or self._error or self._sender.failure)

    @property
    def modified_at(self) -> datetime:
        """The time its client gave the file, or else the present."""
        given = self._sender.mtime
        return self._ending.clock.now() if given is None else time_of(given)

    def set_time(self, mtime: int) -> None:
        """Keep the time a client gives its file: seconds since 1970."""
        self._sender.mtime = mtime

    async def set_size(self, size: int) -> None:
        """
        Let the file have this many bytes. Those that are still to come must come before CLOSE.

        Raises:
            OutOfOrderWrite: More are in S3 already. The error stays: CLOSE raises it too.
            GatewayError: As `write`.
        """
        await self._undisturbed(self._set_size(size))

    async def write(self, offset: int, data: bytes) -> None:
        """
        Take one WRITE. Waits while S3 is slower than the client.

        Raises:
            OutOfOrderWrite: A gap beyond the window, or a rewrite of bytes already sent.
            TooLarge: It reaches beyond the largest file that is taken. Nothing of it will be published.
            GatewayError: S3 or the record failed. The error stays: later writes and CLOSE raise it too.
        """
        self._last_write = asyncio.get_running_loop().time()
        if self._fits(placed := self._beginning.placed(offset), len(data)):
            self._buffer.receive(placed, data)
        else:
            await self._undisturbed(self._write(offset, memoryview(data)))

    @property
    def continuable_bytes(self) -> int:
        """How much of it would be kept if it were dropped now, and its client came back."""
        sent, last = self._sender.sent_bytes, self._sender.last_part_bytes
        return sent if self._buffer.ready_bytes or self._buffer.has_gap else sent - last

    def is_left_by(self, session: Session) -> bool:
        """Tell whether this session's user has left it open in another one, and sent nothing for a while."""
        record, silent = self.record, asyncio.get_running_loop().time() - self._last_write
        is_theirs = (record.server_id, record.user_name) == (session.server_id, session.user_name)
        return is_theirs and record.session_id != session.session_id and silent >= _SILENT_SECONDS

    def check(self) -> None:
        """Raise what a WRITE would raise by now, if something has failed."""
        self._refuse_ended()
        self._raise_error()

    async def finish(self) -> None:
        """
        End the upload because the client sent CLOSE. On return the promise holds.

        Raises:
            OutcomeUnknown: Whether the object or record took effect could not be learnt.
            GatewayError: The upload failed; nothing of it is published.
        """
        await self._undisturbed(self._finish())

    async def abandon(self, reason: str) -> None:
        """End the upload because the client went away. Never raises; a second call does nothing."""
        self._given_up = True
        await self._undisturbed(self._abandon(reason))

    async def at_rest(self) -> None:
        """Return when what is being done with it has been done."""
        async with self._turn:
            pass

    def abandon_later(self, reason: str) -> None:
        """Abandon in the background; `Uploads.all_ended` waits for it."""
        self._given_up = True
        self._keep(asyncio.create_task(self._abandon(reason)))

    def relieve(self) -> None:
        """Somebody waits for memory: if no write came for a second, let go of what is not needed."""
        idle = asyncio.get_running_loop().time() - self._last_write >= _IDLE_SECONDS
        if not idle or self._steps:
            return
        if self._buffer.ready_bytes >= S3_MIN_PART_BYTES:
            self._keep(asyncio.create_task(self._send_early()))
        else:
            self._give_back_slot()  # what is here fits into the reservation

    async def _send_early(self) -> None:
        async with self._turn:
            if not self._ended and self._buffer.ready_bytes >= S3_MIN_PART_BYTES:
                try:
                    await self._send(self._buffer.ready_bytes)
                except Exception as error:  # noqa: BLE001 - kept: the next WRITE or the CLOSE raises it
                    self._error = error

    # --- one thing at a time, to its end ----------------------------------------------------

    async def _undisturbed(self, step: Coroutine[None, None, None]) -> None:
        """
        Await a step that must not be torn in two.

        A lost connection cancels whoever awaits; a part cut from the buffer but never sent would be
        a hole in the object. So the step runs on, and the ending that follows waits its turn.
        """
        await asyncio.shield(self._keep(asyncio.create_task(step)))

    def _keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._steps.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._steps.discard)
        return task

    async def _write(self, offset: int, data: memoryview) -> None:
        async with self._turn:
            self._refuse_ended()
            self._raise_error()
            try:
                if self._beginning.earlier and data:
                    await self._begin_with(
                        self._beginning.wanted(offset, self._settings.reorder_window_bytes)
                    )
                offset = self._beginning.placed(offset)
                self._refuse_too_large(offset, len(data))
                await self._take(offset, data)
            except Exception as error:
                self._error = error
                raise

    async def _set_size(self, size: int) -> None:
        async with self._turn:
            self._refuse_ended()
            self._raise_error()
            try:
                if (earlier := self._beginning.earlier) and size < earlier.size:
                    await self._begin_with(size)
                if not self._beginning.earlier:
                    self._buffer.shorten(size)
            except GatewayError as error:
                self._error = error
                raise
            self._announced = size

    async def _finish(self) -> None:
        async with self._turn:
            self._refuse_ended()
            try:
                self._refuse_half()
                self._raise_error()
                if self._beginning.earlier:
                    await self._ending.unchanged(self._beginning.earlier, self._sender)
                    return
                self.stored = await self._ending.complete(self._buffer, self._sender)
            except Exception as error:
                self._given_up = True
                await self._fail(error)
                raise
            finally:
                self._end()

    async def _abandon(self, reason: str) -> None:
        async with self._turn:
            if self._ended:
                return
            try:
                if failure := self._error or self._sender.failure:
                    await self._fail(failure)
                elif self._beginning.earlier:
                    await self._ending.untouched(reason, self._beginning.earlier, self._sender)
                elif self._settings.store_partial and self._buffer.end:
                    await self._ending.partial(reason, self._buffer, self._sender)
                elif self._ending.kept and self._sender.sent_parts and not self._sender.adds_to:
                    await self._ending.keep(reason, self._buffer, self._sender)
                else:
                    await self._ending.abandoned(reason, self._sender)
            finally:
                self._end()

    async def _fail(self, error: Exception) -> None:
        earlier = self._beginning.earlier
        if earlier and not earlier.is_published:
            # Nothing was done with it: it can be continued still.
            await self._ending.untouched(str(error), earlier, self._sender)
        else:
            await self._ending.failed(error, self._sender)

    # --- filling parts --------------------------------------------------------------------

    def _fits(self, offset: int, count: int) -> bool:
        """The common case, without a task: the next bytes, and memory for them is held."""
        return (
            not (self._steps or self._ended or self._error or self._beginning.earlier)
            and offset == self._buffer.end
            and not self._buffer.has_gap
            and self._buffer.ready_bytes + count < self._limit
            and offset + count <= self._settings.max_file_bytes
        )

    async def _begin_with(self, count: int) -> None:
        """Begin with so many bytes of what was there at OPEN."""
        kept = await self._beginning.settle(count, self._sender)
        self._buffer = PartBuffer(self._settings.reorder_window_bytes, count - len(kept))
        self._buffer.receive(count - len(kept), kept)

    async def _take(self, offset: int, data: memoryview) -> None:
        while data:
            if offset > self._buffer.end:
                self._buffer.receive(offset, data)  # bounded by the window
                break
            # First what is here already and is sent again, then what the memory we hold has room for.
            count = (self._buffer.end - offset) or (self._limit - self._buffer.ready_bytes)
            if count <= 0:
                await self._make_room()
                continue
            piece = data[:count]
            self._buffer.receive(offset, piece)
            offset, data = offset + len(piece), data[count:]
        while self._has_full_part:
            await self._make_room()

    @property
    def _has_full_part(self) -> bool:
        number = self._next_number
        return number <= S3_MAX_PARTS and self._buffer.ready_bytes >= self._settings.schedule.size_of(number)

    @property
    def _next_number(self) -> int:
        return self._sender.sent_parts + 1

    @property
    def _limit(self) -> int:
        """How many contiguous bytes the memory we hold has room for."""
        return S3_MIN_PART_BYTES + self._slot

    async def _make_room(self) -> None:
        """The memory we hold is full: get more for a larger part, or send what is there."""
        number = self._next_number
        if number > S3_MAX_PARTS:
            raise TooLarge(f"{self.record.path}: all {S3_MAX_PARTS} parts are used")
        wanted = self._settings.schedule.size_of(number)
        if not self._slot and self._limit < wanted and await self._grow(number, wanted - self._limit):
            return
        await self._send(min(self._buffer.ready_bytes, wanted))

    async def _grow(self, number: int, more: int) -> bool:
        if self._settings.schedule.is_base(number):
            # A base part sent at 5 MiB costs a few numbers of 10,000; waiting would cost speed.
            taken = self._budget.try_take(more)
        else:
            # A part smaller than it should be costs numbers too, but memory that cannot come costs time.
            more = min(more, self._budget.largest_slot_bytes)
            taken = more > 0 and await self._budget.take_within(more, _SLOT_WAIT_SECONDS)
        if taken:
            self._slot += more
            self._budget.holders.add(self)
        return taken

    async def _send(self, count: int) -> None:
        slot, self._slot = self._slot, 0
        self._budget.holders.discard(self)
        await self._sender.send(self._buffer.cut(count), slot)

    def _refuse_too_large(self, offset: int, count: int) -> None:
        most = self._settings.max_file_bytes
        # Far ahead of the next byte it is first of all a gap, whatever its size.
        is_gap = offset > self._buffer.end + self._settings.reorder_window_bytes
        if offset + count > most and not is_gap:
            raise TooLarge(
                f"{self.record.path}: more than the {most} bytes of limits.max_file_bytes were sent"
            )

    # --- endings --------------------------------------------------------------------------

    def _refuse_half(self) -> None:
        if self._error is None:
            self._error = why_not_whole(
                self.record.path, self._buffer, self.received_bytes, self._announced, self._sender.adds_to
            )

    def _raise_error(self) -> None:
        if self._error:
            raise self._error
        self._sender.check()

    def _refuse_ended(self) -> None:
        # A request that was on its way when the session ended; its memory is not ours any more.
        if self._ended:
            raise GatewayError(f"{self.record.path}: the upload has ended already")

    def _give_back_slot(self) -> None:
        self._budget.holders.discard(self)
        slot, self._slot = self._slot, 0
        self._budget.give_back(slot)

    def _end(self) -> None:
        self._ended = True
        self._give_back_slot()
        self._budget.leave(self._settings.reservation_bytes)
        self._on_end(self)
