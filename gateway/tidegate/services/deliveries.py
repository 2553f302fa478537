"""
The embedded delivery worker: claims deliveries that are due, copies, settles.

What is owed was decided in CLOSE's transaction; nothing here adds to it. A delivery names one
version and copies exactly that. If a newer finished upload has come to the same key meanwhile, the
destination converges on the newest: whoever copied last looks once more afterwards and copies again
if it was overtaken, so that two workers can meet in any order and the newest version stays.

At least once, idempotent: a worker that dies leaves a lease that runs out; one that is slow renews it.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from tidegate.core.attributes import with_mtime
from tidegate.core.deliveries import Delivery, DeliveryStatus, DeliveryTarget, backoff
from tidegate.core.errors import AccessDenied, ChangedMeanwhile, GatewayError, NotFound
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import (
    META_DELIVERED_FROM,
    META_DELIVERED_VERSION,
    META_RENAME_ID,
    META_SHA256,
    Location,
    NewObject,
    StoredObject,
)
from tidegate.core.renames import followed
from tidegate.ports.clock import Clock
from tidegate.ports.objects import NOTHING, ObjectStore
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS, DeliveryQueue, TransferLog
from tidegate.services.finished import is_finished
from tidegate.services.held import Held
from tidegate.services.kept_times import kept_time

_log = structlog.get_logger("tidegate.deliveries")

_DELIVERY_PREFIX = "delivery#"
# Overtaken more often than this within one attempt, a delivery is tried again later.
_MAX_ROUNDS = 5
_RENEWALS_PER_LEASE = 3
# A version id may take 1024 of the 2048 bytes, S3 User Guide, "Version IDs" and "User-defined metadata".
_MAX_ORIGIN_CHARS = 800


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
        self._held = Held(store, log, queue, clock)
        self._clock = clock
        self._gateway_id = gateway_id
        self._targets = {target.name: target for target in targets}
        self._settings = settings
        self._wake = asyncio.Event()
        self._lanes = asyncio.Semaphore(settings.concurrency)
        self._under_way: dict[tuple[LogId, str], asyncio.Task[bool]] = {}
        self.outcomes: Counter[tuple[str, str]] = Counter()  # by target and state, since the start

    def wake(self) -> None:
        """Look for work now: an upload has just finished."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled. What fails is logged, and comes again when it is due."""
        try:
            while True:
                self._wake.clear()
                await self._look_for_work()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.poll_interval_seconds):
                        await self._wake.wait()
        finally:
            await self._stop()

    async def run_once(self) -> int:
        """Attempt every delivery that is due now, to its outcome; return how many were to be had."""
        return sum(await asyncio.gather(*await self._begin_due()))

    async def attempt(self, log_id: LogId, target: str) -> bool:
        """Attempt one delivery now; return whether it was to be had. What came of it is on record."""
        return await (self._under_way.get((log_id, target)) or self._begin(log_id, target))

    async def _look_for_work(self) -> None:
        try:
            await self._begin_due()
        except GatewayError as error:
            _log.warning("deliveries paused", reason=str(error))
        except Exception as error:  # noqa: BLE001 - nobody watches this loop, so it may not end
            _log.error("deliveries paused", exc_info=error)

    async def _begin_due(self) -> list[asyncio.Task[bool]]:
        """
        Begin an attempt at everything that is due and not under way here.

        Attempts are not waited for: one copy of an hour must not hold up all the others.
        """
        due = [
            (work.log_id, work.item.removeprefix(_DELIVERY_PREFIX))
            for shard in range(OPEN_WORK_SHARDS)
            for work in await self._queue.due(shard, self._clock.now())
        ]
        return [self._begin(*work) for work in dict.fromkeys(due) if work not in self._under_way]

    def _begin(self, log_id: LogId, target: str) -> asyncio.Task[bool]:
        task = asyncio.create_task(self._attempt(log_id, target))
        self._under_way[log_id, target] = task
        task.add_done_callback(lambda _: self._under_way.pop((log_id, target)))
        return task

    async def _stop(self) -> None:
        attempts = list(self._under_way.values())
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)

    async def _attempt(self, log_id: LogId, target: str) -> bool:
        """Claim a delivery, deliver it, settle; return whether it was to be had."""
        async with self._lanes:
            try:
                claimed = await self._claim(log_id, target)
                if claimed is not None and claimed.status is DeliveryStatus.HELD:
                    await self._held.decide(claimed)
                    claimed = await self._claim(log_id, target)
                if claimed is None:
                    return False
                await self._settle(claimed, await self._leased_outcome(claimed))
            except ChangedMeanwhile:
                _log.info("delivery taken over", log_id=log_id, target=target)
            except GatewayError as error:
                # Claiming or settling failed: the lease runs out and the item is due again.
                _log.warning("delivery left for later", log_id=log_id, target=target, reason=str(error))
            return True

    async def _claim(self, log_id: LogId, target: str) -> Delivery | None:
        return await self._queue.claim(log_id, target, self._gateway_id, self._clock.now(), self._lease_end())

    # --- the lease ------------------------------------------------------------------------

    def _lease_end(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self._settings.lease_seconds)

    async def _leased_outcome(self, claimed: Delivery) -> Delivery:
        """
        Return the outcome of an attempt during which nobody else had the lease.

        Raises:
            ChangedMeanwhile: The lease was lost: there is nothing to settle. The attempt was not cut
                short, because S3 does not take back a copy it has begun: whoever began one has to see
                it land, and look once more whether it is the newest that is there.
        """
        renewal = asyncio.create_task(self._renew(claimed))
        try:
            outcome = await self._outcome(claimed)
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
        if not renewal.cancelled():
            renewal.result()
        return outcome

    async def _renew(self, claimed: Delivery) -> None:
        """Renew the lease until cancelled. Raises `ChangedMeanwhile` when it is lost."""
        while True:
            await self._clock.sleep(self._settings.lease_seconds / _RENEWALS_PER_LEASE)
            try:
                await self._queue.renew(claimed, self._lease_end())
            except ChangedMeanwhile:
                raise
            except GatewayError as error:
                _log.warning(
                    "lease not renewed", log_id=claimed.log_id, target=claimed.target, reason=str(error)
                )

    # --- one attempt ----------------------------------------------------------------------

    async def _outcome(self, claimed: Delivery) -> Delivery:
        try:
            status = await self._deliver(claimed)
        except GatewayError as error:
            return self._after_failure(claimed, str(error))
        except Exception as error:  # noqa: BLE001 - kept on the item, counted as an attempt, logged
            _log.error("delivery failed", exc_info=error, log_id=claimed.log_id, target=claimed.target)
            return self._after_failure(claimed, repr(error))
        return replace(claimed, status=status, timestamp=self._clock.now(), error=None)

    def _after_failure(self, claimed: Delivery, reason: str) -> Delivery:
        now = self._clock.now()
        if claimed.attempts >= self._settings.max_attempts:
            return replace(claimed, status=DeliveryStatus.DEAD, timestamp=now, error=reason)
        # Jitter spreads load; nothing secret depends on it.
        due_at = now + backoff(claimed.attempts, random.random())  # noqa: S311
        return replace(claimed, timestamp=now, due_at=due_at, error=reason)

    async def _deliver(self, claimed: Delivery) -> DeliveryStatus:
        """Copy until what was copied last is what should be there; say what became of this version."""
        owed = await self._owed(claimed)
        for _ in range(_MAX_ROUNDS):
            newest = await self._newest_finished(claimed) or owed
            if not await self._bring(newest, claimed):
                continue
            if (await self._newest_finished(claimed) or owed).version_id == newest.version_id:
                is_own = newest.version_id == owed.version_id
                return DeliveryStatus.DELIVERED if is_own else DeliveryStatus.SUPERSEDED
        raise ChangedMeanwhile(f"{claimed.source} changed {_MAX_ROUNDS} times during one delivery")

    async def _owed(self, claimed: Delivery) -> StoredObject:
        """
        Return the object that is owed; without versions, wherever it was renamed to.

        Raises:
            NotFound: It is gone.
            ChangedMeanwhile: It was replaced, which leaves nothing of it where there are no versions.
        """
        problem: GatewayError
        try:
            owed = await self._store.head(claimed.source, claimed.version_id)
        except NotFound as error:
            problem = error
        else:
            if owed.etag == claimed.etag:
                return owed
            problem = ChangedMeanwhile(f"{claimed.source} has another ETag than the record: not delivered")
        renamed = await self._renamed(claimed) if claimed.version_id is None else None
        if renamed is None:
            raise problem
        return renamed

    async def _renamed(self, claimed: Delivery) -> StoredObject | None:
        rename = followed((await self._log.story(claimed.log_id)).renames, claimed.source)
        if rename is None:
            return None
        try:
            stored = await self._store.head(rename.target)
        except NotFound:
            return None
        return stored if stored.metadata.get(META_RENAME_ID) == rename.rename_id else None

    async def _newest_finished(self, claimed: Delivery) -> StoredObject | None:
        """
        Return the newest version of the key that is a finished file; None without versioning.

        The owed version itself is one, so on a versioned bucket the search always ends. Versions of
        anybody else, and partial ones, are passed over.
        """
        if claimed.version_id is None:
            return None
        for version in await self._store.versions(claimed.source, back_to=claimed.version_id):
            if version.is_delete_marker or version.version_id is None:
                continue
            if version.version_id == claimed.version_id:
                break
            stored = await self._store.head(claimed.source, version.version_id)
            if await is_finished(self._log, stored):
                return stored
        return None

    async def _bring(self, source: StoredObject, claimed: Delivery) -> bool:
        """
        Let the destination hold this version; False if it changed between looking and copying.

        The copy goes only onto what was seen there. So one that S3 carries out long after its worker
        was killed cannot land over what a later worker has brought.
        """
        marks = _marks(source)
        seen = await self._seen(claimed.destination)
        if isinstance(seen, StoredObject):
            if source.version_id and seen.metadata.items() >= marks.items():
                return True
            seen = seen.etag
        target = self._targets.get(claimed.target)
        # The time may be a tag, which can come at any moment: nothing to tell one version from another by.
        metadata = with_mtime(marks, await kept_time(self._store, source))
        new = NewObject(claimed.destination, target.kms_key_id if target else None, metadata)
        try:
            await self._store.copy(source, new, replacing=seen)
        except ChangedMeanwhile as error:
            _log.info("destination changed", log_id=claimed.log_id, target=claimed.target, reason=str(error))
            return False
        return True

    async def _seen(self, destination: Location) -> StoredObject | str | None:
        """Return what is at the destination; `NOTHING`; or None if this gateway may only write there."""
        try:
            return await self._store.head(destination)
        except NotFound:
            return NOTHING
        except AccessDenied:
            return None

    async def _settle(self, claimed: Delivery, outcome: Delivery) -> None:
        await self._queue.settle(outcome)
        self.outcomes[claimed.target, outcome.status.value] += 1
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


def _marks(source: StoredObject) -> dict[str, str]:
    """Return the metadata of a delivered copy: which version of what it is."""
    marks = {META_DELIVERED_FROM: _origin(source.location)}
    if source.version_id:
        marks[META_DELIVERED_VERSION] = source.version_id
    if META_SHA256 in source.metadata:
        marks[META_SHA256] = source.metadata[META_SHA256]
    return marks


def _origin(location: Location) -> str:
    """
    Return a location as metadata can carry it: S3 takes ASCII only in headers, and 2 KiB of them.

    A long one is cut and ends in a hash: no two locations have the same origin.
    """
    text = str(location).encode("unicode_escape").decode()
    if len(text) <= _MAX_ORIGIN_CHARS:
        return text
    end = f"...sha256:{hashlib.sha256(str(location).encode()).hexdigest()}"
    return text[: _MAX_ORIGIN_CHARS - len(end)] + end
