"""Event documents as wake-ups: every shape that is known, and words for every other."""

from __future__ import annotations

import json

import pytest

from support.event_documents import batch, by_topic, document, eventbridge_event, s3_event
from tidegate.core.wakeups import Wakeup
from tidegate_handlers.events import UnknownEvent, is_batch, messages_of, wakeups_in, wakeups_in_text

KEY = "acme/in/june 100% + größe.csv"
VERSION = "096fKKXTRTtl3on89fVO.nfljtsv6qko"
ETAG = "d41d8cd98f00b204e9800998ecf8427e"
JUNE = Wakeup("tidegate-landing", KEY, VERSION, ETAG, 1024)


class TestNotification:
    def test_put(self):
        """The key comes encoded as in a form: + is a blank, and UTF-8 is percent-encoded."""
        assert wakeups_in(document("s3_put")) == [JUNE]

    def test_several_records(self):
        """Multipart uploads and copies wake too; removals do not; no version, or "null", is none."""
        assert wakeups_in(document("s3_multipart_copy_and_removal")) == [
            Wakeup(
                "tidegate-landing",
                "acme/large.bin",
                None,
                "0123456789abcdef0123456789abcdef-1280",
                10_737_418_240,
            ),
            Wakeup("tidegate-landing", "acme/copy.csv", None, "098f6bcd4621d373cade4e832627b4f6", 6),
        ]

    @pytest.mark.parametrize("key", ["a b", "a+b", "a%2Bb", "ä/ö", "日本/😀", "a%b", "&=?#", " "])
    def test_keys(self, key):
        """Whatever the characters, the key is the one in S3."""
        (wakeup,) = wakeups_in(s3_event("landing", key))
        assert wakeup.key == key

    @pytest.mark.parametrize("name", ["ObjectCreated:Post", "s3:ObjectCreated:Put"])
    def test_other_names_of_creation(self, name):
        """However an object was created, and however the server writes it."""
        assert len(wakeups_in(s3_event("landing", "x", name=name))) == 1

    @pytest.mark.parametrize("name", ["ObjectTagging:Put", "ObjectRestore:Completed", "LifecycleTransition"])
    def test_other_events(self, name):
        """Whatever happens to an object that is there wakes nobody."""
        assert wakeups_in(s3_event("landing", "x", name=name)) == []

    def test_the_test_event(self):
        """What S3 sends to try a destination wakes nobody, and is no error."""
        assert wakeups_in(document("s3_test")) == []


class TestEventBridge:
    def test_created(self):
        """The key is as it is: decoding it would make another of it."""
        assert wakeups_in(document("eventbridge_created")) == [JUNE]

    def test_deleted(self):
        """Other events of S3 wake nobody."""
        assert wakeups_in(document("eventbridge_deleted")) == []

    @pytest.mark.parametrize("key", ["a+b", "a%20b", "a b"])
    def test_keys(self, key):
        """What looks encoded is part of the name."""
        (wakeup,) = wakeups_in(eventbridge_event("landing", key))
        assert wakeup.key == key


class TestWrapped:
    @pytest.mark.parametrize("name", ["s3_put", "eventbridge_created"])
    def test_in_messages(self, name):
        """A message of a queue holds either, as it is or as a topic passed it on."""
        event = document(name)
        for body in (event, by_topic(event)):
            assert wakeups_in_text(json.dumps(body)) == [JUNE]

    def test_by_a_topic_to_a_function(self):
        """A topic calls a function with records of its own."""
        event = document("sns_record")
        event["Records"][0]["Sns"]["Message"] = json.dumps(document("s3_put"))
        assert not is_batch(event)
        assert wakeups_in(event) == [JUNE]

    def test_a_batch(self):
        """Only messages of a queue are a batch; each keeps its own text."""
        event = batch(one=document("s3_put"), two="nonsense")
        assert is_batch(event)
        first, second = messages_of(event)
        assert (first.message_id, wakeups_in_text(first.body)) == ("one", [JUNE])
        assert (second.message_id, second.body) == ("two", "nonsense")
        assert not is_batch(document("s3_put"))

    def test_a_message_without_id(self):
        """What cannot be named cannot be reported as failed, so the whole batch is refused."""
        event = batch(one={})
        del event["Records"][0]["messageId"]
        with pytest.raises(UnknownEvent, match="messageId"):
            messages_of(event)


def with_record(**changes):
    event = s3_event("landing", "x")
    event["Records"][0] |= changes
    return event


UNKNOWN = {
    "nothing": {},
    "a list": [],
    "text": "s3",
    "null": None,
    "another source": {"source": "aws.ec2", "detail-type": "x", "detail": {}},
    "records of something else": {"Records": [{"eventSource": "aws:kinesis"}]},
    "a record that is none": {"Records": ["x"]},
    "another version": with_record(eventVersion="3.0"),
    "no version": with_record(eventVersion=None),
    "no object": with_record(s3={"bucket": {"name": "landing"}}),
    "a key that is no text": with_record(s3={"bucket": {"name": "landing"}, "object": {"key": 1}}),
    "a key that is no UTF-8": with_record(s3={"bucket": {"name": "landing"}, "object": {"key": "%ff"}}),
    "no detail": {"source": "aws.s3", "detail-type": "Object Created"},
    "a detail that is text": {"source": "aws.s3", "detail-type": "Object Created", "detail": "x"},
    "a topic's nonsense": by_topic({}) | {"Message": "nonsense"},
    "a topic without end": by_topic(by_topic(by_topic(s3_event("landing", "x")))),
}


class TestUnknown:
    @pytest.mark.parametrize("event", UNKNOWN.values(), ids=UNKNOWN.keys())
    def test_is_told_what_was_expected(self, event):
        """Whatever else comes is refused in one line that names the shapes that are known."""
        with pytest.raises(UnknownEvent) as refused:
            wakeups_in(event)
        assert "\n" not in str(refused.value)
        assert "expected an S3 notification" in str(refused.value)
        assert "EventBridge" in str(refused.value)

    def test_text_that_is_no_json(self):
        """A message with another text is refused alike."""
        with pytest.raises(UnknownEvent, match="JSON"):
            wakeups_in_text("hello")

    def test_values_are_not_told(self):
        """A stranger's document is described by its names: what it holds is not ours to write to a log."""
        with pytest.raises(UnknownEvent) as refused:
            wakeups_in({"password": "hunter2"})
        assert "password" in str(refused.value)
        assert "hunter2" not in str(refused.value)
