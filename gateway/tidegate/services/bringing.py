"""
What it takes to make a server what a file says it is: a plan, made of reads alone, and then carried out.

A plan holds changes as data: `apply` tells and makes them, `diff` only tells. Each user is changed on the
condition that it is still what the plan was made of, so that what somebody else does meanwhile is not undone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

from tidegate.core.drift import (
    SERVER_MEMBERS,
    USER_MEMBERS,
    differing,
    homes_differ,
    name_in_file,
    own_tags,
    with_own_tags,
)
from tidegate.core.errors import AlreadyExists, ChangedMeanwhile, NotFound
from tidegate.core.servers import IdentityProvider, Server
from tidegate.core.users import Home, PosixProfile, SshPublicKey, User
from tidegate.ports.directory import UserDirectory

_GONE_ON = "run it again: it starts from what is there now"


@dataclass(frozen=True, slots=True)
class WantedUser:
    """
    A user as a configuration file describes it.

    Args:
        members: Those of `USER_MEMBERS` that the file names, by name; others are left as they are.
    """

    user_name: str
    home: Home
    keys: tuple[str, ...]
    members: Mapping[str, Any] = field(default_factory=dict, hash=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Change:
    """
    One step from what is there to what is wanted, in words for a person.

    Args:
        user_name: Empty for a change of the server.
        member: What of it changes; empty for a user as a whole.
        wanted, there: Its value in the file and at the target; empty where one has none.
    """

    action: str
    user_name: str
    what: str
    member: str = field(default="", compare=False)
    wanted: str = field(default="", compare=False)
    there: str = field(default="", compare=False)


# A change, and what carries it out; None where a step before does it too.
Step: TypeAlias = tuple[Change, Callable[[], Awaitable[Any]] | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What would be done, in this order.

    Args:
        users_kept: How many of the users that are there stay.
    """

    steps: tuple[Step, ...]
    users_kept: int

    @property
    def changes(self) -> list[Change]:
        return [change for change, _ in self.steps]

    @property
    def removed_users(self) -> list[str]:
        return [
            change.user_name for change in self.changes if change.action == "remove" and not change.member
        ]

    async def carry_out(self) -> None:
        """
        Do it. What was done stays if a later step fails; a second plan then holds the rest.

        Raises:
            ChangedMeanwhile: Somebody else changed a user after the plan was made.
        """
        for _, step in self.steps:
            if step:
                await step()


def server_steps(directory: UserDirectory, there: Server, wanted: Mapping[str, Any]) -> list[Step]:
    """Return what makes the server have the members that `wanted` names, all in one change."""
    names = differing(there, wanted, SERVER_MEMBERS)
    if not names:
        return []

    def change(found: Server) -> Server:
        if differing(found, {name: getattr(there, name) for name in names}, names):
            raise ChangedMeanwhile(f"the server {there.server_id} was changed meanwhile", hint=_GONE_ON)
        return replace(found, **_values(found, wanted, names))

    steps = [_changed("", name, getattr(there, name), wanted[name]) for name in names]
    return _as_one(steps, partial(directory.change_server, there.server_id, change))


def new_user_steps(directory: UserDirectory, wanted: User) -> list[Step]:
    """Return what adds a user with all it has."""
    name = wanted.user_name
    whole = Change("add", name, f"partner with home {wanted.home}", wanted=str(wanted.home))
    return _as_one(
        [whole, *(_key_change("add", name, key) for key in wanted.keys)],
        partial(directory.add_user, wanted),
    )


def merged(there: User, wanted: User, named: Mapping[str, Any]) -> User:
    """Return the user that a change makes of the one that is there; keys aside."""
    values = _values(there, named, [name for name in USER_MEMBERS if name in named])
    return replace(there, home=wanted.home, **values)


def changed_user_steps(
    directory: UserDirectory, there: User, wanted: User, named: Mapping[str, Any], *, exact: bool
) -> list[Step]:
    """
    Return what makes a user that is there what is wanted.

    Args:
        named: The members that count; home and keys always do.
        exact: Keys that are not wanted go; otherwise they stay.
    """
    name = there.user_name
    names = differing(there, named, USER_MEMBERS)
    changes = [_changed(name, each, getattr(there, each), named[each]) for each in names]
    moves = homes_differ(there.home, wanted.home, name)
    if moves:
        what = f"home {there.home} to {wanted.home}"
        changes.insert(0, Change("change", name, what, "home", str(wanted.home), str(there.home)))

    def change(found: User) -> User:
        seen = {each: getattr(there, each) for each in names}
        if differing(found, seen, names) or (moves and found.home != there.home):
            raise ChangedMeanwhile(f"{name} was changed by somebody else meanwhile", hint=_GONE_ON)
        changed = replace(found, home=wanted.home) if moves else found
        return replace(changed, **_values(found, named, names))

    whole = _as_one(changes, partial(directory.change_user, there.server_id, name, change))
    return whole + _key_steps(directory, there, wanted, exact=exact)


