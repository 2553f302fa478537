"""Users and keys as JSON and tables name their members: in AWS's words, in this order."""

from __future__ import annotations

from typing import Any

from tidegate.cli.output import at
from tidegate.core.homes import start_of
from tidegate.core.users import TIME_NOT_KNOWN, Mapping, PosixProfile, SshPublicKey, User

MAPPING_COLUMNS = ["Entry", "Target", "Type"]
KEY_COLUMNS = ["SshPublicKeyId", "Fingerprint", "Algorithm", "Comment", "DateImported"]


def user_members(user: User) -> dict[str, Any]:
    """Return the user with all its keys, under `Keys`; of what the Transfer API adds, what it has."""
    of_the_api = {
        "Role": user.role,
        "Policy": user.policy,
        "PosixProfile": _posix_members(user.posix_profile),
        "Tags": [{"Key": key, "Value": value} for key, value in user.tags],
    }
    return {
        "UserName": user.user_name,
        "HomeDirectoryType": user.home.type.value,
        "HomeDirectory": user.home.target,
        "HomeDirectoryMappings": [mapping_members(each) for each in user.home.mappings],
        "StartDirectory": start_of(user.home),
        "ServerId": user.server_id,
        "CreatedAt": None if user.created_at == TIME_NOT_KNOWN else at(user.created_at),
        **{name: value for name, value in of_the_api.items() if value},
        "Keys": [key_members(key) for key in user.keys],
    }


def _posix_members(posix: PosixProfile | None) -> dict[str, Any] | None:
    if posix is None:
        return None
    return {"Uid": posix.uid, "Gid": posix.gid, "SecondaryGids": list(posix.secondary_gids)}


def mapping_members(mapping: Mapping) -> dict[str, Any]:
    """Return one entry of a home, by `MAPPING_COLUMNS`."""
    return {"Entry": mapping.entry, "Target": mapping.target, "Type": mapping.type.value}


def key_members(key: SshPublicKey) -> dict[str, Any]:
    """Return the key, by `KEY_COLUMNS`."""
    return {
        "SshPublicKeyId": key.key_id,
        "Fingerprint": key.fingerprint,
        "Algorithm": key.algorithm,
        "Comment": key.comment,
        "DateImported": at(key.imported_at),
    }
