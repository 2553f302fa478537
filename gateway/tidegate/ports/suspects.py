"""
Decisions about SUSPECT transfers, and finding those that wait for a sidecar.

Errors every method may raise: `StoreUnavailable` (the effect of a write is unknown: read the record to
decide), `AccessDenied`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tidegate.core.deliveries import Delivery
from tidegate.core.transfers import Decision, TransferRecord
from tidegate.ports.transfer_log import OpenWork


class SuspectLog(Protocol):
    """Nobody owns a SUSPECT record: its state is the condition, and of two that decide at once one does."""

    async def waiting(
        self, shard: int, now: datetime, limit: int = 100, after: OpenWork | None = None
    ) -> list[OpenWork]:
        """
        Return rows of one shard (0 to 15) that wait and are due. By index: may be late, may be stale.

        Args:
            limit: The first so many, those that are due longest first.
            after: A row of an earlier answer, there still or not: only those that come after it.
        """
        ...

    async def hold_back(self, suspect: TransferRecord, error: str, due_at: datetime | None) -> None:
        """
        Let it stay SUSPECT, for this reason. Idempotent.

        Args:
            due_at: When to look again; None: it waits no longer, and stays until somebody decides.

        Raises:
            ChangedMeanwhile: It is SUSPECT no more.
        """
        ...

    async def release(
        self,
        suspect: TransferRecord,
        deliveries: Sequence[Delivery],
        decision: Decision,
        *,
        superseded: bool,
    ) -> None:
        """
        SUSPECT to COMPLETED, with what it owes, in one transaction: all or nothing.

        Raises:
            ChangedMeanwhile: It is SUSPECT no more; perhaps released already, if an earlier answer was lost.
        """
        ...

    async def drop(self, suspect: TransferRecord, decision: Decision) -> None:
        """
        SUSPECT to FAILED: it owes nothing any more.

        Raises:
            ChangedMeanwhile: As `release`.
        """
        ...
