"""
Looking around and tidying up: list, stat, mkdir, rmdir, remove, rename.

S3 has no directories. A directory is there if a key begins with its name and a slash; `mkdir` puts
an empty object of that name, the marker, as S3's own console does.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

from tidegate.core.errors import AlreadyExists, NotEmpty, NotFound, Unsupported, WrongKind
from tidegate.core.listing import Entry, NameFilter, entries
from tidegate.core.objects import META_TRANSFER_ID, Location, NewObject, StoredObject
from tidegate.core.paths import HomeTree, MappedPlace, SyntheticDirectory
from tidegate.ports.objects import ObjectStore

_CRC32_OF_NOTHING = base64.b64encode(bytes(4)).decode()


class Browsing:
    """What one user may do to names in its home."""

    def __init__(self, tree: HomeTree, store: ObjectStore, kms_key_id: str | None) -> None:
        self._tree = tree
        self._store = store
        self._kms_key_id = kms_key_id

    async def stat(self, path: str) -> Entry:
        """Describe a file or directory. Raises `NotFound`."""
        place = self._tree.resolve(path)
        name = path.rsplit("/", 1)[-1]
        if isinstance(place, SyntheticDirectory) or place.is_root_of_mapping:
            return _directory(name)
        if await self._is_directory(place):
            return _directory(name)
        stored = await self._store.head(place.location)
        return Entry(name, is_directory=False, size=stored.size, modified_at=stored.modified_at)

    async def list(self, path: str) -> AsyncIterator[Entry]:
        """Yield the entries of a directory page by page, each name once. Raises `NotFound`, `WrongKind`."""
        place = self._tree.resolve(path)
        if isinstance(place, SyntheticDirectory):
            for name in place.children:
                yield _directory(name)
            return
        bucket, prefix = place.directory_prefix()
        shown, token, seen = NameFilter(), None, False
        while True:
            page = await self._store.list_page(bucket, prefix, token=token)
            seen = seen or bool(page.keys or page.prefixes)
            if not seen and not page.next_token and not place.is_root_of_mapping:
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
        marker = NewObject(Location(bucket, prefix), self._kms_key_id, {})
        await self._store.put(marker, b"", _CRC32_OF_NOTHING)

    async def remove_directory(self, path: str) -> None:
        """Remove an empty directory. Raises `NotFound`, `NotEmpty`, `WrongKind`."""
        place = self._writable(path)
        bucket, prefix = place.directory_prefix()
        page = await self._store.list_page(bucket, prefix, limit=2)
        if not page.keys and not page.prefixes:
            raise await self._no_directory(place)
        if page.prefixes or any(listed.key != prefix for listed in page.keys):
            raise NotEmpty(f"{path} holds entries")
        await self._store.delete(Location(bucket, prefix))

    async def remove(self, path: str) -> None:
        """Remove a file. Raises `NotFound`, `WrongKind`."""
        place = self._writable(path)
        await self._file_at(place)
        await self._store.delete(place.file_location())

    async def rename(self, old: str, new: str, *, overwrite: bool) -> None:
        """
        Move one file by copying it and deleting the original.

        Raises:
            AlreadyExists: Something is at `new` and `overwrite` is false; or it is a directory.
            Unsupported: `old` is a directory.
            NotFound: Nothing is at `old`.
        """
        source, target = self._writable(old), self._writable(new)
        if await self._is_directory(source):
            raise Unsupported(f"{old} is a directory: only files can be renamed")
        stored = await self._store.head(source.file_location())
        if source.location == target.location:
            return
        if await self._is_directory(target) or (not overwrite and await self._exists(target)):
            raise AlreadyExists(f"{new} exists")
        # The copy is not what the upload landed: without the transfer id nothing takes it for that.
        metadata = {name: value for name, value in stored.metadata.items() if name != META_TRANSFER_ID}
        kms_key_id = stored.kms_key_id or self._kms_key_id
        await self._store.copy(stored, NewObject(target.file_location(), kms_key_id, metadata))
        await self._store.delete(source.location)

    def _writable(self, path: str) -> MappedPlace:
        place = self._tree.resolve(path)
        place.file_location()  # refuses synthetic directories and the roots of mappings
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

    async def _no_directory(self, place: MappedPlace) -> NotFound | WrongKind:
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

    async def _is_directory(self, place: MappedPlace) -> bool:
        """Whether any key lies under the place: then it is a directory, even beside a file of that name."""
        try:
            bucket, prefix = place.directory_prefix()
        except NotFound:
            return False  # a file's key may be one byte longer than any directory's
        page = await self._store.list_page(bucket, prefix, limit=1)
        return bool(page.keys or page.prefixes)


def _directory(name: str) -> Entry:
    return Entry(name, is_directory=True, size=0, modified_at=None)
