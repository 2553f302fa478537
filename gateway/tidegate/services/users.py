"""
Administering users and keys: the one service behind the CLI, `apply` and the Transfer API.

`bring_to` compares what a file wants with what is there, and returns the changes as data; the same
list is shown by `--dry-run` and carried out without it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tidegate.core.errors import InvalidName, NotFound, TooManyKeys
from tidegate.core.homes import check_transfer_home
from tidegate.core.iam.session_policies import check_session_policy
from tidegate.core.ids import KeyId, key_id_for
from tidegate.core.limits import SSH_PUBLIC_KEYS_PER_USER
from tidegate.core.public_keys import parse_public_key
from tidegate.core.servers import Server
from tidegate.core.tags import tagged, untagged
from tidegate.core.user_updates import UserUpdate, check_user_home
from tidegate.core.users import Home, PosixProfile, SshPublicKey, User, check_user_name
from tidegate.ports.clock import Clock
from tidegate.ports.directory import UserDirectory
from tidegate.services.bringing import (
    Change,
    Plan,
    Step,
    WantedUser,
    changed_user_steps,
    merged,
    new_user_steps,
    removed_user_steps,
    server_steps,
)

__all__ = ["Change", "NewUser", "Plan", "Users", "WantedUser"]

# A directory may be a network away: users are read so many at a time.
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class NewUser(WantedUser):
    """A user as the Transfer API describes it: with what only that knows."""

    role: str = ""
    policy: str = ""
    posix_profile: PosixProfile | None = None
    tags: tuple[tuple[str, str], ...] = ()


class Users:
    """Users of one server."""

    def __init__(self, directory: UserDirectory, clock: Clock, server_id: str) -> None:
        self._directory = directory
        self._clock = clock
        self.server_id = server_id

    async def add(self, user_name: str, home: Home, keys: Iterable[str] = ()) -> User:
        """Make a user with these pasted keys. Raises `AlreadyExists`, `InvalidName`, `InvalidKey`."""
        made = self._checked(WantedUser(user_name, home, tuple(keys)))
        await self._directory.add_user(made)
        return made

    async def create(self, new: NewUser) -> User:
        """Make a user as Transfer Family would. Raises `AlreadyExists`, `InvalidName`, `InvalidKey`."""
        made = User(
            self.server_id,
            check_user_name(new.user_name),
            check_user_home(new.home),
            self._clock.now(),
            self._keys(new.user_name, new.keys),
            role=new.role,
            policy=check_session_policy(new.policy),
            posix_profile=new.posix_profile,
            tags=tagged((), new.tags),
        )
        await self._directory.add_user(made)
        return made

    async def update(self, user_name: str, update: UserUpdate) -> User:
        """Change what is named, all or nothing, and return the user. Raises `NotFound`, `InvalidName`."""
        return await self._directory.change_user(self.server_id, user_name, update.applied)

    async def tag(self, user_name: str, tags: Iterable[tuple[str, str]]) -> User:
        """Add tags, or give them other values. Raises `NotFound`, `InvalidName`."""
        added = tuple(tags)
        return await self._directory.change_user(
            self.server_id, user_name, lambda user: replace(user, tags=tagged(user.tags, added))
        )

    async def untag(self, user_name: str, keys: Iterable[str]) -> User:
        """Take tags away; one that is not there is no error. Raises `NotFound`."""
        gone = frozenset(keys)
        return await self._directory.change_user(
            self.server_id, user_name, lambda user: replace(user, tags=untagged(user.tags, gone))
        )

    async def get(self, user_name: str) -> User:
        """Return the user. Raises `NotFound`."""
        return await self._directory.user(self.server_id, user_name)

    async def server(self) -> Server:
        """Return the server that they are users of. Raises `NotFound`."""
        return await self._directory.server(self.server_id)

    async def all(self) -> list[User]:
        """Return all users, in order of their names."""
        return [user async for user in self._directory.users(self.server_id)]

    async def page(self, after: str, limit: int) -> list[User]:
        """Return up to `limit` users whose names come after `after`, in order of their names."""
        found: list[User] = []
        async for user in self._directory.users(self.server_id, after):
            found.append(user)
            if len(found) == limit:
                break
        return found

    async def count(self) -> int:
        """Return how many users there are. Reads all of them."""
        return len(await self.all())

    async def remove(self, user_name: str) -> None:
        """Remove the user and its keys. Raises `NotFound`."""
        await self._directory.remove_user(self.server_id, user_name)

    async def add_key(self, user_name: str, pasted: str) -> SshPublicKey:
        """Let a key log in, from the next login on. Raises `InvalidKey`, `NotFound`, `AlreadyExists`."""
        user = await self.get(user_name)
        if len(user.keys) >= SSH_PUBLIC_KEYS_PER_USER:
            raise TooManyKeys(
                f"{user_name} has {len(user.keys)} keys, the most a partner can have",
                hint="remove one that is no longer used: tidegate keys list shows them",
            )
        key = self._key(user_name, pasted)
        await self._directory.add_key(self.server_id, user_name, key)
        return key

    async def remove_key(self, user_name: str, name: str) -> SshPublicKey:
        """Forbid a key, named by its id or fingerprint, from the next login on. Raises `NotFound`."""
        user = await self.get(user_name)
        for key in user.keys:
            if name in (key.key_id, key.fingerprint, key.fingerprint.removeprefix("SHA256:")):
                await self._directory.remove_key(self.server_id, user_name, KeyId(key.key_id))
                return key
        raise NotFound(
            f"{user_name} has no key {name}", hint=f"tidegate keys list {user_name} shows what it has"
        )

    async def bring_to(
        self,
        wanted: Iterable[WantedUser],
        *,
        exact: bool,
        server: Mapping[str, Any] | None = None,
        dry_run: bool = False,
    ) -> list[Change]:
        """
        Make the directory hold these users, and return what that took.

        Users that are not named are left alone. Everything is read and checked before anything is
        changed, so a bad name, home or key changes nothing.

        Args:
            exact: A named user loses the keys that are not listed; otherwise they stay.
            server: Members of the server that are to have these values, too.
            dry_run: Change nothing, only return what would be changed.

        Raises:
            InvalidName: A user name or home cannot be used, or a user is named twice.
            InvalidKey: A key cannot be used, or a user would have too many.
        """
        plan = await self.plan(wanted, exact=exact, server=server)
        if not dry_run:
            await plan.carry_out()
        return plan.changes

    async def plan(
        self,
        wanted: Iterable[WantedUser],
        *,
        exact: bool,
        prune: bool = False,
        server: Mapping[str, Any] | None = None,
        check: Callable[[User | None, User], None] | None = None,
    ) -> Plan:
        """
        Return what `bring_to` would do, and change nothing.

        Args:
            prune: Users that are not named are removed, last of all.
            server: Members of the server that are to have these values, before its users change.
            check: Called with each named user as it is, None for a new one, and as it is to be. What it
                raises is raised.

        Raises:
            InvalidName, InvalidKey: As `bring_to` does.
            NotFound: Something of the server is wanted, and there is none.
        """
        files = list(wanted)
        parsed = [self._checked(each) for each in files]
        for name, count in Counter(user.user_name for user in parsed).items():
            if count > 1:
                raise InvalidName(f"{name} is named {count} times", hint="name it once")
        there = await self._there([user.user_name for user in parsed], everybody=prune)
        steps = await self._server_steps(server or {})
        for user, file in zip(parsed, files, strict=True):
            found = there.get(user.user_name)
            if check:
                check(found, merged(found, user, file.members) if found else user)
            steps += self._steps(found, user, file, exact=exact)
        named = {user.user_name for user in parsed}
        for unnamed in [user for name, user in there.items() if name not in named]:
            steps += removed_user_steps(self._directory, unnamed)
        return Plan(tuple(steps), len(named & there.keys()))

    async def _there(self, names: Iterable[str], *, everybody: bool) -> dict[str, User]:
        """Return who is there, by name: of `names`, or everybody."""
        if everybody:
            return {user.user_name: user for user in await self.all()}
        wanted = list(names)
        found: dict[str, User] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            # All of them are waited for, so that none is left behind when one fails.
            for user in await asyncio.gather(
                *map(self.get, wanted[start : start + _AT_ONCE]), return_exceptions=True
            ):
                if isinstance(user, User):
                    found[user.user_name] = user
                elif not isinstance(user, NotFound):
                    raise user
        return found

    async def _server_steps(self, wanted: Mapping[str, Any]) -> list[Step]:
        if not wanted:
            return []
        return server_steps(self._directory, await self.server(), wanted)

    def _checked(self, wanted: WantedUser) -> User:
        return User(
            self.server_id,
            check_user_name(wanted.user_name),
            check_transfer_home(wanted.home),
            self._clock.now(),
            self._keys(wanted.user_name, wanted.keys),
            **wanted.members,
        )

    def _steps(self, there: User | None, wanted: User, file: WantedUser, *, exact: bool) -> list[Step]:
        if there is None:
            return new_user_steps(self._directory, wanted)
        listed = {key.fingerprint for key in wanted.keys}
        kept = set() if exact else {key.fingerprint for key in there.keys}
        _refuse_too_many(wanted.user_name, len(listed | kept))
        return changed_user_steps(self._directory, there, wanted, file.members, exact=exact)

    def _keys(self, user_name: str, pasted: Iterable[str]) -> tuple[SshPublicKey, ...]:
        """Parse pasted keys; one given twice counts once."""
        keys = {}
        for text in pasted:
            key = self._key(user_name, text)
            keys[key.key_id] = key
        _refuse_too_many(user_name, len(keys))
        return tuple(keys.values())

    def _key(self, user_name: str, pasted: str) -> SshPublicKey:
        parsed = parse_public_key(pasted)
        return SshPublicKey(
            key_id=key_id_for(user_name, parsed.fingerprint),
            body=parsed.body,
            fingerprint=parsed.fingerprint,
            comment=parsed.comment,
            imported_at=self._clock.now(),
        )


def _refuse_too_many(user_name: str, count: int) -> None:
    if count > SSH_PUBLIC_KEYS_PER_USER:
        raise TooManyKeys(
            f"{user_name} would have {count} keys, and a partner can have {SSH_PUBLIC_KEYS_PER_USER}",
            hint="leave out those no longer used",
        )
