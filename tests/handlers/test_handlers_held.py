"""Files with temporary names, where functions deliver: one delivery, by the event of the renamed file."""

from __future__ import annotations

from typing import Any

import pytest

from support.event_documents import eventbridge_event, s3_event
from support.function import sftp
from tidegate.adapters.aws import items
from tidegate.testing.records import deliveries_of

pytestmark = pytest.mark.lengthy

BODY = b"the report"


def arrived(gateway) -> dict[str, bytes]:
    """Return what is at the destination, each key once."""
    s3 = gateway.client("s3")
    versions = s3.list_object_versions(Bucket=gateway.private_bucket).get("Versions", [])
    keys = [each["Key"] for each in versions]
    assert len(keys) == len(set(keys)), "copied more than once"
    return {key: s3.get_object(Bucket=gateway.private_bucket, Key=key)["Body"].read() for key in keys}


def event_of(gateway, key: str, shape=s3_event) -> dict[str, Any]:
    """Return the event of what is now at a key of the landing bucket."""
    head = gateway.client("s3").head_object(Bucket=gateway.landing_bucket, Key=key)
    return shape(gateway.landing_bucket, key, head["VersionId"])


def delivery(gateway, record) -> dict[str, Any]:
    found = gateway.client("dynamodb").scan(TableName=gateway.transfers_table, ConsistentRead=True)
    (owed,) = deliveries_of(map(items.plain, found["Items"]), record["LogID"]).values()
    return owed


def make_due(gateway, record) -> None:
    """Let a delivery have been held for long enough."""
    gateway.client("dynamodb").update_item(
        TableName=gateway.transfers_table,
        Key=items.wire({"LogID": record["LogID"], "Item": "delivery#private"}),
        UpdateExpression="SET DueAt = :then",
        ExpressionAttributeValues=items.wire({":then": "2026-01-01T00:00:00.000Z"}),
    )


@pytest.mark.parametrize("shape", [s3_event, eventbridge_event])
def test_delivered_by_the_event_of_its_final_name(gateway, function, upload, shape):
    """The temporary name's event does nothing; that of the copy which the rename made delivers it, once."""
    record = upload("/x.csv.filepart", BODY)
    first = event_of(gateway, "acme/x.csv.filepart", shape)
    assert function.deliver(first) == {"outcomes": {"NOTHING_OWED": 1}}
    assert arrived(gateway) == {}
    with sftp(gateway, gateway.partner("acme")) as (_, client):
        client.rename("/x.csv.filepart", "/x.csv")
    second = event_of(gateway, "acme/x.csv", shape)
    assert function.deliver(second) == {"outcomes": {"DELIVERED": 1}}
    assert arrived(gateway) == {"acme/x.csv": BODY}
    for event in (first, second):
        assert function.deliver(event) == {"outcomes": {"NOTHING_OWED": 1}}
    assert (delivery(gateway, record)["Status"], function.sweep()["attempted"]) == ("DELIVERED", 0)
    assert arrived(gateway) == {"acme/x.csv": BODY}


def test_without_any_event(gateway, function, upload):
    """The schedule finds what was released by a rename, and what nobody renamed in time."""
    upload("/x.csv.filepart", BODY)
    with sftp(gateway, gateway.partner("acme")) as (_, client):
        client.rename("/x.csv.filepart", "/x.csv")
    left = upload("/left.filepart", b"left")
    assert function.sweep()["attempted"] == 1
    assert arrived(gateway) == {"acme/x.csv": BODY}
    make_due(gateway, left)
    assert function.sweep()["attempted"] == 1
    assert arrived(gateway) == {"acme/x.csv": BODY, "acme/left.filepart": b"left"}


def test_an_import_is_not_held(gateway, importing):
    """Whoever puts an object into S3 puts it whole, and renames nothing there."""
    s3 = gateway.client("s3")
    s3.put_object(Bucket=gateway.landing_bucket, Key="acme/theirs.filepart", Body=BODY)
    assert importing.deliver(event_of(gateway, "acme/theirs.filepart")) == {"outcomes": {"DELIVERED": 1}}
    assert arrived(gateway) == {"acme/theirs.filepart": BODY}
