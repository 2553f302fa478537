"""SUSPECT transfers in DynamoDB: decided on the item; those that wait are in the open-work index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from tidegate.adapters.aws import items
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.deliveries import Delivery
from tidegate.core.ids import LogId
from tidegate.core.transfers import Decision, TransferRecord, TransferStatus
from tidegate.ports.transfer_log import OpenWork

_ITS_ROWS = ("OpenWork", "DueAt")


def _index_key(row: OpenWork) -> items.Item:
    return {"LogID": row.log_id, "Item": row.item, **items.waiting_rows(row.log_id, row.due_at)}


class DynamoSuspects:
    """The port `SuspectLog`."""

    _clients: AwsClients
    _table: str
    _retention_days: int
    _delivery_put: Callable[[Delivery], Any]

    async def waiting(
        self, shard: int, now: datetime, limit: int = 100, after: OpenWork | None = None
    ) -> list[OpenWork]:
        start: Any = {"ExclusiveStartKey": items.wire(_index_key(after))} if after else {}
        answer = await self._clients.run(
            self._clients.dynamodb.query,
            TableName=self._table,
            IndexName="open-work",
            KeyConditionExpression="OpenWork = :shard AND DueAt <= :now",
            ExpressionAttributeValues=items.wire({":shard": f"WAIT#{shard}", ":now": items.stamp(now)}),
            Limit=limit,
            **start,
        )
        rows = [items.plain(row) for row in answer["Items"]]
        return [OpenWork(LogId(row["LogID"]), row["Item"], items.moment(row["DueAt"])) for row in rows]

    async def hold_back(self, suspect: TransferRecord, error: str, due_at: datetime | None) -> None:
        changes: dict[str, Any] = {"Error": error}
        if due_at is not None:
            changes |= items.waiting_rows(suspect.log_id, due_at)
        update = self._suspect_update(suspect, changes, _ITS_ROWS if due_at is None else ())
        await self._clients.run(self._clients.dynamodb.update_item, **update)

    async def release(
        self,
        suspect: TransferRecord,
        deliveries: Sequence[Delivery],
        decision: Decision,
        *,
        superseded: bool,
    ) -> None:
        changes = {
            **self._decided(TransferStatus.COMPLETED, decision),
            "DeliveryTargets": [delivery.target for delivery in deliveries],
        }
        if superseded:
            changes["Superseded"] = True
        update = self._suspect_update(suspect, changes, _ITS_ROWS)
        puts = [self._delivery_put(delivery) for delivery in deliveries]
        await self._clients.run(
            self._clients.dynamodb.transact_write_items, TransactItems=[{"Update": update}, *puts]
        )

    async def drop(self, suspect: TransferRecord, decision: Decision) -> None:
        changes = {**self._decided(TransferStatus.FAILED, decision), "DeliveryTargets": []}
        update = self._suspect_update(suspect, changes, _ITS_ROWS)
        await self._clients.run(self._clients.dynamodb.update_item, **update)

    def _decided(self, to: TransferStatus, decision: Decision) -> dict[str, Any]:
        changes = {
            "Status": to.value,
            "Timestamp": items.stamp(decision.at),
            "ExpiresAt": items.expiry(decision.at, self._retention_days),
            "DecidedBy": decision.by,
        }
        return changes | ({"Decision": decision.why} if decision.why else {})

    def _suspect_update(self, suspect: TransferRecord, changes: dict[str, Any], remove: Sequence[str]) -> Any:
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in changes)
        if remove:
            expression += " REMOVE " + ", ".join(remove)
        values = {":suspect": TransferStatus.SUSPECT.value, ":fence": suspect.fence}
        return {
            "TableName": self._table,
            "Key": items.wire({"LogID": suspect.log_id, "Item": items.TRANSFER_ITEM}),
            "UpdateExpression": expression,
            "ConditionExpression": "#Status = :suspect AND Fence = :fence",
            "ExpressionAttributeNames": {"#Status": "Status", **{f"#{name}": name for name in changes}},
            "ExpressionAttributeValues": items.wire(
                {**values, **{f":{name}": value for name, value in changes.items()}}
            ),
        }
