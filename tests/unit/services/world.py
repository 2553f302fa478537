"""The services under test, over the memory fakes, and the questions tests ask of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.objects import MemoryObjectStore
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.core.deliveries import Delivery, DeliveryTarget
from tidegate.core.errors import GatewayError, NotFound
from tidegate.core.holding import NOTHING_HELD, Holding
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import Location, Storage, StoredObject
from tidegate.core.parts import PartSchedule
from tidegate.core.routes import Route, Routes
from tidegate.core.sessions import Session
from tidegate.core.transfers import OPEN_STATUSES, TransferQuery, TransferRecord, TransferStatus
from tidegate.services.held import Held
from tidegate.services.intake import Backends, Landing, Uploads
from tidegate.services.kept_uploads import KeptUploads
from tidegate.services.uploads import Upload, UploadSettings
from unit.services.faults import CheckedBudget, Faulty

MIN_PART = 10  # stands for 5 MiB
BASE_PART = 16  # stands for 8 MiB
WINDOW = 8
RESERVATION = MIN_PART + WINDOW

GATEWAY = GatewayId("gw-ours")
KEEP_FOR = timedelta(hours=24)
SESSION = Session("0123456789abcdef", "s-0123456789abcdef0", "acme", "192.0.2.7", "SSH-2.0-x", "SHA256:k")
HERE = Location("landing", "acme/in/report.csv")
PATH = "/in/report.csv"
TARGETS = (
    DeliveryTarget("archive", "archive", "2026/", "key-archive"),
    DeliveryTarget("lake", "lake", "", None),
)


class World:
    """Store, log, clock and budget, each looked at and broken by name."""

    def __init__(self, *, versioned: bool = True, budget_bytes: int = 10_000) -> None:
        self.clock = ManualClock(datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC))
        self.calls: list[str] = []
        kept = MemoryObjectStore(
            ["landing", "archive", "lake"], versioned, min_part_bytes=MIN_PART, clock=self.clock
        )
        self.store = Faulty(kept, self.calls)
        self.log = Faulty(MemoryTransferLog(self.clock), self.calls)
        self.budget = CheckedBudget(budget_bytes)
        self.owed_count = 0
        self.is_fresh = True  # whether nobody can have declared this gateway dead

    def uploads(
        self,
        *,
        store_partial: bool = False,
        one_writer: bool = False,
        parallel_parts: int = 2,
        schedule: PartSchedule | None = None,
        window: int = WINDOW,
        targets: tuple[DeliveryTarget, ...] = TARGETS,
        routes: tuple[Route, ...] = (),
        holding: Holding = NOTHING_HELD,
        resume: bool = False,
        gateway: GatewayId = GATEWAY,
    ) -> Uploads:
        kept = self.kept(gateway) if resume else None
        return Uploads(
            Backends(
                self.store, self.log, self.clock, gateway, lambda: self.is_fresh, kept, held=self.held()
            ),
            self.budget,
            UploadSettings(
                schedule or PartSchedule(BASE_PART, BASE_PART),
                window,
                parallel_parts,
                store_partial,
                resume=resume,
            ),
            Landing(Routes(routes, Storage("key-landing")), targets, holding),
            one_writer=one_writer,
            on_owed=self.note_owed,
        )

    def kept(self, gateway: GatewayId) -> KeptUploads:
        return KeptUploads(self.store, self.log, self.log, self.clock, gateway, KEEP_FOR)

    def held(self) -> Held:
        return Held(self.store, self.log, self.log, self.clock)

    def note_owed(self) -> None:
        self.owed_count += 1

    async def begin(self, uploads: Uploads | None = None, at: Location = HERE) -> Upload:
        return await (uploads or self.uploads()).begin(SESSION, PATH, at)

    # --- what became of it ------------------------------------------------------------------

    async def record(self, of: Upload | LogId) -> TransferRecord:
        log_id = of.record.log_id if isinstance(of, Upload) else of
        return (await self.log.inner.story(log_id)).transfer

    async def records(self) -> list[TransferRecord]:
        return [record async for record in self.log.inner.find(TransferQuery())]

    async def deliveries(self, of: Upload | LogId) -> tuple[Delivery, ...]:
        log_id = of.record.log_id if isinstance(of, Upload) else of
        return (await self.log.inner.story(log_id)).deliveries

    async def object(self, at: Location = HERE, version_id: str | None = None) -> StoredObject | None:
        try:
            return await self.store.inner.head(at, version_id)
        except NotFound:
            return None

    async def content(self, at: Location = HERE, version_id: str | None = None) -> bytes | None:
        stored = await self.object(at, version_id)
        return None if stored is None else await self.store.inner.read(stored, 0, stored.size)

    async def landed(self, upload: Upload) -> bytes | None:
        """Return the bytes of the version this upload wrote; None if it wrote none."""
        for version in await self.store.inner.versions(HERE):
            stored = await self.object(HERE, version.version_id)
            if stored is not None and stored.transfer_id == upload.record.log_id:
                return await self.content(HERE, version.version_id)
        return None

    async def keeps_its_promises(self, upload: Upload, sent: bytes, error: BaseException | None) -> None:
        """
        Assert what must hold of an upload that has ended, whatever went wrong.

        Args:
            sent: All bytes the client has sent.
            error: What CLOSE raised; None if it answered OK.
        """
        record, deliveries = await self.record(upload), await self.deliveries(upload)
        landed = await self.landed(upload)
        if error is None:
            assert record.status is TransferStatus.COMPLETED, "CLOSE was acknowledged"
        if record.status is TransferStatus.COMPLETED:
            assert landed == sent, "COMPLETED without the whole file"
            assert record.size == len(sent)
            assert {delivery.target for delivery in deliveries} == set(record.delivery_targets)
        else:
            assert not deliveries, f"{record.status} owes deliveries"
        if record.status in (TransferStatus.FAILED, TransferStatus.ABANDONED):
            assert landed is None, f"{record.status}, and published"
        if record.status is TransferStatus.PARTIAL:
            assert landed is not None
            assert sent.startswith(landed), "a partial object with a hole"
            assert record.size == len(landed)
        if record.status not in OPEN_STATUSES:
            assert not self.store.open_uploads, "a multipart upload is left over"
        assert self.budget.taken_bytes == 0, "memory is still promised"
        assert not self.budget.holders


def pieces(body: bytes, size: int) -> Iterable[tuple[int, bytes]]:
    """Cut the body into writes of `size` bytes."""
    return [(start, body[start : start + size]) for start in range(0, len(body), size)]


async def send(upload: Upload, body: bytes, size: int = 7) -> None:
    for offset, data in pieces(body, size):
        await upload.write(offset, data)


async def close(upload: Upload) -> GatewayError | None:
    """Return what CLOSE raised."""
    try:
        await upload.finish()
    except GatewayError as error:
        return error
    return None


async def turns(count: int = 50) -> None:
    """Let the other tasks run."""
    for _ in range(count):
        await asyncio.sleep(0)


SMALL = bytes(range(9))  # less than a part
LARGE = bytes(range(100))  # six base parts and a rest
