"""
Renames of files: a copy under the new name, and then the removal of the old one.

S3 has no rename. Every step asks what is there before it acts, and may be repeated:

    copy    unless a version at the target carries this rename's id; only from the very version that was
            renamed, while it is current and no other rename takes it elsewhere, and only onto what was
            there when the client asked
    remove  only while the current version still is the one that was renamed; and, where an earlier
            gateway had copied, only while that copy still stands, or was renamed on
    look    beneath the delete marker: an upload that landed between the last look and the removal was
            hidden by it, and is brought back
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from tidegate.core.attributes import with_mtime
from tidegate.core.errors import (
    AccessDenied,
    AlreadyExists,
    ChangedMeanwhile,
    GatewayError,
    NotFound,
    OutcomeUnknown,
)
from tidegate.core.objects import Storage, StoredObject
from tidegate.core.renames import Rename, RenameStatus, metadata_of_copy, metadata_of_restored, story_of
from tidegate.core.routes import Routes
from tidegate.ports.objects import NOTHING, ObjectStore
from tidegate.ports.transfer_log import TransferLog
from tidegate.services.kept_times import kept_time
from tidegate.services.versions import find_copy_of_rename, hidden_above, is_overtaken

_log = structlog.get_logger("tidegate.renames")


class FileRenames:
    """
    The steps of files' renames.

    Args:
        is_fresh: Whether nobody can have declared this gateway dead.
    """

    def __init__(
        self, store: ObjectStore, log: TransferLog, routes: Routes, is_fresh: Callable[[], bool]
    ) -> None:
        self._store = store
        self._log = log
        self._routes = routes
        self._is_fresh = is_fresh

    async def carry_out(
        self, rename: Rename, *, fresh: bool, acting: ObjectStore | None = None
    ) -> StoredObject:
        """
        Do what is left to do, and return the copy. Any number of times, from wherever it was left.

        Args:
            acting: Copies and removes with the rights of the session; None: with the gateway's own.

        Raises:
            AccessDenied, AlreadyExists, ChangedMeanwhile, InvalidName, NotFound: It is refused, and nothing
                more will take effect.
            GatewayError: What took effect is not known.
        """
        copy = None if fresh else await find_copy_of_rename(self._store, rename)
        if copy is None:
            copy = await self._copy(rename, acting or self._store)
        elif await self._is_current(rename) and await self._has_gone(copy):
            # Whoever saw both names and removed or replaced the new one has kept this one.
            raise ChangedMeanwhile(
                f"{rename.target} was changed after the copy: {rename.source} is kept under its old name"
            )
        try:
            await self._remove_original(rename, copy, acting or self._store)
        except AccessDenied as error:
            raise AccessDenied(
                f"copied to {rename.target}, and {rename.source} could not be removed: {error.detail}",
                hint=error.hint,
            ) from error
        return copy

    async def _copy(self, rename: Rename, acting: ObjectStore) -> StoredObject:
        await self.must_be_ours(rename)  # or what is seen may be another's doing
        source = await self._source(rename)
        # Of a file without a story of its own nobody else can know.
        if story_of(source) == rename.log_id:
            await self._must_be_alone(rename)
            source = await self._source(rename)  # whoever was faster may have ended by now
        # Tags stay behind where the new name has its own: a time among them goes along.
        metadata = with_mtime(metadata_of_copy(source, rename), await kept_time(self._store, source))
        new = self.storage_of(rename, source).new(rename.target, metadata)
        await self.must_be_ours(rename)
        try:
            return await acting.copy(source, new, replacing=rename.replacing)
        except (ChangedMeanwhile, NotFound) as error:
            # A copy whose answer was lost is sent again, and then stands in its own way.
            copy = await find_copy_of_rename(self._store, rename)
            if copy is None:
                raise await self._why_not(rename, error) from error
            return copy

    async def _source(self, rename: Rename) -> StoredObject:
        source = await self._store.head(rename.source)
        if not rename.is_of(source):
            raise ChangedMeanwhile(f"{rename.source} was replaced meanwhile: not renamed")
        return source

    async def _must_be_alone(self, rename: Rename) -> None:
        """
        Refuse what another rename is taking somewhere else: both would copy it, and it would have two names.

        Our intent is on record by now: of two at once at least one sees the other here.
        """
        for each in (await self._log.story(rename.log_id)).renames:
            is_same = (each.source, each.version_id) == (rename.source, rename.version_id)
            if each.is_open and is_same and each.target != rename.target:
                raise ChangedMeanwhile(f"{rename.source} is being renamed to {each.target} at this moment")

    def storage_of(self, rename: Rename, source: StoredObject) -> Storage:
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

    async def _remove_original(self, rename: Rename, copy: StoredObject, acting: ObjectStore) -> None:
        if await self._is_current(rename):
            await self.must_be_ours(rename)
            await acting.delete(rename.source)
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
        await self.must_be_ours(rename)
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
            renames = (await self._log.story(story)).renames
        except NotFound:
            return False
        return any(each.is_of(hidden) and each.status is not RenameStatus.FAILED for each in renames)

    async def must_be_ours(self, rename: Rename) -> None:
        """Refuse to write to S3 what another gateway may be finishing: this one was silent for a lease."""
        if self._is_fresh():
            return
        renames = (await self._log.story(rename.log_id)).renames
        if not any(each.rename_id == rename.rename_id and each.owner == rename.owner for each in renames):
            raise OutcomeUnknown(f"{rename.rename_id} was taken over while this gateway was silent")
