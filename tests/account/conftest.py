"""
An account on moto, and `tidegate setup` over it in this process.

moto's state is that of the process, so each world has names of its own. moto is reached without TLS, and
there `setup` would not ask for TLS: here it does, as over AWS.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.cli import account_plan
from tidegate.cli.main import run
from tidegate.local.endpoint import EmbeddedAws

REGION = "eu-central-1"
_SERVICES = ("s3", "dynamodb", "kms", "iam", "sqs")
_READS = ("get_", "head_", "list_", "describe_", "query", "wait")


@dataclass(frozen=True)
class Said:
    """What a command printed, how it ended, and which calls to AWS changed something."""

    code: int
    out: str
    err: str
    changes: list[str]

    @property
    def findings(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The findings of `--check --output json`, by resource and what."""
        return {(each["Resource"], each["What"]): each for each in json.loads(self.out)}


class World:
    """Names, a configuration and plain clients of one account."""

    def __init__(self, url: str, folder: Path, prefix: str) -> None:
        self.url, self.folder, self.prefix = url, folder, prefix
        self.aws = {service: _client(service, url) for service in _SERVICES}
        queue = self.aws["sqs"].create_queue(QueueName=f"{prefix}-events")["QueueUrl"]
        asked = self.aws["sqs"].get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        self.queue = asked["Attributes"]["QueueArn"]
        self.settings: dict[str, Any] = {
            "name_prefix": prefix,
            "server_id": "s-0123456789abcdef0",
            "preset": "partner-safe",
            "aws": {
                "region": REGION,
                "endpoint_url": url,
                "access_key_id": "${TEST_KEY}",
                "secret_access_key": "${TEST_KEY}",
            },
            "deliveries": {"owner": "handlers", "events": self.queue, "targets": [{"name": "private"}]},
            "setup": {"noncurrent_days": 30, "trusted_services": ["ecs-tasks.amazonaws.com"]},
            "shutdown": {"grace_seconds": 30},
        }

    def named(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def setup(self, *words: str) -> Said:
        """Run `tidegate setup` over the configuration."""
        file = self.folder / "tidegate.yaml"
        file.write_text(yaml.safe_dump(self.settings))
        changes: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "environ", {**os.environ, "TEST_KEY": "test"})
            patch.setattr(account_plan, "speaks_tls", lambda settings: True)
            _note_changes(patch, changes)
            out, err = io.StringIO(), io.StringIO()
            # Not by capsys: fixtures that outlive one test call this, too.
            with redirect_stdout(out), redirect_stderr(err):
                code = run(["setup", "--config", str(file), *words])
        return Said(code, out.getvalue(), err.getvalue(), changes)

    def check(self) -> Said:
        return self.setup("--check", "--output", "json")


def _note_changes(patch: pytest.MonkeyPatch, changes: list[str]) -> None:
    for name in ("run", "run_s3"):
        plain = getattr(AwsClients, name)

        async def noted(
            self: AwsClients, call: Any, /, *args: Any, _plain: Any = plain, **kwargs: Any
        ) -> Any:
            if not call.__name__.startswith(_READS):
                changes.append(call.__name__)
            return await _plain(self, call, *args, **kwargs)

        patch.setattr(AwsClients, name, noted)


def _client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    aws = EmbeddedAws(0, lambda: None)
    aws.start()
    yield aws.url
    aws.stop()


@pytest.fixture(scope="module")
def make_world(moto_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], World]]:
    """Make a world of these names."""
    made: list[World] = []

    def make(prefix: str) -> World:
        made.append(World(moto_url, tmp_path_factory.mktemp(prefix), prefix))
        return made[-1]

    yield make
    for world in made:
        for client in world.aws.values():
            client.close()


@pytest.fixture(scope="session")
def aws_clients(moto_url: str) -> Iterator[AwsClients]:
    """The clients the resources use."""
    made = AwsClients(
        AwsEndpoint(region=REGION, endpoint_url=moto_url, access_key_id="test", secret_access_key="test")
    )
    yield made
    made.close()
