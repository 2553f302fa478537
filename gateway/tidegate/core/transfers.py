"""
The transfer record and its states.

One upload's states, as a table. STARTED is durable before any S3 write; FINISHING says the client
asked to CLOSE an error-free upload and S3 is about to be told to complete it; everything after that
is an end. SWEEPING is held by a sweep while it decides what a dead gateway left. KEPT is a dropped upload
that may be continued until it is due: its parts are in S3, and no object.

`advance` is the only judge of a move; the DynamoDB adapter turns the same table into conditions.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from tidegate.core.errors import IllegalTransition
from tidegate.core.ids import GatewayId, LogId, new_log_id
from tidegate.core.objects import Location
from tidegate.core.sessions import Session


class TransferStatus(StrEnum):
    STARTED = "STARTED"
    FINISHING = "FINISHING"
    SWEEPING = "SWEEPING"
    KEPT = "KEPT"
    COMPLETED = "COMPLETED"
    PARTIAL = "PARTIAL"
    SUSPECT = "SUSPECT"
    FAILED = "FAILED"
    ABANDONED = "ABANDONED"


class Direction(StrEnum):
    UPLOAD = "UPLOAD"
    DOWNLOAD = "DOWNLOAD"
    IMPORT = "IMPORT"


_S = TransferStatus

TRANSITIONS: dict[TransferStatus, frozenset[TransferStatus]] = {
    _S.STARTED: frozenset(
        # COMPLETED without FINISHING: a file of one PutObject, whose metadata carries the outcome.
        {
            _S.FINISHING,
            _S.COMPLETED,
            _S.PARTIAL,
            _S.SUSPECT,
            _S.FAILED,
            _S.ABANDONED,
            _S.SWEEPING,
            _S.KEPT,
        }
    ),
    _S.FINISHING: frozenset({_S.COMPLETED, _S.SUSPECT, _S.FAILED, _S.SWEEPING}),
    _S.SWEEPING: frozenset(
        {_S.COMPLETED, _S.PARTIAL, _S.SUSPECT, _S.FAILED, _S.ABANDONED, _S.SWEEPING, _S.KEPT}
    ),
    # Continued by its partner, or taken by a sweep once it is due.
    _S.KEPT: frozenset({_S.STARTED, _S.SWEEPING}),
    # A held-back file is released (COMPLETED), by its sidecar or by hand, or discarded (FAILED) by hand.
    _S.SUSPECT: frozenset({_S.COMPLETED, _S.FAILED}),
    _S.COMPLETED: frozenset(),
    _S.PARTIAL: frozenset(),
    _S.FAILED: frozenset(),
    _S.ABANDONED: frozenset(),
}

OPEN_STATUSES = frozenset({_S.STARTED, _S.FINISHING, _S.SWEEPING})
# Nothing leads out of these, so their records may expire.
TERMINAL_STATUSES = frozenset(status for status, targets in TRANSITIONS.items() if not targets)
# COMPLETED is reached only together with the deliveries it owes.
ENDS_WITHOUT_DELIVERIES = frozenset({_S.PARTIAL, _S.SUSPECT, _S.FAILED, _S.ABANDONED})
# A file that is held back still owes what it will be released to.
OWE_NOTHING = ENDS_WITHOUT_DELIVERIES - {_S.SUSPECT}


def advance(current: TransferStatus, to: TransferStatus) -> TransferStatus:
    """Return `to` if the table has the arrow; raise `IllegalTransition` otherwise."""
    if to not in TRANSITIONS[current]:
        raise IllegalTransition(f"a transfer cannot go from {current} to {to}")
    return to


def sources_of(to: TransferStatus) -> list[TransferStatus]:
    """Return the states from which `to` may be entered, in the order of the table."""
    return [status for status, targets in TRANSITIONS.items() if to in targets]


@dataclass(frozen=True, slots=True)
class Owner:
    """Who may write a record: every write of an owner is conditional on all three."""

    log_id: LogId
    gateway_id: GatewayId
    fence: int


@dataclass(frozen=True, slots=True)
class Content:
    """What an upload turned out to be, known at CLOSE."""

    size: int
    # None where parts of it were received by another gateway, and cannot be read before they are an object.
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What was decided of a SUSPECT transfer.

    Args:
        by: Who: an administrator, or the gateway that found all rules met.
        why: In words; may be empty.
    """

    by: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """
    Item `transfer` of one LogID. Attribute names in the table are these in AWS's spelling.

    `delivery_targets` are decided when an upload starts: whoever completes it owes copies to just these.
    An end that owes nothing empties them. `hold_seconds`: its name is temporary, and what it owes is held so
    long; None: it is not held. `look_at`: it is SUSPECT and waits for a sidecar, and is looked at again then.
    """

    log_id: LogId
    direction: Direction
    status: TransferStatus
    user_name: str
    server_id: str
    session_id: str
    client_ip: str
    client_version: str
    key_fingerprint: str
    path: str
    bucket: str
    object_key: str
    started_at: datetime
    timestamp: datetime
    gateway_id: GatewayId
    fence: int = 1
    upload_id: str | None = None
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    sha256: str | None = None
    kms_key_id: str | None = None
    delivery_targets: tuple[str, ...] = ()
    superseded: bool = False
    error: str | None = None
    hold_seconds: int | None = None
    look_at: datetime | None = None
    decided_by: str | None = None
    decision: str | None = None

    @classmethod
    def begun(
        cls,
        direction: Direction,
        session: Session,
        path: str,
        location: Location,
        gateway_id: GatewayId,
        at: datetime,
        delivery_targets: tuple[str, ...] = (),
    ) -> TransferRecord:
        """Return the record of a transfer that begins now: STARTED, under a new LogID."""
        return cls(
            log_id=new_log_id(int(at.timestamp() * 1000)),
            direction=direction,
            status=TransferStatus.STARTED,
            user_name=session.user_name,
            server_id=session.server_id,
            session_id=session.session_id,
            client_ip=session.client_ip,
            client_version=session.client_version,
            key_fingerprint=session.key_fingerprint,
            path=path,
            bucket=location.bucket,
            object_key=location.key,
            started_at=at,
            timestamp=at,
            gateway_id=gateway_id,
            delivery_targets=delivery_targets,
        )

    @property
    def location(self) -> Location:
        return Location(self.bucket, self.object_key)

    @property
    def owner(self) -> Owner:
        return Owner(self.log_id, self.gateway_id, self.fence)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    def moved(self, to: TransferStatus, at: datetime, **changes: object) -> TransferRecord:
        """Return the record after a legal move; raises `IllegalTransition`."""
        return replace(self, status=advance(self.status, to), timestamp=at, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class TransferQuery:
    """
    Which transfers to list, newest first.

    Args:
        user_name: Only this user's; by index.
        since: Only those started at or after this moment; bounds the days that are read.
        status: Only those in this state.
        path_glob: Only those whose `Path` matches, as `fnmatch` reads it.
        limit: At most this many.
    """

    user_name: str | None = None
    since: datetime | None = None
    status: TransferStatus | None = None
    path_glob: str | None = None
    limit: int = 100
    directions: frozenset[Direction] = field(default_factory=lambda: frozenset(Direction))
