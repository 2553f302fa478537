"""
What an identity provider is asked at a login, and what its answer makes of the user.

The contract is that of Transfer Family's custom providers, for Lambda functions and API Gateway alike: an
answer without a Role refuses the login, and anything that cannot be understood refuses it too, with a
reason for the administrator. No reason quotes a password; nor does a question show one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tidegate.core.errors import InvalidKey, InvalidName
from tidegate.core.homes import check_transfer_home
from tidegate.core.ids import key_id_for
from tidegate.core.limits import SSH_PUBLIC_KEYS_PER_USER, TRANSFER_PROVIDED_MAPPINGS_MAX_BYTES
from tidegate.core.public_keys import parse_public_key
from tidegate.core.users import (
    Home,
    HomeDirectoryType,
    Mapping,
    MappingType,
    PosixProfile,
    SshPublicKey,
    User,
)

# Transfer Family API, Role.
_ROLE = re.compile(r"arn:.*role/\S+")
_MAX_POSIX_ID = 4294967295


class LoginRefused(Exception):
    """
    Somebody is not let in.

    Args:
        reason: Why, for the record of refused logins. The client is never told.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class StandIn:
    """
    What is asked in place of a provider: one of the last three.

    Args:
        name: ARN of the function, or URL of the API, in whose place it is asked.
        callable: `module:function`.
    """

    name: str
    callable: str = ""
    command: tuple[str, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """
    What a provider is asked.

    Args:
        password: Empty where a key was shown: then the answer says which keys there are.
    """

    user_name: str
    server_id: str
    source_ip: str
    password: str = field(default="", repr=False)
    protocol: str = "SFTP"

    def event(self) -> dict[str, str]:
        """Return it as a Lambda function is given it."""
        return {
            "username": self.user_name,
            # Of functions that look for it with a key, some ask whether it is there and some whether it is
            # empty; an empty one is what both kinds of AWS's own templates understand.
            "password": self.password,
            "protocol": self.protocol,
            "serverId": self.server_id,
            "sourceIp": self.source_ip,
        }


def config_url(url: str, question: Question) -> str:
    """Return where an API at this URL is asked about a user, without the query."""
    user = quote(question.user_name, safe="")
    return f"{url.rstrip('/')}/servers/{question.server_id}/users/{user}/config"


@dataclass(frozen=True, slots=True)
class ProvidedUser:
    """
    A user as a provider described it.

    Args:
        unusable_keys: Why others of its keys can open nothing.
    """

    user: User
    unusable_keys: tuple[str, ...] = ()


def user_of(answer: object, question: Question, now: datetime) -> ProvidedUser:
    """
    Return the user that a provider's answer describes.

    Raises:
        LoginRefused: It refuses the login, or cannot be understood.
    """
    if not isinstance(answer, dict):
        raise _unusable("it is no JSON object")
    role = _text(answer, "Role")
    if not role:
        raise LoginRefused("the identity provider refused: its answer has no Role")
    if _ROLE.fullmatch(role) is None:
        raise _unusable("Role is no ARN of a role")
    keys, unusable = _keys(answer, question, now)
    user = User(
        question.server_id,
        question.user_name,
        _home(answer),
        now,
        keys,
        role=role,
        policy=_text(answer, "Policy"),
        posix_profile=_posix_profile(answer.get("PosixProfile")),
    )
    return ProvidedUser(user, unusable)


# --- members ----------------------------------------------------------------------------------


def _keys(
    answer: AnyMapping[str, Any], question: Question, now: datetime
) -> tuple[tuple[SshPublicKey, ...], tuple[str, ...]]:
    given = answer.get("PublicKeys")
    if question.password:
        # Whoever answers keys to a password may not have looked at the password.
        if given is not None:
            raise _unusable("PublicKeys must not be there when a password is checked")
        return (), ()
    if given is None:
        return (), ()
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise _unusable("PublicKeys is no list of texts")
    if len(given) > SSH_PUBLIC_KEYS_PER_USER:
        raise _unusable(f"PublicKeys has {len(given)} keys, and there can be {SSH_PUBLIC_KEYS_PER_USER}")
    keys, unusable = [], []
    for line in given:
        try:
            keys.append(_key(line, question.user_name, now))
        except InvalidKey as error:
            unusable.append(error.detail)
    return tuple(keys), tuple(unusable)


def _key(line: str, user_name: str, now: datetime) -> SshPublicKey:
    parsed = parse_public_key(line)
    key_id = key_id_for(user_name, parsed.fingerprint)
    return SshPublicKey(key_id, parsed.body, parsed.fingerprint, parsed.comment, now)


def _home(answer: AnyMapping[str, Any]) -> Home:
    kind = _text(answer, "HomeDirectoryType") or HomeDirectoryType.PATH.value
    if kind not in list(HomeDirectoryType):
        raise _unusable("HomeDirectoryType is neither PATH nor LOGICAL")
    home = Home(HomeDirectoryType(kind), _text(answer, "HomeDirectory"), _mappings(answer))
    try:
        return check_transfer_home(home)
    except InvalidName as error:
        raise _unusable(str(error)) from error


def _mappings(answer: AnyMapping[str, Any]) -> tuple[Mapping, ...]:
    given = answer.get("HomeDirectoryDetails")
    if isinstance(given, list):
        raise _unusable("HomeDirectoryDetails is a list, and must be a text that holds one in JSON")
    text = _text(answer, "HomeDirectoryDetails")
    if not text:
        return ()
    if len(text) > TRANSFER_PROVIDED_MAPPINGS_MAX_BYTES:
        raise _unusable(f"HomeDirectoryDetails is longer than {TRANSFER_PROVIDED_MAPPINGS_MAX_BYTES:,} bytes")
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        raise _unusable("HomeDirectoryDetails holds no JSON") from None
    if not isinstance(entries, list):
        raise _unusable("HomeDirectoryDetails holds no list in JSON")
    return tuple(map(_mapping, entries))


def _mapping(entry: object) -> Mapping:
    if not isinstance(entry, dict):
        raise _unusable("an entry of HomeDirectoryDetails is no object")
    kind = _text(entry, "Type") or MappingType.DIRECTORY.value
    if kind not in list(MappingType):
        raise _unusable("a Type in HomeDirectoryDetails is neither FILE nor DIRECTORY")
    return Mapping(_text(entry, "Entry"), _text(entry, "Target"), MappingType(kind), "Type" in entry)


def _posix_profile(given: object) -> PosixProfile | None:
    if given is None:
        return None
    if not isinstance(given, dict):
        raise _unusable("PosixProfile is no object")
    gids = given.get("SecondaryGids") or []
    numbers = [given.get("Uid"), given.get("Gid"), *(gids if isinstance(gids, list) else [None])]
    if not all(type(each) is int and 0 <= each <= _MAX_POSIX_ID for each in numbers):
        raise _unusable("PosixProfile has no Uid, Gid and SecondaryGids that are numbers")
    return PosixProfile(numbers[0], numbers[1], tuple(numbers[2:]))


def _text(members: AnyMapping[str, Any], name: str) -> str:
    """Return a member that is a text; empty where it is absent or null."""
    text = members.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise _unusable(f"{name} is no text")
    try:
        text.encode()
    except UnicodeEncodeError:
        # JSON lets halves of characters through, and nothing can keep them.
        raise _unusable(f"{name} holds half a character") from None
    return text


def _unusable(why: str) -> LoginRefused:
    return LoginRefused(f"the identity provider's answer cannot be used: {why}")
