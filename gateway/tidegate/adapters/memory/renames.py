"""Renames in memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

from tidegate.core.errors import ChangedMeanwhile
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.renames import Rename, RenameStatus, advance
from tidegate.core.shards import shard_of
from tidegate.ports.renames import PendingRename


class MemoryRenames:
    """`RenameLog` for tests; part of `MemoryTransferLog`."""

    def __init__(self) -> None:
        self._renames: dict[tuple[LogId, str], Rename] = {}

    async def intend(self, rename: Rename) -> None:
        await asyncio.sleep(0)
        kept = self._renames.setdefault((rename.log_id, rename.rename_id), rename)
        if kept.owner != rename.owner:
            raise ChangedMeanwhile(f"rename {rename.rename_id} was begun by {kept.gateway_id}")

    async def settle_rename(self, rename: Rename) -> None:
        await asyncio.sleep(0)
        advance(RenameStatus.PENDING, rename.status)
        kept = self._owned_rename(rename)
        if kept.status not in (RenameStatus.PENDING, rename.status):
            raise ChangedMeanwhile(f"rename {rename.rename_id} is {kept.status} already")
        self._renames[rename.log_id, rename.rename_id] = replace(
            kept, status=rename.status, error=rename.error, timestamp=rename.timestamp
        )

    async def take_over_rename(self, rename: Rename, claimant: GatewayId, at: datetime) -> Rename:
        await asyncio.sleep(0)
        kept = self._owned_rename(rename)
        if not kept.is_open:
            raise ChangedMeanwhile(f"rename {rename.rename_id} is {kept.status} already")
        taken = replace(kept, gateway_id=claimant, fence=kept.fence + 1, timestamp=at)
        self._renames[rename.log_id, rename.rename_id] = taken
        return taken

    async def pending_renames(self, shard: int) -> list[PendingRename]:
        await asyncio.sleep(0)
        return [
            PendingRename(rename.log_id, rename.rename_id, rename.gateway_id)
            for rename in self._renames.values()
            if rename.is_open and shard_of(rename.log_id) == shard
        ]

    def _renames_of(self, log_id: LogId) -> tuple[Rename, ...]:
        """Return the renames of one LogID, oldest first."""
        return tuple(self._renames[item] for item in sorted(self._renames) if item[0] == log_id)

    def _forget_expired_renames(self, now: datetime, retention: timedelta) -> None:
        for item, rename in list(self._renames.items()):
            if not rename.is_open and rename.timestamp + retention < now:
                del self._renames[item]

    def _owned_rename(self, rename: Rename) -> Rename:
        kept = self._renames.get((rename.log_id, rename.rename_id))
        if kept is None or kept.owner != rename.owner:
            raise ChangedMeanwhile(f"rename {rename.rename_id} is not {rename.gateway_id}'s any more")
        return kept
