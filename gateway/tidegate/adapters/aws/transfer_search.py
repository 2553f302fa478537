"""Finding transfers and refused logins by DynamoDB's indexes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from tidegate.adapters.aws import items
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.transfers import TransferQuery, TransferRecord
from tidegate.core.users import RefusedLogin
from tidegate.ports.transfer_log import DEFAULT_DAYS_BACK


class DynamoTransferSearch:
    """The reading half of `TransferLog.find`, and the port `LoginAudit`."""

    _clients: AwsClients
    _table: str
    _login_retention_days: int

    async def find(self, query: TransferQuery) -> AsyncIterator[TransferRecord]:
        left = query.limit
        async for row in self._rows(query):
            if left <= 0:
                return
            record = items.transfer_record(row)
            if _matches(record, query):
                left -= 1
                yield record

    async def record_refused_login(self, refused: RefusedLogin) -> None:
        item = items.login_item(refused, self._login_retention_days)
        await self._clients.run(self._clients.dynamodb.put_item, TableName=self._table, Item=items.wire(item))

    async def find_refused_logins(
        self, *, user_name: str | None, since: datetime | None, limit: int
    ) -> AsyncIterator[RefusedLogin]:
        left = limit
        since = since or _default_beginning()
        for day in _days(since):
            async for row in self._index("by-day", "Day", f"LOGINS#{day}", since):
                refused = items.refused_login(row)
                if user_name in (None, refused.user_name):
                    if left <= 0:
                        return
                    left -= 1
                    yield refused

    async def _rows(self, query: TransferQuery) -> AsyncIterator[items.Item]:
        if query.user_name is not None:
            async for row in self._index("by-user", "UserName", query.user_name, query.since):
                yield row
            return
        since = query.since or _default_beginning()
        for day in _days(since):
            async for row in self._index("by-day", "Day", day, since):
                yield row

    async def _index(
        self, index: str, attribute: str, value: str, since: datetime | None
    ) -> AsyncIterator[items.Item]:
        """Yield one index partition, newest first, page by page."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": index,
            "ScanIndexForward": False,
            "KeyConditionExpression": "#of = :value AND StartedAt >= :since",
            "ExpressionAttributeNames": {"#of": attribute},
            "ExpressionAttributeValues": items.wire(
                {":value": value, ":since": items.stamp(since) if since else "0"}
            ),
        }
        while True:
            answer = await self._clients.run(self._clients.dynamodb.query, **request)
            for row in answer["Items"]:
                yield items.plain(row)
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _matches(record: TransferRecord, query: TransferQuery) -> bool:
    return (
        record.direction in query.directions
        and query.status in (None, record.status)
        and (query.path_glob is None or fnmatchcase(record.path, query.path_glob))
    )


def _default_beginning() -> datetime:
    return datetime.now(UTC) - timedelta(days=DEFAULT_DAYS_BACK)


def _days(since: datetime) -> list[str]:
    """Return the days to look at, today first."""
    now = datetime.now(UTC)
    count = (now.date() - since.astimezone(UTC).date()).days
    return [items.day_of(now - timedelta(days=back)) for back in range(max(count, 0) + 1)]
