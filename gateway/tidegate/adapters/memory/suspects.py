"""SUSPECT transfers in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tidegate.core.deliveries import Delivery
from tidegate.core.errors import ChangedMeanwhile
from tidegate.core.ids import LogId
from tidegate.core.shards import shard_of
from tidegate.core.transfers import Decision, TransferRecord, TransferStatus
from tidegate.ports.transfer_log import OpenWork


class MemorySuspects:
    """`SuspectLog` for tests; part of `MemoryTransferLog`."""

    _transfers: dict[LogId, TransferRecord]
    _deliveries: dict[tuple[LogId, str], Delivery]

    async def waiting(
        self, shard: int, now: datetime, limit: int = 100, after: OpenWork | None = None
    ) -> list[OpenWork]:
        await asyncio.sleep(0)
        rows = [
            OpenWork(record.log_id, "transfer", record.look_at)
            for record in self._transfers.values()
            if record.look_at is not None and record.look_at <= now and shard_of(record.log_id) == shard
        ]
        return [row for row in sorted(rows, key=_order) if not after or _order(row) > _order(after)][:limit]

    async def hold_back(self, suspect: TransferRecord, error: str, due_at: datetime | None) -> None:
        await asyncio.sleep(0)
        self._transfers[suspect.log_id] = replace(self._suspect(suspect), error=error, look_at=due_at)

    async def release(
        self,
        suspect: TransferRecord,
        deliveries: Sequence[Delivery],
        decision: Decision,
        *,
        superseded: bool,
    ) -> None:
        await asyncio.sleep(0)
        kept = self._suspect(suspect)
        new = {(delivery.log_id, delivery.target): delivery for delivery in deliveries}
        if new.keys() & self._deliveries.keys():
            raise ChangedMeanwhile(f"transfer {suspect.log_id} owes these deliveries already")
        targets = tuple(delivery.target for delivery in deliveries)
        changes = {"delivery_targets": targets, "superseded": superseded or kept.superseded}
        self._decide(kept, TransferStatus.COMPLETED, decision, changes)
        self._deliveries.update(new)

    async def drop(self, suspect: TransferRecord, decision: Decision) -> None:
        await asyncio.sleep(0)
        changes = {"delivery_targets": ()}
        self._decide(self._suspect(suspect), TransferStatus.FAILED, decision, changes)

    def _suspect(self, suspect: TransferRecord) -> TransferRecord:
        kept = self._transfers.get(suspect.log_id)
        if kept is None or (kept.status, kept.fence) != (TransferStatus.SUSPECT, suspect.fence):
            raise ChangedMeanwhile(f"transfer {suspect.log_id} is not SUSPECT any more")
        return kept

    def _decide(
        self, kept: TransferRecord, to: TransferStatus, decision: Decision, changes: dict[str, Any]
    ) -> None:
        decided = {"decided_by": decision.by, "decision": decision.why or None, "look_at": None}
        self._transfers[kept.log_id] = kept.moved(to, decision.at, **decided, **changes)


def _order(row: OpenWork) -> tuple[datetime, LogId]:
    return row.due_at, row.log_id
