"""
Renames of directories: of every object below a prefix, one after another, each by its own recorded rename.

S3 knows no directories, so nothing moves them at once: while it goes on, some files have their new names
and some the old. What is certain is that each has one. The intent of the whole is durable before the first
copy. Whoever finds it PENDING lists what is left under the old name and goes on. Only what was there when the
client asked is renamed, by S3's own times: a file that is sent to the old name afterwards stays there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.core.errors import ChangedMeanwhile, InUse, InvalidName, NotFound, OutcomeUnknown, TooManyFiles
from tidegate.core.homes import utf8_length
from tidegate.core.limits import S3_MAX_KEY_BYTES
from tidegate.core.objects import ListedKey, Location, StoredObject
from tidegate.core.renames import Rename, story_of
from tidegate.core.sessions import Session
from tidegate.ports.objects import NOTHING, ObjectStore
from tidegate.ports.transfer_log import TransferLog
from tidegate.services.moves import DirectoryMove, Move

# Files of one directory on their way at once.
_LANES = 16
# A file that changes under our hands is looked at again so often.
_MOST_ROUNDS = 3
# Records keep milliseconds, and stores may tell more: what was there must not seem to be newer.
_ROUNDED_UP = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class DirectoryRules:
    """
    Which directories clients may rename.

    Args:
        most: How many objects one may hold; 0: none may be renamed.
        is_open_below: Whether anything below a prefix is being uploaded.
    """

    most: int = 0
    is_open_below: Callable[[Location], bool] = lambda _: False


NO_DIRECTORIES = DirectoryRules()


class DirectoryRenames:
    """
    The steps of directories' renames.

    Args:
        rename_file: Renames one file, durably and resumably.
        must_be_ours: Raises `OutcomeUnknown` if another gateway may be carrying out the rename.
    """

    def __init__(
        self,
        store: ObjectStore,
        log: TransferLog,
        rules: DirectoryRules,
        rename_file: Callable[[Session, Move, ObjectStore], Awaitable[None]],
        must_be_ours: Callable[[Rename], Awaitable[None]],
    ) -> None:
        self._store = store
        self._log = log
        self._rules = rules
        self._rename_file = rename_file
        self._must_be_ours = must_be_ours

    async def as_of(self, move: DirectoryMove, acting: ObjectStore | None = None) -> datetime:
        """
        Look at all that would be renamed, and return the moment up to which it was stored.

        Args:
            acting: Lists with the rights of the session; None: with the gateway's own.

        Raises:
            NotFound: Nothing is below the prefix.
            InUse: A file below it is being uploaded here.
            TooManyFiles: There are more objects than the rules allow.
            InvalidName: A new key would be longer than S3 allows.
        """
        if self._rules.is_open_below(move.source):
            raise InUse(f"a file below {move.path} is being uploaded", hint="rename it when that has ended")
        newest: datetime | None = None
        count = 0
        async for listed in self._walk(move.source, store=acting):
            count += 1
            if count > self._rules.most:
                raise TooManyFiles(
                    f"{move.path} holds more than {self._rules.most} files and directories",
                    hint="rename what is in it, or raise behaviour.rename_directories",
                )
            target = move.target.key + listed.key.removeprefix(move.source.key)
            if utf8_length(target) > S3_MAX_KEY_BYTES:
                raise InvalidName(f"the new key of {listed.key} is longer than {S3_MAX_KEY_BYTES} bytes")
            newest = max(newest or listed.modified_at, listed.modified_at)
        if newest is None:
            raise NotFound(f"{move.path} is not there")
        return newest + _ROUNDED_UP

    async def carry_out(self, rename: Rename, *, fresh: bool, acting: ObjectStore | None = None) -> None:
        """
        Rename what is left. Any number of times, from wherever it was left.

        Args:
            acting: Renames each file with the rights of the session; None: with the gateway's own.

        Raises:
            AlreadyExists, AccessDenied, InvalidName: A file was refused; others have their new names.
            ChangedMeanwhile: Files change faster than they are renamed.
            GatewayError: What became of a file is not known, and is to be learnt later.
        """
        # Of files without a story of their own; read once, because there may be a thousand.
        own = () if fresh else (await self._log.story(rename.log_id)).renames
        for _ in range(_MOST_ROUNDS):
            left = [listed.key async for listed in self._walk(rename.source, rename.as_of)]
            if not left:
                return
            for start in range(0, len(left), _LANES):
                await self._must_be_ours(rename)
                some = left[start : start + _LANES]
                await self._move_some(rename, some, None if fresh else own, acting or self._store)
        raise ChangedMeanwhile(f"{rename.source} holds files that are changed all the time")

    async def _move_some(
        self, rename: Rename, keys: Sequence[str], found: tuple[Rename, ...] | None, acting: ObjectStore
    ) -> None:
        """Rename these at once. If one fails, those begun still end."""
        moves = [self._move(rename, key, found, acting) for key in keys]
        for ended in await asyncio.gather(*moves, return_exceptions=True):
            # Replaced or removed meanwhile: the next round sees which.
            if isinstance(ended, BaseException) and not isinstance(ended, ChangedMeanwhile | NotFound):
                raise ended

    async def _move(
        self, rename: Rename, key: str, found: tuple[Rename, ...] | None, acting: ObjectStore
    ) -> None:
        stored = await self._store.head(Location(rename.source.bucket, key))
        if found is not None:
            await self._refuse_if_under_way(stored, found)
        rest = key.removeprefix(rename.source.key)
        move = Move(
            f"{rename.path}/{rest}",
            f"{rename.new_path}/{rest}",
            stored,
            Location(rename.target.bucket, rename.target.key + rest),
            NOTHING if rest else rename.replacing,
            rename.log_id,
        )
        await self._rename_file(_session_of(rename), move, acting)

    async def _refuse_if_under_way(self, stored: StoredObject, found: tuple[Rename, ...]) -> None:
        """Leave a file alone whose own rename is PENDING still: it is swept by itself."""
        log_id = story_of(stored)
        if log_id is not None:
            try:
                found = (await self._log.story(log_id)).renames
            except NotFound:
                return
        if any(each.is_open and each.source == stored.location and not each.is_directory for each in found):
            raise OutcomeUnknown(f"{stored.location} is being renamed: its directory waits for it")

    async def _walk(
        self, prefix: Location, as_of: datetime | None = None, store: ObjectStore | None = None
    ) -> AsyncIterator[ListedKey]:
        """Yield everything below a prefix, its marker included, that was stored by then."""
        prefixes = [prefix.key]
        while prefixes:
            under, token = prefixes.pop(), None
            while True:
                page = await (store or self._store).list_page(prefix.bucket, under, token=token)
                for listed in page.keys:
                    if as_of is None or listed.modified_at <= as_of:
                        yield listed
                prefixes += page.prefixes
                token = page.next_token
                if token is None:
                    break


def _session_of(rename: Rename) -> Session:
    """Return whoever asked for it, as far as a record of a rename tells."""
    return Session(rename.session_id, rename.server_id, rename.user_name, rename.client_ip, "", "")
