"""The transfer log, its deliveries and the refused logins in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from tidegate.adapters.memory.delivery_queue import MemoryDeliveryQueue
from tidegate.adapters.memory.kept_uploads import MemoryKeptUploads
from tidegate.adapters.memory.renames import MemoryRenames
from tidegate.adapters.memory.suspects import MemorySuspects
from tidegate.core import deliveries as delivery_states
from tidegate.core import transfers as transfer_states
from tidegate.core.deliveries import Delivery
from tidegate.core.errors import ChangedMeanwhile, IllegalTransition, NotFound
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import StoredObject
from tidegate.core.shards import shard_of
from tidegate.core.transfers import (
    OPEN_STATUSES,
    OWE_NOTHING,
    Content,
    Owner,
    TransferQuery,
    TransferRecord,
    TransferStatus,
)
from tidegate.core.users import RefusedLogin
from tidegate.ports.clock import Clock
from tidegate.ports.kept_uploads import Attempt, Name
from tidegate.ports.transfer_log import DEFAULT_DAYS_BACK, OpenRecord, Story


class MemoryTransferLog(MemoryRenames, MemoryKeptUploads, MemorySuspects, MemoryDeliveryQueue):
    """
    All six ports over records, for tests and local mode: `TransferLog`, `DeliveryQueue`, `RenameLog`,
    `KeptUploadLog`, `SuspectLog` and `LoginAudit`.

    Safe from several tasks, not from several threads. Every call lets other tasks run once before
    it acts, as a network would, and then acts at once. Indexes are never late here.

    Args:
        clock: Tells which items have outlived their retention. Everything else is dated by the caller.
        retention_days: Transfers and deliveries in a final state are forgotten after so many days.
        refused_login_retention_days: Refused logins are forgotten after so many days.
    """

    def __init__(
        self, clock: Clock, *, retention_days: int = 400, refused_login_retention_days: int = 90
    ) -> None:
        super().__init__()
        self._clock = clock
        self._retention = timedelta(days=retention_days)
        self._login_retention = timedelta(days=refused_login_retention_days)
        self._transfers: dict[LogId, TransferRecord] = {}
        self._deliveries: dict[tuple[LogId, str], Delivery] = {}
        self._logins: dict[str, RefusedLogin] = {}
        self._attempts: dict[Name, Attempt] = {}
        self._kept_until: dict[LogId, datetime] = {}
        self._pruned_at = clock.now()

    # --- TransferLog ------------------------------------------------------------------------

    async def start(self, record: TransferRecord) -> None:
        await self._turn()
        kept = self._transfers.setdefault(record.log_id, record)
        if kept.owner != record.owner:
            raise ChangedMeanwhile(f"transfer {record.log_id} was started by {kept.owner}")

    async def start_completed(self, record: TransferRecord, deliveries: Sequence[Delivery]) -> None:
        await self._turn()
        if record.log_id in self._transfers:
            raise ChangedMeanwhile(f"transfer {record.log_id} is on record already")
        self._transfers[record.log_id] = record
        self._deliveries.update({(each.log_id, each.target): each for each in deliveries})

    async def set_upload_id(self, owner: Owner, upload_id: str) -> None:
        await self._turn()
        record = self._owned(owner)
        if record.status is not TransferStatus.STARTED:
            raise ChangedMeanwhile(f"transfer {owner.log_id} is {record.status} already")
        self._transfers[owner.log_id] = replace(record, upload_id=upload_id)

    async def finishing(self, owner: Owner, content: Content, at: datetime) -> None:
        await self._turn()
        self._move_or_repeat(owner, TransferStatus.FINISHING, at, _described(content, None))

    async def complete(
        self,
        owner: Owner,
        content: Content,
        stored: StoredObject,
        deliveries: Sequence[Delivery],
        *,
        superseded: bool,
        at: datetime,
    ) -> None:
        await self._turn()
        record = self._owned(owner)
        new = {(delivery.log_id, delivery.target): delivery for delivery in deliveries}
        if len(new) < len(deliveries) or any(log_id != owner.log_id for log_id, _ in new):
            raise ValueError(f"the deliveries of {owner.log_id} must be its own, and one a target")
        if new.keys() & self._deliveries.keys():
            raise ChangedMeanwhile(f"transfer {owner.log_id} owes these deliveries already")
        changes = _described(content, stored) | {
            "delivery_targets": tuple(delivery.target for delivery in deliveries),
            "superseded": superseded,
            "look_at": None,
        }
        self._move(record, TransferStatus.COMPLETED, at, changes)
        self._deliveries.update(new)

    async def end(
        self,
        owner: Owner,
        status: TransferStatus,
        at: datetime,
        *,
        error: str | None = None,
        content: Content | None = None,
        stored: StoredObject | None = None,
        look_at: datetime | None = None,
    ) -> None:
        await self._turn()
        if status is TransferStatus.COMPLETED or status in OPEN_STATUSES:
            raise IllegalTransition(f"{status} is not an end that owes no deliveries")
        given: dict[str, Any] = {"error": error} if error is not None else {}
        if status in OWE_NOTHING:
            given["delivery_targets"] = ()
        if status is TransferStatus.SUSPECT:
            given["look_at"] = look_at
        self._move_or_repeat(owner, status, at, _described(content, stored) | given)

    async def story(self, log_id: LogId) -> Story:
        await self._turn()
        transfer, renames = self._transfers.get(log_id), self._renames_of(log_id)
        if transfer is None and not renames:
            raise NotFound(f"no transfer {log_id} is on record")
        targets = sorted(target for of, target in self._deliveries if of == log_id)
        return Story(transfer, tuple(self._deliveries[log_id, target] for target in targets), renames)

    async def open_records(self, shard: int) -> list[OpenRecord]:
        await self._turn()
        rows = [record for record in self._transfers.values() if record.is_open]
        return [
            OpenRecord(row.log_id, row.gateway_id, row.upload_id)
            for row in rows
            if shard_of(row.log_id) == shard
        ]

    async def take_over(self, record: TransferRecord, claimant: GatewayId, at: datetime) -> TransferRecord:
        await self._turn()
        current = self._owned(record.owner)
        changes = {"gateway_id": claimant, "fence": current.fence + 1}
        self._move(current, TransferStatus.SWEEPING, at, changes)
        return self._transfers[record.log_id]

    async def find(self, query: TransferQuery) -> AsyncIterator[TransferRecord]:
        await self._turn()
        since = query.since
        if since is None and query.user_name is None:
            since = self._default_beginning()
        matching = [record for record in self._transfers.values() if _matches(record, query, since)]
        newest_first = sorted(matching, key=lambda record: (record.started_at, record.log_id), reverse=True)
        for record in islice(newest_first, query.limit):
            yield record

    # --- LoginAudit -------------------------------------------------------------------------

    async def record_refused_login(self, refused: RefusedLogin) -> None:
        await self._turn()
        self._logins[refused.log_id] = refused

    async def find_refused_logins(
        self, *, user_name: str | None, since: datetime | None, limit: int
    ) -> AsyncIterator[RefusedLogin]:
        await self._turn()
        since = since or self._default_beginning()
        matching = [
            login
            for login in self._logins.values()
            if user_name in (None, login.user_name) and login.timestamp >= since
        ]
        newest_first = sorted(matching, key=lambda login: (login.timestamp, login.log_id), reverse=True)
        for login in islice(newest_first, limit):
            yield login

    # --- inside -----------------------------------------------------------------------------

    async def _turn(self) -> None:
        await asyncio.sleep(0)
        now = self._clock.now()
        # DynamoDB is days late with this; an hour keeps long logs cheap to write.
        if now - self._pruned_at >= timedelta(hours=1):
            self._pruned_at = now
            self._forget_expired(now)

    def _default_beginning(self) -> datetime:
        return self._clock.now() - timedelta(days=DEFAULT_DAYS_BACK)

    def _forget_expired(self, now: datetime) -> None:
        for log_id, record in list(self._transfers.items()):
            final = record.status in transfer_states.TERMINAL_STATUSES
            if final and record.timestamp + self._retention < now:
                del self._transfers[log_id]
        for item, delivery in list(self._deliveries.items()):
            final = delivery.status in delivery_states.TERMINAL_STATUSES
            if final and delivery.timestamp + self._retention < now:
                del self._deliveries[item]
        self._forget_expired_renames(now, self._retention)
        for login_id, login in list(self._logins.items()):
            if login.timestamp + self._login_retention < now:
                del self._logins[login_id]

    def _owned(self, owner: Owner) -> TransferRecord:
        record = self._transfers.get(owner.log_id)
        if record is None or record.owner != owner:
            raise ChangedMeanwhile(f"transfer {owner.log_id} is not {owner.gateway_id}'s any more")
        return record

    def _move(
        self, record: TransferRecord, to: TransferStatus, at: datetime, changes: dict[str, object]
    ) -> None:
        try:
            self._transfers[record.log_id] = record.moved(to, at, **changes)
        except IllegalTransition as error:
            # A conditional write does not tell which half of its condition failed, so neither do we.
            raise ChangedMeanwhile(f"transfer {record.log_id}: {error.detail}") from error

    def _move_or_repeat(
        self, owner: Owner, to: TransferStatus, at: datetime, changes: dict[str, object]
    ) -> None:
        record = self._owned(owner)
        if record.status is to:
            # The call before this one succeeded and its answer was lost.
            self._transfers[record.log_id] = replace(record, timestamp=at, **changes)  # type: ignore[arg-type]
        else:
            self._move(record, to, at, changes)


def _described(content: Content | None, stored: StoredObject | None) -> dict[str, object]:
    described: dict[str, object] = {}
    if content is not None:
        described |= {"size": content.size, "sha256": content.sha256}
    if stored is not None:
        described |= {"version_id": stored.version_id, "etag": stored.etag, "kms_key_id": stored.kms_key_id}
    return described


def _matches(record: TransferRecord, query: TransferQuery, since: datetime | None) -> bool:
    return (
        (query.user_name is None or record.user_name == query.user_name)
        and (since is None or record.started_at >= since)
        and (query.status is None or record.status is query.status)
        and (query.path_glob is None or fnmatchcase(record.path, query.path_glob))
        and record.direction in query.directions
    )
