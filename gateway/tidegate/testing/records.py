"""
What a test waits for: records of transfers and deliveries, and the words for when they do not come.

Records are dicts by the attribute names of the table (docs/records.md). Of several transfers of one
path the newest counts: a test that sends a file twice means the second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from tidegate.adapters.aws import items
from tidegate.adapters.aws.renames import RENAME_PREFIX

Record = dict[str, Any]

_POLL_SECONDS = 0.05
# So many lines tell a person what happened; a test that made hundreds of records wants none of the rest.
_SHOWN = 20


class NotSeenInTime(AssertionError):
    """What a test waited for did not come; says what was there instead."""


class Records:
    """
    Everything in the transfers table, read consistently.

    Args:
        check: Called before every look; raises if there is no gateway to look at.
    """

    def __init__(self, dynamodb: Any, table: str, check: Callable[[], object]) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._check = check

    def all(self) -> list[Record]:
        """Return all items that tell of something, oldest first."""
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        found = [items.plain(item) for page in pages for item in page["Items"]]
        found = [item for item in found if item["Item"] != items.ATTEMPT_ITEM]
        return sorted(found, key=lambda item: (item["LogID"], item["Item"]))

    def wait(self, wanted: str, look: Callable[[list[Record]], Record | None], timeout: float) -> Record:
        """
        Return what `look` finds among all items.

        Raises:
            NotSeenInTime: Nothing within `timeout` seconds; names `wanted` and what was there.
        """
        deadline = time.monotonic() + timeout
        while True:
            self._check()
            found = self.all()
            record = look(found)
            if record is not None:
                return record
            if time.monotonic() >= deadline:
                raise NotSeenInTime(f"{wanted} within {timeout:g} s; there is\n{told(found)}")
            time.sleep(_POLL_SECONDS)


def newest_transfer(
    found: Iterable[Record], path: str, partner: str | None, direction: str | None
) -> Record | None:
    """Return the newest transfer of this path, or None."""
    of_path = [
        each
        for each in found
        if each["Item"] == items.TRANSFER_ITEM
        and each["Path"] == path
        and partner in (None, each["UserName"])
        and direction in (None, each["Direction"])
    ]
    return of_path[-1] if of_path else None


def deliveries_of(found: Iterable[Record], log_id: str) -> dict[str, Record]:
    """Return the deliveries of one transfer by the names of their targets."""
    prefix = items.DELIVERY_PREFIX
    return {
        each["Item"].removeprefix(prefix): each
        for each in found
        if each["LogID"] == log_id and each["Item"].startswith(prefix)
    }


def told(found: list[Record]) -> str:
    """Return a line an item, for people."""
    lines = [_line(each) for each in found[-_SHOWN:]] or ["no record at all"]
    if len(found) > _SHOWN:
        lines.insert(0, f"({len(found) - _SHOWN} older records)")
    return "\n".join(f"  {line}" for line in lines)


def _line(item: Record) -> str:
    why = f": {item['Error']}" if item.get("Error") else ""
    if item["Item"] == items.LOGIN_ITEM:
        return f"refused login of {item['ClaimedUserName']!r} from {item['ClientIp']}{why}"
    if item["Item"] == items.TRANSFER_ITEM:
        size = "size unknown" if item.get("Bytes") is None else f"{item['Bytes']} bytes"
        what = f"{item['Direction']} of {item['Path']!r} by {item['UserName']}, {size}"
    elif item["Item"].startswith(RENAME_PREFIX):
        what = f"rename of {item['Path']!r} to {item['NewPath']!r} by {item['UserName']}"
    else:
        what = f"{item['Item']} to {item['DestinationBucket']}/{item['DestinationKey']}"
        what += f", attempts {item['Attempts']}"
    return f"{item['Status']} {what}, {item['LogID']}{why}"
