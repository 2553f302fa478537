"""Tags of servers and users: names with values, as Transfer Family keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeAlias

from tidegate.core.errors import InvalidName
from tidegate.core.limits import TRANSFER_TAGS_PER_RESOURCE

# Key and value, in the order in which the keys came first.
Tags: TypeAlias = tuple[tuple[str, str], ...]

# General Reference, "Tagging AWS resources": what begins so is AWS's own, in any case of letters.
_RESERVED = "aws:"


def tagged(tags: Tags, added: Iterable[tuple[str, str]]) -> Tags:
    """
    Return the tags with others added; a key that is there gets the new value.

    Raises:
        InvalidName: A key is named twice or is AWS's own, or there would be too many.
    """
    new = tuple(added)
    for key, count in Counter(key for key, _ in new).items():
        if count > 1:
            raise InvalidName(f"the tag {key!r} is named {count} times", hint="name it once")
        if key.lower().startswith(_RESERVED):
            raise InvalidName(f"the tag {key!r} begins with {_RESERVED}, which AWS keeps to itself")
    merged = tuple((dict(tags) | dict(new)).items())
    if len(merged) > TRANSFER_TAGS_PER_RESOURCE:
        raise InvalidName(
            f"there would be {len(merged)} tags, and there can be {TRANSFER_TAGS_PER_RESOURCE}",
            hint="take some away first",
        )
    return merged


def untagged(tags: Tags, keys: Iterable[str]) -> Tags:
    """Return the tags without these; a key that is not there is no error."""
    gone = frozenset(keys)
    return tuple((key, value) for key, value in tags if key not in gone)
