"""
The transfer log in DynamoDB.

Every condition below is the state table of `core.transfers` or `core.deliveries` in DynamoDB's
words. Conditions also accept the state they lead to, written by the same owner: a call repeated
after a lost answer then succeeds instead of looking like somebody else's change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tidegate.adapters.aws import items
from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.delivery_queue import DynamoDeliveryQueue
from tidegate.adapters.aws.kept_uploads import DynamoKeptUploads
from tidegate.adapters.aws.open_records import DynamoOpenRecords
from tidegate.adapters.aws.renames import DynamoRenames, renames_among
from tidegate.adapters.aws.suspects import DynamoSuspects
from tidegate.adapters.aws.transfer_search import DynamoTransferSearch
from tidegate.core import deliveries as delivery_states
from tidegate.core.deliveries import Delivery
from tidegate.core.errors import ChangedMeanwhile, IllegalTransition, NotFound
from tidegate.core.ids import LogId
from tidegate.core.objects import StoredObject
from tidegate.core.transfers import (
    ENDS_WITHOUT_DELIVERIES,
    OWE_NOTHING,
    TERMINAL_STATUSES,
    Content,
    Owner,
    TransferRecord,
    TransferStatus,
    sources_of,
)
from tidegate.ports.transfer_log import Story

_OWNED = "GatewayId = :gateway AND Fence = :fence"


class DynamoTransferLog(
    DynamoTransferSearch,
    DynamoOpenRecords,
    DynamoKeptUploads,
    DynamoRenames,
    DynamoSuspects,
    DynamoDeliveryQueue,
):
    """
    Six ports over one table: `TransferLog`, `DeliveryQueue`, `RenameLog`, `KeptUploadLog`, `SuspectLog`,
    `LoginAudit`.
    """

    def __init__(
        self,
        clients: AwsClients,
        table_name: str,
        *,
        retention_days: int = 400,
        refused_login_retention_days: int = 90,
    ) -> None:
        super().__init__(clients, table_name, retention_days, refused_login_retention_days)

    async def start(self, record: TransferRecord) -> None:
        item = items.transfer_item(record)
        if record.status in TERMINAL_STATUSES:
            item["ExpiresAt"] = items.expiry(record.timestamp, self._retention_days)
        try:
            await self._clients.run(
                self._clients.dynamodb.put_item,
                TableName=self._table,
                Item=items.wire(item),
                ConditionExpression="attribute_not_exists(LogID)",
            )
        except ChangedMeanwhile:
            # A repeat after a lost answer finds its own record, perhaps grown since; that one stays.
            if (await self.story(record.log_id)).transfer.owner != record.owner:
                raise

    async def start_completed(self, record: TransferRecord, deliveries: Sequence[Delivery]) -> None:
        item = items.transfer_item(record)
        item["ExpiresAt"] = items.expiry(record.timestamp, self._retention_days)
        puts = [self._put(item), *(self._delivery_put(delivery) for delivery in deliveries)]
        await self._clients.run(self._clients.dynamodb.transact_write_items, TransactItems=puts)

    async def set_upload_id(self, owner: Owner, upload_id: str) -> None:
        await self._update(owner, [TransferStatus.STARTED], {"UploadId": upload_id})

    async def finishing(self, owner: Owner, content: Content, at: datetime) -> None:
        await self._move(owner, TransferStatus.FINISHING, at, _content(content))

    async def complete(
        self,
        owner: Owner,
        content: Content,
        stored: StoredObject,
        deliveries: Sequence[Delivery],
        *,
        superseded: bool,
        at: datetime,
    ) -> None:
        changes = {
            **_content(content),
            **_stored(stored),
            **self._arrival(TransferStatus.COMPLETED, at),
            "DeliveryTargets": [delivery.target for delivery in deliveries],
            "Superseded": superseded or None,
        }
        update = self._update_request(owner, sources_of(TransferStatus.COMPLETED), changes, _CLOSED)
        puts = [self._delivery_put(delivery) for delivery in deliveries]
        await self._clients.run(
            self._clients.dynamodb.transact_write_items,
            TransactItems=[{"Update": update}, *puts],
        )

    async def end(
        self,
        owner: Owner,
        status: TransferStatus,
        at: datetime,
        *,
        error: str | None = None,
        content: Content | None = None,
        stored: StoredObject | None = None,
        look_at: datetime | None = None,
    ) -> None:
        if status not in ENDS_WITHOUT_DELIVERIES:
            raise IllegalTransition(f"a transfer does not end as {status} in this way")
        changes: dict[str, Any] = {"Error": error}
        if status in OWE_NOTHING:
            changes["DeliveryTargets"] = []
        if content:
            changes |= _content(content)
        if stored:
            changes |= _stored(stored)
        if look_at and status is TransferStatus.SUSPECT:
            changes |= items.waiting_rows(owner.log_id, look_at)
        await self._move(owner, status, at, changes)

    async def story(self, log_id: LogId) -> Story:
        # In pages: of a file that was renamed often, one answer may hold no more than its oldest renames.
        pages = self._clients.dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="LogID = :id",
            ExpressionAttributeValues={":id": {"S": log_id}},
        )
        rows = await self._clients.run(lambda: [items.plain(row) for page in pages for row in page["Items"]])
        by_item = {row["Item"]: row for row in rows}
        transfer, renames = by_item.get(items.TRANSFER_ITEM), renames_among(by_item)
        if transfer is None and not renames:
            raise NotFound(f"no transfer has the LogID {log_id}")
        deliveries = [row for name, row in by_item.items() if name.startswith(items.DELIVERY_PREFIX)]
        return Story(
            items.transfer_record(transfer) if transfer else None,
            tuple(items.delivery_record(row) for row in deliveries),
            renames,
        )

    # --- the one way a record changes ---------------------------------------------------------

    async def _move(self, owner: Owner, to: TransferStatus, at: datetime, changes: dict[str, Any]) -> None:
        remove = () if to is TransferStatus.FINISHING or "OpenWork" in changes else _CLOSED
        await self._update(owner, [*sources_of(to), to], changes | self._arrival(to, at), remove)

    async def _update(
        self,
        owner: Owner,
        sources: Sequence[TransferStatus],
        changes: dict[str, Any],
        remove: Sequence[str] = (),
    ) -> None:
        request = self._update_request(owner, sources, changes, remove)
        await self._clients.run(self._clients.dynamodb.update_item, **request)

    def _delivery_put(self, delivery: Delivery) -> Any:
        item = items.delivery_item(delivery)
        if delivery.status in delivery_states.TERMINAL_STATUSES:
            item["ExpiresAt"] = items.expiry(delivery.timestamp, self._retention_days)
        return self._put(item)

    def _put(self, item: items.Item) -> Any:
        return {
            "Put": {
                "TableName": self._table,
                "Item": items.wire(item),
                "ConditionExpression": "attribute_not_exists(LogID)",
            }
        }

    def _arrival(self, status: TransferStatus, at: datetime) -> dict[str, Any]:
        arrival: dict[str, Any] = {"Status": status.value, "Timestamp": items.stamp(at)}
        if status in TERMINAL_STATUSES:
            arrival["ExpiresAt"] = items.expiry(at, self._retention_days)
        return arrival

    def _update_request(
        self,
        owner: Owner,
        sources: Sequence[TransferStatus],
        changes: dict[str, Any],
        remove: Sequence[str] = (),
    ) -> Any:
        """Return an update of the owner's record, allowed from `sources`; None values change nothing."""
        changes = {name: value for name, value in changes.items() if value is not None}
        states = {f":from{n}": status.value for n, status in enumerate(sources)}
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in changes)
        if remove:
            expression += " REMOVE " + ", ".join(remove)
        values = {":gateway": owner.gateway_id, ":fence": owner.fence, **states}
        return {
            "TableName": self._table,
            "Key": {"LogID": {"S": owner.log_id}, "Item": {"S": items.TRANSFER_ITEM}},
            "UpdateExpression": expression,
            "ConditionExpression": f"{_OWNED} AND #Status IN ({', '.join(states)})",
            "ExpressionAttributeNames": {"#Status": "Status", **{f"#{name}": name for name in changes}},
            "ExpressionAttributeValues": items.wire(
                {**values, **{f":{name}": value for name, value in changes.items()}}
            ),
        }


# A closed record leaves the open-work index.
_CLOSED = ("OpenWork", "DueAt")


def _content(content: Content) -> dict[str, Any]:
    return {"Bytes": content.size, "Sha256": content.sha256}


def _stored(stored: StoredObject) -> dict[str, Any]:
    return {"VersionId": stored.version_id, "ETag": stored.etag, "KmsKeyId": stored.kms_key_id}
