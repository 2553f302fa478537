"""
Renames on record: an intent before, an outcome after, and in between whatever may be found left over.

Errors every method may raise: `StoreUnavailable` (the effect of a write is unknown: read the story to
decide), `AccessDenied`. What is on record is read by `TransferLog.story`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tidegate.core.ids import GatewayId, LogId
from tidegate.core.renames import Rename


@dataclass(frozen=True, slots=True)
class PendingRename:
    """A row of the open-work index: a rename that is not settled, and whose it was."""

    log_id: LogId
    rename_id: str
    gateway_id: GatewayId


class RenameLog(Protocol):
    """Records of renames. A write by anybody but `gateway_id` with its `fence` is `ChangedMeanwhile`."""

    async def intend(self, rename: Rename) -> None:
        """Write a new PENDING rename. Idempotent for the same owner. Durable on return."""
        ...

    async def settle_rename(self, rename: Rename) -> None:
        """Write the outcome of a PENDING rename: status, error, timestamp. Idempotent."""
        ...

    async def take_over_rename(self, rename: Rename, claimant: GatewayId, at: datetime) -> Rename:
        """
        Take a PENDING rename from its owner, as it was just read: the fence one higher.

        Raises:
            ChangedMeanwhile: It was settled or changed hands since it was read.
        """
        ...

    async def pending_renames(self, shard: int) -> list[PendingRename]:
        """Return the PENDING renames of one shard (0 to 15). By index: may be late, may be stale."""
        ...
