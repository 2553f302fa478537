"""
Looking around and tidying up: list, stat, mkdir, rmdir, remove, rename.

S3 has no directories. A directory is there if a key begins with its name and a slash; `mkdir` puts
an empty object of that name, the marker, as S3's own console does.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import structlog

from tidegate.core.errors import (
    AccessDenied,
    AlreadyExists,
    InvalidName,
    NotEmpty,
    NotFound,
    Unsupported,
    WrongKind,
)
from tidegate.core.listing import Entry, NameFilter, directory_entry, entries
from tidegate.core.objects import Location, StoredObject
from tidegate.core.paths import HomeTree, MappedFile, MappedPlace, SyntheticDirectory
from tidegate.core.renames import story_of
from tidegate.core.routes import Routes
from tidegate.core.sessions import Session
from tidegate.ports.objects import NOTHING, ObjectStore
from tidegate.services.mapped_files import files_there
from tidegate.services.moves import DirectoryMove, Move
from tidegate.services.renames import Renames

_log = structlog.get_logger("tidegate.browsing")

_CRC32_OF_NOTHING = base64.b64encode(bytes(4)).decode()


class Browsing:
    """
    What one user may do to names in its home, in one session.

    Args:
        targets_must_exist: A mapping's target without marker or file cannot be listed, as in Transfer Family
            without optimised listings.
    """

    def __init__(
        self,
        tree: HomeTree,
        session: Session,
        store: ObjectStore,
        renames: Renames,
        routes: Routes,
        *,
        targets_must_exist: bool = False,
    ) -> None:
        self._tree = tree
        self._session = session
        self._store = store
        self._renames = renames
        self._routes = routes
        self._targets_must_exist = targets_must_exist

    async def stat(self, path: str) -> Entry:
        """Describe a file or directory, a file by when S3 stored it. Raises `NotFound`."""
        name, stored = path.rsplit("/", 1)[-1], await self.find(path)
        if stored is None:
            return directory_entry(name)
        return Entry(name, is_directory=False, size=stored.size, modified_at=stored.modified_at)

    async def find(self, path: str) -> StoredObject | None:
        """Return the object that a file is; None: a directory is there. Raises `NotFound`."""
        place = self._tree.resolve(path)
        if isinstance(place, SyntheticDirectory) or place.is_root_of_mapping:
            return None
        if isinstance(place, MappedPlace) and await self._is_seen_directory(place):
            return None
        return await self._store.head(place.location)

    async def list(self, path: str) -> AsyncIterator[Entry]:
        """Yield the entries of a directory page by page, each name once. Raises `NotFound`, `WrongKind`."""
        place = self._tree.resolve(path)
        if isinstance(place, MappedFile):
            raise await self._no_directory(place)
        # Entries of mappings are what the home says, whatever the bucket holds under their names.
        for name in place.children:
            yield directory_entry(name)
        async for entry in files_there(self._store, place.files):
            yield entry
        if isinstance(place, MappedPlace):
            own = {*place.children, *(file.name for file in place.files)}
            async for entry in self._stored(place):
                if entry.name not in own:
                    yield entry

    async def _stored(self, place: MappedPlace) -> AsyncIterator[Entry]:
        bucket, prefix = place.directory_prefix()
        is_there = place.is_root_of_mapping and not (self._targets_must_exist and prefix)
        shown, token, seen = NameFilter(), None, False
        while True:
            page = await self._store.list_page(bucket, prefix, token=token)
            seen = seen or bool(page.keys or page.prefixes)
            if not seen and not page.next_token and not is_there:
                raise await self._no_directory(place)
            for entry in shown.page(entries(page, prefix)):
                yield entry
            token = page.next_token
            if token is None:
                break
        for entry in shown.rest():
            yield entry

    async def make_directory(self, path: str) -> None:
        """Put the marker of a new directory. Raises `AlreadyExists`."""
        place = self._writable(path)
        bucket, prefix = place.directory_prefix()
        if await self._exists(place):
            raise AlreadyExists(f"{path} exists")
        marker = self._routes.of(self._session.user_name, path).storage.new(Location(bucket, prefix), {})
        await self._store.put(marker, b"", _CRC32_OF_NOTHING)
        self._tell("directory made", path)

    async def remove_directory(self, path: str) -> None:
        """Remove an empty directory. Raises `NotFound`, `NotEmpty`, `WrongKind`."""
        place = self._writable(path)
        bucket, prefix = place.directory_prefix()
        page = await self._store.list_page(bucket, prefix, limit=2)
        if not page.keys and not page.prefixes:
            raise await self._no_directory(place)
        if page.prefixes or any(listed.key != prefix for listed in page.keys):
            raise NotEmpty(f"{path} holds entries")
        if any(listed.size for listed in page.keys):
            # Some tool put content under the directory's own key, which no path leads to.
            raise NotEmpty(f"{path} has a marker that is not empty, s3://{bucket}/{prefix}")
        await self._store.delete(Location(bucket, prefix))
        self._tell("directory removed", path)

    async def remove(self, path: str) -> None:
        """Remove a file. Raises `NotFound`, `WrongKind`."""
        place = self._writable(path)
        stored = await self._file_at(place)
        await self._store.delete(place.file_location())
        await self._renames.never_to_come(path, stored)
        self._tell("file removed", path, log_id=story_of(stored), object=str(stored.location))

    async def rename(self, old: str, new: str, *, overwrite: bool) -> None:
        """
        Move a file, or a directory; see `Renames.rename` for what is certain when.

        Raises:
            AlreadyExists: Something is at `new` and `overwrite` is false; or it is a directory.
            NotEmpty: Both are directories, `overwrite` is true, and `new` holds entries.
            Unsupported: `old` is a directory, and those are not renamed here, or not across mappings.
            InvalidName: `old` is a directory, and `new` lies in it.
            NotFound: Nothing is at `old`.
        """
        source, target = self._writable(old), self._writable(new)
        if await self._is_directory(source):
            await self._rename_directory(source, target, overwrite=overwrite)
            return
        stored = await self._store.head(source.file_location())
        if source.location == target.location:
            return
        if await self._is_directory(target) or (not overwrite and await self._exists(target)):
            raise AlreadyExists(f"{new} exists")
        replacing = await self._current_etag(target) if overwrite else NOTHING
        move = Move(old, new, stored, target.file_location(), replacing)
        await self._renames.rename(self._session, move, self._store)

    async def _rename_directory(self, source: MappedPlace, target: MappedPlace, *, overwrite: bool) -> None:
        if not self._renames.takes_directories:
            raise Unsupported(f"{source.path} is a directory: only files can be renamed")
        if source.path == target.path:
            return
        if not self._tree.is_one_mapping(source.path, target.path):
            raise Unsupported(f"{source.path} and {target.path} are in different mappings of the home")
        if target.path.startswith(f"{source.path}/"):
            raise InvalidName(f"{target.path} lies in {source.path}: a directory cannot be moved into itself")
        bucket, prefix = source.directory_prefix()
        new = Location(*target.directory_prefix())
        replacing = await self._empty_marker(target, overwrite=overwrite)
        move = DirectoryMove(source.path, target.path, Location(bucket, prefix), new, replacing)
        await self._renames.rename_directory(self._session, move, self._store)

    async def _empty_marker(self, target: MappedPlace, *, overwrite: bool) -> str:
        """Return the ETag of the empty directory that may be replaced, as POSIX has it; else `NOTHING`."""
        if not await self._exists(target):
            return NOTHING
        if not overwrite or not await self._is_directory(target):
            raise AlreadyExists(f"{target.path} exists")
        bucket, prefix = target.directory_prefix()
        page = await self._store.list_page(bucket, prefix, limit=2)
        if page.prefixes or any(listed.key != prefix or listed.size for listed in page.keys):
            raise NotEmpty(f"{target.path} holds entries")
        return (await self._store.head(Location(bucket, prefix))).etag

    def _tell(self, event: str, path: str, **facts: object) -> None:
        """The one line a change of names leaves in the log."""
        who = self._session
        _log.info(
            event,
            user=who.user_name,
            session=who.session_id,
            client_ip=who.client_ip,
            path=path,
            **facts,
        )

    async def _current_etag(self, place: MappedPlace) -> str:
        try:
            return (await self._store.head(place.file_location())).etag
        except NotFound:
            return NOTHING

    def _writable(self, path: str) -> MappedPlace:
        place = self._tree.resolve(path)
        place.file_location()  # refuses synthetic directories and the roots of mappings
        if isinstance(place, MappedFile):
            raise AccessDenied(
                f"{path} is an entry of the home, of type FILE",
                hint="it can be read and written, but not removed, renamed or replaced by renaming",
            )
        if not isinstance(place, MappedPlace):
            raise WrongKind(f"{path} is a synthetic directory")
        return place

    async def _file_at(self, place: MappedPlace) -> StoredObject:
        try:
            return await self._store.head(place.file_location())
        except NotFound:
            if await self._is_directory(place):
                raise WrongKind(f"{place.path} is a directory") from None
            raise

    async def _no_directory(self, place: MappedPlace | MappedFile) -> NotFound | WrongKind:
        """Return the error for a directory that is not there: perhaps it is a file."""
        try:
            await self._store.head(place.location)
        except NotFound:
            return NotFound(f"{place.path} is not there")
        return WrongKind(f"{place.path} is a file")

    async def _exists(self, place: MappedPlace) -> bool:
        if await self._is_directory(place):
            return True
        try:
            await self._store.head(place.location)
        except NotFound:
            return False
        return True

    async def _is_seen_directory(self, place: MappedPlace) -> bool:
        """Tell the same to whoever may read files, and may not list: what it may not see is no directory."""
        try:
            return await self._is_directory(place)
        except AccessDenied:
            return False

    async def _is_directory(self, place: MappedPlace) -> bool:
        """Whether any key lies under the place: then it is a directory, even beside a file of that name."""
        try:
            bucket, prefix = place.directory_prefix()
        except NotFound:
            return False  # a file's key may be one byte longer than any directory's
        page = await self._store.list_page(bucket, prefix, limit=1)
        return bool(page.keys or page.prefixes)
