"""Activities to an EventBridge bus, as Transfer Family's events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tidegate.adapters.aws.account_arns import AccountArns
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.activities import Activity
from tidegate.core.events import FileEvent, event_of, has_event
from tidegate.ports.activities import Written

# EventBridge API, PutEvents: of one call.
MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024
# Of an entry, counted like its texts.
_TIME_BYTES = 14
# Entries that may go through if they are sent again.
_PASSING = frozenset({"ThrottlingException", "InternalFailure", "InternalException"})


class EventBus:
    """
    `ActivitySink` over EventBridge.

    Args:
        bus: Name or ARN.
        source: Who the events are said to come from; AWS's own bus refuses `aws.transfer` from others.
    """

    name = "eventbridge"
    batch_size = MAX_ENTRIES
    linger_seconds = 0.0

    def __init__(self, clients: AwsClients, account: AccountArns, bus: str, source: str) -> None:
        self._clients = clients
        self._account = account
        self._bus = bus
        self._source = source

    def wants(self, activity: Activity) -> bool:
        return has_event(activity)

    async def write(self, batch: Sequence[Activity]) -> Written:
        arns = await self._account.arns()
        entries = [
            (activity, self._entry(event, arns.server(event.server.server_id)))
            for activity in batch
            if (event := event_of(activity))
        ]
        again: list[Activity] = []
        lost, why = 0, ""
        for some in fitting(entries):
            passing, refused, reason = await self._put(some)
            again += passing
            lost, why = lost + refused, reason or why
        return Written(tuple(again), lost, why)

    def _entry(self, event: FileEvent, server_arn: str) -> dict[str, Any]:
        return {
            "Time": event.at.replace(microsecond=0),
            "Source": self._source,
            "Resources": [server_arn],
            "DetailType": event.detail_type,
            "Detail": json.dumps(event.detail, ensure_ascii=False, separators=(",", ":")),
            "EventBusName": self._bus,
        }

    async def _put(self, some: Sequence[tuple[Activity, dict[str, Any]]]) -> tuple[list[Activity], int, str]:
        """Return what may be sent again, how many are refused for good, and why."""
        answer = await self._clients.run_telling(
            lambda: self._clients.events.put_events(Entries=[entry for _, entry in some])
        )
        again, lost, why = [], 0, ""
        for (activity, _), told in zip(some, answer.get("Entries", ()), strict=False):
            if code := told.get("ErrorCode"):
                why = f"PutEvents: {code}: {told.get('ErrorMessage', '')}"
                if code in _PASSING:
                    again.append(activity)
                else:
                    lost += 1
        return again, lost, why


def fitting(
    entries: Sequence[tuple[Activity, dict[str, Any]]],
) -> Iterator[list[tuple[Activity, dict[str, Any]]]]:
    """Yield the entries in calls that EventBridge takes."""
    some: list[tuple[Activity, dict[str, Any]]] = []
    size = 0
    for each in entries:
        more = _size(each[1])
        if some and (len(some) >= MAX_ENTRIES or size + more > MAX_BYTES):
            yield some
            some, size = [], 0
        some.append(each)
        size += more
    if some:
        yield some


def _size(entry: dict[str, Any]) -> int:
    texts = [entry["Source"], entry["DetailType"], entry["Detail"], *entry["Resources"]]
    return _TIME_BYTES + sum(len(text.encode()) for text in texts)
