"""
Administering users and keys: the one service behind the CLI, `apply` and the Transfer API.

`bring_to` compares what a file wants with what is there, and returns the changes as data; the same
list is shown by `--dry-run` and carried out without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from tidegate.core.errors import InvalidName, NotFound, TooManyKeys
from tidegate.core.homes import check_home, leads_alike
from tidegate.core.iam.session_policies import check_session_policy
from tidegate.core.ids import KeyId, key_id_for
from tidegate.core.limits import SSH_PUBLIC_KEYS_PER_USER
from tidegate.core.public_keys import parse_public_key
from tidegate.core.tags import tagged, untagged
from tidegate.core.user_updates import UserUpdate, check_user_home
from tidegate.core.users import Home, PosixProfile, SshPublicKey, User, check_user_name
from tidegate.ports.clock import Clock
from tidegate.ports.directory import UserDirectory


@dataclass(frozen=True, slots=True)
class WantedUser:
    """A user as a configuration file describes it."""

    user_name: str
    home: Home
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewUser(WantedUser):
    """A user as the Transfer API describes it: with what only that knows."""

    role: str = ""
    policy: str = ""
    posix_profile: PosixProfile | None = None
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One step from what is there to what is wanted, in words for a person."""

    action: str
    user_name: str
    what: str


# A change, and what carries it out; None where the step before does it too.
_Step: TypeAlias = tuple[Change, Callable[[], Awaitable[None]] | None]


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
        self, wanted: Iterable[WantedUser], *, exact: bool, dry_run: bool = False
    ) -> list[Change]:
        """
        Make the directory hold these users, and return what that took.

        Users that are not named are left alone. Everything is read and checked before anything is
        changed, so a bad name, home or key changes nothing.

        Args:
            exact: A named user loses the keys that are not listed; otherwise they stay.
            dry_run: Change nothing, only return what would be changed.

        Raises:
            InvalidName: A user name or home cannot be used, or a user is named twice.
            InvalidKey: A key cannot be used, or a user would have too many.
        """
        parsed = [self._checked(each) for each in wanted]
        for name, count in Counter(user.user_name for user in parsed).items():
            if count > 1:
                raise InvalidName(f"{name} is named {count} times", hint="name it once")
        steps = [step for user in parsed for step in await self._steps(user, exact=exact)]
        for _, carry_out in () if dry_run else steps:
            if carry_out:
                await carry_out()
        return [change for change, _ in steps]

    def _checked(self, wanted: WantedUser) -> User:
        return User(
            self.server_id,
            check_user_name(wanted.user_name),
            check_home(wanted.home),
            self._clock.now(),
            self._keys(wanted.user_name, wanted.keys),
        )

    async def _steps(self, wanted: User, *, exact: bool) -> list[_Step]:
        name = wanted.user_name
        try:
            there = await self.get(name)
        except NotFound:
            return [
                (
                    Change("add", name, f"partner with home {wanted.home}"),
                    partial(self._directory.add_user, wanted),
                ),
                *((Change("add", name, f"key {key.fingerprint}"), None) for key in wanted.keys),
            ]
        steps: list[_Step] = []
        if not leads_alike(there.home, wanted.home):
            change = Change("change", name, f"home {there.home} to {wanted.home}")
            steps.append((change, partial(self._directory.set_home, self.server_id, name, wanted.home)))
        return steps + self._key_steps(there, wanted, exact=exact)

    def _key_steps(self, there: User, wanted: User, *, exact: bool) -> list[_Step]:
        name = there.user_name
        has = {key.fingerprint for key in there.keys}
        listed = {key.fingerprint for key in wanted.keys}
        _refuse_too_many(name, len(listed if exact else has | listed))
        added: list[_Step] = [
            (
                Change("add", name, f"key {key.fingerprint}"),
                partial(self._directory.add_key, self.server_id, name, key),
            )
            for key in wanted.keys
            if key.fingerprint not in has
        ]
        removed: list[_Step] = [
            (
                Change("remove", name, f"key {key.fingerprint}"),
                partial(self._directory.remove_key, self.server_id, name, key.key_id),
            )
            for key in there.keys
            if exact and key.fingerprint not in listed
        ]
        # First what is new: a partner who changes keys is never without one.
        return added + removed

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
