"""
Renames: intended on record, carried out on S3, settled.

S3 has no rename. So it is a copy under the new name, and then the removal of the old one; and before the
first of them the intent is durable, so that whoever finds it PENDING can finish it. Every step asks what
is there before it acts, and may be repeated:

    copy    unless a version at the target carries this rename's id; only from the very version that was
            renamed, while it is current, and only onto what was there when the client asked
    remove  only while the current version still is the one that was renamed; and, where an earlier
            gateway had copied, only while that copy still stands, or was renamed on
    look    beneath the delete marker: an upload that landed between the last look and the removal was
            hidden by it, and is brought back
    follow  what the file owes and was HELD for its temporary name is owed under the new one

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

from tidegate.core.attributes import with_mtime
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
from tidegate.core.objects import Location, Storage, StoredObject
from tidegate.core.renames import Rename, RenameStatus, metadata_of_copy, metadata_of_restored, story_of
from tidegate.core.routes import Routes
from tidegate.core.sessions import Session
from tidegate.ports.objects import NOTHING
from tidegate.ports.renames import RenameLog
from tidegate.services.directory_renames import NO_DIRECTORIES, DirectoryRenames, DirectoryRules
from tidegate.services.held import Held
from tidegate.services.intake import Backends
from tidegate.services.kept_times import kept_time
from tidegate.services.moves import DirectoryMove, Move
from tidegate.services.versions import find_copy_of_rename, hidden_above, is_overtaken

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
        self._store = backends.store
        self._stories = backends.log
        self._held = held
        self._holding = holding
        self._on_owed = on_owed
        self._suspects = backends.suspects
        self._log = log
        self._clock = backends.clock
        self._gateway_id = backends.gateway_id
        self._is_fresh = backends.is_fresh
        self._routes = routes
        self._under_way: dict[str, Rename] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: deque[str] = deque(maxlen=_REMEMBERED)
        self._directories = DirectoryRenames(
            self._store, self._stories, directories, self.rename, self._must_be_ours
        )
        self.takes_directories = directories.most > 0

    def is_under_way(self, rename_id: str) -> bool:
        return rename_id in self._under_way

    async def ended(self) -> None:
        """Return when all renames so far have ended, those of clients that went away included."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def rename(self, session: Session, move: Move) -> None:
        """
        Move the file. Its intent is durable before anything in S3 changes.

        It goes on if the caller is cancelled: a client that hangs up has asked for it all the same.

        Raises:
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
        await self._to_its_end(rename)

    async def rename_directory(self, session: Session, move: DirectoryMove) -> None:
        """
        Move everything below a directory; otherwise as `rename`.

        Raises:
            InUse, TooManyFiles, InvalidName: As `DirectoryRenames.as_of`; nothing was changed.
            AlreadyExists, AccessDenied, ChangedMeanwhile: Of one of the files: it and others have their old
                names, the rest have the new ones.
        """
        ours = (move.source, move.target)
        if any(_overlap(ours, (each.source, each.target)) for each in self._under_way.values()):
            raise ChangedMeanwhile(
                f"something in {move.path} or {move.new_path} is being renamed at this moment"
            )
        as_of = await self._directories.as_of(move)
        # No object of S3, so neither version nor ETag.
        rename = self._begun(session, move, StoredObject(move.source, 0, "", None))
        await self._to_its_end(replace(rename, as_of=as_of))

    def _begun(self, session: Session, move: Move | DirectoryMove, stored: StoredObject) -> Rename:
        paths, now = (move.path, move.new_path), self._clock.now()
        return Rename.begun(session, paths, stored, move.target, move.replacing, self._gateway_id, now)

    async def _to_its_end(self, rename: Rename) -> None:
        """Carry it out, whether or not the caller stays to see it."""
        self._under_way[rename.rename_id] = rename
        task = asyncio.create_task(self._run(rename))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._forget(done, rename))
        await asyncio.shield(task)

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

    async def _run(self, rename: Rename) -> None:
        try:
            await self._log.intend(rename)
        except GatewayError as error:
            # It may be on record all the same: then it is not carried out behind the client's back.
            self._refused.append(rename.rename_id)
            self._tell(rename, None, error)
            raise
        try:
            outcome = await self._carried_out(rename, fresh=True)
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
        if status is RenameStatus.DONE and self._suspects and not rename.is_directory:
            self._suspects.renamed(rename)
        return status

    async def _carried_out(self, rename: Rename, *, fresh: bool) -> _Outcome:
        """
        Return the copy once everything is done, of a directory None; else the refusal.

        Raises what leaves the outcome open.
        """
        try:
            if rename.is_directory:
                await self._directories.carry_out(rename, fresh=fresh)
                return None
            return await self._carry_out(rename, fresh=fresh)
        except _REFUSALS as refusal:
            return refusal

    async def _carry_out(self, rename: Rename, *, fresh: bool) -> StoredObject:
        """Do what is left to do. Any number of times, from wherever it was left."""
        copy = None if fresh else await find_copy_of_rename(self._store, rename)
        if copy is None:
            copy = await self._copy(rename)
        elif await self._is_current(rename) and await self._has_gone(copy):
            # Whoever saw both names and removed or replaced the new one has kept this one.
            raise ChangedMeanwhile(
                f"{rename.target} was changed after the copy: {rename.source} is kept under its old name"
            )
        try:
            await self._remove_original(rename, copy)
        except AccessDenied as error:
            raise AccessDenied(
                f"copied to {rename.target}, and {rename.source} could not be removed: {error.detail}",
                hint=error.hint,
            ) from error
        return copy

    # --- the steps ------------------------------------------------------------------------

    async def _copy(self, rename: Rename) -> StoredObject:
        await self._must_be_ours(rename)  # or what is seen may be another's doing
        source = await self._store.head(rename.source)
        if not rename.is_of(source):
            raise ChangedMeanwhile(f"{rename.source} was replaced meanwhile: not renamed")
        # Tags stay behind where the new name has its own: a time among them goes along.
        metadata = with_mtime(metadata_of_copy(source, rename), await kept_time(self._store, source))
        new = self._storage(rename, source).new(rename.target, metadata)
        await self._must_be_ours(rename)
        try:
            return await self._store.copy(source, new, replacing=rename.replacing)
        except (ChangedMeanwhile, NotFound) as error:
            # A copy whose answer was lost is sent again, and then stands in its own way.
            copy = await find_copy_of_rename(self._store, rename)
            if copy is None:
                raise await self._why_not(rename, error) from error
            return copy

    def _storage(self, rename: Rename, source: StoredObject) -> Storage:
        """Return how the copy is kept: as its source is, unless another route leads to the new name."""
        old = self._routes.of(rename.user_name, rename.path)
        new = self._routes.of(rename.user_name, rename.new_path)
        return new.storage.as_of(source) if new == old else new.storage

    async def _why_not(self, rename: Rename, error: GatewayError) -> GatewayError:
        """Return what to tell of a copy that was refused: which of the two names had changed."""
        if not await self._is_current(rename):
            return error
        if rename.replacing == NOTHING:
            return AlreadyExists(f"{rename.target} exists by now: {error.detail}")
        return ChangedMeanwhile(f"{rename.target} was changed meanwhile: {error.detail}")

    async def _is_current(self, rename: Rename) -> bool:
        try:
            return rename.is_of(await self._store.head(rename.source))
        except NotFound:
            return False

    async def _has_gone(self, copy: StoredObject) -> bool:
        """Tell whether a copy was removed or replaced; one that was renamed on lives under another name."""
        return await is_overtaken(self._store, copy) and not await self._was_renamed(copy)

    async def _remove_original(self, rename: Rename, copy: StoredObject) -> None:
        if await self._is_current(rename):
            await self._must_be_ours(rename)
            await self._store.delete(rename.source)
        # What is renamed may be older than its bucket's versioning; what it was copied to is not.
        if (rename.version_id or copy.version_id) is not None:
            await self._bring_back(rename)

    async def _bring_back(self, rename: Rename) -> None:
        """Copy an upload that our delete marker hides onto its key again."""
        hidden = await hidden_above(self._store, rename.source, rename.version_id)
        if hidden is None or await self._was_renamed(hidden):
            return
        kept = self._routes.of(rename.user_name, rename.path).storage.as_of(hidden)
        new = kept.new(rename.source, metadata_of_restored(hidden))
        await self._must_be_ours(rename)
        try:
            await self._store.copy(hidden, new, replacing=NOTHING)
        except (ChangedMeanwhile, NotFound):
            return  # something newer stands there by now, or the hidden version is gone for good
        _log.warning("upload brought back", log_id=rename.log_id, object=str(rename.source))

    async def _was_renamed(self, hidden: StoredObject) -> bool:
        """Tell whether that version went away by a rename of its own, and not by ours."""
        story = story_of(hidden)
        if story is None:
            return False
        try:
            renames = (await self._stories.story(story)).renames
        except NotFound:
            return False
        return any(each.is_of(hidden) and each.status is not RenameStatus.FAILED for each in renames)

    async def _must_be_ours(self, rename: Rename) -> None:
        """Refuse to write to S3 what another gateway may be finishing: this one was silent for a lease."""
        if self._is_fresh():
            return
        renames = (await self._stories.story(rename.log_id)).renames
        if not any(each.rename_id == rename.rename_id and each.owner == rename.owner for each in renames):
            raise OutcomeUnknown(f"{rename.rename_id} was taken over while this gateway was silent")

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
