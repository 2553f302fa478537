"""
Renames: intended on record, carried out on S3, settled.

The intent is durable before anything in S3 changes, so whoever finds it PENDING can finish it. Files are
carried out by `file_renames`, directories by `directory_renames`. Before a file's rename is settled, what the
file owes and was HELD for its temporary name is owed under the new one.

What S3 or the conditions refuse is FAILED, and the client is told. After an answer that leaves it open
whether something took effect, the rename stays PENDING, and the sweep finishes it, or gives it up after
a hundred attempts: then it is FAILED, and its error says what was in the way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import structlog

from tidegate.core.errors import (
    AccessDenied,
    AlreadyExists,
    ChangedMeanwhile,
    GatewayError,
    InvalidName,
    NotFound,
    OutcomeUnknown,
)
from tidegate.core.holding import NOTHING_HELD, Holding
from tidegate.core.objects import Location, StoredObject
from tidegate.core.renames import Rename, RenameStatus, story_of
from tidegate.core.routes import Routes
from tidegate.core.sessions import Session
from tidegate.core.transfers import TransferRecord
from tidegate.ports.objects import ObjectStore
from tidegate.ports.renames import RenameLog
from tidegate.services.directory_renames import NO_DIRECTORIES, DirectoryRenames, DirectoryRules
from tidegate.services.file_renames import FileRenames
from tidegate.services.foresight import foreseeing
from tidegate.services.held import Held
from tidegate.services.intake import Backends
from tidegate.services.moves import DirectoryMove, Move

_log = structlog.get_logger("tidegate.renames")

# After these it is certain what took effect: nothing more will.
_REFUSALS = (AccessDenied, AlreadyExists, ChangedMeanwhile, InvalidName, NotFound)
# Remembered until they are settled; of an outage with more than this the oldest are finished instead.
_REMEMBERED = 1000
# Each attempt after the first takes a new owner. What so many could not do, nobody will.
MOST_OWNERS = 100
_REFUSED = "it was refused, and its outcome could not be written then"


_Outcome: TypeAlias = StoredObject | GatewayError | None


class Renames:
    """The renames of this gateway, and those it finishes for others."""

    def __init__(
        self,
        backends: Backends,
        log: RenameLog,
        routes: Routes,
        held: Held,
        *,
        holding: Holding = NOTHING_HELD,
        directories: DirectoryRules = NO_DIRECTORIES,
        on_owed: Callable[[], None] = lambda: None,
    ) -> None:
        self._held = held
        self._holding = holding
        self._on_owed = on_owed
        self._suspects = backends.suspects
        self._log = log
        self._clock = backends.clock
        self._gateway_id = backends.gateway_id
        self._under_way: dict[str, Rename] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: deque[str] = deque(maxlen=_REMEMBERED)
        self._files = FileRenames(backends.store, backends.log, routes, backends.is_fresh)
        self._directories = DirectoryRenames(
            backends.store, backends.log, directories, self.rename, self._files.must_be_ours
        )
        self.takes_directories = directories.most > 0

    def is_under_way(self, rename_id: str) -> bool:
        return rename_id in self._under_way

    async def ended(self) -> None:
        """Return when all renames so far have ended, those of clients that went away included."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def rename(self, session: Session, move: Move, store: ObjectStore | None = None) -> None:
        """
        Move the file. Its intent is durable before anything in S3 changes.

        It goes on if the caller is cancelled: a client that hangs up has asked for it all the same.

        Args:
            store: Copies and removes with the rights of the session; None: with the gateway's own.

        Raises:
            AccessDenied: S3 or the session's rights refuse. Where the rights are known beforehand, nothing
                was changed.
            AlreadyExists: Something came to the new name meanwhile, and may not be replaced.
            ChangedMeanwhile: Either name was changed meanwhile, or is just being renamed by another.
            NotFound: The file went away meanwhile.
            StoreUnavailable: The intent could not be written, and nothing was changed; or the outcome is
                unknown, and the sweep will bring it about.
        """
        names = {move.stored.location, move.target}
        if any(
            names & {each.source, each.target} for each in self._under_way.values() if not each.is_directory
        ):
            raise ChangedMeanwhile(f"{move.path} or {move.new_path} is being renamed at this moment")
        rename = self._begun(session, move, move.stored)
        # With its directory a file keeps its own name, and what is HELD for that.
        holds = move.story is not None or self._holding.is_temporary(move.new_path)
        rename = replace(rename, holds=holds)
        if move.story is not None and story_of(move.stored) is None:
            rename = replace(rename, log_id=move.story)
        if knowing := foreseeing(store):
            # Before it is on record, for whoever takes it over acts with other rights; and before there is a
            # copy, which would stay beside what may not be removed.
            knowing.foresee_put(self._files.storage_of(rename, move.stored).new(move.target, {}))
            knowing.foresee_delete(move.stored.location)
        await self._to_its_end(rename, store)

    async def rename_directory(
        self, session: Session, move: DirectoryMove, store: ObjectStore | None = None
    ) -> None:
        """
        Move everything below a directory; otherwise as `rename`.

        Raises:
            InUse, TooManyFiles, InvalidName: As `DirectoryRenames.as_of`; nothing was changed.
            AlreadyExists, AccessDenied, ChangedMeanwhile: Of one of the files: it and others have their old
                names, the rest have the new ones.
        """
        self._refuse_overlap(move)
        as_of = await self._directories.as_of(move, store)
        self._refuse_overlap(move)  # that took a while
        # No object of S3, so neither version nor ETag.
        rename = self._begun(session, move, StoredObject(move.source, 0, "", None))
        await self._to_its_end(replace(rename, as_of=as_of), store)

    def _refuse_overlap(self, move: DirectoryMove) -> None:
        ours = (move.source, move.target)
        if any(_overlap(ours, (each.source, each.target)) for each in self._under_way.values()):
            raise ChangedMeanwhile(
                f"something in {move.path} or {move.new_path} is being renamed at this moment"
            )

    def _begun(self, session: Session, move: Move | DirectoryMove, stored: StoredObject) -> Rename:
        paths, now = (move.path, move.new_path), self._clock.now()
        return Rename.begun(session, paths, stored, move.target, move.replacing, self._gateway_id, now)

    async def _to_its_end(self, rename: Rename, acting: ObjectStore | None) -> None:
        """Carry it out, whether or not the caller stays to see it."""
        self._under_way[rename.rename_id] = rename
        task = asyncio.create_task(self._run(rename, acting))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._forget(done, rename))
        await asyncio.shield(task)

    async def caught_up(self, record: TransferRecord) -> None:
        """Let what a file owes that has just been COMPLETED follow it, where it was renamed before."""
        if record.hold_seconds is not None:
            await self._held.catch_up(record.log_id)

    async def never_to_come(self, path: str, removed: StoredObject) -> None:
        """Give up what is HELD for a file that was removed under a temporary name."""
        if self._holding.is_temporary(path):
            await self._held.removed(removed)

    async def resume(self, rename: Rename) -> RenameStatus:
        """
        Finish a rename that this gateway has taken over.

        Raises:
            GatewayError: It is left PENDING: what took effect cannot be learnt now.
        """
        if rename.rename_id in self._refused:
            await self._log.settle_rename(rename.settled(RenameStatus.FAILED, self._clock.now(), _REFUSED))
            self._refused.remove(rename.rename_id)
            return RenameStatus.FAILED
        outcome: _Outcome
        try:
            outcome = await self._carried_out(rename, fresh=False)
        except GatewayError as error:
            if rename.fence < MOST_OWNERS:
                raise
            outcome = OutcomeUnknown(f"given up after {rename.fence} attempts: {error}")
        return await self._settle(rename, outcome)

    def _forget(self, task: asyncio.Task[None], rename: Rename) -> None:
        self._tasks.discard(task)
        self._under_way.pop(rename.rename_id, None)
        # Whoever waits is told by the task itself. Nobody may wait any more, and then nobody need be told.
        if not task.cancelled():
            task.exception()

    async def _run(self, rename: Rename, acting: ObjectStore | None) -> None:
        try:
            await self._log.intend(rename)
        except GatewayError as error:
            # It may be on record all the same: then it is not carried out behind the client's back.
            self._refused.append(rename.rename_id)
            self._tell(rename, None, error)
            raise
        try:
            outcome = await self._carried_out(rename, fresh=True, acting=acting)
        except Exception as error:
            self._tell(rename, None, error)
            raise
        await self._settle_or_leave(rename, outcome)
        if isinstance(outcome, GatewayError):
            raise outcome

    # --- the outcome ----------------------------------------------------------------------

    async def _settle_or_leave(self, rename: Rename, outcome: _Outcome) -> None:
        """Settle; where that fails the client is told what is true, and the sweep settles it later."""
        refusal = outcome if isinstance(outcome, GatewayError) else None
        try:
            await self._settle(rename, outcome)
        except ChangedMeanwhile as error:
            self._tell(rename, None, error)
            if refusal is not None:
                raise OutcomeUnknown(f"{refusal}; but it was taken over: {error}") from error
        except GatewayError as error:
            self._tell(rename, None, error)
            if refusal is not None:
                self._refused.append(rename.rename_id)

    async def _settle(self, rename: Rename, outcome: _Outcome) -> RenameStatus:
        if isinstance(outcome, GatewayError):
            status, refusal = RenameStatus.FAILED, outcome
        else:
            # Before it is settled: whoever finds it PENDING after a kill does this again.
            if outcome is not None and await self._held.follow(rename, outcome):
                self._on_owed()
            status, refusal = RenameStatus.DONE, None
        error = None if refusal is None else str(refusal)
        await self._log.settle_rename(rename.settled(status, self._clock.now(), error))
        self._tell(rename, status, refusal)
        # What came to be owed after that, and before it was settled.
        if isinstance(outcome, StoredObject) and await self._held.catch_up(rename.log_id):
            self._on_owed()
        if status is RenameStatus.DONE and self._suspects and not rename.is_directory:
            self._suspects.renamed(rename)
        return status

    async def _carried_out(
        self, rename: Rename, *, fresh: bool, acting: ObjectStore | None = None
    ) -> _Outcome:
        """
        Return the copy once everything is done, of a directory None; else the refusal.

        Raises what leaves the outcome open.
        """
        try:
            if rename.is_directory:
                await self._directories.carry_out(rename, fresh=fresh, acting=acting)
                return None
            return await self._files.carry_out(rename, fresh=fresh, acting=acting)
        except _REFUSALS as refusal:
            return refusal

    def _tell(self, rename: Rename, status: RenameStatus | None, error: Exception | None) -> None:
        """The one line a rename leaves in the log."""
        _log.info(
            "rename ended",
            status=status.value if status else "OPEN",
            log_id=rename.log_id,
            user=rename.user_name,
            session=rename.session_id,
            client_ip=rename.client_ip,
            path=rename.path,
            new_path=rename.new_path,
            object=str(rename.target),
            seconds=round((self._clock.now() - rename.started_at).total_seconds(), 3),
            reason=None if error is None else str(error) if isinstance(error, GatewayError) else repr(error),
        )


def _overlap(ours: tuple[Location, Location], theirs: tuple[Location, Location]) -> bool:
    """Tell whether any of two prefixes holds one of two names, or lies in it."""
    return any(
        one.bucket == other.bucket and (other.key.startswith(one.key) or _is_in(one, other))
        for one in ours
        for other in theirs
    )


def _is_in(one: Location, other: Location) -> bool:
    return other.key.endswith("/") and one.key.startswith(other.key)
