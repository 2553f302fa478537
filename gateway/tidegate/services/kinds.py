"""
Sees to it that a name is a file or a directory, and not both.

S3 has no objection to the keys `a` and `a/b`. A client cannot be shown both: the directory is shown, and the
file is there unseen. Who makes the second of the two is refused, if the behaviour says so. It is looked for
when a name is made: of two clients that make both at the same moment neither is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from tidegate.core.errors import NotFound, WrongKind
from tidegate.core.paths import HomeTree, MappedPlace
from tidegate.ports.objects import ObjectReader

# A path may have hundreds of directories, each a call. What lies above these is not asked.
_PARENTS_ASKED = 16


class Kinds:
    """
    What may be made under the names of one home.

    Args:
        one_kind: False: anything may be made beside anything, as in S3.
    """

    def __init__(self, tree: HomeTree, store: ObjectReader, *, one_kind: bool) -> None:
        self._tree = tree
        self._store = store
        self._one_kind = one_kind

    async def check_new_file(self, path: str) -> None:
        """Raise `WrongKind` if a directory has this name, or a file has a name above it."""
        place = self._tree.resolve(path)
        if self._one_kind and isinstance(place, MappedPlace):
            await self._check(place, *self._above(path))

    async def check_above(self, path: str) -> None:
        """Raise `WrongKind` if a file has a name above this one."""
        if self._one_kind:
            await self._check(None, *self._above(path))

    def _above(self, path: str) -> Iterator[MappedPlace]:
        """Yield the directories that the path lies in, the nearest first, as far as files could be there."""
        for _ in range(_PARENTS_ASKED):
            path = path.rpartition("/")[0] or "/"
            place = self._tree.resolve(path)
            if not isinstance(place, MappedPlace) or place.is_root_of_mapping:
                return
            yield place

    async def _check(self, new: MappedPlace | None, *above: MappedPlace) -> None:
        looks = [self._refuse_file(place) for place in above]
        if new is not None:
            looks.append(self._refuse_directory(new))
        # All are awaited: none is left running behind the answer.
        for found in await asyncio.gather(*looks, return_exceptions=True):
            if found is not None:
                raise found

    async def _refuse_directory(self, place: MappedPlace) -> None:
        try:
            bucket, prefix = place.directory_prefix()
        except NotFound:
            return  # too long to be one
        page = await self._store.list_page(bucket, prefix, limit=1)
        if page.keys or page.prefixes:
            raise WrongKind(
                f"{place.path} is a directory: there are keys below {prefix}",
                hint="give the file another name, or remove the directory",
            )

    async def _refuse_file(self, place: MappedPlace) -> None:
        try:
            stored = await self._store.head(place.location)
        except NotFound:
            return
        raise WrongKind(
            f"{place.path} is a file, {stored.location}: nothing can be made below it",
            hint="give the directory another name, or remove the file",
        )
