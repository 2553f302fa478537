"""`sweep.handler`: the net under the events."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta

import pytest

from support.function import Function, Invocation
from tidegate.adapters.aws import items
from tidegate.backend import Backend
from tidegate.core.errors import AccessDenied, InvalidSettings
from tidegate.core.ids import GatewayId, new_log_id
from tidegate.core.objects import (
    META_BYTES,
    META_OUTCOME,
    META_SHA256,
    META_TRANSFER_ID,
    Location,
    StoredObject,
)
from tidegate.core.renames import Rename, RenameStatus
from tidegate.core.sessions import Session
from tidegate.settings.routes import RouteSettings
from tidegate.testing.records import deliveries_of
from tidegate_handlers.runtime import Runtime
from tidegate_handlers.sweep import sweep

pytestmark = pytest.mark.lengthy

BODY = b"the report"


def left_over(gateway, path, *, seconds_ago=60):
    """Write the open record of a gateway that is no more, and return its LogID."""
    log_id, at = new_log_id(int((time.time() - seconds_ago) * 1000)), "2026-03-09T14:05:59.000Z"
    item = {
        **dict.fromkeys(("SessionId", "ClientIp", "ClientVersion", "KeyFingerprint"), "x"),
        "LogID": log_id,
        "Item": "transfer",
        "Direction": "UPLOAD",
        "Status": "STARTED",
        "Fence": 1,
        "UserName": "acme",
        "ServerId": gateway.server_id,
        "Path": path,
        "GatewayId": "gw-dead",
        "Bucket": gateway.landing_bucket,
        "ObjectKey": f"acme{path}",
        "DeliveryTargets": ["private"],
        "StartedAt": at,
        "Timestamp": at,
        "Day": at[:10],
        "DueAt": at,
        "OpenWork": items.open_shard(log_id),
    }
    gateway.client("dynamodb").put_item(TableName=gateway.transfers_table, Item=items.wire(item))
    return log_id


def stories(gateway):
    """Return the state of each record, and of its one delivery, by path."""
    found = gateway.client("dynamodb").scan(TableName=gateway.transfers_table, ConsistentRead=True)
    rows = [items.plain(row) for row in found["Items"]]
    return {
        row["Path"]: (
            row["Status"],
            *(each["Status"] for each in deliveries_of(rows, row["LogID"]).values()),
        )
        for row in rows
        if row["Item"] == "transfer"
    }


def test_pays_what_is_due_without_any_event(gateway, function, upload):
    """An event that never came delays a delivery, and loses none."""
    for n in range(3):
        upload(f"/{n}.csv", BODY)
    assert function.sweep() == {"attempted": 3, "swept": 0}
    assert set(stories(gateway).values()) == {("COMPLETED", "DELIVERED")}
    assert function.sweep() == {"attempted": 0, "swept": 0}


def test_ends_what_dead_gateways_left(gateway, function):
    """What is found whole is completed and delivered in the same call; of the other nothing is left."""
    whole = left_over(gateway, "/whole.csv")
    digest = hashlib.sha256(BODY).hexdigest()
    marks = {META_TRANSFER_ID: whole, META_OUTCOME: "complete", META_BYTES: "10", META_SHA256: digest}
    gateway.client("s3").put_object(
        Bucket=gateway.landing_bucket, Key="acme/whole.csv", Body=BODY, Metadata=marks
    )
    left_over(gateway, "/nothing.csv")
    assert function.sweep() == {"attempted": 1, "swept": 2}
    assert stories(gateway) == {"/whole.csv": ("COMPLETED", "DELIVERED"), "/nothing.csv": ("ABANDONED",)}


def test_young_records_are_not_even_watched(gateway, function):
    """An upload that began a moment ago is somebody's: no time is spent on finding out whose."""
    left_over(gateway, "/young.csv", seconds_ago=-60)
    assert function.sweep() == {"attempted": 0, "swept": 0}
    assert stories(gateway) == {"/young.csv": ("STARTED",)}


def test_too_little_time_to_watch(gateway, function, upload):
    """Watching takes a lease: without the time for it deliveries are paid, and the sweep is left out."""
    upload("/june.csv", BODY)
    left_over(gateway, "/nothing.csv")
    assert function.sweep(Invocation(15)) == {"attempted": 1, "swept": 0}
    assert stories(gateway)["/nothing.csv"] == ("STARTED",)


