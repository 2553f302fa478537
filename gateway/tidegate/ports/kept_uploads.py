"""
Uploads that were dropped and are kept, to be found by their name and continued.

Errors every method may raise: `StoreUnavailable` (the effect of a write is unknown: read the story to
decide), `AccessDenied`. Reads are strongly consistent unless a method says otherwise.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from tidegate.core.ids import GatewayId
from tidegate.core.objects import Location
from tidegate.core.sessions import Session
from tidegate.core.transfers import Owner, TransferRecord
from tidegate.ports.transfer_log import OpenRecord


class KeptUploadLog(Protocol):
    """Records in the state KEPT. Of several of one name the last that was kept is found."""

    async def keep(
        self, record: TransferRecord, owner: Owner, size: int, reason: str, *, at: datetime, until: datetime
    ) -> None:
        """
        Move to KEPT, with as many bytes as can be continued from, and let its name lead to it. Idempotent.

        Raises:
            ChangedMeanwhile: The record is not that owner's any more, or has ended.
        """
        ...

    async def kept_at(self, server_id: str, location: Location) -> TransferRecord | None:
        """Return the KEPT record that the name leads to; None if there is none, or it is KEPT no more."""
        ...

    async def continue_kept(
        self, record: TransferRecord, session: Session, claimant: GatewayId, at: datetime
    ) -> TransferRecord:
        """
        Let a session go on with it: STARTED, the fence one higher, the session's facts in it.

        Raises:
            ChangedMeanwhile: It is being continued by another, or was swept.
        """
        ...

    async def kept_due(self, shard: int, now: datetime) -> list[OpenRecord]:
        """Return KEPT records of one shard (0 to 15) whose time is over. By index: may be late, or stale."""
        ...
