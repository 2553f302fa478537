"""
Finding and reading sidecars.

Partners write them, so what is read of them is bounded: each by its size, and all of a gateway by the number
that is read at the same time. They are taken apart in another thread, as a large one takes a tenth of a
second. A manifest is asked for each file that waits for it, so what the last ones say is remembered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.core.acceptance import beside, name_of
from tidegate.core.errors import ChangedMeanwhile, NotFound
from tidegate.core.limits import MIB
from tidegate.core.objects import META_OUTCOME, ListedKey, Location, StoredObject
from tidegate.core.sidecars import Found, Sidecar, SidecarKind, digest_for, digests_by_name, read_text
from tidegate.ports.objects import ObjectStore

# What nobody writes by hand is not a sidecar; a manifest of so many bytes names some ten thousand files.
MOST_BYTES = MIB
# So many are read at once. Each takes up to 8 MiB: its bytes, its text and the lines of that.
_AT_ONCE = 4
# Of the manifests in a directory, the newest of those that are listed within so many pages.
_MOST_PAGES = 10
_MOST_MANIFESTS = 10
# What a manifest names beyond these is found by the sweep, as each of them waits.
_MOST_NAMES = 1000
# What is remembered of manifests: some 15 MiB. Junk names nothing, and takes next to nothing.
_MOST_REMEMBERED = 100
_MOST_REMEMBERED_NAMES = 50_000


class _Remembered:
    """What the last manifests say, by version and ETag: another one is another manifest."""

    def __init__(self) -> None:
        self._said: dict[tuple[Location, str | None, str], Mapping[str, str]] = {}
        self._names = 0

    def of(self, there: StoredObject) -> Mapping[str, str] | None:
        return self._said.get((there.location, there.version_id, there.etag))

    def keep(self, there: StoredObject, said: Mapping[str, str]) -> None:
        key = (there.location, there.version_id, there.etag)
        self._names += len(said) - len(self._said.pop(key, ()))
        self._said[key] = said
        while len(self._said) > _MOST_REMEMBERED or self._names > _MOST_REMEMBERED_NAMES:
            self._names -= len(self._said.pop(next(iter(self._said))))


@dataclass(frozen=True, slots=True)
class Sidecars:
    """The sidecars of one store, for one gateway."""

    store: ObjectStore
    _remembered: _Remembered = field(default_factory=_Remembered)
    _reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def of(self, sidecar: Sidecar, file: Location) -> tuple[Found, StoredObject] | None:
        """Return what is there for a file, and the object it is; None if there is nothing."""
        try:
            if sidecar.kind is SidecarKind.MANIFEST:
                return await self._manifest(sidecar, file)
            there = await self.store.head(_beside(file, sidecar.of(name_of(file.key))))
            if there.metadata.get(META_OUTCOME) == "partial":
                return None  # half a sidecar says nothing
            if sidecar.kind is SidecarKind.PRESENCE:
                return Found(name_of(there.location.key)), there
            return await self._read(sidecar, there, file), there
        except (NotFound, ChangedMeanwhile):
            return None  # not there, or not there any more

    async def files_of(self, sidecar: Sidecar, location: Location) -> list[Location]:
        """Return where the files are that a sidecar speaks of, whether or not they have come."""
        if sidecar.kind is not SidecarKind.MANIFEST:
            return [_beside(location, name_of(location.key).removesuffix(sidecar.name))]
        there = await self.store.head(location)
        if there.size > MOST_BYTES:
            return []
        names = list(await self._said_by(there))[:_MOST_NAMES]
        return [_beside(location, name) for name in names]

    async def _manifest(self, sidecar: Sidecar, file: Location) -> tuple[Found, StoredObject] | None:
        """Return the newest manifest that names the file."""
        for listed in await self._manifests(sidecar, file):
            there = await self.store.head(Location(file.bucket, listed.key))
            if there.metadata.get(META_OUTCOME) == "partial":
                continue
            found = await self._read(sidecar, there, file)
            if found.digest:
                return found, there
        return None

    async def _manifests(self, sidecar: Sidecar, file: Location) -> list[ListedKey]:
        here = _beside(file, sidecar.fixed)
        found: list[ListedKey] = []
        token: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self.store.list_page(here.bucket, here.key, token=token)
            found += [each for each in page.keys if sidecar.is_name(name_of(each.key))]
            token = page.next_token
            if token is None:
                break
        return sorted(found, key=lambda each: each.modified_at, reverse=True)[:_MOST_MANIFESTS]

    async def _read(self, sidecar: Sidecar, there: StoredObject, file: Location) -> Found:
        name = name_of(there.location.key)
        if there.size > MOST_BYTES:
            return Found(name, problem="is too large to be one")
        if sidecar.kind is SidecarKind.MANIFEST:
            digest = (await self._said_by(there)).get(name_of(file.key))
        else:
            async with self._reading:
                body = await self.store.read(there, 0, there.size)
                digest = await asyncio.to_thread(_digest_in, body, sidecar.kind, name_of(file.key))
        return Found(name, digest, problem=None if digest else "has no SHA-256 for it")

    async def _said_by(self, manifest: StoredObject) -> Mapping[str, str]:
        """Return the digests in a manifest, by name."""
        said = self._remembered.of(manifest)
        if said is None:
            async with self._reading:
                body = await self.store.read(manifest, 0, manifest.size)
                said = await asyncio.to_thread(_digests_in, body)
            self._remembered.keep(manifest, said)
        return said


def _digest_in(body: bytes, kind: SidecarKind, name: str) -> str | None:
    return digest_for(kind, name, read_text(body))


def _digests_in(body: bytes) -> dict[str, str]:
    return digests_by_name(read_text(body))


def _beside(location: Location, name: str) -> Location:
    return Location(location.bucket, beside(location.key, name))
