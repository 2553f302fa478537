"""
Temporary names, and what their files owe.

Many clients send a file under a name of its own and rename it when it is whole. What such a file owes is
HELD: nobody downstream hears of it before it has the name that was meant, or for too long had no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from tidegate.core.deliveries import Delivery, DeliveryStatus, DeliveryTarget, advance, owed
from tidegate.core.objects import Location, StoredObject
from tidegate.core.transfers import TransferRecord

DEFAULT_HOLD_SECONDS = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Holding:
    """
    Which names are temporary, and for how long what their files owe is held.

    Args:
        names: Patterns of a path's last component: `*` stands for anything, `?` for one character. Upper
            and lower case are alike.
    """

    names: tuple[str, ...] = ()
    seconds: int = DEFAULT_HOLD_SECONDS

    def is_temporary(self, path: str) -> bool:
        """Tell whether a path, or a key, ends in a temporary name."""
        name = path.rsplit("/", 1)[-1].lower()
        return any(fnmatchcase(name, pattern.lower()) for pattern in self.names)

    def seconds_of(self, path: str) -> int | None:
        """Return how long what this file owes is held; None: not at all."""
        return self.seconds if self.is_temporary(path) else None


NOTHING_HELD = Holding()


def owed_by(
    record: TransferRecord, stored: StoredObject, targets: tuple[DeliveryTarget, ...], now: datetime
) -> tuple[Delivery, ...]:
    """
    Return what a file owes that is COMPLETED now, one a target: PENDING and due, or HELD until it is due.

    Whether it is held was decided when its record was made. So everybody who completes it, with whatever
    configuration, owes the same.
    """
    plain = owed(record.log_id, stored.location, stored.version_id, stored.etag, targets, now)
    if record.hold_seconds is None:
        return plain
    until = now + timedelta(seconds=record.hold_seconds)
    return tuple(replace(each, status=DeliveryStatus.HELD, due_at=until) for each in plain)


def held_at(deliveries: Sequence[Delivery], source: Location) -> list[Delivery]:
    """Return those that are HELD for the file of this name."""
    return [each for each in deliveries if each.status is DeliveryStatus.HELD and each.source == source]


def moved(held: Delivery, to: DeliveryStatus, at: datetime, error: str | None = None) -> Delivery:
    """Return a HELD delivery after a legal move, due at once; raises `IllegalTransition`."""
    return replace(
        held,
        status=advance(held.status, to),
        timestamp=at,
        due_at=at,
        attempts=0,
        lease_owner=None,
        lease_fence=held.lease_fence + 1,
        error=error,
    )


def renamed(held: Delivery, copy: StoredObject) -> Delivery:
    """Return a delivery of the same file under the name it has now: its destination has that name, too."""
    prefix = held.destination.key.removesuffix(held.source.key)
    return replace(
        held,
        source=copy.location,
        version_id=copy.version_id,
        etag=copy.etag,
        destination=Location(held.destination.bucket, prefix + copy.location.key),
    )
