"""
Uploads that were dropped and are kept, to be found by their name and continued.

Errors every method may raise: `StoreUnavailable` (the effect of a write is unknown: read the story to
decide), `AccessDenied`. Reads are strongly consistent unless a method says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import Location
from tidegate.core.sessions import Session
from tidegate.core.transfers import TransferRecord
from tidegate.ports.transfer_log import OpenRecord


@dataclass(frozen=True, slots=True)
class Name:
    """What attempts are remembered by: a user's name for a place. Another user's is another."""

    server_id: str
    user_name: str
    location: Location

    @classmethod
    def of(cls, record: TransferRecord) -> Name:
        return cls(record.server_id, record.user_name, record.location)


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    The last attempt at a name that did not complete.

    Args:
        found: What was there when it ended, as `found_as` tells it; None: nothing.
    """

    log_id: LogId
    found: str | None


class KeptUploadLog(Protocol):
    """Records in the state KEPT, and the attempts that left nothing. Of one name the last is found."""

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
        """
        Move to KEPT, with as many bytes as can be continued from, and let its name lead to it. Idempotent.

        Raises:
            ChangedMeanwhile: The record is not its owner's any more, or has ended.
        """
        ...

    async def note_attempt(self, record: TransferRecord, found: str, at: datetime) -> None:
        """Let the name lead to an attempt of which nothing is kept. Idempotent."""
        ...

    async def last_attempt(self, name: Name) -> Attempt | None:
        """Return the last attempt at the name that was kept or noted, whatever has become of it."""
        ...

    async def kept_at(self, name: Name) -> TransferRecord | None:
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
