"""`deliver.handler`: from a file's arrival by SFTP, by events of every shape, to its delivery."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from support.event_documents import batch, by_topic, document, eventbridge_event, s3_event
from support.function import Function, Invocation, sftp
from tidegate.adapters.aws import items
from tidegate.backend import delivery_targets
from tidegate.cli.examination import PROBE_KEY
from tidegate.core.deliveries import owed
from tidegate.core.ids import new_log_id
from tidegate.core.objects import META_TRANSFER_ID, Location
from tidegate.core.transfers import Content
from tidegate.testing.records import deliveries_of
from tidegate_handlers import deliver
from tidegate_handlers.deliver import NotDelivered
from tidegate_handlers.events import UnknownEvent
from tidegate_handlers.runtime import runtime

BODY = b"the report"
NAMES = ("two words.csv", "a+b.csv", "größe 100%25.csv", "日本 😀.csv", "a&b=c#d?.csv")


def private(gateway, key):
    """Return the bytes at the destination; None if nothing is there."""
    s3 = gateway.client("s3")
    listed = s3.list_object_versions(Bucket=gateway.private_bucket, Prefix=key).get("Versions", [])
    if not listed:
        return None
    assert len(listed) == 1, "copied more than once"
    return s3.get_object(Bucket=gateway.private_bucket, Key=key)["Body"].read()


def event_of(record, shape=s3_event):
    return shape(record["Bucket"], record["ObjectKey"], record["VersionId"])


def delivery(gateway, record):
    """Return the one delivery a record owes."""
    found = gateway.client("dynamodb").scan(TableName=gateway.transfers_table, ConsistentRead=True)
    (owed,) = deliveries_of(map(items.plain, found["Items"]), record["LogID"]).values()
    return owed


def failures(response):
    return [each["itemIdentifier"] for each in response["batchItemFailures"]]


class TestShapes:
    @pytest.mark.parametrize("shape", [s3_event, eventbridge_event])
    def test_is_delivered(self, gateway, function, upload, shape):
        """Whatever the name and whoever sends the event: the very version, under the target's key, once."""
        for name in NAMES:
            record = upload(f"/{name}", BODY)
            assert delivery(gateway, record)["Status"] == "PENDING"
            assert function.deliver(event_of(record, shape)) == {"outcomes": {"DELIVERED": 1}}
            assert private(gateway, f"acme/{name}") == BODY
            owed = delivery(gateway, record)
            assert (owed["Status"], owed["VersionId"]) == ("DELIVERED", record["VersionId"])

    def test_multipart(self, gateway, function, upload):
        """A file of several parts has no size and hash in its metadata; its record is what counts."""
        body = bytes(9 * 1024 * 1024)
        record = upload("/large.bin", body)
        event = s3_event(
            record["Bucket"],
            record["ObjectKey"],
            record["VersionId"],
            name="ObjectCreated:CompleteMultipartUpload",
        )
        assert function.deliver(event) == {"outcomes": {"DELIVERED": 1}}
        assert private(gateway, "acme/large.bin") == body

    def test_the_test_event(self, function):
        """What S3 sends when notifications are set up is taken, and nothing happens."""
        assert function.deliver(document("s3_test")) == {"outcomes": {}}
        assert failures(function.deliver(batch(one=document("s3_test")))) == []

    def test_a_mixed_batch(self, gateway, function, upload):
        """Messages of every shape in one batch: each is taken for itself, and what is none fails alone."""
        records = {name: upload(f"/{name}", name.encode()) for name in ("one", "two", "three")}
        response = function.deliver(
            batch(
                m1=event_of(records["one"]),
                m2=event_of(records["two"], eventbridge_event),
                m3=by_topic(event_of(records["three"])),
                m4=document("s3_test"),
                m5="nonsense",
                m6={"source": "elsewhere"},
            )
        )
        assert failures(response) == ["m5", "m6"]
        assert [private(gateway, f"acme/{name}") for name in records] == [b"one", b"two", b"three"]

    def test_unknown(self, function):
        """An event nobody knows is refused in words; Lambda keeps it for whoever set it up."""
        with pytest.raises(UnknownEvent, match="expected an S3 notification"):
            function.deliver({"hello": "world"})


