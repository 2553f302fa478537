"""A whole gateway that tells: log groups, EventBridge with a queue behind it, a file, and /metrics."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import boto3
import pytest

from tidegate.assembly import Gateway
from tidegate.backend import Backend
from tidegate.core.ids import new_server_id
from tidegate.core.servers import Server
from tidegate.core.users import Home
from tidegate.local.endpoint import EmbeddedAws
from tidegate.local.provisioned import provisioned_fleet
from tidegate.local.run import LocalOptions, local_settings
from tidegate.services.users import WantedUser
from tidegate.settings.loader import load

ACCOUNT, REGION = "123456789012", "us-east-1"
CONFIG = "{health: {port: 0, metrics: true}, sftp: {port: 0}, activity: {file: FILE}, version: 1}"


def logged(server_id: str) -> Server:
    """Return a server with both logs; groups are its own, as the emulator is this process's."""
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/sftp/{server_id}:*"
    role = f"arn:aws:iam::{ACCOUNT}:role/logs"
    return Server(server_id, log_destinations=(group,), logging_role=role)


class Telling:
    """The gateway, its AWS, and one partner."""

    def __init__(self, gateway: Gateway, url: str, key: asyncssh.SSHKey, file: Path) -> None:
        self.gateway = gateway
        self.id = gateway.server_id
        self.arn = f"arn:aws:transfer:{REGION}:{ACCOUNT}:server/{self.id}"
        self.group = f"/sftp/{self.id}"
        self.key = key
        self.file = file
        self._session = boto3.Session("testing", "testing", region_name=REGION)
        self._url = url

    def client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._url)

    def connect(self) -> Any:
        return asyncssh.connect(
            "127.0.0.1",
            self.gateway.listener.port,
            username="acme",
            client_keys=[self.key],
            known_hosts=None,
            agent_path=None,
            config=None,
        )

    def streams(self, group: str) -> dict[str, list[str]]:
        """Return the lines of each stream."""
        logs = self.client("logs")
        found = logs.describe_log_streams(logGroupName=group)["logStreams"]
        names = [each["logStreamName"] for each in found]
        return {
            name: [
                event["message"]
                for event in logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)[
                    "events"
                ]
            ]
            for name in names
        }

    def metrics(self) -> dict[str, str]:
        """Return what /metrics says, by series."""
        health = self.gateway.health
        assert health is not None
        connection = http.client.HTTPConnection("127.0.0.1", health.port, timeout=10)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
        connection.close()
        return dict(line.rsplit(" ", 1) for line in lines)


@asynccontextmanager
async def telling(folder: Path) -> AsyncIterator[Telling]:
    aws = await asyncio.to_thread(EmbeddedAws, 0, lambda: None)
    aws.start()
    file = folder / "activity.jsonl"
    config = folder / "config.yaml"
    config.write_text(CONFIG.replace("FILE", str(file)))
    options = LocalOptions(load(str(config), {}, SimpleNamespace()), folder, 0)  # type: ignore[arg-type]
    backend = Backend(local_settings(options, aws.url))
    host, key = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    host.write_private_key(folder / "host")
    server = logged(new_server_id())
    fleet = await provisioned_fleet(backend, server.server_id, "transfer-family", folder / "host")
    gateway = fleet.first
    gateway.listener.context.server = server
    public = " ".join(key.export_public_key().decode().split()[:2])
    home = Home.chroot("/tidegate-landing/acme")
    await backend.users(server.server_id).bring_to([WantedUser("acme", home, (public,))], exact=False)
    await gateway.start()
    try:
        yield Telling(gateway, aws.url, key, file)
    finally:
        hurried = asyncio.Event()
        hurried.set()
        await fleet.stop(hurried)
        backend.close()
        await asyncio.to_thread(aws.stop)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Telling]:
    async with telling(tmp_path) as made:
        yield made


def queue_of_events(here: Telling) -> tuple[Any, str]:
    """Make a rule of all of Transfer Family's events with a queue as its target."""
    sqs, events = here.client("sqs"), here.client("events")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    events.put_rule(Name="all", EventPattern=json.dumps({"source": ["aws.transfer"]}))
    events.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": attributes["QueueArn"]}])
    return sqs, url


