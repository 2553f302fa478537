"""
Uploads whose connection dropped, kept for their partner to go on with.

What S3 has of such an upload are parts, which no one can read; nothing is published. The record is KEPT,
and its name leads to it. It is continued by the same user, from the end of what is kept, on any gateway; a
file that has come to the name since, or a later attempt, ends that. What nobody continues is aborted by
the sweep when its time is over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase

import structlog

from tidegate.core.errors import ChangedMeanwhile, NotFound
from tidegate.core.ids import GatewayId, LogId, UploadId
from tidegate.core.limits import S3_MIN_PART_BYTES
from tidegate.core.objects import KeptPart, Location, StoredObject
from tidegate.core.sessions import Session
from tidegate.core.transfers import (
    Direction,
    TransferQuery,
    TransferRecord,
    TransferStatus,
)
from tidegate.ports.clock import Clock
from tidegate.ports.kept_uploads import KeptUploadLog, Name
from tidegate.ports.objects import ObjectStore
from tidegate.ports.transfer_log import TransferLog
from tidegate.services.digests import Digest

_log = structlog.get_logger("tidegate.uploads")

# A digest is small; what is forgotten costs reading the file once, when it is complete.
_REMEMBERED = 1000
# Of one path; one of them is the upload itself.
_LOOKED_AT = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """A dropped upload that can be continued."""

    record: TransferRecord
    parts: Sequence[KeptPart]
    digest: Digest | None = None

    @property
    def location(self) -> Location:
        return self.record.location

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)


class KeptUploads:
    """Keeps, finds and forgets dropped uploads, for one gateway."""

    def __init__(
        self,
        store: ObjectStore,
        log: TransferLog,
        kept: KeptUploadLog,
        clock: Clock,
        gateway_id: GatewayId,
        keep_for: timedelta,
    ) -> None:
        self._store = store
        self._log = log
        self._kept = kept
        self._clock = clock
        self._gateway_id = gateway_id
        self._keep_for = keep_for
        # Of which upload, and of how much of it: another gateway may have gone on with it meanwhile.
        self._digests: OrderedDict[LogId, tuple[str | None, int, Digest]] = OrderedDict()

    async def keep(
        self,
        record: TransferRecord,
        size: int,
        reason: str,
        digest: Digest | None = None,
        upload_id: str | None = None,
    ) -> None:
        """
        Let the upload be continued from `size` bytes on.

        Args:
            digest: That of just these bytes, where it is known; of which upload, `upload_id` says.

        Raises:
            GatewayError: It is not on record that it is kept.
        """
        found, now = await self._found(record.location), self._clock.now()
        until = now + self._keep_for
        await self._kept.keep(record, size, reason, at=now, until=until, found=found)
        if digest is not None:
            self._digests[record.log_id] = (upload_id, size, digest)
            while len(self._digests) > _REMEMBERED:
                self._digests.popitem(last=False)

    async def note_attempt(self, record: TransferRecord) -> None:
        """
        Remember that an attempt came to nothing, before its record says so: nobody adds to what was there.

        The client believes to have replaced the file. If it went on, it would add the end of the new one.
        """
        found = await self._found(record.location)
        if found is not None:  # or there is nothing to add to
            await self._kept.note_attempt(record, found, self._clock.now())

    async def was_to_be_replaced(self, session: Session, stored: StoredObject) -> bool:
        """Tell whether the last attempt of this session's user at a file left the one that is there still."""
        name = Name(session.server_id, session.user_name, stored.location)
        attempt = await self._kept.last_attempt(name)
        return attempt is not None and attempt.found == _as_found(stored)

    async def whole_parts(self, record: TransferRecord) -> Sequence[KeptPart]:
        """Return the parts S3 has of an upload, up to one that is missing, or too small for a next one."""
        if record.upload_id is None:
            return ()
        try:
            found = await self._store.parts(record.location, UploadId(record.upload_id))
        except NotFound:
            return ()  # aborted, perhaps by the bucket's own rule
        whole = []
        for number, part in enumerate(found, start=1):
            if part.receipt.number != number or part.size < S3_MIN_PART_BYTES:
                break
            whole.append(part)
        return whole

    async def at(self, session: Session, location: Location) -> Kept | None:
        """Return what this session's user can continue at this name, if there is anything."""
        record = await self._kept.kept_at(Name(session.server_id, session.user_name, location))
        if record is None:
            return None
        parts = _first(await self.whole_parts(record), record.size)
        if not parts or await self._is_overtaken(record, parts):
            return None
        upload_id, size, digest = self._digests.get(record.log_id, (None, 0, None))
        is_of_these = (upload_id, size) == (record.upload_id, record.size)
        return Kept(record, parts, digest if is_of_these else None)

    async def resume(self, kept: Kept, session: Session) -> TransferRecord:
        """
        Take it up for a session: it is STARTED again.

        Raises:
            ChangedMeanwhile: Another session, or a sweep, was first.
        """
        self._digests.pop(kept.record.log_id, None)  # it goes on counting
        return await self._kept.continue_kept(kept.record, session, self._gateway_id, self._clock.now())

    async def forget(self, session: Session, location: Location, reason: str) -> bool:
        """Abort what is kept at this name for this session's user; tell whether anything was."""
        record = await self._kept.kept_at(Name(session.server_id, session.user_name, location))
        if record is None:
            return False
        try:
            claimed = await self._log.take_over(record, self._gateway_id, self._clock.now())
        except ChangedMeanwhile:
            return False  # it is being continued, or was swept
        self._digests.pop(record.log_id, None)
        await self._abandon(claimed, reason)
        return True

    async def _found(self, location: Location) -> str | None:
        try:
            return _as_found(await self._store.head(location))
        except NotFound:
            return None

    async def _abandon(self, claimed: TransferRecord, reason: str) -> None:
        if claimed.upload_id is not None:
            await self._store.abort_multipart(claimed.location, UploadId(claimed.upload_id))
        await self._log.end(claimed.owner, TransferStatus.ABANDONED, self._clock.now(), error=reason)
        _log.info("kept upload dropped", log_id=claimed.log_id, path=claimed.path, reason=reason)

    async def _is_overtaken(self, record: TransferRecord, parts: Sequence[KeptPart]) -> bool:
        """Tell whether a file came to the name, or went from it, or another attempt was made, since."""
        begun = max(part.age_seconds for part in parts)
        versions = await self._store.versions(record.location, since=record.started_at - timedelta(days=1))
        if any(version.age_seconds <= begun for version in versions):
            return True
        query = TransferQuery(
            user_name=record.user_name,
            since=record.started_at,
            path_glob=_as_glob(record.path),
            directions=frozenset({Direction.UPLOAD}),
            limit=_LOOKED_AT,
        )
        found = [other async for other in self._log.find(query)]
        return any(other.log_id != record.log_id and other.location == record.location for other in found)


def _as_found(stored: StoredObject) -> str:
    return f"{stored.version_id or ''} {stored.etag}"


def _first(parts: Sequence[KeptPart], size: int | None) -> Sequence[KeptPart]:
    """Return the first parts that come to just this size; none if it ends amid a part."""
    first, left = [], size or 0
    for part in parts:
        if left <= 0:
            break
        first.append(part)
        left -= part.size
    return first if left == 0 else ()


def _as_glob(path: str) -> str:
    escaped = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)
    assert fnmatchcase(path, escaped)
    return escaped
