"""Open transfers in DynamoDB: found by index, taken over on the item itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.adapters.aws import items
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.transfers import TransferRecord, TransferStatus, sources_of
from tidegate.ports.transfer_log import OpenRecord


class DynamoOpenRecords:
    """The part of `TransferLog` that a sweep needs."""

    _clients: AwsClients
    _table: str

    async def open_records(self, shard: int) -> list[OpenRecord]:
        pages = self._clients.dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="open-work",
            KeyConditionExpression="OpenWork = :shard",
            FilterExpression="#item = :transfer",
            ExpressionAttributeNames={"#item": "Item"},
            ExpressionAttributeValues=items.wire(
                {":shard": f"OPEN#{shard}", ":transfer": items.TRANSFER_ITEM}
            ),
        )
        rows = await self._clients.run(lambda: [items.plain(row) for page in pages for row in page["Items"]])
        return [
            OpenRecord(LogId(row["LogID"]), GatewayId(row["GatewayId"]), row.get("UploadId")) for row in rows
        ]

    async def take_over(self, record: TransferRecord, claimant: GatewayId, at: datetime) -> TransferRecord:
        states = {f":from{n}": status.value for n, status in enumerate(sources_of(TransferStatus.SWEEPING))}
        values: dict[str, Any] = {
            ":gateway": record.gateway_id,
            ":fence": record.fence,
            ":claimant": claimant,
            ":next": record.fence + 1,
            ":sweeping": TransferStatus.SWEEPING.value,
            ":at": items.stamp(at),
            ":open": items.open_shard(record.log_id),
        }
        answer = await self._clients.run(
            self._clients.dynamodb.update_item,
            TableName=self._table,
            Key=items.wire({"LogID": record.log_id, "Item": items.TRANSFER_ITEM}),
            # What was kept joins those that are open: should this sweeper die, it is found there.
            UpdateExpression=(
                "SET #status = :sweeping, GatewayId = :claimant, Fence = :next, #at = :at,"
                " OpenWork = :open, DueAt = :at"
            ),
            ConditionExpression=(
                f"GatewayId = :gateway AND Fence = :fence AND #status IN ({', '.join(states)})"
            ),
            ExpressionAttributeNames={"#status": "Status", "#at": "Timestamp"},
            ExpressionAttributeValues=items.wire({**values, **states}),
            ReturnValues="ALL_NEW",
        )
        return items.transfer_record(items.plain(answer["Attributes"]))
