"""
Judging a file by the rules of its route: what has to be asked of S3 and the log, and no more than that.

Whoever judges reads the rules from its own configuration: the gateway at CLOSE, a sweep, a gateway that was
told of a sidecar. Nothing is asked where a route has no rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tidegate.core.acceptance import Duplicates, Facts, Rules, Verdict, judged, name_of
from tidegate.core.errors import GatewayError, NotFound, SentBefore, StoreUnavailable
from tidegate.core.ids import LogId
from tidegate.core.last_lines import TAIL_BYTES
from tidegate.core.objects import (
    META_OUTCOME,
    META_SHA256,
    Location,
    ObjectVersion,
    StoredObject,
)
from tidegate.core.renames import story_of
from tidegate.core.sidecars import Found, Sidecar, SidecarKind
from tidegate.core.transfers import Content, Direction, TransferQuery, TransferRecord, TransferStatus
from tidegate.ports.objects import Body, ObjectStore
from tidegate.ports.transfer_log import TransferLog
from tidegate.services.sidecars import Sidecars
from tidegate.services.versions import is_overtaken

# Versions of the name, and records of the partner, that a file is compared with; and how many versions are
# listed to find those that came before one. A name may have any number.
_MOST_VERSIONS = 5
_MOST_LISTED = 100
_MOST_RECORDS = 1000

_WHOLE = frozenset({TransferStatus.COMPLETED, TransferStatus.SUSPECT})


@dataclass(frozen=True, slots=True)
class Judged:
    """
    The file that is judged.

    Args:
        path: The name it has now, as its partner sees it.
        location: Where that leads.
    """

    record: TransferRecord
    path: str
    location: Location


class Judge:
    """Judges one file. At CLOSE it is told of the last bytes as they pass, which saves reading them again."""

    def __init__(
        self,
        store: ObjectStore,
        log: TransferLog,
        sidecars: Sidecars,
        rules: Rules,
        file: Judged,
        on_recorded: Callable[[Verdict], None] = lambda _: None,
    ) -> None:
        self._on_recorded = on_recorded
        self._store = store
        self._log = log
        self._sidecars = sidecars
        self._rules = rules
        self._file = file
        self._tail = b""
        self._twin: str | None = None

    def saw_last(self, body: Body) -> None:
        """Take note of the last bytes of the file, or of some of them."""
        if self._rules.last_line is not None:
            self._tail = bytes(body[-TAIL_BYTES:])

    async def before(self, content: Content, now: datetime) -> None:
        """
        Look for the same content, as long as nothing is published.

        Raises:
            SentBefore: It is there, and the rules refuse it.
            GatewayError: It could not be looked for.
        """
        if self._rules.duplicates is Duplicates.KEEP:
            return
        self._twin = await self._same_name(content, None) or await self._other_name(content, now)
        if self._twin and self._rules.duplicates is Duplicates.REJECT:
            raise SentBefore(f"{self._file.path} has the same content as {self._twin}")

    async def verdict(self, content: Content, stored: StoredObject, now: datetime) -> Verdict:
        """
        Judge the stored version.

        What cannot be learnt although S3 and the log answer is held against the file, which waits: a refusal
        may be that of a policy that is wrong for a minute.

        Raises:
            StoreUnavailable: They did not answer: judge again later.
        """
        try:
            return judged(self._rules, await self._facts(content, stored, now))
        except StoreUnavailable:
            raise
        except GatewayError as error:
            return Verdict((f"it could not be judged: {error}",), waits=True)

    def recorded(self, verdict: Verdict) -> None:
        """Say that what the verdict makes of the file is on record: others may wait for that."""
        self._on_recorded(verdict)

    async def _facts(self, content: Content, stored: StoredObject, now: datetime) -> Facts:
        rules = self._rules
        return Facts(
            name_of(self._file.path),
            content,
            tail=await self._last_bytes(stored) if rules.last_line is not None else b"",
            sidecar=await self._sidecar(rules.sidecar, stored) if rules.sidecar else None,
            twin=None if rules.duplicates is Duplicates.KEEP else await self._same(content, stored, now),
        )

    async def _last_bytes(self, stored: StoredObject) -> bytes:
        if len(self._tail) >= min(TAIL_BYTES, stored.size):
            return self._tail
        return await self._store.read(stored, max(stored.size - TAIL_BYTES, 0), TAIL_BYTES)

    # --- sidecars -------------------------------------------------------------------------

    async def _sidecar(self, sidecar: Sidecar, stored: StoredObject) -> Found | None:
        found = await self._sidecars.of(sidecar, self._file.location)
        if found is None or sidecar.kind is not SidecarKind.PRESENCE:
            return found and found[0]
        try:
            return replace(found[0], doubt=await self._doubt(found[1], stored))
        except NotFound:
            return None  # not there any more

    async def _doubt(self, found: StoredObject, stored: StoredObject) -> str | None:
        """
        Say why a sidecar that has nothing in it may have come with another version of the file.

        By S3's own times, which are those of whole seconds.
        """
        if await is_overtaken(self._store, stored):
            return "may be of the newer version that has its name by now"
        own = stored if stored.modified_at else await self._store.head(stored.location, stored.version_id)
        if found.modified_at is None or own.modified_at is None or found.modified_at >= own.modified_at:
            return None
        return "is older than it, and may be of the version before" if await self._earlier(stored) else None

    # --- the same content before ----------------------------------------------------------

    async def _same(self, content: Content, stored: StoredObject, now: datetime) -> str | None:
        if self._twin is not None:
            return self._twin
        return await self._same_name(content, stored) or await self._other_name(content, now)

    async def _same_name(self, content: Content, stored: StoredObject | None) -> str | None:
        """
        Tell which file that had this name before has this content; nothing stored yet: which has it now.

        That is the newest whole one among the last few versions. Half a file, and one that was discarded, do
        not count.
        """
        if not content.size or content.sha256 is None:
            return None
        for version in (await self._earlier(stored))[:_MOST_VERSIONS]:
            try:
                earlier = await self._store.head(self._file.location, version.version_id)
            except NotFound:
                continue  # removed for good since it was listed
            if earlier.metadata.get(META_OUTCOME) == "partial":
                continue
            record = await self._record_of(earlier)
            if record is not None and not (record.is_open or record.status in _WHOLE):
                continue
            digest = earlier.metadata.get(META_SHA256) or (record.sha256 if record else None)
            return _told(record, earlier) if digest == content.sha256 else None
        return None

    async def _earlier(self, stored: StoredObject | None) -> list[ObjectVersion]:
        """Return the versions of the name before this one, newest first; without it, all there are."""
        versions = await self._store.versions(self._file.location, limit=_MOST_LISTED)
        return [each for each in _before(versions, stored) if not each.is_delete_marker]

    async def _record_of(self, earlier: StoredObject) -> TransferRecord | None:
        log_id = story_of(earlier)
        if log_id is None:
            return None
        try:
            return (await self._log.story(log_id)).record
        except NotFound:
            return None

    async def _other_name(self, content: Content, now: datetime) -> str | None:
        """Tell which of the partner's recent files has this content. By index: it may be seconds behind."""
        if not (self._rules.duplicate_days and content.size and content.sha256):
            return None
        query = TransferQuery(
            user_name=self._file.record.user_name,
            since=now - timedelta(days=self._rules.duplicate_days),
            limit=_MOST_RECORDS,
        )
        async for record in self._log.find(query):
            is_whole = record.direction is Direction.UPLOAD and record.status in _WHOLE
            # LogIDs are in the order of time. What came later is no earlier file, whenever this is judged.
            if is_whole and record.sha256 == content.sha256 and record.log_id < self._file.record.log_id:
                return _told(record, None)
        return None


def _before(versions: list[ObjectVersion], stored: StoredObject | None) -> Iterator[ObjectVersion]:
    """Yield what is listed after the stored version; none if that is not among them."""
    is_before = stored is None
    for version in versions:
        if is_before:
            yield version
        is_before = is_before or (stored is not None and version.version_id == stored.version_id)


def _told(record: TransferRecord | None, stored: StoredObject | None) -> str:
    if record is None:
        return f"version {stored.version_id} of its name" if stored else "an earlier file"
    return f"{record.path} of {record.started_at:%Y-%m-%d %H:%M:%S} ({LogId(record.log_id)})"
