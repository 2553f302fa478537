"""Deliveries as work in DynamoDB: found by index; whatever is done to one, on the item itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.adapters.aws import items
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.deliveries import (
    DISCARDABLE_STATUSES,
    REPLAYABLE_STATUSES,
    TERMINAL_STATUSES,
    WAITING_STATUSES,
    Delivery,
    DeliveryStatus,
    advance,
)
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
        waiting = _states(*WAITING_STATUSES)
        try:
            answer = await self._clients.run(
                self._clients.dynamodb.update_item,
                TableName=self._table,
                Key=_key(log_id, target),
                UpdateExpression=(
                    "SET LeaseOwner = :me, DueAt = :until, LeaseFence = LeaseFence + :one,"
                    " Attempts = Attempts + :one"
                ),
                ConditionExpression=f"#status IN ({', '.join(waiting)}) AND DueAt <= :now",
                ExpressionAttributeNames={"#status": "Status"},
                ExpressionAttributeValues=items.wire(
                    {
                        ":me": claimant,
                        ":until": items.stamp(lease_until),
                        ":now": items.stamp(now),
                        ":one": 1,
                        **waiting,
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
        shard = items.delivery_shard(claimed.log_id, claimed.status)
        if shard is None:
            gone.append("OpenWork")
        else:
            changes["OpenWork"] = shard
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

    async def move_held(self, held: Delivery, to: Delivery) -> None:
        advance(DeliveryStatus.HELD, to.status)
        item = items.delivery_item(to)
        if to.status in TERMINAL_STATUSES:
            item["ExpiresAt"] = items.expiry(to.timestamp, self._retention_days)
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": items.wire(item),
            # Every change of one that is HELD counts its fence up: so this is the very one that was read.
            "ConditionExpression": "#status = :held AND LeaseFence = :fence",
            "ExpressionAttributeNames": {"#status": "Status"},
            "ExpressionAttributeValues": items.wire(
                {":held": DeliveryStatus.HELD.value, ":fence": held.lease_fence}
            ),
        }
        await self._clients.run(self._clients.dynamodb.put_item, **put)

    async def dead(self, shard: int) -> list[OpenWork]:
        pages = self._clients.dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="open-work",
            KeyConditionExpression="OpenWork = :shard",
            ExpressionAttributeValues=items.wire({":shard": f"DEAD#{shard}"}),
        )
        rows = await self._clients.run(lambda: [items.plain(row) for page in pages for row in page["Items"]])
        return [_open_work(row) for row in rows]

    async def deliveries_of(self, log_id: LogId) -> tuple[Delivery, ...]:
        answer = await self._clients.run(
            self._clients.dynamodb.query,
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="LogID = :id AND begins_with(#item, :delivery)",
            ExpressionAttributeNames={"#item": "Item"},
            ExpressionAttributeValues=items.wire({":id": log_id, ":delivery": items.DELIVERY_PREFIX}),
        )
        return tuple(items.delivery_record(items.plain(row)) for row in answer["Items"])

    async def replay(self, log_id: LogId, target: str, at: datetime) -> Delivery:
        changes = {
            "Status": DeliveryStatus.PENDING.value,
            "Timestamp": items.stamp(at),
            "DueAt": items.stamp(at),
            "Attempts": 0,
            "OpenWork": items.open_shard(log_id),
        }
        states = _states(*REPLAYABLE_STATUSES)
        condition = f"#Status IN ({', '.join(states)})"
        return await self._decide(log_id, target, changes, " REMOVE LeaseOwner", condition, states)

    async def discard(self, log_id: LogId, target: str, reason: str, at: datetime) -> Delivery:
        changes = {
            "Status": DeliveryStatus.DISCARDED.value,
            "Timestamp": items.stamp(at),
            "Error": reason,
            "ExpiresAt": items.expiry(at, self._retention_days),
        }
        states = _states(*DISCARDABLE_STATUSES)
        return await self._decide(
            log_id,
            target,
            changes,
            " REMOVE OpenWork, LeaseOwner",
            # Whoever has a lease settles: so a delivery under way ends as what became of it.
            f"#Status IN ({', '.join(states)}) AND (attribute_not_exists(LeaseOwner) OR DueAt <= :now)",
            {**states, ":now": items.stamp(at)},
        )

    async def _decide(
        self,
        log_id: LogId,
        target: str,
        changes: dict[str, Any],
        remove: str,
        condition: str,
        values: dict[str, Any],
    ) -> Delivery:
        answer = await self._clients.run(
            self._clients.dynamodb.update_item,
            TableName=self._table,
            Key=_key(log_id, target),
            UpdateExpression=f"SET {', '.join(f'#{n} = :{n}' for n in changes)}{remove}",
            ConditionExpression=condition,
            ExpressionAttributeNames={f"#{n}": n for n in changes},
            ExpressionAttributeValues=items.wire({**values, **{f":{n}": v for n, v in changes.items()}}),
            ReturnValues="ALL_NEW",
        )
        return items.delivery_record(items.plain(answer["Attributes"]))


def _states(*statuses: DeliveryStatus) -> dict[str, str]:
    return {f":{status.value.lower()}": status.value for status in sorted(statuses)}


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
