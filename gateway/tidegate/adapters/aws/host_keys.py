"""
Host keys in the directory table, one row each in the partition of their server:

    host-key#HOSTKEYID      attributes as Transfer Family calls them, and the private half under KMS
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from tidegate.adapters.aws import items
from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.directory_table import ABSENT, DirectoryTable
from tidegate.adapters.aws.items import Item
from tidegate.adapters.aws.server_items import new_revision, tag_items, tags_of
from tidegate.core.errors import AccessDenied, AlreadyExists, ChangedMeanwhile, GatewayError, NotFound
from tidegate.core.host_keys import HostKey

_PREFIX = "host-key#"
_LAST = "~"  # sorts after every character of an id
_TRIES = 5
_FIRST_REVISION = "attribute_exists(Server) AND (attribute_not_exists(Revision) OR Revision = :after)"


class DynamoHostKeys:
    """The port `HostKeys` over the directory table."""

    def __init__(self, clients: AwsClients, table_name: str) -> None:
        self._table = DirectoryTable(clients, table_name)

    async def of_server(self, server_id: str) -> list[HostKey]:
        rows = self._table.rows(server_id, _PREFIX, _PREFIX + _LAST)
        return [_host_key(row) async for row in rows]

    async def encrypted(self, server_id: str, host_key_id: str) -> bytes:
        row = await self._table.row(server_id, _PREFIX + host_key_id)
        if row is None:
            raise _no_key(host_key_id)
        return bytes(row["HostKeyCiphertext"])

    async def add(self, server_id: str, key: HostKey, encrypted: bytes) -> None:
        row = host_key_item(server_id, key, encrypted)
        try:
            # The same ciphertext is our own write, sent again after a lost answer.
            await self._table.put(row, ABSENT)
        except ChangedMeanwhile as error:
            there = await self._table.row(server_id, row["Entry"])
            if there is None or bytes(there["HostKeyCiphertext"]) != encrypted:
                raise AlreadyExists(f"the host key {key.fingerprint} is kept already") from error

    async def change(self, server_id: str, host_key_id: str, change: Callable[[HostKey], HostKey]) -> HostKey:
        for _ in range(_TRIES):
            row = await self._table.row(server_id, _PREFIX + host_key_id)
            if row is None:
                raise _no_key(host_key_id)
            key, after = _host_key(row), new_revision()
            wanted = change(key)
            with suppress(ChangedMeanwhile):
                await self._table.change(
                    row,
                    {"Description": wanted.description, "Tags": tag_items(wanted.tags), "Revision": after},
                    # Rows of earlier versions have no revision, and no tags.
                    "Revision IN (:before, :after)" if "Revision" in row else _FIRST_REVISION,
                    after=after,
                    **({"before": row["Revision"]} if "Revision" in row else {}),
                )
                return replace(key, description=wanted.description, tags=wanted.tags)
        raise ChangedMeanwhile(f"host key {host_key_id} is being changed by others all the time")

    async def remove(self, server_id: str, host_key_id: str) -> None:
        if not await self._table.delete_now(server_id, _PREFIX + host_key_id):
            raise _no_key(host_key_id)


class KmsVault:
    """The port `Vault` over KMS."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    async def encrypt(self, key: str, secret: bytes, context: Mapping[str, str]) -> bytes:
        answer = await self._clients.run(
            self._clients.kms.encrypt, KeyId=key, Plaintext=secret, EncryptionContext=context
        )
        return answer["CiphertextBlob"]

    async def decrypt(self, key: str, ciphertext: bytes, context: Mapping[str, str]) -> bytes:
        try:
            answer = await self._clients.run(
                self._clients.kms.decrypt, KeyId=key, CiphertextBlob=ciphertext, EncryptionContext=context
            )
        except (AccessDenied, NotFound):
            raise
        except GatewayError as error:
            if "InvalidCiphertext" in error.detail or "IncorrectKey" in error.detail:
                raise AccessDenied(f"it was not encrypted under {key} for {dict(context)}") from error
            raise
        return answer["Plaintext"]


def host_key_item(server_id: str, key: HostKey, encrypted: bytes) -> Item:
    """Return the row of a host key."""
    return {
        "Server": server_id,
        "Entry": _PREFIX + key.host_key_id,
        "HostKeyId": key.host_key_id,
        "Type": key.type,
        "HostKeyFingerprint": key.fingerprint,
        "HostKeyBody": key.public_key,
        "DateImported": items.stamp(key.imported_at),
        "Description": key.description,
        "KmsKeyId": key.kms_key_id,
        "HostKeyCiphertext": encrypted,
        "Tags": tag_items(key.tags),
        "Revision": new_revision(),
    }


def _no_key(host_key_id: str) -> NotFound:
    return NotFound(f"there is no host key {host_key_id}")


def _host_key(row: dict[str, Any]) -> HostKey:
    return HostKey(
        host_key_id=row["HostKeyId"],
        type=row["Type"],
        fingerprint=row["HostKeyFingerprint"],
        imported_at=items.moment(row["DateImported"]),
        description=row["Description"],
        kms_key_id=row["KmsKeyId"],
        public_key=row["HostKeyBody"],
        tags=tags_of(row),
    )
