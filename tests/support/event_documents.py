"""Event documents in the shapes AWS documents, from tests/handlers/events, about objects of a test's own."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

_EVENTS = Path(__file__).parent.parent / "handlers" / "events"


@cache
def _read(name: str) -> Any:
    return json.loads((_EVENTS / f"{name}.json").read_text(encoding="utf-8"))


def document(name: str) -> Any:
    """Return the document of that file, to be changed as one likes."""
    return copy.deepcopy(_read(name))


def s3_event(
    bucket: str, key: str, version_id: str | None = None, *, name: str = "ObjectCreated:Put"
) -> dict[str, Any]:
    """Return what S3 sends about one object: its key is encoded as in a form."""
    event = document("s3_put")
    (record,) = event["Records"]
    record["eventName"] = name
    record["s3"]["bucket"] |= {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"}
    record["s3"]["object"]["key"] = quote_plus(key, safe="/")
    del record["s3"]["object"]["versionId"]
    if version_id:
        record["s3"]["object"]["versionId"] = version_id
    return event


def eventbridge_event(bucket: str, key: str, version_id: str | None = None) -> dict[str, Any]:
    """Return what EventBridge sends about one object: its key is as it is."""
    event = document("eventbridge_created")
    event["detail"]["bucket"]["name"] = bucket
    event["detail"]["object"]["key"] = key
    del event["detail"]["object"]["version-id"]
    if version_id:
        event["detail"]["object"]["version-id"] = version_id
    return event


def by_topic(event: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a queue's message that a topic passed on."""
    return document("sns_in_sqs") | {"Message": json.dumps(event)}


def batch(**bodies: object) -> dict[str, Any]:
    """Return a batch of a queue: message ids and their bodies, documents or text."""
    return {
        "Records": [
            document("sqs_message")
            | {"messageId": name, "body": body if isinstance(body, str) else json.dumps(body)}
            for name, body in bodies.items()
        ]
    }
