"""Users and servers as members of Transfer Family's API, there and back."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from tidegate.core.drift import SERVER_MEMBERS, differing, homes_differ, own_tags
from tidegate.core.errors import InvalidKey, Unsupported
from tidegate.core.homes import start_of
from tidegate.core.ids import KeyId
from tidegate.core.public_keys import parse_public_key
from tidegate.core.servers import AttachedWorkflow, IdentityProvider, Server
from tidegate.core.tags import Tags
from tidegate.core.users import (
    TIME_NOT_KNOWN,
    Home,
    HomeDirectoryType,
    MappingType,
    PosixProfile,
    SshPublicKey,
    User,
)
from tidegate.core.users import Mapping as HomeMapping

Members: TypeAlias = dict[str, Any]

_OFFLINE = frozenset({"OFFLINE", "STOPPING", "STOP_FAILED"})


# --- users -------------------------------------------------------------------------------------


def user_of(server_id: str, members: Mapping[str, Any]) -> User:
    """Return the user that DescribeUser tells of, with its keys, oldest first."""
    keys = sorted(
        map(_key_of, members.get("SshPublicKeys", ())), key=lambda key: (key.imported_at, key.key_id)
    )
    posix = members.get("PosixProfile")
    return User(
        server_id,
        members["UserName"],
        Home(
            HomeDirectoryType(members.get("HomeDirectoryType") or HomeDirectoryType.PATH),
            members.get("HomeDirectory") or "",
            tuple(map(_mapping_of, members.get("HomeDirectoryMappings") or ())),
        ),
        TIME_NOT_KNOWN,
        tuple(sorted(keys, key=lambda key: (key.imported_at, key.key_id))),
        role=members.get("Role") or "",
        policy=members.get("Policy") or "",
        posix_profile=_posix_of(posix) if posix else None,
        tags=_tags_of(members),
    )


def check_held(there: User | None, wanted: User) -> None:
    """
    Refuse by name what Transfer Family cannot hold of a user.

    Args:
        there: The user as it is; None for one that is to be made.

    Raises:
        Unsupported: Says the user and the member.
    """
    if not wanted.role:
        raise Unsupported(
            f"Transfer Family takes no user without a role, and {wanted.user_name} has none",
            hint="give it a role in the file, or name one for all that have none: --role ARN",
        )
    if there is not None and there.posix_profile and not wanted.posix_profile:
        raise Unsupported(
            f"Transfer Family cannot take the posix_profile of {wanted.user_name} away",
            hint="give it another, or remove the user and make it anew",
        )


def creation(user: User) -> Members:
    """Return what CreateUser is to be told, with the first key. Raises `Unsupported`."""
    check_held(None, user)
    home = user.home
    directory = home.directory if home.type is HomeDirectoryType.PATH or start_of(home) != "/" else ""
    optional: Members = {
        "HomeDirectory": directory,
        "HomeDirectoryMappings": list(map(_mapping_members, home.mappings)),
        "Policy": user.policy,
        "PosixProfile": _posix_members(user.posix_profile),
        "SshPublicKeyBody": user.keys[0].line if user.keys else "",
        "Tags": tag_members(user.tags),
    }
    return {
        "UserName": user.user_name,
        "Role": user.role,
        "HomeDirectoryType": home.type.value,
        **{name: value for name, value in optional.items() if value},
    }


def user_update(there: User, wanted: User) -> Members:
    """Return what UpdateUser is to be told, empty if nothing. Raises `Unsupported`."""
    check_held(there, wanted)
    members: Members = {}
    if homes_differ(there.home, wanted.home, there.user_name):
        members |= _home_update(there.home, wanted.home)
    if wanted.role != there.role:
        members["Role"] = wanted.role
    if wanted.policy != there.policy:
        members["Policy"] = wanted.policy
    if wanted.posix_profile != there.posix_profile:
        members["PosixProfile"] = _posix_members(wanted.posix_profile)
    return members


def _home_update(there: Home, wanted: Home) -> Members:
    members: Members = {"HomeDirectoryType": wanted.type.value}
    # A start at / lies in no mapping, unless there is one of /: it is named only where it takes back another.
    if wanted.type is HomeDirectoryType.PATH or {start_of(there), start_of(wanted)} != {"/"}:
        members["HomeDirectory"] = wanted.directory or "/"
    if wanted.mappings:
        members["HomeDirectoryMappings"] = list(map(_mapping_members, wanted.mappings))
    return members


def _key_of(members: Mapping[str, Any]) -> SshPublicKey:
    key_id, imported_at = KeyId(members["SshPublicKeyId"]), members["DateImported"]
    try:
        parsed = parse_public_key(members["SshPublicKeyBody"])
    except InvalidKey:
        # Transfer Family takes some that we do not: they are shown, and can be removed.
        algorithm, _, rest = members["SshPublicKeyBody"].strip().partition(" ")
        blob, _, comment = rest.strip().partition(" ")
        body = f"{algorithm} {blob}".strip()
        return SshPublicKey(key_id, body, _fingerprint(blob), comment, imported_at)
    return SshPublicKey(key_id, parsed.body, parsed.fingerprint, parsed.comment, imported_at)


def _fingerprint(blob: str) -> str:
    if not blob:
        return ""
    try:
        digest = hashlib.sha256(base64.b64decode(blob, validate=True)).digest()
    except binascii.Error:
        return ""
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _mapping_of(members: Mapping[str, Any]) -> HomeMapping:
    kind = MappingType(members.get("Type", MappingType.DIRECTORY))
    return HomeMapping(members["Entry"], members["Target"], kind, "Type" in members)


def _mapping_members(mapping: HomeMapping) -> Members:
    members = {"Entry": mapping.entry, "Target": mapping.target}
    if mapping.says_type or mapping.type is MappingType.FILE:
        members["Type"] = mapping.type.value
    return members


def _posix_of(members: Mapping[str, Any]) -> PosixProfile:
    return PosixProfile(members["Uid"], members["Gid"], tuple(members.get("SecondaryGids") or ()))


def _posix_members(posix: PosixProfile | None) -> Members | None:
    if posix is None:
        return None
    more = {"SecondaryGids": list(posix.secondary_gids)} if posix.secondary_gids else {}
    return {"Uid": posix.uid, "Gid": posix.gid, **more}


# --- servers -----------------------------------------------------------------------------------


def server_of(members: Mapping[str, Any]) -> Server:
    """Return the server that DescribeServer tells of."""
    protocol, storage = members.get("ProtocolDetails") or {}, members.get("S3StorageOptions") or {}
    workflows = members.get("WorkflowDetails") or {}
    return Server(
        members["ServerId"],
        _tags_of(members),
        wanted="OFFLINE" if members.get("State") in _OFFLINE else "ONLINE",
        identity_provider=_provider_of(members),
        security_policy=members.get("SecurityPolicyName"),
        set_stat=protocol.get("SetStatOption"),
        listing=storage.get("DirectoryListingOptimization") or "DISABLED",
        pre_login_banner=members.get("PreAuthenticationLoginBanner") or "",
        post_login_banner=members.get("PostAuthenticationLoginBanner") or "",
        logging_role=members.get("LoggingRole") or "",
        log_destinations=tuple(members.get("StructuredLogDestinations") or ()),
        on_upload=_workflow_of(workflows.get("OnUpload")),
        on_partial_upload=_workflow_of(workflows.get("OnPartialUpload")),
    )


def server_update(there: Server, wanted: Server) -> Members:
    """
    Return what UpdateServer is to be told, empty if nothing; tags are told by other operations.

    Raises:
        Unsupported: Transfer Family cannot hold it; names the member.
    """
    _refuse_what_is_ours(there, wanted)
    values = {name: getattr(wanted, name) for name in SERVER_MEMBERS if name != "tags"}
    members: Members = {}
    for name in differing(there, values, values):
        members |= _server_member(name, wanted)
    return members


def _refuse_what_is_ours(there: Server, wanted: Server) -> None:
    ours = {"security_policy": wanted.security_policy, "set_stat": wanted.set_stat}
    for name, value in ours.items():
        if value is None and getattr(there, name) is not None:
            raise Unsupported(
                f"Transfer Family has no server whose {name} is left to a gateway",
                hint="name one in the file",
            )
    for name in ("preset", "port", "wanted"):
        if getattr(there, name) != getattr(wanted, name):
            raise Unsupported(f"{name} of a server cannot be changed by UpdateServer")


def _server_member(name: str, server: Server) -> Members:
    if name == "identity_provider":
        return _provider_members(server.identity_provider)
    if name in ("on_upload", "on_partial_upload"):
        # Both, so that the half that stays is not taken for one that is to go.
        return {
            "WorkflowDetails": {
                "OnUpload": _workflow_members(server.on_upload),
                "OnPartialUpload": _workflow_members(server.on_partial_upload),
            }
        }
    single: dict[str, Members] = {
        "security_policy": {"SecurityPolicyName": server.security_policy},
        "set_stat": {"ProtocolDetails": {"SetStatOption": server.set_stat}},
        "listing": {"S3StorageOptions": {"DirectoryListingOptimization": server.listing}},
        "pre_login_banner": {"PreAuthenticationLoginBanner": server.pre_login_banner},
        "post_login_banner": {"PostAuthenticationLoginBanner": server.post_login_banner},
        "logging_role": {"LoggingRole": server.logging_role},
        "log_destinations": {"StructuredLogDestinations": list(server.log_destinations)},
    }
    return single[name]


def _provider_of(members: Mapping[str, Any]) -> IdentityProvider:
    details = members.get("IdentityProviderDetails") or {}
    provider = IdentityProvider(
        members.get("IdentityProviderType") or "SERVICE_MANAGED",
        details.get("Function") or "",
        details.get("Url") or "",
        details.get("InvocationRole") or "",
        details.get("DirectoryId") or "",
    )
    methods = details.get("SftpAuthenticationMethods")
    return replace(provider, sftp_authentication_methods=methods) if methods else provider


def _provider_members(provider: IdentityProvider) -> Members:
    details = {
        "Function": provider.function,
        "Url": provider.url,
        "InvocationRole": provider.invocation_role,
        "DirectoryId": provider.directory_id,
    }
    said = {name: value for name, value in details.items() if value}
    if provider.function or provider.url:
        said["SftpAuthenticationMethods"] = provider.sftp_authentication_methods
    return {"IdentityProviderType": provider.type, **({"IdentityProviderDetails": said} if said else {})}


def _workflow_of(attached: list[Mapping[str, str]] | None) -> AttachedWorkflow | None:
    return AttachedWorkflow(attached[0]["WorkflowId"], attached[0]["ExecutionRole"]) if attached else None


def _workflow_members(attached: AttachedWorkflow | None) -> list[Members]:
    if attached is None:
        return []
    return [{"WorkflowId": attached.workflow_id, "ExecutionRole": attached.execution_role}]


# --- tags --------------------------------------------------------------------------------------


def tag_members(tags: Tags) -> list[Members]:
    return [{"Key": key, "Value": value} for key, value in tags]


def tag_changes(there: Tags, wanted: Tags) -> tuple[list[str], list[Members]]:
    """Return the keys that are to go and the tags that are to be set; AWS's own are left alone."""
    before, after = dict(own_tags(there)), dict(own_tags(wanted))
    gone = [key for key in before if key not in after]
    return gone, tag_members(tuple((key, value) for key, value in after.items() if before.get(key) != value))


def _tags_of(members: Mapping[str, Any]) -> Tags:
    return tuple((tag["Key"], tag["Value"]) for tag in members.get("Tags") or ())
