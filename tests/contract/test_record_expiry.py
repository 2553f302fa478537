"""
Which items DynamoDB may forget, and when: TTL on what has ended, on nothing that is open or owed.

On the table alone: what memory forgets is tested beside the fakes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tidegate.adapters.aws import items
from tidegate.adapters.aws.provision import Provisioner
from tidegate.core.deliveries import TERMINAL_STATUSES as DELIVERY_ENDS
from tidegate.core.deliveries import DeliveryStatus, DeliveryTarget, owed
from tidegate.core.ids import GatewayId, new_log_id
from tidegate.core.objects import Location, StoredObject
from tidegate.core.transfers import ENDS_WITHOUT_DELIVERIES, TERMINAL_STATUSES, Content, TransferStatus
from tidegate.core.users import RefusedLogin

pytestmark = pytest.mark.parametrize("backend", ["aws-on-moto"], indirect=True)

S, D = TransferStatus, DeliveryStatus
CONTENT = Content(3, "00")
HOUR = timedelta(hours=1)


@pytest.fixture
def expiry(log, clients):
    """Read when an item may be forgotten; None is never."""

    def expiry(log_id: str, item: str = items.TRANSFER_ITEM) -> int | None:
        key = items.wire({"LogID": log_id, "Item": item})
        row = clients.dynamodb.get_item(TableName=log._table, Key=key, ConsistentRead=True)["Item"]
        return items.plain(row).get("ExpiresAt")

    return expiry


@pytest.fixture
def complete(log, now):
    """Complete an upload, owing one delivery in the given state."""

    async def complete(record, status: DeliveryStatus = D.PENDING) -> None:
        source = Location(record.bucket, record.object_key)
        target = DeliveryTarget("archive", "archive-bucket", "", None)
        (delivery,) = owed(record.log_id, source, "v1", '"e"', (target,), now)
        stored = StoredObject(source, 3, '"e"', "v1")
        deliveries = [replace(delivery, status=status)]
        await log.complete(record.owner, CONTENT, stored, deliveries, superseded=False, at=now)

    return complete


@pytest.mark.parametrize("status", list(S))
async def test_of_a_transfer_written_at_once(log, transfer, expiry, now, status):
    """A transfer written in a final state expires; one that is open or held back does not."""
    record = transfer(status=status)
    await log.start(record)
    expected = items.expiry(now, 400) if status in TERMINAL_STATUSES else None
    assert expiry(record.log_id) == expected


@pytest.mark.parametrize("status", sorted(ENDS_WITHOUT_DELIVERIES))
async def test_of_a_transfer_that_ends(log, started, expiry, now, status):
    """A transfer expires from the end it came to; a suspect one has not come to any."""
    assert expiry(started.log_id) is None
    await log.end(started.owner, status, now + HOUR)
    expected = items.expiry(now + HOUR, 400) if status in TERMINAL_STATUSES else None
    assert expiry(started.log_id) == expected


async def test_of_a_transfer_under_way(log, started, complete, expiry, now):
    """FINISHING is no end, COMPLETED is."""
    await log.finishing(started.owner, CONTENT, now)
    assert expiry(started.log_id) is None
    await complete(started)
    assert expiry(started.log_id) == items.expiry(now, 400)


async def test_of_a_released_suspect(log, started, complete, expiry, now):
    """A transfer held back expires from its release."""
    await log.end(started.owner, S.SUSPECT, now - HOUR)
    await complete(started)
    assert expiry(started.log_id) == items.expiry(now, 400)


@pytest.mark.parametrize("status", list(D))
async def test_of_a_delivery_written(started, complete, expiry, now, status):
    """A delivery written in a final state expires; what is owed or held does not."""
    await complete(started, status)
    expected = items.expiry(now, 400) if status in DELIVERY_ENDS else None
    assert expiry(started.log_id, "delivery#archive") == expected


@pytest.mark.parametrize("status", [D.PENDING, D.DELIVERED, D.SUPERSEDED, D.DEAD, D.DISCARDED])
async def test_of_a_delivery_settled(log, started, complete, expiry, now, status):
    """A delivery settled in a final state expires; one due again, or dead and to be replayed, does not."""
    await complete(started)
    claimed = await log.claim(started.log_id, "archive", GatewayId("gw-w"), now, now + HOUR)
    await log.settle(replace(claimed, status=status, timestamp=now + HOUR))
    expected = items.expiry(now + HOUR, 400) if status in DELIVERY_ENDS else None
    assert expiry(started.log_id, "delivery#archive") == expected


async def test_of_a_delivery_discarded(log, started, complete, expiry, now):
    """A delivery that was given up by hand expires from then; one that is replayed does not."""
    await complete(started, D.DEAD)
    await log.replay(started.log_id, "archive", now)
    assert expiry(started.log_id, "delivery#archive") is None
    await log.discard(started.log_id, "archive", "why", now + HOUR)
    assert expiry(started.log_id, "delivery#archive") == items.expiry(now + HOUR, 400)


async def test_of_a_refused_login(log, expiry, now):
    """A refused login expires by its own, shorter retention."""
    refused = RefusedLogin(new_log_id(), "s-1", "acme", "192.0.2.7", "", "", "no such key", now)
    await log.record_refused_login(refused)
    assert expiry(refused.log_id, items.LOGIN_ITEM) == items.expiry(now, 90)


async def test_the_table_forgets_by_it(clients):
    """The transfers table is provisioned with TTL on that attribute."""
    await Provisioner(clients).ensure_transfers_table("forgetful")
    answer = clients.dynamodb.describe_time_to_live(TableName="forgetful")
    expected = {"TimeToLiveStatus": "ENABLED", "AttributeName": "ExpiresAt"}
    assert answer["TimeToLiveDescription"] == expected
