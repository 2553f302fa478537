"""Wake-ups: what an event about an object says, and what came of looking into it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidegate.core.ids import LogId
from tidegate.core.objects import Location


@dataclass(frozen=True, slots=True)
class Wakeup:
    """
    Somebody says that an object was created. Hearsay: what is true is asked of S3 and the records.

    Args:
        key: As it is in S3: nothing in it is encoded.
        version_id: None where the bucket has no versions, or the event does not say.
        etag: As the event has it, without quotes.
        size: In bytes.
    """

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None

    @property
    def location(self) -> Location:
        return Location(self.bucket, self.key)


class Outcome(StrEnum):
    """
    What came of one wake-up.

    DELIVERED: at least one delivery was paid now, and none is left.
    NOTHING_OWED: the record is known, and no delivery of it is PENDING: paid before, DEAD, or never owed.
    IGNORED: the object is not what a record says was landed, or it is gone.
    LATER: there is something to wait for: the record is open, or a delivery is PENDING.
    """

    DELIVERED = "DELIVERED"
    NOTHING_OWED = "NOTHING_OWED"
    IGNORED = "IGNORED"
    LATER = "LATER"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one wake-up, why, and of which transfer, if one was found."""

    outcome: Outcome
    reason: str
    log_id: LogId | None = None
