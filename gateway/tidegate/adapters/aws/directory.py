"""
The directory of users and keys in DynamoDB.

What a user's rows are, and which rows mean nothing, is told in `directory_items`. Every write here is
safe to be cut short: a user is there from the moment its row is, and has another home from the moment
its row names it. Chunks are written before that and cleared away after it.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tidegate.adapters.aws.directory_items import (
    NameRows,
    key_entry,
    key_item,
    members_of,
    name_in,
    new_generation,
    range_of,
    range_of_users,
    stored_home,
    user_entry,
    user_item,
)
from tidegate.adapters.aws.directory_table import ABSENT
from tidegate.adapters.aws.items import Item
from tidegate.adapters.aws.server_directory import TRIES, DynamoServerDirectory
from tidegate.core.errors import AlreadyExists, ChangedMeanwhile, NotFound, StoreUnavailable
from tidegate.core.ids import KeyId
from tidegate.core.users import Home, SshPublicKey, User

# No write is under way for so long, whatever the clocks of two machines say.
_LEFT_OVER_AFTER = timedelta(days=1)


class DynamoUserDirectory(DynamoServerDirectory):
    """The port `UserDirectory` over the directory table."""

    # --- users ------------------------------------------------------------------------------

    async def user(self, server_id: str, user_name: str) -> User:
        for _ in range(TRIES):
            found = await self._under(server_id, user_name)
            with suppress(ChangedMeanwhile):
                user = found.user()
                if user is None:
                    raise _no_user(user_name)
                return user
        raise StoreUnavailable(
            f"the home of {user_name} is stored in part only",
            hint="set the home of this partner again",
        )

    async def users(self, server_id: str, after: str = "") -> AsyncIterator[User]:
        async for found in self._by_name(server_id, after):
            user = await self._whole(server_id, found)
            if user is not None:
                yield user

    async def add_user(self, user: User) -> None:
        if len({key.key_id for key in user.keys}) < len(user.keys):
            raise AlreadyExists(f"partner {user.user_name} is given one key twice")
        generation, at = new_generation(), _now()
        home = stored_home(user.server_id, user.user_name, generation, user.home, at)
        keys = [key_item(user.server_id, user.user_name, key, generation, at) for key in user.keys]
        for chunk in home.chunks:
            await self._table.put(chunk)
        try:
            await self._table.put_together(user_item(user, generation, home, at), keys)
        except ChangedMeanwhile as error:
            await self._table.delete(*home.chunks)
            raise AlreadyExists(f"partner {user.user_name} exists already") from error

    async def set_home(self, server_id: str, user_name: str, home: Home) -> None:
        for _ in range(TRIES):
            found = await self._under(server_id, user_name)
            row = found.user_row
            if row is None:
                raise _no_user(user_name)
            if await self._switch_home(row, home):
                # Only chunks seen before the switch: whoever wrote them has lost by it. Those that
                # came later may be the next home of this user.
                await self._table.delete(*found.chunks)
                return
        raise ChangedMeanwhile(f"the home of {user_name} is being changed by others all the time")

    async def change_user(self, server_id: str, user_name: str, change: Callable[[User], User]) -> User:
        for _ in range(TRIES):
            found = await self._under(server_id, user_name)
            with suppress(ChangedMeanwhile):
                user, row = found.user(), found.user_row
                if user is None or row is None:
                    raise _no_user(user_name)
                changed = replace(
                    change(user), user_name=user_name, created_at=user.created_at, keys=user.keys
                )
                # The home is written anew in any case: its generation tells that nobody was here before.
                if await self._switch_home(row, changed.home, members_of(changed)):
                    await self._table.delete(*found.chunks)
                    return changed
        raise ChangedMeanwhile(f"{user_name} is being changed by others all the time")

    async def remove_user(self, server_id: str, user_name: str) -> None:
        row = await self._table.row(server_id, user_entry(user_name))
        removed = row["Generation"] if row else None
        if row is not None:
            # The user goes first: from then on nobody logs in, whatever becomes of the other rows.
            await self._table.delete(row)
            await self._note_revocation(server_id)
        left = await self._under(server_id, user_name)
        await self._table.delete(*left.dead(removed, _now() - _LEFT_OVER_AFTER))
        if row is None:
            raise _no_user(user_name)

    async def _switch_home(self, row: Item, home: Home, others: Item | None = None) -> bool:
        """Give the user another home, and `others`. False, and nothing is left, if it changed meanwhile."""
        stored = stored_home(row["Server"], row["UserName"], row["Generation"], home, _now())
        for chunk in stored.chunks:
            await self._table.put(chunk)
        try:
            await self._table.change(
                row,
                stored.attributes | (others or {}),
                "HomeGeneration IN (:before, :after)",
                before=row["HomeGeneration"],
                after=stored.attributes["HomeGeneration"],
            )
        except ChangedMeanwhile:
            await self._table.delete(*stored.chunks)
            return False
        return True

    # --- keys -------------------------------------------------------------------------------

    async def add_key(self, server_id: str, user_name: str, key: SshPublicKey) -> None:
        generation = await self._generation(server_id, user_name)
        # Tells our own row, when the write is sent again, from the same key added by somebody else.
        addition = secrets.token_hex(8)
        row = key_item(server_id, user_name, key, generation, _now()) | {"Addition": addition}
        try:
            await self._table.put(row, f"{ABSENT} OR Addition = :addition", addition=addition)
        except ChangedMeanwhile as error:
            raise AlreadyExists(f"{user_name} has the key {key.fingerprint} already") from error
        # Not in one transaction with the user row: two that add keys at once would refuse each other.
        user_row = await self._table.row(server_id, user_entry(user_name))
        if user_row is None or user_row["Generation"] != generation:
            await self._table.delete(row)
            raise _no_user(user_name)

    async def remove_key(self, server_id: str, user_name: str, key_id: KeyId) -> None:
        generation = await self._generation(server_id, user_name)
        row = await self._table.row(server_id, key_entry(user_name, generation, key_id))
        if row is None:
            raise NotFound(f"{user_name} has no key {key_id}")
        await self._table.delete(row)
        await self._note_revocation(server_id)

    async def _generation(self, server_id: str, user_name: str) -> str:
        row = await self._table.row(server_id, user_entry(user_name))
        if row is None:
            raise _no_user(user_name)
        return str(row["Generation"])

    # --- rows of one name -------------------------------------------------------------------

    async def _under(self, server_id: str, user_name: str) -> NameRows:
        rows = [row async for row in self._table.rows(server_id, *range_of(user_name))]
        return NameRows(user_name, tuple(rows))

    async def _by_name(self, server_id: str, after: str) -> AsyncIterator[NameRows]:
        name, rows = "", list[Item]()
        async for row in self._table.rows(server_id, *range_of_users(after)):
            if rows and name_in(row["Entry"]) != name:
                yield NameRows(name, tuple(rows))
                rows = []
            name = name_in(row["Entry"])
            rows.append(row)
        if rows:
            yield NameRows(name, tuple(rows))

    async def _whole(self, server_id: str, found: NameRows) -> User | None:
        """Return the user of a listing; read again, alone, if its home changed during the query."""
        with suppress(ChangedMeanwhile):
            return found.user()
        with suppress(NotFound):
            return await self.user(server_id, found.user_name)
        return None


def _now() -> datetime:
    return datetime.now(UTC)


def _no_user(user_name: str) -> NotFound:
    return NotFound(f"there is no partner {user_name}", hint="tidegate partners list shows them all")
