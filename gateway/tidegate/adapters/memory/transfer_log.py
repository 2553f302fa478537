"""The transfer log, its deliveries and the refused logins in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from tidegate.adapters.memory.renames import MemoryRenames
from tidegate.core import deliveries as delivery_states
from tidegate.core import transfers as transfer_states
from tidegate.core.deliveries import DISCARDABLE_STATUSES, Delivery, DeliveryStatus
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
from tidegate.ports.transfer_log import DEFAULT_DAYS_BACK, OpenRecord, OpenWork, Story


class MemoryTransferLog(MemoryRenames):
    """
    `TransferLog`, `DeliveryQueue`, `RenameLog` and `LoginAudit` for tests and local mode.

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
    ) -> None:
        await self._turn()
        if status is TransferStatus.COMPLETED or status in OPEN_STATUSES:
            raise IllegalTransition(f"{status} is not an end that owes no deliveries")
        given: dict[str, Any] = {"error": error} if error is not None else {}
        if status in OWE_NOTHING:
            given["delivery_targets"] = ()
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

    # --- DeliveryQueue ----------------------------------------------------------------------

    async def due(self, shard: int, now: datetime, limit: int = 100) -> list[OpenWork]:
        await self._turn()
        rows = [
            OpenWork(delivery.log_id, f"delivery#{delivery.target}", delivery.due_at)
            for delivery in self._deliveries.values()
            if shard_of(delivery.log_id) == shard and _is_due(delivery, now)
        ]
        return sorted(rows, key=lambda row: (row.due_at, row.log_id, row.item))[:limit]

    async def claim(
        self, log_id: LogId, target: str, claimant: GatewayId, now: datetime, lease_until: datetime
    ) -> Delivery | None:
        await self._turn()
        delivery = self._deliveries.get((log_id, target))
        if delivery is None or not _is_due(delivery, now):
            return None
        claimed = replace(
            delivery,
            attempts=delivery.attempts + 1,
            due_at=lease_until,
            lease_owner=claimant,
            lease_fence=delivery.lease_fence + 1,
        )
        self._deliveries[log_id, target] = claimed
        return claimed

    async def renew(self, claimed: Delivery, lease_until: datetime) -> None:
        await self._turn()
        kept = self._leased(claimed)
        self._deliveries[claimed.log_id, claimed.target] = replace(kept, due_at=lease_until)

    async def settle(self, claimed: Delivery) -> None:
        await self._turn()
        kept = self._leased(claimed)
        self._deliveries[claimed.log_id, claimed.target] = replace(
            kept,
            status=delivery_states.advance(kept.status, claimed.status),
            error=claimed.error,
            due_at=claimed.due_at,
            timestamp=claimed.timestamp,
            # The fence stays: the next claim must count on from it.
            lease_owner=None,
        )

    async def dead(self, shard: int) -> list[OpenWork]:
        await self._turn()
        rows = [
            OpenWork(delivery.log_id, f"delivery#{delivery.target}", delivery.due_at)
            for delivery in self._deliveries.values()
            if shard_of(delivery.log_id) == shard and delivery.status is DeliveryStatus.DEAD
        ]
        return sorted(rows, key=lambda row: (row.due_at, row.log_id, row.item))

    async def deliveries_of(self, log_id: LogId) -> tuple[Delivery, ...]:
        await self._turn()
        targets = sorted(target for of, target in self._deliveries if of == log_id)
        return tuple(self._deliveries[log_id, target] for target in targets)

    async def replay(self, log_id: LogId, target: str, at: datetime) -> Delivery:
        await self._turn()
        delivery = self._deliveries.get((log_id, target))
        if delivery is None or delivery.status is not DeliveryStatus.DEAD:
            raise ChangedMeanwhile(f"delivery {target} of {log_id} is not DEAD")
        replayed = replace(delivery, status=DeliveryStatus.PENDING, attempts=0, due_at=at, timestamp=at)
        self._deliveries[log_id, target] = replayed
        return replayed

    async def discard(self, log_id: LogId, target: str, reason: str, at: datetime) -> Delivery:
        await self._turn()
        delivery = self._deliveries.get((log_id, target))
        if (
            delivery is None
            or delivery.status not in DISCARDABLE_STATUSES
            or (delivery.lease_owner is not None and delivery.due_at > at)
        ):
            raise ChangedMeanwhile(f"delivery {target} of {log_id} is not to be discarded")
        discarded = replace(
            delivery, status=DeliveryStatus.DISCARDED, error=reason, timestamp=at, lease_owner=None
        )
        self._deliveries[log_id, target] = discarded
        return discarded

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

    def _leased(self, claimed: Delivery) -> Delivery:
        kept = self._deliveries.get((claimed.log_id, claimed.target))
        lease = (claimed.lease_owner, claimed.lease_fence)
        if kept is None or kept.lease_owner is None or (kept.lease_owner, kept.lease_fence) != lease:
            raise ChangedMeanwhile(f"delivery {claimed.target} of {claimed.log_id} is not {lease}'s any more")
        return kept

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


def _is_due(delivery: Delivery, now: datetime) -> bool:
    return delivery.status is DeliveryStatus.PENDING and delivery.due_at <= now
