"""What an integration test of AWS's asks: a server with structured logs, a file, its event, its lines."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko
import pytest

from support.fault_house import wait_until
from support.live_servers import live_server
from support.transfer_client import ACCOUNT, ROLE, Transfer
from tidegate.testing.gateway import LocalGateway

NewKey = Callable[[str], tuple[Path, str]]
GROUP = "/integration/sftp"


def heard(gateway: LocalGateway) -> Callable[[int], list[dict[str, Any]]]:
    """Make a rule with a queue, and return what waits for so many of its events."""
    sqs, events = gateway.client("sqs"), gateway.client("events")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    pattern = {"source": ["aws.transfer"], "detail-type": [{"prefix": "SFTP Server File"}]}
    events.put_rule(Name="files", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="files", Targets=[{"Id": "1", "Arn": attributes["QueueArn"]}])

    def wait(count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for _ in range(10):
            got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2)
            found += [json.loads(each["Body"]) for each in got.get("Messages", ())]
            if len(found) >= count:
                break
        return found

    return wait


def test_a_server_with_structured_logs(transfer: Transfer, tidegate: LocalGateway, new_key: NewKey) -> None:
    """Its files are heard of on the bus, and its sessions stand in its log group, under one id."""
    logs, wait_for = tidegate.client("logs"), heard(tidegate)
    logs.create_log_group(logGroupName=GROUP)
    arn = f"arn:aws:logs:{tidegate.region}:{ACCOUNT}:log-group:{GROUP}:*"
    server = live_server(transfer, new_key("told"), StructuredLogDestinations=[arn])
    with server.login() as client:
        client.putfo(io.BytesIO(b"a,b\n"), "/in/report.csv")
        client.rename("/in/report.csv", "/in/done.csv")
    uploaded, renamed = wait_for(2)
    assert uploaded["detail-type"] == "SFTP Server File Upload Completed"
    assert renamed["detail-type"] == "SFTP Server File Rename Completed"
    assert uploaded["resources"] == [
        f"arn:aws:transfer:{tidegate.region}:{ACCOUNT}:server/{server.server_id}"
    ]
    detail = uploaded["detail"]
    bucket, _, key = detail["file-path"][1:].partition("/")
    kept = renamed["detail"]["renamed-file-path"].removeprefix(f"/{bucket}/")
    stored = tidegate.client("s3").get_object(Bucket=bucket, Key=kept)
    assert (stored["Body"].read(), detail["bytes"]) == (b"a,b\n", 4)
    assert detail["server-id"] == server.server_id

    stream = f"{detail['username']}.{detail['session-id']}"

    def lines() -> list[dict[str, Any]]:
        found = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=stream)["logStreams"]
        if not found:
            return []
        got = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)
        return [json.loads(each["message"]) for each in got["events"]]

    wait_until(
        lambda: [each["activity-type"] for each in lines()][-1:] == ["DISCONNECTED"], "the end is told"
    )
    told = lines()
    assert [each["activity-type"] for each in told] == [
        "CONNECTED",
        "OPEN",
        "CLOSE",
        "RENAME",
        "DISCONNECTED",
    ]
    assert (told[0]["role"], told[0]["home-dir"]) == (ROLE, "/")
    assert told[2]["path"] == f"/{bucket}/{key}"
    server.delete()


@pytest.mark.lengthy
def test_a_refused_key(transfer: Transfer, tidegate: LocalGateway, new_key: NewKey) -> None:
    """It stands in the stream of errors of the server whose it was not, and in no other's group."""
    logs = tidegate.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    arn = f"arn:aws:logs:{tidegate.region}:{ACCOUNT}:log-group:{GROUP}:*"
    server = live_server(transfer, new_key("told"), StructuredLogDestinations=[arn])
    stranger, _ = new_key("stranger")
    with paramiko.Transport(("127.0.0.1", server.port)) as transport, pytest.raises(paramiko.SSHException):
        transport.connect(username="nobody", pkey=paramiko.Ed25519Key.from_private_key_file(str(stranger)))

    def errors() -> list[dict[str, Any]]:
        if not logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="ERRORS")["logStreams"]:
            return []
        got = logs.get_log_events(logGroupName=GROUP, logStreamName="ERRORS", startFromHead=True)
        return [json.loads(each["message"]) for each in got["events"]]

    wait_until(lambda: bool(errors()), "the refusal is told")
    (refused,) = errors()
    assert (refused["activity-type"], refused["user"], refused["method"]) == (
        "AUTH_FAILURE",
        "nobody",
        "publickey",
    )
    assert refused["message"].startswith("ED25519 SHA256:")
    server.delete()
