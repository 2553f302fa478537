"""Deliveries as work, in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from tidegate.core.deliveries import (
    DISCARDABLE_STATUSES,
    REPLAYABLE_STATUSES,
    WAITING_STATUSES,
    Delivery,
    DeliveryStatus,
    advance,
)
from tidegate.core.errors import ChangedMeanwhile
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.shards import shard_of
from tidegate.ports.transfer_log import OpenWork


class MemoryDeliveryQueue:
    """`DeliveryQueue` for tests; part of `MemoryTransferLog`."""

    _deliveries: dict[tuple[LogId, str], Delivery]
    _turn: Callable[[], Awaitable[None]]

    async def due(self, shard: int, now: datetime, limit: int = 100) -> list[OpenWork]:
        await self._turn()
        return self._rows(shard, lambda delivery: _is_due(delivery, now))[:limit]

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
            status=advance(kept.status, claimed.status),
            error=claimed.error,
            due_at=claimed.due_at,
            timestamp=claimed.timestamp,
            # The fence stays: the next claim must count on from it.
            lease_owner=None,
        )

    async def dead(self, shard: int) -> list[OpenWork]:
        await self._turn()
        return self._rows(shard, lambda delivery: delivery.status is DeliveryStatus.DEAD)

    async def move_held(self, held: Delivery, to: Delivery) -> None:
        await self._turn()
        kept = self._deliveries.get((held.log_id, held.target))
        as_read = (DeliveryStatus.HELD, held.lease_fence)
        if kept is None or (kept.status, kept.lease_fence) != as_read:
            raise ChangedMeanwhile(f"delivery {held.target} of {held.log_id} is not HELD as it was read")
        advance(kept.status, to.status)
        self._deliveries[held.log_id, held.target] = to

    async def deliveries_of(self, log_id: LogId) -> tuple[Delivery, ...]:
        await self._turn()
        targets = sorted(target for of, target in self._deliveries if of == log_id)
        return tuple(self._deliveries[log_id, target] for target in targets)

    async def replay(self, log_id: LogId, target: str, at: datetime) -> Delivery:
        await self._turn()
        delivery = self._deliveries.get((log_id, target))
        if delivery is None or delivery.status not in REPLAYABLE_STATUSES:
            raise ChangedMeanwhile(f"delivery {target} of {log_id} is neither DEAD nor HELD")
        replayed = replace(
            delivery, status=DeliveryStatus.PENDING, attempts=0, due_at=at, timestamp=at, lease_owner=None
        )
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

    def _rows(self, shard: int, is_wanted: Callable[[Delivery], bool]) -> list[OpenWork]:
        rows = [
            OpenWork(delivery.log_id, f"delivery#{delivery.target}", delivery.due_at)
            for delivery in self._deliveries.values()
            if shard_of(delivery.log_id) == shard and is_wanted(delivery)
        ]
        return sorted(rows, key=lambda row: (row.due_at, row.log_id, row.item))

    def _leased(self, claimed: Delivery) -> Delivery:
        kept = self._deliveries.get((claimed.log_id, claimed.target))
        lease = (DeliveryStatus.PENDING, claimed.lease_owner, claimed.lease_fence)
        if (
            kept is None
            or kept.lease_owner is None
            or (kept.status, kept.lease_owner, kept.lease_fence) != lease
        ):
            owner = claimed.lease_owner
            raise ChangedMeanwhile(f"delivery {claimed.target} of {claimed.log_id} is not {owner}'s any more")
        return kept


def _is_due(delivery: Delivery, now: datetime) -> bool:
    return delivery.status in WAITING_STATUSES and delivery.due_at <= now
