"""
The directory of users and keys in DynamoDB.

Each time a name is given to a user anew it gets a new `Generation`, which its keys carry: a key row
left over from an earlier user of that name can never log anybody in.

One partition a server; sort keys `user#NAME` and `user#NAME#key#KEYID`. No character a user name
may hold sorts before `#`, so one consistent range query gives a user and every key it has.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable
from typing import Any

from tidegate.adapters.aws import items
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.errors import AlreadyExists, ChangedMeanwhile, NotFound
from tidegate.core.ids import KeyId
from tidegate.core.users import Home, HomeDirectoryType, Mapping, SshPublicKey, User

# A transaction holds 100 items; a user and 50 keys always fit.
_SERVER_ENTRY = "server"
_ABSENT = "attribute_not_exists(Server)"
_PRESENT = "attribute_exists(Server)"


class DynamoUserDirectory:
    """The port `UserDirectory` over the directory table."""

    def __init__(self, clients: AwsClients, table_name: str) -> None:
        self._clients = clients
        self._table = table_name

    async def register_server(self, server_id: str) -> None:
        await self._clients.run(
            self._clients.dynamodb.put_item,
            TableName=self._table,
            Item=items.wire({"Server": server_id, "Entry": _SERVER_ENTRY}),
        )

    async def server_ids(self) -> list[str]:
        pages = self._clients.dynamodb.get_paginator("scan").paginate(
            TableName=self._table,
            ConsistentRead=True,
            FilterExpression="Entry = :entry",
            ExpressionAttributeValues=items.wire({":entry": _SERVER_ENTRY}),
        )
        rows = await self._clients.run(lambda: [row for page in pages for row in page["Items"]])
        return sorted(items.plain(row)["Server"] for row in rows)

    async def user(self, server_id: str, user_name: str) -> User:
        rows = [row async for row in self._rows(server_id, f"user#{user_name}", f"user#{user_name}#~")]
        for user in _users(rows):
            return user
        raise _no_user(user_name)

    async def users(self, server_id: str) -> AsyncIterator[User]:
        rows: list[items.Item] = []
        async for row in self._rows(server_id, "user#", "user#~"):
            if "UserName" in row and rows:
                for user in _users(rows):
                    yield user
                rows = []
            rows.append(row)
        for user in _users(rows):
            yield user

    async def add_user(self, user: User) -> None:
        generation = secrets.token_hex(8)
        writes = [self._put({**_user_item(user), "Generation": generation}, _ABSENT)]
        # A key row of an earlier user of this name may be left over: it is replaced.
        writes += [self._put(_key_item(user, key, generation)) for key in user.keys]
        try:
            await self._clients.run(self._clients.dynamodb.transact_write_items, TransactItems=writes)
        except ChangedMeanwhile as error:
            raise AlreadyExists(f"partner {user.user_name} exists already") from error

    async def set_home(self, server_id: str, user_name: str, home: Home) -> None:
        try:
            await self._clients.run(
                self._clients.dynamodb.update_item,
                TableName=self._table,
                Key=_key(server_id, f"user#{user_name}"),
                UpdateExpression=(
                    "SET HomeDirectoryType = :type, HomeDirectory = :directory,"
                    " HomeDirectoryMappings = :mappings"
                ),
                ConditionExpression=_PRESENT,
                ExpressionAttributeValues=items.wire(
                    {
                        ":type": home.type.value,
                        ":directory": home.directory,
                        ":mappings": _mapping_list(home),
                    }
                ),
            )
        except ChangedMeanwhile as error:
            raise _no_user(user_name) from error

    async def remove_user(self, server_id: str, user_name: str) -> None:
        user = await self.user(server_id, user_name)
        # The user goes first: from then on nobody logs in, whatever becomes of the keys. One that is
        # left over belongs to a generation that is gone, and never counts again.
        sorts = [f"user#{user_name}", *(_key_sort(user_name, key.key_id) for key in user.keys)]
        for sort in sorts:
            await self._clients.run(
                self._clients.dynamodb.delete_item, TableName=self._table, Key=_key(server_id, sort)
            )

    async def add_key(self, server_id: str, user_name: str, key: SshPublicKey) -> None:
        user = await self.user(server_id, user_name)
        if any(key.key_id == there.key_id for there in user.keys):
            raise AlreadyExists(f"{user_name} has the key {key.fingerprint} already")
        generation = await self._generation(server_id, user_name)
        still_there: Any = {
            "TableName": self._table,
            "Key": _key(server_id, f"user#{user_name}"),
            "ConditionExpression": "Generation = :generation",
            "ExpressionAttributeValues": items.wire({":generation": generation}),
        }
        try:
            await self._clients.run(
                self._clients.dynamodb.transact_write_items,
                TransactItems=[
                    {"ConditionCheck": still_there},
                    self._put(
                        _key_item(user, key, generation),
                        f"{_ABSENT} OR Generation <> :generation",
                        {":generation": generation},
                    ),
                ],
            )
        except ChangedMeanwhile as error:
            await self.user(server_id, user_name)
            raise AlreadyExists(f"{user_name} has the key {key.fingerprint} already") from error

    async def _generation(self, server_id: str, user_name: str) -> str:
        answer = await self._clients.run(
            self._clients.dynamodb.get_item,
            TableName=self._table,
            Key=_key(server_id, f"user#{user_name}"),
            ConsistentRead=True,
        )
        if "Item" not in answer:
            raise _no_user(user_name)
        return str(items.plain(answer["Item"])["Generation"])

    async def remove_key(self, server_id: str, user_name: str, key_id: KeyId) -> None:
        try:
            await self._clients.run(
                self._clients.dynamodb.delete_item,
                TableName=self._table,
                Key=_key(server_id, _key_sort(user_name, key_id)),
                ConditionExpression=_PRESENT,
            )
        except ChangedMeanwhile as error:
            raise NotFound(f"{user_name} has no key {key_id}") from error

    async def _rows(self, server_id: str, first: str, last: str) -> AsyncIterator[items.Item]:
        request: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": "Server = :server AND Entry BETWEEN :first AND :last",
            "ExpressionAttributeValues": items.wire({":server": server_id, ":first": first, ":last": last}),
        }
        while True:
            answer = await self._clients.run(self._clients.dynamodb.query, **request)
            for row in answer["Items"]:
                yield items.plain(row)
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _put(self, item: items.Item, condition: str | None = None, values: items.Item | None = None) -> Any:
        put: dict[str, Any] = {"TableName": self._table, "Item": items.wire(item)}
        if condition:
            put["ConditionExpression"] = condition
        if values:
            put["ExpressionAttributeValues"] = items.wire(values)
        return {"Put": put}


def _no_user(user_name: str) -> NotFound:
    return NotFound(f"there is no partner {user_name}", hint="tidegate partners list shows them all")


def _key(server_id: str, sort: str) -> Any:
    return items.wire({"Server": server_id, "Entry": sort})


def _key_sort(user_name: str, key_id: KeyId) -> str:
    return f"user#{user_name}#key#{key_id}"


def _mapping_list(home: Home) -> list[dict[str, str]]:
    return [{"Entry": mapping.entry, "Target": mapping.target} for mapping in home.mappings]


def _user_item(user: User) -> items.Item:
    return {
        "Server": user.server_id,
        "Entry": f"user#{user.user_name}",
        "UserName": user.user_name,
        "HomeDirectoryType": user.home.type.value,
        "HomeDirectory": user.home.directory,
        "HomeDirectoryMappings": _mapping_list(user.home),
        "CreatedAt": items.stamp(user.created_at),
    }


def _key_item(user: User, key: SshPublicKey, generation: str) -> items.Item:
    return {
        "Server": user.server_id,
        "Entry": _key_sort(user.user_name, key.key_id),
        "Generation": generation,
        "SshPublicKeyId": key.key_id,
        "SshPublicKeyBody": key.body,
        "Fingerprint": key.fingerprint,
        "Comment": key.comment,
        "DateImported": items.stamp(key.imported_at),
    }


def _users(rows: Iterable[items.Item]) -> list[User]:
    """Return the user these rows describe, if its own row is among them, with the keys of its generation."""
    rows = list(rows)
    found = next((row for row in rows if "UserName" in row), None)
    if found is None:
        return []
    own = [row for row in rows if "SshPublicKeyId" in row and row["Generation"] == found["Generation"]]
    keys = sorted(map(_ssh_key, own), key=lambda key: key.imported_at)
    return [_user(found, tuple(keys))]


def _ssh_key(row: items.Item) -> SshPublicKey:
    return SshPublicKey(
        key_id=KeyId(row["SshPublicKeyId"]),
        body=row["SshPublicKeyBody"],
        fingerprint=row["Fingerprint"],
        comment=row["Comment"],
        imported_at=items.moment(row["DateImported"]),
    )


def _user(row: items.Item, keys: tuple[SshPublicKey, ...]) -> User:
    mappings = tuple(Mapping(m["Entry"], m["Target"]) for m in row["HomeDirectoryMappings"])
    home = Home(HomeDirectoryType(row["HomeDirectoryType"]), row["HomeDirectory"], mappings)
    return User(row["Server"], row["UserName"], home, items.moment(row["CreatedAt"]), keys)
