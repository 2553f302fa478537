"""Renames in DynamoDB: items of the transfers table, in the partition of the file's LogID."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.adapters.aws import items
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.errors import ChangedMeanwhile
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import Location
from tidegate.core.renames import Rename, RenameStatus, advance
from tidegate.ports.renames import PendingRename

RENAME_PREFIX = "rename#"

_OWNED = "GatewayId = :gateway AND Fence = :fence"


class DynamoRenames:
    """The port `RenameLog`."""

    _clients: AwsClients
    _table: str
    _retention_days: int

    async def intend(self, rename: Rename) -> None:
        try:
            await self._clients.run(
                self._clients.dynamodb.put_item,
                TableName=self._table,
                Item=items.wire(rename_item(rename)),
                ConditionExpression="attribute_not_exists(LogID)",
            )
        except ChangedMeanwhile:
            # A repeat after a lost answer finds its own item.
            if (await self._kept(rename)).owner != rename.owner:
                raise

    async def settle_rename(self, rename: Rename) -> None:
        advance(RenameStatus.PENDING, rename.status)
        changes: dict[str, Any] = {
            "Status": rename.status.value,
            "Timestamp": items.stamp(rename.timestamp),
            "ExpiresAt": items.expiry(rename.timestamp, self._retention_days),
        }
        if rename.error is not None:
            changes["Error"] = rename.error
        values = {":pending": RenameStatus.PENDING.value, **_owner(rename)}
        await self._clients.run(
            self._clients.dynamodb.update_item,
            TableName=self._table,
            Key=_key(rename),
            UpdateExpression=f"SET {', '.join(f'#{n} = :{n}' for n in changes)} REMOVE OpenWork, DueAt",
            # Its own outcome is accepted, too: a repeat after a lost answer.
            ConditionExpression=f"{_OWNED} AND #Status IN (:pending, :Status)",
            ExpressionAttributeNames={f"#{name}": name for name in changes},
            ExpressionAttributeValues=items.wire({**values, **{f":{n}": v for n, v in changes.items()}}),
        )

    async def take_over_rename(self, rename: Rename, claimant: GatewayId, at: datetime) -> Rename:
        answer = await self._clients.run(
            self._clients.dynamodb.update_item,
            TableName=self._table,
            Key=_key(rename),
            UpdateExpression="SET GatewayId = :claimant, Fence = :next, #at = :at",
            ConditionExpression=f"{_OWNED} AND #status = :pending",
            ExpressionAttributeNames={"#status": "Status", "#at": "Timestamp"},
            ExpressionAttributeValues=items.wire(
                {
                    ":pending": RenameStatus.PENDING.value,
                    ":claimant": claimant,
                    ":next": rename.fence + 1,
                    ":at": items.stamp(at),
                    **_owner(rename),
                }
            ),
            ReturnValues="ALL_NEW",
        )
        return rename_record(items.plain(answer["Attributes"]))

    async def pending_renames(self, shard: int) -> list[PendingRename]:
        pages = self._clients.dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="open-work",
            KeyConditionExpression="OpenWork = :shard",
            FilterExpression="begins_with(#item, :rename)",
            ExpressionAttributeNames={"#item": "Item"},
            ExpressionAttributeValues=items.wire({":shard": f"OPEN#{shard}", ":rename": RENAME_PREFIX}),
        )
        rows = await self._clients.run(lambda: [items.plain(row) for page in pages for row in page["Items"]])
        return [
            PendingRename(
                LogId(row["LogID"]), row["Item"].removeprefix(RENAME_PREFIX), GatewayId(row["GatewayId"])
            )
            for row in rows
        ]

    async def _kept(self, rename: Rename) -> Rename:
        answer = await self._clients.run(
            self._clients.dynamodb.query,
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="LogID = :id AND #item = :item",
            ExpressionAttributeNames={"#item": "Item"},
            ExpressionAttributeValues=items.wire(
                {":id": rename.log_id, ":item": RENAME_PREFIX + rename.rename_id}
            ),
        )
        return rename_record(items.plain(answer["Items"][0]))


def rename_item(rename: Rename) -> items.Item:
    """
    Return the whole `rename#<id>` item; pending ones also appear in the open-work index.

    It has no `StartedAt`, so it is in neither of the indexes that list transfers.
    """
    return {
        "LogID": rename.log_id,
        "Item": RENAME_PREFIX + rename.rename_id,
        "Status": rename.status.value,
        "UserName": rename.user_name,
        "ServerId": rename.server_id,
        "SessionId": rename.session_id,
        "ClientIp": rename.client_ip,
        "Path": rename.path,
        "NewPath": rename.new_path,
        "SourceBucket": rename.source.bucket,
        "ObjectKey": rename.source.key,
        "VersionId": rename.version_id,
        "ETag": rename.etag or None,
        "DestinationBucket": rename.target.bucket,
        "DestinationKey": rename.target.key,
        "Replacing": rename.replacing,
        "GatewayId": rename.gateway_id,
        "Fence": rename.fence,
        "Holds": rename.holds or None,
        "AsOf": items.stamp(rename.as_of) if rename.as_of else None,
        "RequestedAt": items.stamp(rename.started_at),
        "Timestamp": items.stamp(rename.timestamp),
        "Error": rename.error,
        "OpenWork": items.open_shard(rename.log_id) if rename.is_open else None,
        "DueAt": items.stamp(rename.started_at) if rename.is_open else None,
    }


def rename_record(item: items.Item) -> Rename:
    return Rename(
        log_id=LogId(item["LogID"]),
        rename_id=item["Item"].removeprefix(RENAME_PREFIX),
        status=RenameStatus(item["Status"]),
        user_name=item["UserName"],
        server_id=item["ServerId"],
        session_id=item["SessionId"],
        client_ip=item["ClientIp"],
        path=item["Path"],
        new_path=item["NewPath"],
        source=Location(item["SourceBucket"], item["ObjectKey"]),
        version_id=item.get("VersionId"),
        etag=item.get("ETag", ""),
        target=Location(item["DestinationBucket"], item["DestinationKey"]),
        replacing=item["Replacing"],
        gateway_id=GatewayId(item["GatewayId"]),
        fence=item["Fence"],
        started_at=items.moment(item["RequestedAt"]),
        timestamp=items.moment(item["Timestamp"]),
        error=item.get("Error"),
        holds=item.get("Holds", False),
        as_of=items.moment(item["AsOf"]) if "AsOf" in item else None,
    )


def renames_among(by_item: dict[str, items.Item]) -> tuple[Rename, ...]:
    """Return the renames among the items of one LogID, oldest first."""
    names = sorted(name for name in by_item if name.startswith(RENAME_PREFIX))
    return tuple(rename_record(by_item[name]) for name in names)


def _owner(rename: Rename) -> dict[str, Any]:
    return {":gateway": rename.gateway_id, ":fence": rename.fence}


def _key(rename: Rename) -> Any:
    return items.wire({"LogID": rename.log_id, "Item": RENAME_PREFIX + rename.rename_id})
