"""
The transfer log: one partition a LogID, every change conditional.

Errors every method may raise: `StoreUnavailable` (the effect of a write is unknown: read the
record to decide), `AccessDenied`. Reads are strongly consistent unless a method says otherwise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tidegate.core.deliveries import Delivery
from tidegate.core.errors import NotFound
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import StoredObject
from tidegate.core.renames import Rename
from tidegate.core.transfers import Content, Owner, TransferQuery, TransferRecord, TransferStatus
from tidegate.core.users import RefusedLogin

OPEN_WORK_SHARDS = 16
# A search by day without a beginning looks back this far; one by user is bounded by its index.
DEFAULT_DAYS_BACK = 31


@dataclass(frozen=True, slots=True)
class Story:
    """
    Everything known of one LogID; renames oldest first.

    Args:
        record: None if the file came in another way, and all that is on record is that it was renamed.
    """

    record: TransferRecord | None
    deliveries: tuple[Delivery, ...]
    renames: tuple[Rename, ...] = ()

    @property
    def transfer(self) -> TransferRecord:
        """The record. Raises `NotFound` if there are only renames."""
        if self.record is None:
            raise NotFound("that LogID tells of renames only: no transfer is on record")
        return self.record


@dataclass(frozen=True, slots=True)
class OpenWork:
    """A row of the open-work index: something that may be due. Found here, decided on the item."""

    log_id: LogId
    item: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """A row of the open-work index: a transfer that has not ended, and whose it was."""

    log_id: LogId
    gateway_id: GatewayId
    upload_id: str | None


class TransferLog(Protocol):
    """Records of transfers. Writers name themselves by `Owner`; all others get `ChangedMeanwhile`."""

    async def start(self, record: TransferRecord) -> None:
        """Write a new record, usually STARTED. Idempotent for the same owner. Durable on return."""
        ...

    async def start_completed(self, record: TransferRecord, deliveries: Sequence[Delivery]) -> None:
        """
        Write a new record that is COMPLETED from the start, and what it owes, in one transaction.

        So there is no moment at which it is open, and nothing of it is left to a sweep.

        Raises:
            ChangedMeanwhile: There is a record of this LogID already; it may be this very one, if an
                earlier answer was lost.
        """
        ...

    async def set_upload_id(self, owner: Owner, upload_id: str) -> None:
        """Note the multipart upload, before its first part is sent. Idempotent."""
        ...

    async def finishing(self, owner: Owner, content: Content, at: datetime) -> None:
        """STARTED to FINISHING with what the upload is. Idempotent."""
        ...

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
        """Move to COMPLETED and write the deliveries it owes, in one transaction: all or nothing."""
        ...

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
        """
        Move to an end other than COMPLETED.

        Args:
            look_at: Only for SUSPECT: it waits, and `SuspectLog.waiting` finds it from then on.
        """
        ...

    async def open_records(self, shard: int) -> list[OpenRecord]:
        """Return the open transfers of one shard (0 to 15). By index: may be late, may be stale."""
        ...

    async def take_over(self, record: TransferRecord, claimant: GatewayId, at: datetime) -> TransferRecord:
        """
        Take an open record from its owner, as it was just read: SWEEPING, the fence one higher.

        From then on every write of the old owner raises `ChangedMeanwhile`.

        Raises:
            ChangedMeanwhile: It has ended or changed hands since it was read.
        """
        ...

    async def story(self, log_id: LogId) -> Story:
        """Return the record, its deliveries and renames. Raises `NotFound` if there is none of them."""
        ...

    def find(self, query: TransferQuery) -> AsyncIterator[TransferRecord]:
        """
        Yield matching records, newest first. By index, so a record may be seconds late.

        Without user and `since`, only the last `DEFAULT_DAYS_BACK` days are searched.
        """
        ...


class DeliveryQueue(Protocol):
    """Deliveries as work: find, claim, renew, settle; and what administrators decide about them."""

    async def due(self, shard: int, now: datetime, limit: int = 100) -> list[OpenWork]:
        """Return rows of one shard (0 to 15) that are due. By index: may be late, may be stale."""
        ...

    async def claim(
        self, log_id: LogId, target: str, claimant: GatewayId, now: datetime, lease_until: datetime
    ) -> Delivery | None:
        """
        Take a PENDING or HELD delivery that is due, counting the attempt; None if it is not to be had.

        What was HELD is HELD still: `move_held` says what becomes of it.
        """
        ...

    async def renew(self, claimed: Delivery, lease_until: datetime) -> None:
        """
        Hold on to a claimed delivery until `lease_until`. Idempotent.

        Raises:
            ChangedMeanwhile: The lease is lost: another worker has claimed the delivery, or it was
                settled.
        """
        ...

    async def settle(self, claimed: Delivery) -> None:
        """
        Write the outcome of a claimed delivery: its status, error, due_at, timestamp.

        Raises:
            ChangedMeanwhile: The lease was taken by another worker meanwhile.
        """
        ...

    async def move_held(self, held: Delivery, to: Delivery) -> None:
        """
        Let a HELD delivery, as it was read, become what `holding.moved` says of it, with all its attributes.

        Raises:
            ChangedMeanwhile: It is not the one that was read any more; it may be `to`, if an earlier answer
                was lost.
        """
        ...

    async def dead(self, shard: int) -> list[OpenWork]:
        """Return rows of one shard (0 to 15) that are DEAD. By index: may be late, may be stale."""
        ...

    async def deliveries_of(self, log_id: LogId) -> tuple[Delivery, ...]:
        """Return all deliveries of this LogID, by target, also if its record has expired; () if none."""
        ...

    async def replay(self, log_id: LogId, target: str, at: datetime) -> Delivery:
        """
        DEAD or HELD to PENDING, due at `at`, with no attempt counted; the error stays until the next attempt.

        Raises:
            ChangedMeanwhile: It is neither, or not there.
        """
        ...

    async def discard(self, log_id: LogId, target: str, reason: str, at: datetime) -> Delivery:
        """
        DEAD, HELD or PENDING to DISCARDED, with the reason as its error.

        Raises:
            ChangedMeanwhile: It has ended, a worker's lease on it lasts beyond `at`, or it is not there.
        """
        ...


class LoginAudit(Protocol):
    """Refused logins, kept beside the transfers."""

    async def record_refused_login(self, refused: RefusedLogin) -> None:
        """Keep one refusal."""
        ...

    def find_refused_logins(
        self, *, user_name: str | None, since: datetime | None, limit: int
    ) -> AsyncIterator[RefusedLogin]:
        """Yield refusals, newest first, of the last `DEFAULT_DAYS_BACK` days if `since` is not given."""
        ...
