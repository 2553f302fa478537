"""A server and its partners as the file that `apply` and `diff` read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from tidegate.adapters.clock import SystemClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.core.drift import own_tags, policy_document
from tidegate.core.errors import InvalidSettings
from tidegate.core.homes import start_of
from tidegate.core.servers import AttachedWorkflow, IdentityProvider, Server
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType, User
from tidegate.partners_file import wanted_users
from tidegate.services.users import Users
from tidegate.settings.document import MAX_DOCUMENT_BYTES
from tidegate.settings.loader import load
from tidegate.settings.migrations import FORMAT_VERSION
from tidegate.settings.shown import as_yaml
from tidegate.settings.sources import STDIN

_HEAD = """\
# Written by tidegate export. What stands here is what `tidegate apply` brings a server to and `tidegate diff`
# holds it against; a member that is left out is left as it is.
"""


def document(
    server: Server, users: Sequence[User], workflows: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Return the file's values: the same for the same server and users, whatever order they came in."""
    return {
        "version": FORMAT_VERSION,
        "server": server_section(server),
        **({"workflows": list(workflows)} if workflows else {}),
        "partners": [partner_section(user) for user in sorted(users, key=lambda user: user.user_name)],
    }


def as_file(server: Server, users: Sequence[User], workflows: Sequence[dict[str, Any]] = ()) -> str:
    """Return the text of the file, with sections of the workflows that the server names. See `check_file`."""
    return _HEAD + as_yaml(document(server, users, workflows))


async def check_file(text: str, server: Server, users: Sequence[User]) -> None:
    """
    Raise `InvalidSettings` unless the file, read again, is this server and these users.

    A Transfer endpoint may hold what we refuse, such as a key of a kind that logs nobody in here.
    """
    size = len(text.encode())
    if size > MAX_DOCUMENT_BYTES:
        raise InvalidSettings(
            f"the file of {len(users)} partners would have {size} bytes, "
            f"and {MAX_DOCUMENT_BYTES} is the most that is read"
        )
    try:
        loaded = load(STDIN, {}, io.StringIO(text))
        wanted = wanted_users(loaded.settings, "the file")
    except InvalidSettings as error:
        raise InvalidSettings(
            "some of what is there cannot be in a file: " + error.detail.replace("standard input", "its"),
            hint=error.hint or "change it there, and export again",
        ) from error
    kept = MemoryUserDirectory()
    await kept.register_server(server.server_id)
    await kept.change_server(server.server_id, lambda _: server)
    for user in users:
        await kept.add_user(user)
    plan = await Users(kept, SystemClock(), server.server_id).plan(
        wanted, exact=True, prune=True, server=loaded.settings.server.members
    )
    if plan.changes:
        first = plan.changes[0]
        raise InvalidSettings(
            f"some of what is there would not come back from a file: {first.user_name} {first.what}".strip()
        )


def server_section(server: Server) -> dict[str, Any]:
    """Return the section `server`; what is left to the gateway is left out."""
    chosen = {"security_policy": server.security_policy, "set_stat_option": server.set_stat}
    return {
        **{name: value for name, value in chosen.items() if value is not None},
        "identity_provider": _provider(server.identity_provider),
        "directory_listing_optimization": server.listing,
        "pre_login_banner": server.pre_login_banner,
        "post_login_banner": server.post_login_banner,
        "logging_role": server.logging_role or None,
        "structured_log_destinations": list(server.log_destinations),
        "on_upload": _attached(server.on_upload),
        "on_partial_upload": _attached(server.on_partial_upload),
        "tags": dict(sorted(own_tags(server.tags))),
    }


def partner_section(user: User) -> dict[str, Any]:
    """Return the item of `partners`, with every member: one that has no value says so."""
    posix = user.posix_profile
    return {
        "name": user.user_name,
        **_home(user.home),
        # By their text: the order of import is another at each target.
        "keys": sorted(key.line for key in user.keys),
        "role": user.role or None,
        "policy": _policy(user.policy),
        "posix_profile": (
            {"uid": posix.uid, "gid": posix.gid, "secondary_gids": list(posix.secondary_gids)}
            if posix
            else {}
        ),
        "tags": dict(sorted(own_tags(user.tags))),
    }


def _home(home: Home) -> dict[str, Any]:
    start = start_of(home)
    if home.type is HomeDirectoryType.PATH:
        return {"home": start, "home_type": "PATH"}
    moved = {} if start == "/" else {"directory": start}
    if home.mappings in ((Mapping("/", home.target),), ()):
        return {"home": home.target, **moved}
    return {"mappings": [_mapping(each) for each in home.mappings], **moved}


def _mapping(mapping: Mapping) -> dict[str, str]:
    kind = {"type": "FILE"} if mapping.type is MappingType.FILE else {}
    return {"entry": mapping.entry, "target": mapping.target, **kind}


def _policy(text: str) -> Any:
    if not text:
        return None
    found = policy_document(text)
    return found if isinstance(found, dict) else text


def _provider(provider: IdentityProvider) -> dict[str, str]:
    told = {
        "function": provider.function,
        "url": provider.url,
        "invocation_role": provider.invocation_role,
        "directory_id": provider.directory_id,
    }
    asked = bool(provider.function or provider.url)
    methods = {"sftp_authentication_methods": provider.sftp_authentication_methods} if asked else {}
    return {"type": provider.type, **{name: value for name, value in told.items() if value}, **methods}


def _attached(workflow: AttachedWorkflow | None) -> dict[str, str]:
    if workflow is None:
        return {}
    return {"workflow_id": workflow.workflow_id, "execution_role": workflow.execution_role}