def removed_user_steps(directory: UserDirectory, there: User) -> list[Step]:
    """Return what removes a user; one that is gone already is no error."""
    change = Change("remove", there.user_name, f"partner with home {there.home}", there=str(there.home))
    remove = partial(directory.remove_user, there.server_id, there.user_name)
    return [(change, partial(_unless, NotFound, remove))]


def said(name: str, value: Any) -> str:
    """Return the value of a member in one line."""
    if value is None or value in ("", ()):
        return "none"
    words = _WORDS.get(name)
    if words is None:
        return " ".join(value) if isinstance(value, tuple) else str(value)
    return words(value)


def _posix_words(value: PosixProfile) -> str:
    more = f", secondary {' '.join(map(str, value.secondary_gids))}" if value.secondary_gids else ""
    return f"uid {value.uid}, gid {value.gid}{more}"


def _provider_words(value: IdentityProvider) -> str:
    asked = value.function or value.url
    methods = [value.sftp_authentication_methods] if asked else []
    return " ".join([value.type, *filter(None, [asked or value.directory_id]), *methods])


_WORDS: dict[str, Callable[[Any], str]] = {
    "policy": lambda value: " ".join(value.split()),
    "tags": lambda value: ", ".join(f"{key}={text}" for key, text in sorted(own_tags(value))) or "none",
    "posix_profile": _posix_words,
    "identity_provider": _provider_words,
    "on_upload": lambda value: f"{value.workflow_id} as {value.execution_role}",
    "on_partial_upload": lambda value: f"{value.workflow_id} as {value.execution_role}",
}


# --- steps -------------------------------------------------------------------------------------


def _key_steps(directory: UserDirectory, there: User, wanted: User, *, exact: bool) -> list[Step]:
    name = there.user_name
    has = {key.fingerprint for key in there.keys}
    listed = {key.fingerprint for key in wanted.keys}
    added: list[Step] = [
        (_key_change("add", name, key), partial(_unless, AlreadyExists, _adding(directory, there, key)))
        for key in wanted.keys
        if key.fingerprint not in has
    ]
    removed: list[Step] = [
        (_key_change("remove", name, key), partial(_unless, NotFound, _removing(directory, there, key)))
        for key in there.keys
        if exact and key.fingerprint not in listed
    ]
    # First what is new: a partner who changes keys is never without one.
    return added + removed


def _adding(directory: UserDirectory, user: User, key: SshPublicKey) -> Callable[[], Awaitable[Any]]:
    return partial(directory.add_key, user.server_id, user.user_name, key)


def _removing(directory: UserDirectory, user: User, key: SshPublicKey) -> Callable[[], Awaitable[Any]]:
    return partial(directory.remove_key, user.server_id, user.user_name, key.key_id)


async def _unless(done: type[Exception], step: Callable[[], Awaitable[Any]]) -> None:
    """Take a step that somebody else may have taken meanwhile: what was wanted is there then."""
    with suppress(done):
        await step()


def _key_change(action: str, user_name: str, key: SshPublicKey) -> Change:
    value = f"{key.fingerprint} {key.comment}".rstrip()
    sides = {"wanted": value} if action == "add" else {"there": value}
    return Change(action, user_name, f"key {key.fingerprint}", "key", **sides)


def _changed(user_name: str, name: str, there: Any, wanted: Any) -> Change:
    was, to = said(name, there), said(name, wanted)
    shown = name_in_file(name) if user_name else f"server.{name_in_file(name)}"
    return Change("change", user_name, f"{shown} {was} to {to}", shown, to, was)


def _as_one(changes: Iterable[Change], carry_out: Callable[[], Awaitable[Any]]) -> list[Step]:
    """Return steps that are carried out together, with the first."""
    return [(change, None if number else carry_out) for number, change in enumerate(changes)]


def _values(found: User | Server, wanted: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {
        name: with_own_tags(found.tags, wanted[name]) if name == "tags" else wanted[name] for name in names
    }
