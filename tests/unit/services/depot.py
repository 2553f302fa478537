"""What delivery tests share: uploads that have landed, and workers that deliver them."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.objects import MemoryObjectStore
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.core.deliveries import Delivery, DeliveryStatus, DeliveryTarget
from tidegate.core.errors import NotFound
from tidegate.core.holding import owed_by
from tidegate.core.ids import GatewayId, LogId, new_log_id
from tidegate.core.objects import META_SHA256, META_TRANSFER_ID, Location, NewObject, StoredObject
from tidegate.core.transfers import Content, Direction, TransferRecord, TransferStatus
from tidegate.services.deliveries import DeliverySettings, DeliveryWorker
from tidegate.services.held import Held
from tidegate.services.part_sender import Digest
from unit.services.faults import Faulty

SOURCE = Location("landing", "acme/in/report.csv")
DESTINATION = Location("archive", "2026/acme/in/report.csv")
TARGETS = (DeliveryTarget("archive", "archive", "2026/", "key-archive"),)
LEASE = 60.0
ATTEMPTS = 4
ALICE, BOB = GatewayId("gw-alice"), GatewayId("gw-bob")


class Depot:
    """Two buckets and a log; workers over them, each with faults of its own."""

    def __init__(self, *, versioned: bool = True) -> None:
        self.clock = ManualClock(datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC))
        self.objects = MemoryObjectStore(["landing"], versioned, clock=self.clock)
        self.objects.add_bucket("archive")
        self.log = MemoryTransferLog(self.clock)

    def worker(
        self,
        gateway_id: GatewayId = ALICE,
        *,
        store: object | None = None,
        queue: object | None = None,
        targets: tuple[DeliveryTarget, ...] = TARGETS,
        concurrency: int = 4,
        poll_seconds: float = 3600,
    ) -> DeliveryWorker:
        settings = DeliverySettings(poll_seconds, LEASE, ATTEMPTS, concurrency)
        store, queue = store or self.objects, queue or self.log
        return DeliveryWorker(store, self.log, queue, self.clock, gateway_id, targets, settings)

    def held(self) -> Held:
        return Held(self.objects, self.log, self.log, self.clock)

    def faulty(self) -> tuple[Faulty, Faulty]:
        return Faulty(self.objects), Faulty(self.log)

    async def put(self, body: bytes, transfer_id: str | None, at: Location = SOURCE) -> StoredObject:
        metadata = {META_TRANSFER_ID: transfer_id} if transfer_id else {}
        metadata[META_SHA256] = hashlib.sha256(body).hexdigest()
        return await self.objects.put(NewObject(at, "key-landing", metadata), body, await Digest().take(body))

    async def start(
        self, at: Location = SOURCE, hold_seconds: int | None = None, targets: tuple[str, ...] = ()
    ) -> TransferRecord:
        now = self.clock.now()
        record = TransferRecord(
            log_id=new_log_id(),
            direction=Direction.UPLOAD,
            status=TransferStatus.STARTED,
            user_name="acme",
            server_id="s-0123456789abcdef0",
            session_id="0123456789abcdef",
            client_ip="192.0.2.7",
            client_version="",
            key_fingerprint="",
            path="/in/report.csv",
            bucket=at.bucket,
            object_key=at.key,
            started_at=now,
            timestamp=now,
            gateway_id=ALICE,
            delivery_targets=targets,
            hold_seconds=hold_seconds,
        )
        await self.log.start(record)
        return record

    async def complete(self, record: TransferRecord, stored: StoredObject) -> None:
        now = self.clock.now()
        deliveries = owed_by(record, stored, TARGETS, now)
        content = Content(stored.size, stored.metadata[META_SHA256])
        await self.log.complete(record.owner, content, stored, deliveries, superseded=False, at=now)

    async def land(self, body: bytes, at: Location = SOURCE, hold_seconds: int | None = None) -> LogId:
        """Let a finished upload land, owing its delivery."""
        record = await self.start(at, hold_seconds)
        await self.complete(record, await self.put(body, record.log_id, at))
        return record.log_id

    async def delivery(self, log_id: LogId) -> Delivery:
        (delivery,) = (await self.log.story(log_id)).deliveries
        return delivery

    async def delivered(self, at: Location = DESTINATION) -> bytes | None:
        try:
            stored = await self.objects.head(at)
        except NotFound:
            return None
        return await self.objects.read(stored, 0, stored.size)

    async def until(self, log_id: LogId, status: DeliveryStatus) -> None:
        """Return when the delivery is in this state; a test that hangs fails."""
        async with asyncio.timeout(5):
            while (await self.delivery(log_id)).status is not status:  # noqa: ASYNC110 - as `until`
                await asyncio.sleep(0)


async def until(condition) -> None:
    """Let others run until it is so; a test that hangs fails."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)


async def cancelled(task: asyncio.Task) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
