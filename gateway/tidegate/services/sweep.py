"""
The sweep: finishes what a dead gateway left, so that every transfer has an end.

The order is the safety. Claim the record first (SWEEPING, fence + 1): from then on its old owner can
write nothing to it. Then abort the multipart upload: from then on no object can come of it. Then list
the versions, and only then decide, by what is really there:

    an object that carries the transfer id and was to be whole    COMPLETED, with what it owes; or SUSPECT,
                                                                  where its route's rules are not met
    an object that was to be partial                              PARTIAL
    no object                                                     ABANDONED

Where dropped uploads are kept, one that had not been closed is not aborted while S3 has whole parts of it:
it is KEPT, as if only the connection had dropped. What is kept and not continued in time is swept, too.

A sweeper that dies leaves a record in SWEEPING under its own id, and is swept itself.
Renames that a dead gateway left PENDING are taken over and finished alike.
A gateway sweeps its own records too, where no open file of its own stands behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from tidegate.core.acceptance import Verdict, next_look
from tidegate.core.deliveries import DeliveryTarget, chosen
from tidegate.core.errors import ChangedMeanwhile, GatewayError, OutcomeUnknown
from tidegate.core.holding import owed_by
from tidegate.core.ids import LogId, UploadId
from tidegate.core.objects import META_BYTES, META_OUTCOME, META_SHA256, Location, StoredObject
from tidegate.core.renames import RenameStatus
from tidegate.core.transfers import Content, TransferRecord, TransferStatus
from tidegate.ports.clock import Clock
from tidegate.ports.kept_uploads import KeptUploadLog
from tidegate.ports.objects import ObjectStore
from tidegate.ports.renames import PendingRename, RenameLog
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS, OpenRecord, TransferLog
from tidegate.services.digests import sha256_of
from tidegate.services.kept_uploads import KeptUploads
from tidegate.services.leases import Lease
from tidegate.services.renames import Renames
from tidegate.services.suspects import Suspects
from tidegate.services.versions import find_own_version, is_overtaken

_log = structlog.get_logger("tidegate.sweep")

_LEFT = "the gateway that received it ended before the upload did"
# Of a record that nobody but the gateway that began it has ever owned.
_FIRST_CLAIM = 2
_EVER = datetime.max.replace(tzinfo=UTC)
_EXPIRED = "it was dropped, and not continued in time"


@dataclass(frozen=True, slots=True)
class Swept:
    """One record the sweep dealt with, or would deal with."""

    log_id: LogId
    gateway_id: str
    before: TransferStatus | RenameStatus
    after: TransferStatus | RenameStatus | None
    path: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """
    Sweeps the records of one table, on behalf of the gateway that holds `lease`.

    Args:
        is_open_here: Whether a record of this gateway has an open file behind it.
        on_owed: Called when a swept upload owes deliveries.
        with_renames: Whether renames are finished, too. Whoever may not write to landing buckets must
            not try: a refusal is how a rename ends as FAILED.
    """

    store: ObjectStore
    log: TransferLog
    rename_log: RenameLog
    kept_log: KeptUploadLog
    renames: Renames
    clock: Clock
    lease: Lease
    targets: tuple[DeliveryTarget, ...]
    is_open_here: Callable[[LogId], bool]
    on_owed: Callable[[], None]
    with_renames: bool = True
    kept: KeptUploads | None = None
    suspects: Suspects | None = None

    async def run_once(self, *, dry_run: bool = False) -> list[Swept]:
        """Deal with every record whose owner is gone. One that fails is left for the next time."""
        swept: list[Swept] = []
        busy: set[str] = set()
        for shard in range(OPEN_WORK_SHARDS):
            for found in await self.log.open_records(shard):
                busy.add(found.gateway_id)
                if not self._is_orphan(found):
                    continue
                swept += await _or_left(found.log_id, self._sweep(found, dry_run=dry_run))
            for due in await self.kept_log.kept_due(shard, self.clock.now()):
                swept += await _or_left(due.log_id, self._sweep(due, dry_run=dry_run))
            for pending in await self.rename_log.pending_renames(shard):
                busy.add(pending.gateway_id)
                if not self._is_orphaned_rename(pending):
                    continue
                swept += await _or_left(pending.log_id, self._sweep_rename(pending, dry_run=dry_run))
        if not dry_run:
            await self._forget_finished(busy)
            if self.suspects:
                await self.suspects.look_at_due()
        return swept

    def _is_orphan(self, found: OpenRecord) -> bool:
        if found.gateway_id == self.lease.gateway_id:
            return not self.is_open_here(found.log_id)
        return self.lease.is_dead(found.gateway_id)

    async def _sweep(self, found: OpenRecord, *, dry_run: bool) -> Swept | None:
        record = (await self.log.story(found.log_id)).transfer
        is_kept = record.status is TransferStatus.KEPT
        if not (record.is_open or is_kept) or record.gateway_id != found.gateway_id:
            return None  # the index was behind
        if record.server_id != self.lease.server_id:
            return None  # another server shares the table: its gateways have leases of their own
        before = record.status
        if dry_run:
            return Swept(record.log_id, record.gateway_id, before, None, record.path)
        try:
            claimed = await self.log.take_over(record, self.lease.gateway_id, self.clock.now())
        except ChangedMeanwhile:
            return None  # its owner ended it, or another sweeper was first
        after = await self._keep(claimed) or await self._end(claimed, _EXPIRED if is_kept else _LEFT)
        _log.warning(
            "swept",
            status=after.value,
            log_id=record.log_id,
            before=before.value,
            dead_gateway=record.gateway_id,
            user=record.user_name,
            path=record.path,
        )
        return Swept(record.log_id, record.gateway_id, before, after, record.path)

    # --- renames --------------------------------------------------------------------------

    def _is_orphaned_rename(self, pending: PendingRename) -> bool:
        if not self.with_renames:
            return False
        if pending.gateway_id == self.lease.gateway_id:
            return not self.renames.is_under_way(pending.rename_id)
        return self.lease.is_dead(pending.gateway_id)

    async def _sweep_rename(self, pending: PendingRename, *, dry_run: bool) -> Swept | None:
        renames = (await self.log.story(pending.log_id)).renames
        rename = next((each for each in renames if each.rename_id == pending.rename_id), None)
        if rename is None or not rename.is_open or rename.gateway_id != pending.gateway_id:
            return None  # the index was behind
        if rename.server_id != self.lease.server_id:
            return None  # another server shares the table: its gateways have leases of their own
        before = rename.status
        if dry_run:
            return Swept(rename.log_id, rename.gateway_id, before, None, rename.path)
        try:
            taken = await self.rename_log.take_over_rename(rename, self.lease.gateway_id, self.clock.now())
        except ChangedMeanwhile:
            return None  # its owner settled it, or another sweeper was first
        after = await self.renames.resume(taken)
        _log.warning(
            "rename swept",
            status=after.value,
            log_id=rename.log_id,
            dead_gateway=rename.gateway_id,
            user=rename.user_name,
            path=rename.path,
            new_path=rename.new_path,
        )
        return Swept(rename.log_id, rename.gateway_id, before, after, rename.path)

    # --- uploads --------------------------------------------------------------------------

    async def _keep(self, claimed: TransferRecord) -> TransferStatus | None:
        """Keep what its client had not closed, if S3 has something to go on from."""
        # A size is on record of what was closed, and of what was kept long enough.
        if self.kept is None or claimed.size is not None:
            return None
        # The last one is left to be sent again: whoever finds all of its file there sends no CLOSE.
        size = sum(part.size for part in (await self.kept.whole_parts(claimed))[:-1])
        if not size:
            return None
        await self.kept.keep(claimed, size, _LEFT)
        return TransferStatus.KEPT

    async def _end(self, claimed: TransferRecord, reason: str) -> TransferStatus:
        location = Location(claimed.bucket, claimed.object_key)
        if claimed.upload_id:
            await self.store.abort_multipart(location, UploadId(claimed.upload_id))
        # Where it was gone on with, another one may have been begun after it, and its id lost.
        if not claimed.upload_id or claimed.fence > _FIRST_CLAIM:
            await self._abort_unseen(location)
        stored = await find_own_version(self.store, location, claimed.log_id)
        if stored is None:
            # What was kept has been noted long since, and another file may be there by now.
            if self.kept and reason != _EXPIRED:
                await self.kept.note_attempt(claimed)
            await self.log.end(claimed.owner, TransferStatus.ABANDONED, self.clock.now(), error=reason)
            return TransferStatus.ABANDONED
        if _was_to_be_whole(claimed, stored):
            return await self._judged(claimed, stored)
        await self.log.end(
            claimed.owner, TransferStatus.PARTIAL, self.clock.now(), error=reason, stored=stored
        )
        return TransferStatus.PARTIAL

    async def _abort_unseen(self, location: Location) -> None:
        """
        Abort uploads to this key that no open record names: begun, and their ids lost with a gateway.

        A living gateway names its upload within moments. So one that is young may belong to it, and is
        left alone: the record stays open until the next sweep.
        """
        unfinished = await self.store.unfinished(location)
        # Asked afterwards, so that whatever was named by then is known.
        named = await self._named() if unfinished else set()
        for upload in unfinished:
            if upload.upload_id in named:
                continue
            if upload.age_seconds < self.lease.lease_seconds / 2:
                raise OutcomeUnknown(f"a multipart upload of {location} is too young to be taken for lost")
            await self.store.abort_multipart(location, upload.upload_id)

    async def _named(self) -> set[str | None]:
        # What is kept is named, too, however long it is kept still. It is asked for before and after: what is
        # taken up meanwhile, or put down, is in one of the three.
        shards = [await self.kept_log.kept_due(shard, _EVER) for shard in range(OPEN_WORK_SHARDS)]
        shards += [await self.log.open_records(shard) for shard in range(OPEN_WORK_SHARDS)]
        shards += [await self.kept_log.kept_due(shard, _EVER) for shard in range(OPEN_WORK_SHARDS)]
        return {record.upload_id for shard in shards for record in shard}

    async def _judged(self, claimed: TransferRecord, stored: StoredObject) -> TransferStatus:
        """End a whole file as CLOSE would have: by the rules of its route, if it has any."""
        now, content = self.clock.now(), await self._content(claimed, stored)
        judge = self.suspects.judge_of(claimed) if self.suspects else None
        verdict = await judge.verdict(content, stored, now) if judge else Verdict()
        if verdict.is_met:
            await self._complete(claimed, stored, content)
        else:
            look_at = next_look(now, now) if verdict.waits else None
            await self.log.end(
                claimed.owner,
                TransferStatus.SUSPECT,
                now,
                error=verdict.text,
                content=content,
                stored=stored,
                look_at=look_at,
            )
        if judge:
            judge.recorded(verdict)
        return TransferStatus.COMPLETED if verdict.is_met else TransferStatus.SUSPECT

    async def _complete(self, claimed: TransferRecord, stored: StoredObject, content: Content) -> None:
        now = self.clock.now()
        targets = chosen(self.targets, claimed.delivery_targets)
        deliveries = owed_by(claimed, stored, targets, now)
        await self.log.complete(
            claimed.owner,
            content,
            stored,
            deliveries,
            superseded=await is_overtaken(self.store, stored),
            at=now,
        )
        await self.renames.caught_up(claimed)
        self.on_owed()

    async def _content(self, claimed: TransferRecord, stored: StoredObject) -> Content:
        if claimed.size is None:
            return Content(int(stored.metadata[META_BYTES]), stored.metadata[META_SHA256])
        # Of a file that two gateways received nobody has the digest before it can be read.
        return Content(claimed.size, claimed.sha256 or await sha256_of(self.store, stored))

    async def _forget_finished(self, busy: set[str]) -> None:
        """Drop the leases of dead gateways that have no open record left."""
        for gateway in self.lease.dead():
            if gateway not in busy:
                await self.lease.forget(gateway)


class Sweeper:
    """Sweeps every so often, and at once when somebody is found dead."""

    def __init__(self, sweep: Sweep, interval_seconds: float) -> None:
        self._sweep = sweep
        self._interval_seconds = interval_seconds
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Sweep until cancelled. A sweep that fails is logged, and the next one comes."""
        while True:
            self._wake.clear()
            try:
                await self._sweep.run_once()
            except GatewayError as error:
                _log.warning("sweep failed", reason=str(error))
            except Exception as error:  # noqa: BLE001 - nobody watches this loop, so it may not end
                _log.error("sweep failed", exc_info=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval_seconds):
                    await self._wake.wait()


async def _or_left(log_id: LogId, sweeping: Awaitable[Swept | None]) -> list[Swept]:
    """Return what was swept, if anything; what fails is left for the next time."""
    try:
        done = await sweeping
    except GatewayError as error:
        _log.warning("record left for the next sweep", log_id=log_id, reason=str(error))
        return []
    return [done] if done else []


def _was_to_be_whole(claimed: TransferRecord, stored: StoredObject) -> bool:
    """
    Tell whether the client had asked to CLOSE the file this object is.

    A small file says so itself. A large one was to be whole if FINISHING had been written: an object
    completed from STARTED is what came of a dropped upload.
    """
    if META_OUTCOME in stored.metadata:
        return stored.metadata[META_OUTCOME] == "complete"
    return claimed.size == stored.size
