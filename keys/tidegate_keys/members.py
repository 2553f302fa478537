"""Users and keys as JSON and tables name their members: in AWS's words, in this order."""

from __future__ import annotations

from typing import Any

from tidegate.cli.output import at
from tidegate.core.users import SshPublicKey, User

KEY_COLUMNS = ["SshPublicKeyId", "Fingerprint", "Algorithm", "Comment", "DateImported"]


def user_members(user: User) -> dict[str, Any]:
    """Return the user with all its keys, under `Keys`."""
    return {
        "UserName": user.user_name,
        "HomeDirectoryType": user.home.type.value,
        "HomeDirectory": user.home.target,
        "ServerId": user.server_id,
        "CreatedAt": at(user.created_at),
        "Keys": [key_members(key) for key in user.keys],
    }


def key_members(key: SshPublicKey) -> dict[str, Any]:
    """Return the key, by `KEY_COLUMNS`."""
    return {
        "SshPublicKeyId": key.key_id,
        "Fingerprint": key.fingerprint,
        "Algorithm": key.algorithm,
        "Comment": key.comment,
        "DateImported": at(key.imported_at),
    }
