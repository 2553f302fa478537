"""
Administering users and keys: the one service behind the CLI, `apply` and, later, the Transfer API.

`bring_to` compares what a file wants with what is there, and returns the changes as data; the same
list is shown by `--dry-run` and carried out without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.core.errors import InvalidKey, NotFound
from tidegate.core.ids import KeyId, key_id_for
from tidegate.core.limits import SSH_PUBLIC_KEYS_PER_USER
from tidegate.core.paths import check_home
from tidegate.core.public_keys import parse_public_key
from tidegate.core.users import Home, SshPublicKey, User, check_user_name
from tidegate.ports.clock import Clock
from tidegate.ports.directory import UserDirectory


@dataclass(frozen=True, slots=True)
class WantedUser:
    """A user as a configuration file describes it."""

    user_name: str
    home: Home
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One step from what is there to what is wanted, in words for a person."""

    action: str
    user_name: str
    what: str


class Users:
    """Users of one server."""

    def __init__(self, directory: UserDirectory, clock: Clock, server_id: str) -> None:
        self._directory = directory
        self._clock = clock
        self.server_id = server_id

    async def add(self, user_name: str, home: Home, keys: Iterable[str] = ()) -> User:
        """Make a user with these pasted keys. Raises `AlreadyExists`, `InvalidName`, `InvalidKey`."""
        made = User(
            self.server_id,
            check_user_name(user_name),
            check_home(home),
            self._clock.now(),
            self._keys(user_name, keys),
        )
        await self._directory.add_user(made)
        return made

    async def get(self, user_name: str) -> User:
        """Return the user. Raises `NotFound`."""
        return await self._directory.user(self.server_id, user_name)

    async def all(self) -> list[User]:
        """Return all users, in order of their names."""
        return [user async for user in self._directory.users(self.server_id)]

    async def remove(self, user_name: str) -> None:
        """Remove the user and its keys. Raises `NotFound`."""
        await self._directory.remove_user(self.server_id, user_name)

    async def add_key(self, user_name: str, pasted: str) -> SshPublicKey:
        """Let a key log in, from the next login on. Raises `InvalidKey`, `NotFound`, `AlreadyExists`."""
        user = await self.get(user_name)
        if len(user.keys) >= SSH_PUBLIC_KEYS_PER_USER:
            raise InvalidKey(
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

        Users that are not named are left alone. All keys are read before anything is changed, so a
        bad one changes nothing.

        Args:
            exact: A named user loses the keys that are not listed; otherwise they stay.
            dry_run: Change nothing, only return what would be changed.
        """
        parsed = [(each, self._keys(each.user_name, each.keys)) for each in wanted]
        changes: list[Change] = []
        for each, keys in parsed:
            check_home(each.home)
            changes += await self._bring_one(each, keys, exact=exact, dry_run=dry_run)
        return changes

    async def _bring_one(
        self, wanted: WantedUser, keys: tuple[SshPublicKey, ...], *, exact: bool, dry_run: bool
    ) -> list[Change]:
        name = wanted.user_name
        try:
            there = await self.get(name)
        except NotFound:
            if not dry_run:
                await self.add(name, wanted.home, wanted.keys)
            return [
                Change("add", name, f"partner with home {wanted.home.target}"),
                *(Change("add", name, f"key {key.fingerprint}") for key in keys),
            ]
        changes = []
        if there.home != wanted.home:
            changes.append(Change("change", name, f"home {there.home.target} to {wanted.home.target}"))
            if not dry_run:
                await self._directory.set_home(self.server_id, name, wanted.home)
        return changes + await self._bring_keys(there, keys, exact=exact, dry_run=dry_run)

    async def _bring_keys(
        self, there: User, keys: tuple[SshPublicKey, ...], *, exact: bool, dry_run: bool
    ) -> list[Change]:
        name, changes = there.user_name, []
        has = {key.fingerprint for key in there.keys}
        for key in keys:
            if key.fingerprint not in has:
                changes.append(Change("add", name, f"key {key.fingerprint}"))
                if not dry_run:
                    await self._directory.add_key(self.server_id, name, key)
        listed = {key.fingerprint for key in keys}
        for key in there.keys if exact else ():
            if key.fingerprint not in listed:
                changes.append(Change("remove", name, f"key {key.fingerprint}"))
                if not dry_run:
                    await self._directory.remove_key(self.server_id, name, key.key_id)
        return changes

    def _keys(self, user_name: str, pasted: Iterable[str]) -> tuple[SshPublicKey, ...]:
        """Parse pasted keys; one given twice counts once."""
        keys = {}
        for text in pasted:
            key = self._key(user_name, text)
            keys[key.key_id] = key
        if len(keys) > SSH_PUBLIC_KEYS_PER_USER:
            raise InvalidKey(
                f"{user_name} is given {len(keys)} keys", hint=f"at most {SSH_PUBLIC_KEYS_PER_USER}"
            )
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
