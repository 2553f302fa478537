"""Kept uploads in memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

from tidegate.core.errors import ChangedMeanwhile
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.sessions import Session
from tidegate.core.shards import shard_of
from tidegate.core.transfers import TRANSITIONS, TransferRecord, TransferStatus
from tidegate.ports.kept_uploads import Attempt, Name
from tidegate.ports.transfer_log import OpenRecord


class MemoryKeptUploads:
    """`KeptUploadLog` for tests and local mode; part of `MemoryTransferLog`."""

    _transfers: dict[LogId, TransferRecord]
    _attempts: dict[Name, Attempt]
    _kept_until: dict[LogId, datetime]

    async def keep(
        self,
        record: TransferRecord,
        size: int,
        reason: str,
        *,
        at: datetime,
        until: datetime,
        found: str | None,
    ) -> None:
        await asyncio.sleep(0)
        current = self._transfers.get(record.log_id)
        if current is None or current.owner != record.owner:
            raise ChangedMeanwhile(f"transfer {record.log_id} is not {record.gateway_id}'s any more")
        if current.status is not TransferStatus.KEPT:
            if TransferStatus.KEPT not in TRANSITIONS[current.status]:
                raise ChangedMeanwhile(f"transfer {record.log_id} is {current.status} already")
            current = current.moved(TransferStatus.KEPT, at, size=size, error=reason)
        self._transfers[record.log_id] = current
        self._attempts[Name.of(record)] = Attempt(record.log_id, found)
        self._kept_until[record.log_id] = until

    async def note_attempt(self, record: TransferRecord, found: str, at: datetime) -> None:  # noqa: ARG002
        await asyncio.sleep(0)
        self._attempts[Name.of(record)] = Attempt(record.log_id, found)

    async def last_attempt(self, name: Name) -> Attempt | None:
        await asyncio.sleep(0)
        return self._attempts.get(name)

    async def kept_at(self, name: Name) -> TransferRecord | None:
        await asyncio.sleep(0)
        attempt = self._attempts.get(name)
        record = self._transfers.get(attempt.log_id) if attempt else None
        return record if record and record.status is TransferStatus.KEPT else None

    async def continue_kept(
        self, record: TransferRecord, session: Session, claimant: GatewayId, at: datetime
    ) -> TransferRecord:
        await asyncio.sleep(0)
        current = self._transfers.get(record.log_id)
        if current is None or current.owner != record.owner or current.status is not TransferStatus.KEPT:
            raise ChangedMeanwhile(f"transfer {record.log_id} is not kept any more")
        continued = replace(
            current.moved(TransferStatus.STARTED, at),
            gateway_id=claimant,
            fence=current.fence + 1,
            session_id=session.session_id,
            client_ip=session.client_ip,
            client_version=session.client_version,
            key_fingerprint=session.key_fingerprint,
            size=None,
            error=None,
        )
        self._transfers[record.log_id] = continued
        return continued

    async def kept_due(self, shard: int, now: datetime) -> list[OpenRecord]:
        await asyncio.sleep(0)
        return [
            OpenRecord(row.log_id, row.gateway_id, row.upload_id)
            for row in self._transfers.values()
            if row.status is TransferStatus.KEPT
            and shard_of(row.log_id) == shard
            and self._kept_until[row.log_id] <= now
        ]
