"""
A rename on record, and its states.

S3 has no rename: it is a copy under the new name and then the removal of the old one. The intent is
durable before the first of these, so whoever finds the record knows what is left to do. Each step can
be repeated, and is done only while the source is still the version that was to be renamed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from tidegate.core.errors import IllegalTransition
from tidegate.core.ids import GatewayId, LogId, is_log_id, new_log_id
from tidegate.core.objects import (
    META_LOG_ID,
    META_RENAME_ID,
    META_RESTORED_FROM,
    META_TRANSFER_ID,
    Location,
    StoredObject,
)
from tidegate.core.sessions import Session


class RenameStatus(StrEnum):
    PENDING = "PENDING"
    DONE = "DONE"
    FAILED = "FAILED"


_S = RenameStatus

TRANSITIONS: dict[RenameStatus, frozenset[RenameStatus]] = {
    _S.PENDING: frozenset({_S.DONE, _S.FAILED}),
    _S.DONE: frozenset(),
    _S.FAILED: frozenset(),
}

# Nothing leads out of these, so their items may expire.
TERMINAL_STATUSES = frozenset(status for status, targets in TRANSITIONS.items() if not targets)


def advance(current: RenameStatus, to: RenameStatus) -> RenameStatus:
    """Return `to` if the table has the arrow; raise `IllegalTransition` otherwise."""
    if to not in TRANSITIONS[current]:
        raise IllegalTransition(f"a rename cannot go from {current} to {to}")
    return to


@dataclass(frozen=True, slots=True)
class Rename:
    """
    Item `rename#<rename_id>` of one LogID: that of the file, or one of its own if the file has none.

    `version_id` and `etag` name the version that is renamed. `replacing` is the ETag of what it was
    to replace at `target`, or "*" if nothing may be there. `gateway_id` and `fence` say who may write it.
    `holds`: what is HELD for the file stays so, because its new name is temporary, too, or is only in another
    directory.

    With `as_of` it is a directory that is renamed: locations are prefixes, there is no ETag, and what is
    renamed is what was stored below it by then, by the store's clock.
    """

    log_id: LogId
    rename_id: str
    status: RenameStatus
    user_name: str
    server_id: str
    session_id: str
    client_ip: str
    path: str
    new_path: str
    source: Location
    version_id: str | None
    etag: str
    target: Location
    replacing: str
    gateway_id: GatewayId
    started_at: datetime
    timestamp: datetime
    fence: int = 1
    error: str | None = None
    holds: bool = False
    as_of: datetime | None = None

    @classmethod
    def begun(
        cls,
        session: Session,
        paths: tuple[str, str],
        stored: StoredObject,
        target: Location,
        replacing: str,
        gateway_id: GatewayId,
        at: datetime,
    ) -> Rename:
        """Return the record of a rename that begins now: PENDING, in the story of the file it renames."""
        now_ms = int(at.timestamp() * 1000)
        return cls(
            log_id=story_of(stored) or new_log_id(now_ms),
            rename_id=new_log_id(now_ms),
            status=RenameStatus.PENDING,
            user_name=session.user_name,
            server_id=session.server_id,
            session_id=session.session_id,
            client_ip=session.client_ip,
            path=paths[0],
            new_path=paths[1],
            source=stored.location,
            version_id=stored.version_id,
            etag=stored.etag,
            target=target,
            replacing=replacing,
            gateway_id=gateway_id,
            started_at=at,
            timestamp=at,
        )

    @property
    def owner(self) -> tuple[GatewayId, int]:
        return self.gateway_id, self.fence

    @property
    def is_directory(self) -> bool:
        return self.as_of is not None

    @property
    def is_open(self) -> bool:
        return self.status not in TERMINAL_STATUSES

    def is_of(self, stored: StoredObject) -> bool:
        """Tell whether this is the very version that is renamed."""
        return (stored.location, stored.version_id, stored.etag) == (self.source, self.version_id, self.etag)

    def settled(self, to: RenameStatus, at: datetime, error: str | None = None) -> Rename:
        """Return the record after a legal move; raises `IllegalTransition`."""
        return replace(self, status=advance(self.status, to), timestamp=at, error=error)


def story_of(stored: StoredObject) -> LogId | None:
    """Return the LogID under which the file's story is told; None if the object carries none of ours."""
    for name in (META_TRANSFER_ID, META_LOG_ID):
        found = stored.metadata.get(name, "")
        if is_log_id(found):
            return LogId(found)
    return None


def metadata_of_copy(stored: StoredObject, rename: Rename) -> dict[str, str]:
    """
    Return the metadata of the object under its new name.

    The copy is not what the upload landed: without the transfer id nothing takes it for that.
    """
    return {**_kept(stored), META_LOG_ID: rename.log_id, META_RENAME_ID: rename.rename_id}


def metadata_of_restored(stored: StoredObject) -> dict[str, str]:
    """Return the metadata of a copy that brings back a version under its own name."""
    story = story_of(stored)
    marks = {META_RESTORED_FROM: stored.version_id or "", META_LOG_ID: story or ""}
    return _kept(stored) | {name: value for name, value in marks.items() if value}


def _kept(stored: StoredObject) -> dict[str, str]:
    ours = {META_TRANSFER_ID, META_LOG_ID, META_RENAME_ID, META_RESTORED_FROM}
    return {name: value for name, value in stored.metadata.items() if name not in ours}


def led_on(renames: tuple[Rename, ...], source: Location) -> tuple[Rename, ...]:
    """
    Return the DONE renames that lead on from `source`, one after another.

    Where one name leads two ways, the older rename goes first. That alone trusts the gateways' clocks.
    """
    left = sorted((r for r in renames if r.status is RenameStatus.DONE), key=lambda r: r.rename_id)
    way: list[Rename] = []
    while True:
        here = way[-1].target if way else source
        following = next((rename for rename in left if rename.source == here), None)
        if following is None:
            return tuple(way)
        left.remove(following)
        way.append(following)


def followed(renames: tuple[Rename, ...], source: Location) -> Rename | None:
    """Return the last of the renames that lead on from `source`; None: none does."""
    return next(reversed(led_on(renames, source)), None)


def all_hold(way: tuple[Rename, ...]) -> bool:
    """Tell whether what is HELD stays so all along: what one of these releases, none after it holds again."""
    return all(each.holds for each in way)