def test_a_function_that_may_not_sweep(gateway, function, upload, monkeypatch):
    """Without the rights to sweep it delivers all the same; gateways sweep by themselves."""

    async def refused(*_: object) -> None:
        raise AccessDenied("UpdateItem: AccessDeniedException")

    monkeypatch.setattr(function.runtime.backend.leases, "renew", refused)
    upload("/june.csv", BODY)
    left_over(gateway, "/nothing.csv")
    assert function.sweep() == {"attempted": 1, "swept": 0}
    assert stories(gateway)["/nothing.csv"] == ("STARTED",)


async def test_renames_are_left_to_gateways(gateway, function):
    """A function may not write to landing buckets, and a rename that is refused has FAILED for good."""
    left_over(gateway, "/nothing.csv")
    log, at = function.runtime.backend.log, datetime.now(UTC) - timedelta(minutes=5)
    session = Session("x", gateway.server_id, "acme", "192.0.2.7", "x", "x")
    stored = StoredObject(Location(gateway.landing_bucket, "acme/a"), 1, '"e"', "v")
    target = Location(gateway.landing_bucket, "acme/b")
    rename = Rename.begun(session, ("/a", "/b"), stored, target, "*", GatewayId("gw-dead"), at)
    await log.intend(rename)
    assert await sweep(function.runtime, Invocation()) == {"attempted": 0, "swept": 1}
    assert (await log.story(rename.log_id)).renames[0].status is RenameStatus.PENDING


def test_time_runs_out(gateway, function, upload):
    """A copy that takes too long is left to its lease, and the call still ends in order."""
    upload("/june.csv", BODY)
    with function.without_s3("copy", hangs=True):
        assert function.sweep(Invocation(2.3)) == {"attempted": 0, "swept": 0}
    assert stories(gateway) == {"/june.csv": ("COMPLETED", "PENDING")}


async def test_a_server_must_be_named(gateway):
    """A configuration that names none is found at the first call, not at the first dead gateway."""
    function = Function(gateway)
    nameless = function.runtime.settings.model_copy(update={"server_id": None})
    function.runtime.backend.settings = nameless
    try:
        with pytest.raises(InvalidSettings, match="server_id"):
            await sweep(function.runtime, Invocation())
    finally:
        function.runtime.backend.close()


@pytest.fixture
def judging(gateway):
    """A function whose configuration has rules: below /in a file waits for its `.ok`."""
    made = Function(gateway)
    route = RouteSettings.model_validate({"name": "in", "path": "/in", "accept": {"sidecar": ".ok"}})
    settings = made.runtime.settings.model_copy(update={"routes": (route,)})
    made.runtime.backend.close()
    made.runtime = Runtime(Backend(settings))
    yield made
    made.runtime.backend.close()


def test_what_is_swept_is_judged_and_what_waits_is_looked_at(gateway, judging):
    """By the rules of its configuration: held back without its sidecar; paid once that has come."""
    log_id = left_over(gateway, "/in/june.csv")
    digest = hashlib.sha256(BODY).hexdigest()
    marks = {META_TRANSFER_ID: log_id, META_OUTCOME: "complete", META_BYTES: "10", META_SHA256: digest}
    where = {"Bucket": gateway.landing_bucket, "Key": "acme/in/june.csv"}
    gateway.client("s3").put_object(**where, Body=BODY, Metadata=marks)
    assert judging.sweep() == {"attempted": 0, "swept": 1}
    assert stories(gateway) == {"/in/june.csv": ("SUSPECT",)}
    gateway.client("s3").put_object(**{**where, "Key": "acme/in/june.csv.ok"}, Body=b"")
    assert judging.sweep() == {"attempted": 0, "swept": 0}, "not due yet"
    gateway.client("dynamodb").update_item(
        TableName=gateway.transfers_table,
        Key=items.wire({"LogID": log_id, "Item": "transfer"}),
        UpdateExpression="SET DueAt = :past",
        ExpressionAttributeValues=items.wire({":past": "2026-03-09T14:05:59.000Z"}),
    )
    assert judging.sweep() == {"attempted": 1, "swept": 0}
    assert stories(gateway) == {"/in/june.csv": ("COMPLETED", "DELIVERED")}
