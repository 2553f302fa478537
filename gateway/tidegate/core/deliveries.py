"""
What a finished upload owes, and the states of one delivery.

Items are written once, in CLOSE's transaction. Every worker after that only claims existing ones.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tidegate.core.errors import IllegalTransition
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import Location


class DeliveryStatus(StrEnum):
    PENDING = "PENDING"
    HELD = "HELD"
    DELIVERED = "DELIVERED"
    SUPERSEDED = "SUPERSEDED"
    DEAD = "DEAD"
    DISCARDED = "DISCARDED"


_S = DeliveryStatus

TRANSITIONS: dict[DeliveryStatus, frozenset[DeliveryStatus]] = {
    # PENDING to PENDING: a failed attempt, due again later.
    _S.PENDING: frozenset({_S.PENDING, _S.DELIVERED, _S.SUPERSEDED, _S.DEAD, _S.DISCARDED}),
    # A temporary name: delivered under the final one after a rename, or as it is when it is due. HELD to
    # HELD: renamed to another temporary name, or waiting for a rename that is not settled.
    _S.HELD: frozenset({_S.HELD, _S.PENDING, _S.SUPERSEDED, _S.DISCARDED}),
    # Replayed by an administrator.
    _S.DEAD: frozenset({_S.PENDING, _S.DISCARDED}),
    _S.DELIVERED: frozenset(),
    _S.SUPERSEDED: frozenset(),
    _S.DISCARDED: frozenset(),
}


# Nothing leads out of these, so their items may expire.
TERMINAL_STATUSES = frozenset(status for status, targets in TRANSITIONS.items() if not targets)


# What is in the open-work index once it is due.
WAITING_STATUSES = frozenset({_S.PENDING, _S.HELD})

# What an administrator may have tried again, or delivered without waiting any longer.
REPLAYABLE_STATUSES = frozenset({_S.DEAD, _S.HELD})

# What an administrator may give up; while a worker has it, it is that worker's to end.
DISCARDABLE_STATUSES = frozenset(status for status, targets in TRANSITIONS.items() if _S.DISCARDED in targets)


def advance(current: DeliveryStatus, to: DeliveryStatus) -> DeliveryStatus:
    """Return `to` if the table has the arrow; raise `IllegalTransition` otherwise."""
    if to not in TRANSITIONS[current]:
        raise IllegalTransition(f"a delivery cannot go from {current} to {to}")
    return to


@dataclass(frozen=True, slots=True)
class DeliveryTarget:
    """A place finished uploads are copied to, as configured."""

    name: str
    bucket: str
    prefix: str
    kms_key_id: str | None

    def location_for(self, object_key: str) -> Location:
        return Location(self.bucket, self.prefix + object_key)


def chosen(targets: tuple[DeliveryTarget, ...], names: Collection[str]) -> tuple[DeliveryTarget, ...]:
    """Return the targets of these names, in the order of the configuration."""
    return tuple(target for target in targets if target.name in names)


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    Item `delivery#<target>` of one LogID.

    `version_id` and `etag` name the source version: exactly that is copied. The lease is
    `lease_owner` until `due_at`; after that any worker may claim the item again. One that is HELD is
    due when it has been held for long enough.
    """

    log_id: LogId
    target: str
    status: DeliveryStatus
    source: Location
    version_id: str | None
    etag: str
    destination: Location
    timestamp: datetime
    due_at: datetime
    attempts: int = 0
    lease_owner: GatewayId | None = None
    lease_fence: int = 0
    error: str | None = None


def owed(
    log_id: LogId,
    source: Location,
    version_id: str | None,
    etag: str,
    targets: tuple[DeliveryTarget, ...],
    now: datetime,
) -> tuple[Delivery, ...]:
    """Return the deliveries this upload owes, one a target, all PENDING and due now."""
    return tuple(
        Delivery(
            log_id=log_id,
            target=target.name,
            status=DeliveryStatus.PENDING,
            source=source,
            version_id=version_id,
            etag=etag,
            destination=target.location_for(source.key),
            timestamp=now,
            due_at=now,
        )
        for target in targets
    )


def backoff(attempts: int, jitter: float) -> timedelta:
    """
    Return how long to wait after the given number of failed attempts.

    Doubles from 1 second to 15 minutes; `jitter` in 0..1 takes away up to half, so that
    a thousand deliveries to a target that came back do not arrive together.
    """
    # The exponent is bounded too: 2.0**1024 is no float any more.
    seconds = min(2.0 ** min(max(attempts - 1, 0), 10), 900.0)
    return timedelta(seconds=seconds * (1 - jitter / 2))
