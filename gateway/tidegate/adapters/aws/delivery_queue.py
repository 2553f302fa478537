"""Deliveries as work in DynamoDB: found by index; claimed, renewed and settled on the item itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.adapters.aws import items
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.deliveries import TERMINAL_STATUSES, Delivery, DeliveryStatus, advance
from tidegate.core.errors import ChangedMeanwhile
from tidegate.core.ids import GatewayId, LogId
from tidegate.ports.transfer_log import OpenWork

_LEASED = "#Status = :pending AND LeaseOwner = :me AND LeaseFence = :fence"


class DynamoDeliveryQueue:
    """The port `DeliveryQueue`."""

    def __init__(
        self, clients: AwsClients, table_name: str, retention_days: int, refused_login_retention_days: int
    ) -> None:
        self._clients = clients
        self._table = table_name
        self._retention_days = retention_days
        self._login_retention_days = refused_login_retention_days

    async def due(self, shard: int, now: datetime, limit: int = 100) -> list[OpenWork]:
        found: list[OpenWork] = []
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": "open-work",
            "KeyConditionExpression": "OpenWork = :shard AND DueAt <= :now",
            # Open uploads share the index, and must not fill the page.
            "FilterExpression": "begins_with(#item, :delivery)",
            "ExpressionAttributeNames": {"#item": "Item"},
            "ExpressionAttributeValues": items.wire(
                {":shard": f"OPEN#{shard}", ":now": items.stamp(now), ":delivery": items.DELIVERY_PREFIX}
            ),
        }
        while len(found) < limit:
            answer = await self._clients.run(self._clients.dynamodb.query, **request)
            found += [_open_work(items.plain(row)) for row in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                break
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return found[:limit]

    async def claim(
        self, log_id: LogId, target: str, claimant: GatewayId, now: datetime, lease_until: datetime
    ) -> Delivery | None:
        try:
            answer = await self._clients.run(
                self._clients.dynamodb.update_item,
                TableName=self._table,
                Key=_key(log_id, target),
                UpdateExpression=(
                    "SET LeaseOwner = :me, DueAt = :until, LeaseFence = LeaseFence + :one,"
                    " Attempts = Attempts + :one"
                ),
                ConditionExpression="#status = :pending AND DueAt <= :now",
                ExpressionAttributeNames={"#status": "Status"},
                ExpressionAttributeValues=items.wire(
                    {
                        ":me": claimant,
                        ":until": items.stamp(lease_until),
                        ":now": items.stamp(now),
                        ":one": 1,
                        ":pending": DeliveryStatus.PENDING.value,
                    }
                ),
                ReturnValues="ALL_NEW",
            )
        except ChangedMeanwhile:
            return None
        return items.delivery_record(items.plain(answer["Attributes"]))

    async def renew(self, claimed: Delivery, lease_until: datetime) -> None:
        await self._clients.run(
            self._clients.dynamodb.update_item,
            TableName=self._table,
            Key=_key(claimed.log_id, claimed.target),
            UpdateExpression="SET DueAt = :until",
            ConditionExpression=_LEASED,
            ExpressionAttributeNames={"#Status": "Status"},
            ExpressionAttributeValues=items.wire(
                {":until": items.stamp(lease_until), **_lease_values(claimed)}
            ),
        )

    async def settle(self, claimed: Delivery) -> None:
        advance(DeliveryStatus.PENDING, claimed.status)
        changes: dict[str, Any] = {
            "Status": claimed.status.value,
            "Timestamp": items.stamp(claimed.timestamp),
            "DueAt": items.stamp(claimed.due_at),
            "Error": claimed.error,
        }
        gone = ["LeaseOwner"]
        if claimed.status is not DeliveryStatus.PENDING:
            gone.append("OpenWork")
        if claimed.status in TERMINAL_STATUSES:
            changes["ExpiresAt"] = items.expiry(claimed.timestamp, self._retention_days)
        if claimed.error is None:
            gone.append("#Error")
            del changes["Error"]
        await self._clients.run(
            self._clients.dynamodb.update_item,
            TableName=self._table,
            Key=_key(claimed.log_id, claimed.target),
            UpdateExpression=(f"SET {', '.join(f'#{n} = :{n}' for n in changes)} REMOVE {', '.join(gone)}"),
            ConditionExpression=_LEASED,
            ExpressionAttributeNames={
                **{f"#{n}": n for n in changes},
                **({"#Error": "Error"} if "#Error" in gone else {}),
            },
            ExpressionAttributeValues=items.wire(
                {**_lease_values(claimed), **{f":{n}": value for n, value in changes.items()}}
            ),
        )


def _lease_values(claimed: Delivery) -> dict[str, Any]:
    if claimed.lease_owner is None:
        raise ChangedMeanwhile(f"delivery {claimed.log_id} to {claimed.target} is claimed by nobody")
    return {
        ":pending": DeliveryStatus.PENDING.value,
        ":me": claimed.lease_owner,
        ":fence": claimed.lease_fence,
    }


def _key(log_id: LogId, target: str) -> Any:
    return items.wire({"LogID": log_id, "Item": items.DELIVERY_PREFIX + target})


def _open_work(row: items.Item) -> OpenWork:
    return OpenWork(LogId(row["LogID"]), row["Item"], items.moment(row["DueAt"]))
