"""What makes two users or servers differ, whoever keeps them: texts that mean the same are the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.core.errors import InvalidName
from tidegate.core.homes import for_user, leads_alike
from tidegate.core.servers import Server
from tidegate.core.tags import Tags
from tidegate.core.users import Home, User

# Members of a user, beside its home and keys, and of a server, that a file can name: in a file's order.
USER_MEMBERS = ("role", "policy", "posix_profile", "tags")
SERVER_MEMBERS = (
    "security_policy",
    "identity_provider",
    "set_stat",
    "listing",
    "pre_login_banner",
    "post_login_banner",
    "logging_role",
    "log_destinations",
    "on_upload",
    "on_partial_upload",
    "tags",
)

# What a file calls those members of a server that it calls otherwise: Transfer Family's words.
_IN_A_FILE = {
    "set_stat": "set_stat_option",
    "listing": "directory_listing_optimization",
    "log_destinations": "structured_log_destinations",
}

# Tags by which AWS, and a gateway, tell of themselves, or were told once.
_NOT_OURS = ("aws:", "tidegate:")


def name_in_file(member: str) -> str:
    """Return what a file calls a member of a user or a server."""
    return _IN_A_FILE.get(member, member)


def own_tags(tags: Tags) -> Tags:
    """Return the tags without those of AWS and of gateways, which say where a resource is, not what it is."""
    return tuple((key, value) for key, value in tags if not key.lower().startswith(_NOT_OURS))


def with_own_tags(there: Tags, wanted: Tags) -> Tags:
    """Return the wanted tags, with those of AWS and of gateways that are there."""
    return (*(tag for tag in there if tag not in own_tags(there)), *wanted)


def policy_document(text: str) -> Any:
    """Return what a policy says, so that two can be compared; the text itself if it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def homes_differ(there: Home, wanted: Home, user_name: str) -> bool:
    """Tell whether two homes of one user lead to different places, the variable for its name filled in."""
    try:
        return not leads_alike(for_user(there, user_name), for_user(wanted, user_name))
    except InvalidName:
        return there != wanted


def differing(there: User | Server, wanted: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return which of the members that `wanted` names have another value, in the order of `names`."""
    return [
        name for name in names if name in wanted and _meaning(name, wanted[name]) != _meaning_of(there, name)
    ]


def _meaning_of(there: User | Server, name: str) -> Any:
    return _meaning(name, getattr(there, name))


def _meaning(name: str, value: Any) -> Any:
    if name == "tags":
        return dict(own_tags(value))
    if name == "policy":
        return policy_document(value)
    return value
