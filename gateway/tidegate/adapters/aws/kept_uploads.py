"""
Kept uploads in DynamoDB: the state of a transfer, and an item that leads from a name to it.

The item `attempt` has a partition of its own, named after server, user, bucket and key. It is written with
the state and says where to look, and what was there; whether that transfer is still KEPT, the transfer says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tidegate.adapters.aws import items
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.errors import ChangedMeanwhile
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.sessions import Session
from tidegate.core.transfers import Owner, TransferRecord, TransferStatus, sources_of
from tidegate.ports.kept_uploads import Attempt, Name
from tidegate.ports.transfer_log import OpenRecord


class DynamoKeptUploads:
    """The port `KeptUploadLog`."""

    _clients: AwsClients
    _table: str
    _retention_days: int

    async def keep(
        self,
        record: TransferRecord,
        size: int,
        reason: str,
        *,
        at: datetime,
        until: datetime,
        found: str | None,
    ) -> None:
        changes = {
            "Status": TransferStatus.KEPT.value,
            "Timestamp": items.stamp(at),
            "Bytes": size,
            "Error": reason,
            "OpenWork": items.kept_shard(record.log_id),
            "DueAt": items.stamp(until),
        }
        # Also from KEPT itself: a repeat after a lost answer.
        sources = [*sources_of(TransferStatus.KEPT), TransferStatus.KEPT]
        update = self._change(record.owner, sources, changes)
        put: Any = {"TableName": self._table, "Item": self._attempt(record, found, until)}
        await self._clients.run(
            self._clients.dynamodb.transact_write_items, TransactItems=[{"Update": update}, {"Put": put}]
        )

    async def note_attempt(self, record: TransferRecord, found: str, at: datetime) -> None:
        await self._clients.run(
            self._clients.dynamodb.put_item, TableName=self._table, Item=self._attempt(record, found, at)
        )

    async def last_attempt(self, name: Name) -> Attempt | None:
        item = await self._item(_key_of(name))
        return Attempt(LogId(item["TransferLogID"]), item.get("Found")) if item else None

    async def kept_at(self, name: Name) -> TransferRecord | None:
        attempt = await self.last_attempt(name)
        record = await self._transfer(attempt.log_id) if attempt else None
        return record if record and record.status is TransferStatus.KEPT else None

    async def continue_kept(
        self, record: TransferRecord, session: Session, claimant: GatewayId, at: datetime
    ) -> TransferRecord:
        changes = {
            "Status": TransferStatus.STARTED.value,
            "Timestamp": items.stamp(at),
            "GatewayId": claimant,
            "Fence": record.fence + 1,
            "SessionId": session.session_id,
            "ClientIp": session.client_ip,
            "ClientVersion": session.client_version,
            "KeyFingerprint": session.key_fingerprint,
            "OpenWork": items.open_shard(record.log_id),
            "DueAt": items.stamp(at),
        }
        request = self._change(record.owner, [TransferStatus.KEPT], changes, remove=("Bytes", "Error"))
        try:
            await self._clients.run(self._clients.dynamodb.update_item, **request)
        except ChangedMeanwhile:
            # A repeat after a lost answer finds what it has done itself.
            found = await self._transfer(record.log_id)
            if found is None or found.owner != Owner(record.log_id, claimant, record.fence + 1):
                raise
            return found
        continued = await self._transfer(record.log_id)
        assert continued is not None
        return continued

    async def kept_due(self, shard: int, now: datetime) -> list[OpenRecord]:
        pages = self._clients.dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="open-work",
            KeyConditionExpression="OpenWork = :shard AND DueAt <= :now",
            ExpressionAttributeValues=items.wire({":shard": f"KEPT#{shard}", ":now": items.stamp(now)}),
        )
        rows = await self._clients.run(lambda: [items.plain(row) for page in pages for row in page["Items"]])
        return [
            OpenRecord(LogId(row["LogID"]), GatewayId(row["GatewayId"]), row.get("UploadId")) for row in rows
        ]

    def _attempt(self, record: TransferRecord, found: str | None, until: datetime) -> items.Item:
        # It outlives what is kept by a while: it says where to look, and what was there.
        return items.wire(
            {
                **_key_of(Name.of(record)),
                "TransferLogID": record.log_id,
                "Found": found,
                "ExpiresAt": items.expiry(until, self._retention_days),
            }
        )

    async def _transfer(self, log_id: str) -> TransferRecord | None:
        found = await self._item({"LogID": log_id, "Item": items.TRANSFER_ITEM})
        return items.transfer_record(found) if found else None

    async def _item(self, key: dict[str, Any]) -> items.Item | None:
        # A Query, as all reads of this table are: the gateway's role allows no other.
        answer = await self._clients.run(
            self._clients.dynamodb.query,
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="LogID = :id AND #item = :item",
            ExpressionAttributeNames={"#item": "Item"},
            ExpressionAttributeValues=items.wire({":id": key["LogID"], ":item": key["Item"]}),
        )
        return items.plain(answer["Items"][0]) if answer["Items"] else None

    def _change(
        self,
        owner: Owner,
        sources: Sequence[TransferStatus],
        changes: dict[str, Any],
        remove: Sequence[str] = (),
    ) -> Any:
        states = {f":from{n}": status.value for n, status in enumerate(sources)}
        gone = f" REMOVE {', '.join(f'#{name}' for name in remove)}" if remove else ""
        values = {":gateway": owner.gateway_id, ":fence": owner.fence, **states}
        return {
            "TableName": self._table,
            "Key": items.wire({"LogID": owner.log_id, "Item": items.TRANSFER_ITEM}),
            "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in changes) + gone,
            "ConditionExpression": (
                f"GatewayId = :gateway AND Fence = :fence AND #Status IN ({', '.join(states)})"
            ),
            "ExpressionAttributeNames": {f"#{name}": name for name in [*changes, *remove]},
            "ExpressionAttributeValues": items.wire(
                {**values, **{f":{name}": value for name, value in changes.items()}}
            ),
        }


def _key_of(name: Name) -> dict[str, Any]:
    # Hashed: a key may be half as long as a partition key can be, and all the others come on top.
    where = name.location
    told = f"{name.server_id}\0{name.user_name}\0{where.bucket}\0{where.key}".encode()
    return {"LogID": f"attempt#{hashlib.sha256(told).hexdigest()}", "Item": items.ATTEMPT_ITEM}