class TestNothingTwice:
    def test_duplicates(self, gateway, function, upload):
        """The same event in one batch and once more after it: one copy, one DELIVERED."""
        record = upload("/june.csv", BODY)
        event = event_of(record)
        first = failures(function.deliver(batch(a=event, b=event)))
        assert first in ([], ["a"], ["b"])  # whoever came second may have found the first one at work
        assert failures(function.deliver(batch(a=event, b=event))) == []
        assert private(gateway, "acme/june.csv") == BODY
        assert delivery(gateway, record)["Attempts"] == 1

    def test_with_the_schedule(self, gateway, function, upload):
        """What the schedule has delivered before, the late event finds done."""
        record = upload("/june.csv", BODY)
        assert function.sweep() == {"attempted": 1, "swept": 0}
        assert function.deliver(event_of(record)) == {"outcomes": {"NOTHING_OWED": 1}}
        assert private(gateway, "acme/june.csv") == BODY

    def test_with_both_kinds_running(self, tidegate, functions):
        """A gateway that delivers itself, and a function that was told to: each file is copied once."""
        function = Function(tidegate)
        try:
            with sftp(tidegate, tidegate.partner("acme")) as (_, client):
                for n in range(5):
                    with client.open(f"/{n}.csv", "wb") as file:
                        file.write(BODY)
                    record = tidegate.wait_for_transfer(f"/{n}.csv")
                    function.deliver(batch(one=event_of(record)))
            for n in range(5):
                tidegate.wait_for_delivery(f"/{n}.csv")
                assert private(tidegate, f"acme/{n}.csv") == BODY
        finally:
            function.runtime.backend.close()

    def test_owner_embedded(self, gateway, functions, upload):
        """A function beside gateways that deliver claims nothing, says so once, and fails nothing."""
        record = upload("/june.csv", BODY)
        for event in (batch(one=event_of(record)), event_of(record), "nonsense"):
            assert functions["embedded"].deliver(event) == {"batchItemFailures": []}
        assert functions["embedded"].sweep() == {"attempted": 0, "swept": 0}
        assert delivery(gateway, record)["Attempts"] == 0

    def test_owner_handlers(self, gateway, upload, function):
        """A gateway that leaves deliveries to handlers claims none, though its worker would be woken."""
        record = upload("/june.csv", BODY)
        upload("/july.csv", BODY)
        assert delivery(gateway, record)["Attempts"] == 0


