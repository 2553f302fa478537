"""Leases of gateways in the directory table: one row a gateway beside its server's users."""

from __future__ import annotations

from tidegate.adapters.aws import items
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.ids import GatewayId

_PREFIX = "gateway#"


class DynamoGatewayLeases:
    """The port `GatewayLeases`."""

    def __init__(self, clients: AwsClients, table_name: str) -> None:
        self._clients = clients
        self._table = table_name

    async def renew(self, server_id: str, gateway_id: GatewayId) -> int:
        answer = await self._clients.run(
            self._clients.dynamodb.update_item,
            TableName=self._table,
            Key=_key(server_id, gateway_id),
            # ADD is not idempotent, and need not be: a repeat moves the counter on once more.
            UpdateExpression="ADD LeaseCounter :one",
            ExpressionAttributeValues=items.wire({":one": 1}),
            ReturnValues="UPDATED_NEW",
        )
        return int(items.plain(answer["Attributes"])["LeaseCounter"])

    async def counters(self, server_id: str) -> dict[GatewayId, int]:
        pages = self._clients.dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="Server = :server AND begins_with(Entry, :prefix)",
            ExpressionAttributeValues=items.wire({":server": server_id, ":prefix": _PREFIX}),
        )
        rows = await self._clients.run(lambda: [items.plain(row) for page in pages for row in page["Items"]])
        return {GatewayId(row["Entry"].removeprefix(_PREFIX)): row["LeaseCounter"] for row in rows}

    async def drop(self, server_id: str, gateway_id: GatewayId) -> None:
        await self._clients.run(
            self._clients.dynamodb.delete_item, TableName=self._table, Key=_key(server_id, gateway_id)
        )


def _key(server_id: str, gateway_id: GatewayId) -> items.Item:
    return items.wire({"Server": server_id, "Entry": _PREFIX + gateway_id})
