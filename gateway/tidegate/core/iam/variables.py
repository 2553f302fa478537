"""
The variables of session policies, which Transfer Family replaces before it assumes the role.

Each is replaced once, and nothing in a value is looked at again. HomeBucket, HomeFolder and HomeDirectory are
those of a PATH home; with a LOGICAL one AWS does not support them, and they stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tidegate.core.homes import for_user
from tidegate.core.iam.documents import InvalidPolicy
from tidegate.core.users import HomeDirectoryType, User

_VARIABLE = re.compile(r"\$\{transfer:(UserName|HomeBucket|HomeFolder|HomeDirectory)\}")
# In a pattern these would match more than the home.
_NOT_PLAIN = re.compile(r"[*?$]")


def values_for(user: User) -> Mapping[str, str]:
    """Return the value of each variable that this user's session policy can hold. Raises `InvalidName`."""
    values = {"UserName": user.user_name}
    if user.home.type is HomeDirectoryType.PATH:
        whole = for_user(user.home, user.user_name).directory.removeprefix("/")
        bucket, _, folder = whole.partition("/")
        values |= {"HomeBucket": bucket, "HomeFolder": folder, "HomeDirectory": whole}
    return values


def with_values(document: Any, values: Mapping[str, str]) -> Any:
    """
    Return parsed JSON with the values in place of the variables, in all of its texts.

    Raises:
        InvalidPolicy: A value that is used holds one of the characters `*`, `?` and `$`.
    """

    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        if name not in values:
            return found[0]
        if _NOT_PLAIN.search(values[name]):
            raise InvalidPolicy(
                f"{found[0]} is {values[name]!r} here, which a policy would read as a pattern"
            )
        return values[name]

    if isinstance(document, str):
        return _VARIABLE.sub(value_of, document)
    if isinstance(document, list):
        return [with_values(each, values) for each in document]
    if isinstance(document, dict):
        return {with_values(key, values): with_values(each, values) for key, each in document.items()}
    return document