class TestNotAReason:
    def test_before_the_record_is_complete(self, gateway, function):
        """The object is there and its record open: the message comes again, and then it is delivered."""
        backend, now = function.runtime.backend, datetime.now(UTC)
        log_id = new_log_id()
        body = {"Bucket": gateway.landing_bucket, "Key": "acme/early.csv", "Body": BODY}
        put = gateway.client("s3").put_object(**body, Metadata={META_TRANSFER_ID: log_id})
        self.start(gateway, log_id, "acme/early.csv", now)
        event = s3_event(gateway.landing_bucket, "acme/early.csv", put["VersionId"])
        assert failures(function.deliver(batch(one=event))) == ["one"]
        with pytest.raises(NotDelivered, match="STARTED"):
            function.deliver(event)
        asyncio.run(self.complete(backend, log_id, function))
        assert function.deliver(event) == {"outcomes": {"DELIVERED": 1}}

    def start(self, gateway, log_id, key, now):
        item = {
            **dict.fromkeys(("SessionId", "ClientIp", "ClientVersion", "KeyFingerprint"), "x"),
            "LogID": log_id,
            "Item": "transfer",
            "Direction": "UPLOAD",
            "Status": "STARTED",
            "UserName": "acme",
            "ServerId": gateway.server_id,
            "Path": "/early.csv",
            "Fence": 1,
            "Bucket": gateway.landing_bucket,
            "ObjectKey": key,
            "GatewayId": "gw-1",
            "StartedAt": items.stamp(now),
            "Timestamp": items.stamp(now),
            "Day": items.day_of(now),
        }
        gateway.client("dynamodb").put_item(TableName=gateway.transfers_table, Item=items.wire(item))

    async def complete(self, backend, log_id, function):
        record = (await backend.log.story(log_id)).transfer
        stored = await backend.store.head(Location(record.bucket, record.object_key))
        targets = delivery_targets(backend.settings, await function.runtime.keys())
        now = datetime.now(UTC)
        deliveries = owed(log_id, stored.location, stored.version_id, stored.etag, targets, now)
        await backend.log.complete(
            record.owner, Content(len(BODY), "x"), stored, deliveries, superseded=False, at=now
        )

    def test_half_a_file(self, gateway, function, upload):
        """What was kept of a dropped upload is PARTIAL, and an event makes nothing more of it."""
        record = upload("/half.csv", BODY, dropped=True)
        assert function.deliver(event_of(record)) == {"outcomes": {"NOTHING_OWED": 1}}
        assert private(gateway, "acme/half.csv") is None

    def test_a_superseded_version(self, gateway, function, upload):
        """The event for the older version brings the newest; the one for the newest finds it done."""
        older, newer = upload("/june.csv", b"older"), upload("/june.csv", b"newer")
        assert function.deliver(event_of(older)) == {"outcomes": {"NOTHING_OWED": 1}}
        assert private(gateway, "acme/june.csv") == b"newer"
        assert function.deliver(event_of(newer)) == {"outcomes": {"DELIVERED": 1}}
        assert private(gateway, "acme/june.csv") == b"newer"
        assert delivery(gateway, older)["Status"] == "SUPERSEDED"

    def test_removed_meanwhile(self, gateway, function, upload):
        """A file that was deleted after it landed is delivered from its version, if the event names it."""
        record = upload("/june.csv", BODY)
        gateway.client("s3").delete_object(Bucket=record["Bucket"], Key=record["ObjectKey"])
        unnamed = s3_event(record["Bucket"], record["ObjectKey"])
        assert function.deliver(unnamed) == {"outcomes": {"IGNORED": 1}}
        assert function.deliver(event_of(record)) == {"outcomes": {"DELIVERED": 1}}

    def test_another_bucket(self, gateway, function, upload):
        """A copy in another bucket keeps the metadata, and is owed nothing all the same."""
        record = upload("/june.csv", BODY)
        s3 = gateway.client("s3")
        s3.create_bucket(Bucket="elsewhere")
        source = {"Bucket": record["Bucket"], "Key": record["ObjectKey"]}
        s3.copy_object(Bucket="elsewhere", Key=record["ObjectKey"], CopySource=source)
        event = s3_event("elsewhere", record["ObjectKey"], name="ObjectCreated:Copy")
        assert function.deliver(event) == {"outcomes": {"IGNORED": 1}}
        assert function.deliver(s3_event("nowhere-at-all", "x")) == {"outcomes": {"IGNORED": 1}}

    def test_the_delivered_copy(self, gateway, function, importing, upload):
        """Its own event leads nowhere, whoever gets it."""
        function.deliver(event_of(upload("/june.csv", BODY)))
        event = s3_event(gateway.private_bucket, "acme/june.csv", name="ObjectCreated:Copy")
        assert function.deliver(event) == {"outcomes": {"IGNORED": 1}}
        assert importing.deliver(event) == {"outcomes": {"IGNORED": 1}}


@pytest.mark.lengthy
class TestForeignObjects:
    def put(self, gateway, key="by hand.csv", body=BODY):
        put = gateway.client("s3").put_object(Bucket=gateway.landing_bucket, Key=key, Body=body)
        return s3_event(gateway.landing_bucket, key, put["VersionId"])

    def test_are_ignored(self, gateway, function):
        """By default what no partner uploaded stays where it is, without a record."""
        assert function.deliver(self.put(gateway)) == {"outcomes": {"IGNORED": 1}}
        assert gateway.transfers() == []

    def test_are_delivered(self, gateway, importing):
        """The plain case: landing bucket to private bucket, with a record; by duplicates, once."""
        event = self.put(gateway)
        assert importing.deliver(event) == {"outcomes": {"DELIVERED": 1}}
        assert failures(importing.deliver(batch(a=event, b=event))) == []
        assert private(gateway, "by hand.csv") == BODY
        (record,) = gateway.transfers()
        assert (record["Direction"], record["Status"], record["UserName"]) == ("IMPORT", "COMPLETED", "-")
        assert (record["Path"], record["Bytes"]) == ("by hand.csv", len(BODY))
        assert delivery(gateway, record)["Status"] == "DELIVERED"

    def test_are_listed(self, gateway, importing, command):
        """`transfers list` and `show` tell of them, and `verify` compares what is known."""
        importing.deliver(self.put(gateway))
        (record,) = gateway.transfers()
        listed = command("transfers", "list")
        assert record["LogID"] in listed
        assert "IMPORT" in listed
        for verb in ("show", "verify"):
            assert str(len(BODY)) in command("transfers", verb, record["LogID"])

    def test_not_a_directory(self, gateway, importing):
        """The empty object that a client's mkdir leaves is nothing to deliver."""
        assert importing.deliver(self.put(gateway, "acme/in/", b"")) == {"outcomes": {"IGNORED": 1}}

    def test_not_a_probe(self, gateway, importing):
        """What the doctor writes to try the bucket is no file."""
        assert importing.deliver(self.put(gateway, PROBE_KEY)) == {"outcomes": {"IGNORED": 1}}


