"""
Events in the shapes they come in, as wake-ups. No I/O.

Known are: what S3 sends itself, to a function, a queue or a topic; what S3 sends through EventBridge; and
either of them in an SQS message, also as SNS wraps it. Only the creation of objects wakes. The test event
that S3 sends when notifications are set up is known, and wakes nobody.

Source: S3 User Guide, "Event message structure" and "Using EventBridge"; Lambda Developer Guide, "Using
Lambda with Amazon SQS" and "... with Amazon SNS".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from tidegate.core.errors import GatewayError
from tidegate.core.wakeups import Wakeup

_EXPECTED = (
    "expected an S3 notification (Records with eventSource aws:s3), an EventBridge event of source aws.s3,"
    " or messages of SQS or SNS that hold one of these"
)
_CREATED = "ObjectCreated:"
_TEST_EVENT = "s3:TestEvent"
# How deep documents hold documents: a queue's message holds a topic's, which holds S3's.
_DEEPEST = 3


class UnknownEvent(GatewayError):
    """A document that is none of the events known here; `detail` says what was expected."""


@dataclass(frozen=True, slots=True)
class Message:
    """One SQS message. The id is what a failure is reported by."""

    message_id: str
    body: str


def is_batch(event: object) -> bool:
    """Tell whether this is a batch of SQS messages, whose failures are reported one by one."""
    records = event.get("Records") if isinstance(event, dict) else None
    first = records[0] if isinstance(records, list) and records else None
    return isinstance(first, dict) and first.get("eventSource") == "aws:sqs"


def messages_of(event: Any) -> list[Message]:
    """Return the messages of a batch. Raises `UnknownEvent` if one cannot even be named."""
    try:
        return [Message(_text(record["messageId"]), _text(record["body"])) for record in event["Records"]]
    except (KeyError, TypeError) as error:
        raise _unknown(f"a message of SQS lacks {error}") from error


def wakeups_in(event: object) -> list[Wakeup]:
    """
    Return the wake-ups that an event holds, in its order; often one, perhaps none.

    Raises:
        UnknownEvent: It, or something in it, is none of the known shapes.
    """
    return list(_wakeups(event, _DEEPEST))


def wakeups_in_text(body: str) -> list[Wakeup]:
    """Return the same of a document as text. Raises `UnknownEvent` also if it is no JSON."""
    return list(_wakeups(_parsed(body), _DEEPEST))


def _wakeups(document: object, depth: int) -> Iterator[Wakeup]:
    if depth == 0 or not isinstance(document, dict):
        raise _unknown("it is no such document" if depth else "it is nested too deeply")
    if document.get("Event") == _TEST_EVENT and "Bucket" in document:
        return
    if document.get("source") == "aws.s3" and "detail-type" in document:
        yield from _of_eventbridge(document)
    elif document.get("Type") == "Notification" and "TopicArn" in document:
        yield from _wakeups(_parsed(document.get("Message")), depth - 1)
    elif isinstance(document.get("Records"), list):
        for record in document["Records"]:
            yield from _of_record(record, depth)
    else:
        raise _unknown(f"it has {_names(document)}")


def _of_record(record: object, depth: int) -> Iterator[Wakeup]:
    if not isinstance(record, dict):
        raise _unknown("one of its records is no object")
    source = record.get("eventSource", record.get("EventSource"))
    if source == "aws:s3":
        yield from _of_s3(record)
    elif source == "aws:sqs":
        yield from _wakeups(_parsed(record.get("body")), depth - 1)
    elif source == "aws:sns" and isinstance(record.get("Sns"), dict):
        yield from _wakeups(_parsed(record["Sns"].get("Message")), depth - 1)
    else:
        raise _unknown(f"one of its records has {_names(record)}")


def _of_s3(record: dict[str, Any]) -> Iterator[Wakeup]:
    version = str(record.get("eventVersion", ""))
    # Within 2 only attributes are added; another number may mean anything.
    if version.partition(".")[0] != "2":
        raise _unknown(f"its eventVersion is {version!r}, and only 2.x is known")
    # Queues of some S3 servers name events as configurations do, with s3: in front.
    if not str(record.get("eventName")).removeprefix("s3:").startswith(_CREATED):
        return
    try:
        s3 = record["s3"]
        described = s3["object"]
        key = unquote_plus(_text(described["key"]), errors="strict")
        yield _wakeup(s3["bucket"]["name"], key, described, "versionId", "eTag")
    except (KeyError, TypeError, UnicodeDecodeError) as error:
        raise _unknown(f"a record of S3 lacks something, or has it in another form: {error}") from error


def _of_eventbridge(document: dict[str, Any]) -> Iterator[Wakeup]:
    if document["detail-type"] != "Object Created":
        return
    try:
        detail = document["detail"]
        described = detail["object"]
        # Unlike in a notification, the key is as it is.
        yield _wakeup(detail["bucket"]["name"], _text(described["key"]), described, "version-id", "etag")
    except (KeyError, TypeError) as error:
        raise _unknown(f"the detail lacks something, or has it in another form: {error}") from error


def _wakeup(bucket: object, key: str, described: dict[str, Any], version: str, etag: str) -> Wakeup:
    found = described.get(version)
    size = described.get("size")
    return Wakeup(
        bucket=_text(bucket),
        key=key,
        # What was stored while versioning was suspended has the version "null": there is only one.
        version_id=None if found in (None, "", "null") else _text(found),
        etag=described.get(etag),
        size=size if isinstance(size, int) else None,
    )


def _parsed(body: object) -> object:
    try:
        return json.loads(_text(body))
    except (TypeError, ValueError) as error:
        raise _unknown(f"its text is no JSON: {error}") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where text was expected")
    return value


def _names(document: dict[str, Any]) -> str:
    """Return the names in a document, not its values: those go to the log."""
    return ", ".join(sorted(str(name)[:40] for name in document)[:10]) or "nothing in it"


def _unknown(problem: str) -> UnknownEvent:
    return UnknownEvent(f"unknown event: {problem}", hint=_EXPECTED)