def heard(sqs: Any, url: str, count: int) -> list[dict[str, Any]]:
    """Return so many events once they have come."""
    found: list[dict[str, Any]] = []
    for _ in range(2 * count):
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
        found += [json.loads(each["Body"]) for each in got.get("Messages", ())]
        if len(found) >= count:
            break
    return found


async def put(sftp: asyncssh.SFTPClient) -> None:
    async with sftp.open("/in.csv", "wb") as file:
        await file.write(b"a,b\n")


async def test_an_upload_is_told_everywhere(here: Telling) -> None:
    """In the session's log streams, as an event on a queue, in the file, and in /metrics."""
    here.client("logs").create_log_group(logGroupName=here.group)
    sqs, url = await asyncio.to_thread(queue_of_events, here)
    before = await asyncio.to_thread(here.metrics)
    async with here.connect() as connection, connection.start_sftp_client() as sftp:
        await put(sftp)
        during = await asyncio.to_thread(here.metrics)
    (event,) = await asyncio.to_thread(heard, sqs, url, 1)
    assert (event["source"], event["resources"]) == ("aws.transfer", [here.arn])
    assert (event["version"], event["account"], event["region"]) == ("0", ACCOUNT, REGION)
    assert event["detail-type"] == "SFTP Server File Upload Completed"
    detail = event["detail"]
    assert (detail["file-path"], detail["bytes"]) == ("/tidegate-landing/acme/in.csv", 4)
    stored = here.client("s3").head_object(Bucket="tidegate-landing", Key="acme/in.csv")
    assert detail["etag"] == stored["ETag"].strip('"')

    await here.gateway.settled()
    stream = f"acme.{detail['session-id']}"
    (name, lines), *others = (await asyncio.to_thread(here.streams, here.group)).items()
    assert (name, others) == (stream, [])
    told = [json.loads(line) for line in lines]
    assert [each["activity-type"] for each in told] == ["CONNECTED", "OPEN", "CLOSE", "DISCONNECTED"]
    assert all(each["resource-arn"] == here.arn for each in told)
    text = await asyncio.to_thread(here.streams, f"/aws/transfer/{here.id}")
    assert [line.split(" ")[:2] for line in text[stream]][2] == [stream, "CLOSE"]
    assert [json.loads(line)["activity-type"] for line in here.file.read_text().splitlines()] == [
        each["activity-type"] for each in told
    ]

    uploads = (
        f'tidegate_transfers_total{{server="{here.id}",partner="acme",direction="upload",status="completed"}}'
    )
    assert uploads not in before
    connections = f'tidegate_connections{{server="{here.id}"}}'
    assert (before[connections], during[connections]) == ("0", "1")
    after = await asyncio.to_thread(here.metrics)
    assert after[uploads] == "1"
    assert after[f'tidegate_logins_total{{server="{here.id}",result="accepted"}}'] == "1"
    assert {value for series, value in after.items() if "lost_total" in series} == {"0"}


async def test_an_unknown_log_group_fails_nothing(here: Telling) -> None:
    """Files come as ever, the other log is written, and what was lost is counted."""
    async with here.connect() as connection, connection.start_sftp_client() as sftp:
        await put(sftp)
    await here.gateway.settled()
    found = await asyncio.to_thread(here.metrics)
    assert int(found['tidegate_activities_lost_total{sink="cloudwatch-logs"}']) >= 3
    (lines,) = (await asyncio.to_thread(here.streams, f"/aws/transfer/{here.id}")).values()
    assert len(lines) >= 3


async def test_a_refused_login_is_in_the_stream_of_errors(here: Telling) -> None:
    """It has no session."""
    here.client("logs").create_log_group(logGroupName=here.group)
    here.key = asyncssh.generate_private_key("ssh-ed25519")
    with pytest.raises(asyncssh.PermissionDenied):
        await here.connect()
    while here.gateway.listener.context.guard.places.taken:  # noqa: ASYNC110 - a listener has no event for it
        await asyncio.sleep(0.001)
    await here.gateway.settled()
    (line,) = (await asyncio.to_thread(here.streams, here.group))["ERRORS"]
    told = json.loads(line)
    assert (told["activity-type"], told["user"]) == ("AUTH_FAILURE", "acme")