@pytest.mark.lengthy
class TestTrouble:
    def test_one_fails_and_the_others_do_not(self, gateway, function, upload):
        """A message whose delivery fails comes again alone; the record says why."""
        upload("/good.csv", BODY)
        records = [upload(f"/{name}", BODY) for name in ("good.csv", "bad.csv")]
        self.hold(function, records[1]["LogID"])
        response = function.deliver(batch(good=event_of(records[0]), bad=event_of(records[1])))
        assert failures(response) == ["bad"]

    def hold(self, function, log_id):
        """Claim the delivery as somebody else."""
        backend, now = function.runtime.backend, datetime.now(UTC)
        until = now + timedelta(seconds=60)
        assert asyncio.run(backend.log.claim(log_id, "private", "gw-other", now, until))

    def test_s3_is_away(self, gateway, function, upload):
        """What cannot be looked at fails: a message comes again, a direct event is repeated by Lambda."""
        record = upload("/june.csv", BODY)
        with function.without_s3("head"):
            assert failures(function.deliver(batch(one=event_of(record)))) == ["one"]
            with pytest.raises(NotDelivered, match="S3 does not answer"):
                function.deliver(event_of(record))
        assert function.deliver(event_of(record)) == {"outcomes": {"DELIVERED": 1}}

    def test_a_direct_event_of_several_objects(self, gateway, function, upload):
        """All are taken, also those after one that fails, before Lambda is told to repeat it."""
        bad, good = upload("/bad.csv", BODY), upload("/good.csv", BODY)
        self.hold(function, bad["LogID"])
        both = {"Records": [*event_of(bad)["Records"], *event_of(good)["Records"]]}
        with pytest.raises(NotDelivered, match="acme/bad"):
            function.deliver(both)
        assert delivery(gateway, good)["Status"] == "DELIVERED"

    def test_time_is_nearly_out(self, gateway, functions, upload):
        """What is not begun in time is reported, so that only that comes again."""
        records = [upload(f"/{n}.csv", BODY) for n in range(2)]
        messages = batch(**{f"m{n}": event_of(record) for n, record in enumerate(records)})
        # The first two looks at the clock are for the batch and for its first message.
        response = functions["one at a time"].deliver(messages, Invocation(60, 60, 5))
        assert failures(response) == ["m1"]
        assert [delivery(gateway, each)["Status"] for each in records] == ["DELIVERED", "PENDING"]

    def test_time_runs_out(self, gateway, function, upload):
        """What is under way then is given up and reported; its lease runs out, and it is due again."""
        record, other = upload("/june.csv", BODY), upload("/july.csv", BODY)
        with function.without_s3("copy", hangs=True):
            response = function.deliver(batch(one=event_of(record)), Invocation(2.4, 60))
            with pytest.raises(NotDelivered, match="time"):
                function.deliver(event_of(other), Invocation(2.4))
        assert failures(response) == ["one"]
        assert delivery(gateway, record)["Status"] == "PENDING"


class TestHandler:
    @pytest.fixture
    def configured(self, gateway, monkeypatch):
        """The environment of a function, and logging as it was found afterwards."""
        config = {
            "server_id": gateway.server_id,
            "aws": {
                "region": gateway.region,
                "endpoint_url": gateway.endpoint_url,
                "access_key_id": "${LOCAL_KEY}",
                "secret_access_key": "${LOCAL_KEY}",
            },
            "deliveries": {"owner": "handlers"},
        }
        monkeypatch.setenv("TIDEGATE_CONFIG", json.dumps(config))
        monkeypatch.setenv("LOCAL_KEY", "test")
        monkeypatch.setattr("tidegate_handlers.runtime.configure_logging", lambda *_: None)
        runtime.cache_clear()
        yield
        runtime().backend.close()
        runtime.cache_clear()

    def test_is_configured_by_its_environment(self, configured, gateway, upload):
        """One call makes the clients, and the next ones use them: each with an event loop of its own."""
        for name in ("june", "july"):
            event = event_of(upload(f"/{name}.csv", BODY))
            assert deliver.handler(event, Invocation()) == {"outcomes": {"DELIVERED": 1}}
        assert runtime.cache_info().misses == 1
