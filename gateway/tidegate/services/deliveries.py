"""
The embedded delivery worker: claims deliveries that are due, copies, settles.

What is owed was decided in CLOSE's transaction; nothing here adds to it. A delivery names one
version and copies exactly that. If a newer finished upload has come to the same key meanwhile, the
destination converges on the newest: whoever copied last looks once more afterwards and copies again
if it was overtaken, so that two workers can meet in any order and the newest version stays.

At least once, idempotent: a worker that dies leaves a lease that runs out.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from tidegate.core.deliveries import Delivery, DeliveryStatus, DeliveryTarget, backoff
from tidegate.core.errors import ChangedMeanwhile, GatewayError, NotFound
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import META_DELIVERED_FROM, META_SHA256, Location, NewObject, StoredObject
from tidegate.core.transfers import TransferStatus
from tidegate.ports.clock import Clock
from tidegate.ports.objects import ObjectStore
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS, DeliveryQueue, TransferLog

_log = structlog.get_logger("tidegate.deliveries")

_DELIVERY_PREFIX = "delivery#"
# Overtaken more often than this within one attempt, a delivery is tried again later.
_MAX_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How the worker goes about it."""

    poll_interval_seconds: float = 5
    lease_seconds: float = 60
    max_attempts: int = 20
    concurrency: int = 4


class DeliveryWorker:
    """Pays what finished uploads owe, until cancelled."""

    def __init__(
        self,
        store: ObjectStore,
        log: TransferLog,
        queue: DeliveryQueue,
        clock: Clock,
        gateway_id: GatewayId,
        targets: tuple[DeliveryTarget, ...],
        settings: DeliverySettings,
    ) -> None:
        self._store = store
        self._log = log
        self._queue = queue
        self._clock = clock
        self._gateway_id = gateway_id
        self._targets = {target.name: target for target in targets}
        self._settings = settings
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for work now: an upload has just finished."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled. A round that fails is logged, and the next one comes."""
        while True:
            self._wake.clear()
            try:
                await self.run_once()
            except GatewayError as error:
                _log.warning("deliveries paused", reason=str(error))
            try:
                async with asyncio.timeout(self._settings.poll_interval_seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def run_once(self) -> int:
        """Attempt every delivery that is due now; return how many were claimed."""
        lanes = asyncio.Semaphore(self._settings.concurrency)

        async def attempt(log_id: LogId, target: str) -> int:
            async with lanes:
                return await self._attempt(log_id, target)

        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(attempt(work.log_id, work.item.removeprefix(_DELIVERY_PREFIX)))
                for shard in range(OPEN_WORK_SHARDS)
                for work in await self._queue.due(shard, self._clock.now())
            ]
        return sum(task.result() for task in tasks)

    async def _attempt(self, log_id: LogId, target: str) -> int:
        now = self._clock.now()
        lease_until = now + timedelta(seconds=self._settings.lease_seconds)
        try:
            claimed = await self._queue.claim(log_id, target, self._gateway_id, now, lease_until)
            if claimed is None:
                return 0
            await self._settle(claimed, await self._outcome(claimed))
        except ChangedMeanwhile:
            _log.info("delivery taken over", log_id=log_id, target=target)
        except GatewayError as error:
            # Claiming or settling failed: the lease runs out and the item is due again.
            _log.warning("delivery left for later", log_id=log_id, target=target, reason=str(error))
        return 1

    async def _outcome(self, claimed: Delivery) -> Delivery:
        now = self._clock.now()
        try:
            # Renewing leases is not needed while an attempt cannot outlive its lease by much: a second
            # worker would copy the same bytes to the same key.
            status = await self._deliver(claimed)
        except GatewayError as error:
            if claimed.attempts >= self._settings.max_attempts:
                return replace(claimed, status=DeliveryStatus.DEAD, timestamp=now, error=str(error))
            # Jitter spreads load; nothing secret depends on it.
            due_at = now + backoff(claimed.attempts, random.random())  # noqa: S311
            return replace(claimed, timestamp=now, due_at=due_at, error=str(error))
        return replace(claimed, status=status, timestamp=self._clock.now(), error=None)

    async def _deliver(self, claimed: Delivery) -> DeliveryStatus:
        """Copy until what was copied last is what should be there; say what became of this version."""
        owed = await self._store.head(claimed.source, claimed.version_id)
        if owed.etag != claimed.etag:
            raise ChangedMeanwhile(f"{claimed.source} has another ETag than the record: not delivered")
        for _ in range(_MAX_ROUNDS):
            newest = await self._newest_finished(claimed) or owed
            await self._copy(newest, claimed)
            if (await self._newest_finished(claimed) or owed).version_id == newest.version_id:
                is_own = newest.version_id == owed.version_id
                return DeliveryStatus.DELIVERED if is_own else DeliveryStatus.SUPERSEDED
        raise ChangedMeanwhile(f"{claimed.source} changed {_MAX_ROUNDS} times during one delivery")

    async def _newest_finished(self, claimed: Delivery) -> StoredObject | None:
        """
        Return the newest version of the key that a COMPLETED upload wrote; None without versioning.

        The owed version itself is one, so on a versioned bucket the search always ends. Versions of
        anybody else, and partial ones, are passed over.
        """
        if claimed.version_id is None:
            return None
        for version in await self._store.versions(claimed.source):
            if version.is_delete_marker or version.version_id is None:
                continue
            if version.version_id == claimed.version_id:
                break
            stored = await self._store.head(claimed.source, version.version_id)
            if await self._is_completed(stored):
                return stored
        return None

    async def _is_completed(self, stored: StoredObject) -> bool:
        if stored.transfer_id is None:
            return False
        try:
            transfer = (await self._log.story(LogId(stored.transfer_id))).transfer
        except NotFound:
            return False
        return transfer.status is TransferStatus.COMPLETED and transfer.version_id == stored.version_id

    async def _copy(self, source: StoredObject, claimed: Delivery) -> None:
        target = self._targets.get(claimed.target)
        metadata = {META_DELIVERED_FROM: _origin(source.location)}
        if META_SHA256 in source.metadata:
            metadata[META_SHA256] = source.metadata[META_SHA256]
        new = NewObject(claimed.destination, target.kms_key_id if target else None, metadata)
        await self._store.copy(source, new)

    async def _settle(self, claimed: Delivery, outcome: Delivery) -> None:
        await self._queue.settle(outcome)
        _log.info(
            "delivery attempted",
            status=outcome.status.value,
            log_id=claimed.log_id,
            target=claimed.target,
            attempt=claimed.attempts,
            object=str(claimed.source),
            destination=str(claimed.destination),
            reason=outcome.error,
        )


def _origin(location: Location) -> str:
    """Return a location as metadata can carry it: S3 takes ASCII only in headers."""
    return str(location).encode("ascii", "backslashreplace").decode()
