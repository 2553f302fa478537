"""The directory table as rows: consistent reads and conditional writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

from tidegate.adapters.aws import items
from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.items import Item
from tidegate.core.errors import ChangedMeanwhile

ABSENT = "attribute_not_exists(Server)"


class DirectoryTable:
    """
    Rows of one table, by server and entry.

    A condition names its values `:name`; they are given as keywords. One that does not hold raises
    `ChangedMeanwhile`. Conditions must also hold once their own write was done: botocore sends a
    write again if its answer was lost.
    """

    def __init__(self, clients: AwsClients, name: str) -> None:
        self._clients = clients
        self._name = name

    async def row(self, server_id: str, entry: str) -> Item | None:
        """Return the row; None if there is none."""
        answer = await self._clients.run(
            self._clients.dynamodb.get_item,
            TableName=self._name,
            Key=_key(server_id, entry),
            ConsistentRead=True,
        )
        return items.plain(answer["Item"]) if "Item" in answer else None

    async def rows(self, server_id: str, first: str, last: str) -> AsyncIterator[Item]:
        """Yield the rows of a server from entry `first` to entry `last`, in byte order, page by page."""
        request: dict[str, Any] = {
            "TableName": self._name,
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

    async def put(self, row: Item, condition: str | None = None, **values: str) -> None:
        """Write the row in place of any that is there."""
        await self._clients.run(self._clients.dynamodb.put_item, **self._put(row, condition, values))

    async def put_together(self, new: Item, others: Iterable[Item]) -> None:
        """
        Write `new`, which must not be there yet, and the others over whatever is, all or nothing.

        Up to 100 rows and 4 MB, as DynamoDB allows.
        """
        writes: Any = [{"Put": self._put(new, ABSENT, {})}]
        writes += [{"Put": self._put(row, None, {})} for row in others]
        await self._clients.run(self._clients.dynamodb.transact_write_items, TransactItems=writes)

    async def change(self, row: Item, changes: Item, condition: str, **values: str) -> None:
        """Set these attributes of a row that was read before; one that is None is taken away."""
        await self._clients.run(
            self._clients.dynamodb.update_item,
            TableName=self._name,
            Key=_key(row["Server"], row["Entry"]),
            UpdateExpression=_update_of(changes),
            ConditionExpression=condition,
            # Some of our names are words of DynamoDB's language.
            ExpressionAttributeNames={f"#{name}": name for name in changes},
            ExpressionAttributeValues=items.wire(
                {f":new{name}": value for name, value in changes.items()} | _values(values)
            ),
        )

    async def delete(self, *rows: Item) -> None:
        """Delete rows that were read before, one after the other, where each is still of its generation."""
        for row in rows:
            with suppress(ChangedMeanwhile):  # gone already, or another's by now
                await self._clients.run(
                    self._clients.dynamodb.delete_item,
                    TableName=self._name,
                    Key=_key(row["Server"], row["Entry"]),
                    ConditionExpression="Generation = :generation",
                    ExpressionAttributeValues=items.wire({":generation": row["Generation"]}),
                )

    async def delete_now(self, server_id: str, entry: str) -> bool:
        """Delete a row whatever it is; tell whether one was there."""
        answer = await self._clients.run(
            self._clients.dynamodb.delete_item,
            TableName=self._name,
            Key=_key(server_id, entry),
            ReturnValues="ALL_OLD",
        )
        return "Attributes" in answer

    async def count_on(self, server_id: str, entry: str, name: str) -> None:
        """Add at least one to a number of a row. Raises `ChangedMeanwhile` if there is no such row."""
        await self._clients.run(
            self._clients.dynamodb.update_item,
            TableName=self._name,
            Key=_key(server_id, entry),
            UpdateExpression="ADD #name :one",
            ConditionExpression="attribute_exists(Server)",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues=items.wire({":one": 1}),
        )

    def _put(self, row: Item, condition: str | None, values: dict[str, str]) -> Any:
        put: dict[str, Any] = {"TableName": self._name, "Item": items.wire(row)}
        if condition:
            put["ConditionExpression"] = condition
        if values:
            put["ExpressionAttributeValues"] = items.wire(_values(values))
        return put


def _key(server_id: str, entry: str) -> Any:
    return items.wire({"Server": server_id, "Entry": entry})


def _update_of(changes: Item) -> str:
    kept = ", ".join(f"#{name} = :new{name}" for name, value in changes.items() if value is not None)
    gone = ", ".join(f"#{name}" for name, value in changes.items() if value is None)
    return f"SET {kept}" + (f" REMOVE {gone}" if gone else "")


def _values(values: dict[str, str]) -> Item:
    return {f":{name}": value for name, value in values.items()}
