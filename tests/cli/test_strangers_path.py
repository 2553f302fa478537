"""
From an example configuration to a file that a Lambda function has delivered, on an account that was empty.

Every step is a command as a person types it. The gateway and the function are processes of their own, which
share nothing but the account; and at the end the account is still as `setup` left it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import pytest
import yaml

pytestmark = pytest.mark.lengthy

ROOT = Path(__file__).parent.parent.parent
SECRETS = {"STRANGER_KEY_ID": "AKIAEXAMPLE", "STRANGER_SECRET": "not-to-be-shown"}
PREFIX = "stranger"
BODY = b"date;amount\n" * 1000
# Lambda calls the handler in a process of its own, with the event as JSON.
INVOKE = """
import json, sys
from tidegate_handlers.deliver import handler

class Context:
    def get_remaining_time_in_millis(self): return 60_000

print(json.dumps(handler(json.load(sys.stdin), Context())))
"""


@pytest.fixture
def account(moto_url: str) -> Callable[[str], Any]:
    """Clients that ask the account itself what is there."""
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = boto3.client(
                service,
                endpoint_url=moto_url,
                region_name="eu-central-1",
                aws_access_key_id="AKIAEXAMPLE",
                aws_secret_access_key="any",
            )
        return made[service]

    return client


@pytest.fixture
def folder(moto_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example, and beside it a file that says only what is different here."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    for name in ("base.yaml", "prod.yaml"):
        (tmp_path / name).write_text((ROOT / "config" / "examples" / name).read_text())
    here = {
        "extends": "prod.yaml",
        "name_prefix": PREFIX,
        "aws": {
            "endpoint_url": moto_url,
            "access_key_id": "${STRANGER_KEY_ID}",
            "secret_access_key": "${STRANGER_SECRET}",
        },
        "sftp": {"host": "127.0.0.1", "port": 0, "proxy_protocol_from": []},
        # moto does not give notifications back, so the check could not see them.
        "deliveries": {"events": None},
        "routes": [],
        "health": {"host": "127.0.0.1", "port": 0},
        "shutdown": {"grace_seconds": 1, "notice_seconds": 0},
    }
    (tmp_path / "gateway.yaml").write_text(yaml.safe_dump(here))
    return tmp_path


def created_event(version: dict[str, Any]) -> dict[str, Any]:
    """Return what EventBridge hands on when S3 has made an object, as a queue wraps it for a function."""
    event = {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2026-11-20T12:00:00Z",
        "region": "eu-central-1",
        "resources": [f"arn:aws:s3:::{PREFIX}-landing"],
        "detail": {
            "version": "0",
            "bucket": {"name": f"{PREFIX}-landing"},
            "object": {
                "key": version["Key"],
                "size": version["Size"],
                "etag": version["ETag"].strip('"'),
                "version-id": version["VersionId"],
                "sequencer": "617f08299329d189",
            },
            "reason": "PutObject",
        },
    }
    return {"Records": [{"messageId": "m-1", "eventSource": "aws:sqs", "body": json.dumps(event)}]}


def invoked(folder: Path, event: dict[str, Any]) -> Any:
    """Invoke the function in a process of its own, with the configuration in its environment."""
    configuration = subprocess.run(
        [sys.executable, "-m", "tidegate", "config", "show", "gateway.yaml", "--format", "json"],
        cwd=folder,
        capture_output=True,
        check=True,
        text=True,
    )
    told = json.loads(configuration.stdout)
    told["aws"] |= {"access_key_id": "${STRANGER_KEY_ID}", "secret_access_key": "${STRANGER_SECRET}"}
    rooms = os.pathsep.join(str(ROOT / room) for room in ("gateway", "handlers"))
    done = subprocess.run(
        [sys.executable, "-c", INVOKE],
        cwd=folder,
        input=json.dumps(event),
        env={**os.environ, "TIDEGATE_CONFIG": json.dumps(told), "PYTHONPATH": rooms},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def put(port: int, key: Path, path: str) -> None:
    async with (
        asyncssh.connect(
            "127.0.0.1", port, username="beta", client_keys=[str(key)], known_hosts=None, config=None
        ) as connection,
        connection.start_sftp_client() as sftp,
        sftp.open(path, "wb") as file,
    ):
        await file.write(BODY)


def test_from_an_example_to_a_delivered_file(
    folder: Path,
    account: Callable[[str], Any],
    tidegate: Callable[..., Any],
    running: Callable[..., Any],
) -> None:
    """Setup tells, then does, then finds nothing left to do; and the function alone delivers the file."""
    config = ("--config", str(folder / "gateway.yaml"))

    refused = tidegate("serve", *config)
    assert refused.code == 1
    assert f"tidegate setup --config {folder / 'gateway.yaml'}" in refused.err

    would = tidegate("setup", *config, "--dry-run")
    assert would.code == 0, would.err
    assert f"{PREFIX}-landing" in would.out
    assert account("s3").list_buckets()["Buckets"] == []
    assert account("dynamodb").list_tables()["TableNames"] == []

    made = tidegate("setup", *config)
    assert made.code == 0, made.err + made.out
    doctor = tidegate("doctor", *config)
    assert doctor.code == 0, doctor.out

    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / "beta")
    key.write_public_key(folder / "beta.pub")
    assert tidegate("partners", "add", "beta", "--key", str(folder / "beta.pub"), *config).code == 0

    gateway = running("serve", *config, folder=folder, **SECRETS)
    port = gateway.event("listening")["port"]
    asyncio.run(put(port, folder / "beta", "report june.csv"))

    [version] = account("s3").list_object_versions(Bucket=f"{PREFIX}-landing", Prefix="beta/")["Versions"]
    assert invoked(folder, created_event(version)) == {"batchItemFailures": []}
    copy = account("s3").get_object(Bucket=f"{PREFIX}-private", Key="incoming/beta/report june.csv")
    assert copy["Body"].read() == BODY

    [record] = tidegate("transfers", "list", *config, "--output", "json").json
    story = tidegate("transfers", "show", record["LogID"], *config, "--output", "json").json
    assert (record["Status"], {each["Status"] for each in story["Deliveries"]}) == (
        "COMPLETED",
        {"DELIVERED"},
    )
    assert "delivery attempted" not in {each["event"] for each in gateway.events}
    assert tidegate("transfers", "verify", record["LogID"], *config).code == 0

    checked = tidegate("setup", *config, "--check")
    assert checked.code == 0, checked.out
    gateway.stop()
