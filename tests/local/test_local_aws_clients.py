"""AWS clients at the embedded endpoint: Transfer Family is answered by us, the rest by the emulator."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tidegate.core.errors import InvalidSettings
from tidegate.local.endpoint import EmbeddedAws

SERVER = "s-0123456789abcdef0"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    aws = EmbeddedAws(0, lambda: None)
    aws.start()
    try:
        yield aws.url
    finally:
        aws.stop()


@pytest.fixture
def client(url: str) -> Iterator[Callable[[str], Any]]:
    """Give a client by the name of its service, as people's code makes it."""
    made: list[Any] = []

    def make(service: str) -> Any:
        made.append(
            boto3.client(
                service,
                endpoint_url=url,
                region_name="eu-west-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(retries={"mode": "standard", "max_attempts": 1}),
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize(
    ("operation", "members"), [("list_servers", {}), ("describe_server", {"ServerId": SERVER})]
)
def test_transfer_is_answered_while_no_gateway_is_there(
    client: Callable[[str], Any], operation: str, members: dict[str, Any]
) -> None:
    """boto3 raises an error that it tries again after, as while the gateway starts; nothing is pretended."""
    with pytest.raises(ClientError) as refused:
        getattr(client("transfer"), operation)(**members)
    answer = refused.value.response
    assert answer["Error"]["Code"] == "ServiceUnavailableException"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert answer["ResponseMetadata"]["RequestId"]


def test_the_other_services_are_there(client: Callable[[str], Any]) -> None:
    """S3, DynamoDB, KMS, STS, SQS, SNS, EventBridge and Logs, at one URL."""
    # The emulator's state is the process's: what other tests left in it may be listed too.
    assert "Buckets" in client("s3").list_buckets()
    assert "TableNames" in client("dynamodb").list_tables()
    assert "Keys" in client("kms").list_keys()
    assert client("sts").get_caller_identity()["Account"]
    assert client("sqs").list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert "Topics" in client("sns").list_topics()
    assert client("events").list_event_buses()["EventBuses"]
    assert "logGroups" in client("logs").describe_log_groups()


def status_of(url: str, method: str = "GET", **headers: str) -> tuple[int, list[str]]:
    """Return the status and the names of the headers."""
    try:
        with urlopen(Request(url, method=method, headers=headers)) as answer:
            return answer.status, [name.lower() for name in answer.headers]
    except HTTPError as error:
        with error:
            return error.code, [name.lower() for name in error.headers]


def test_web_pages_and_the_back_door_are_refused_on_the_wire(url: str) -> None:
    """As the application does when it is called directly."""
    assert status_of(url)[0] == 200
    assert status_of(url, Host="evil.example")[0] == 403
    assert status_of(url, "OPTIONS", Origin="http://localhost")[0] == 403
    assert status_of(f"{url}/moto-api/reset", "POST")[0] == 404
    assert status_of(f"{url}/%6doto-api/reset", "POST")[0] == 404
    for path in ("/", "/nowhere/at-all", "/_tidegate/reset"):
        assert not any(name.startswith("access-control-") for name in status_of(url + path)[1])


def test_a_body_that_nobody_read_does_not_break_the_refusal(url: str) -> None:
    """The client reads the answer, not a connection that was reset under it."""
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        body = b"x" * 1_000_000
        head = f"PUT /b/o HTTP/1.1\r\nHost: evil.example\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        with connection.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 403 Forbidden\r\n"


def test_it_listens_on_loopback_alone(url: str) -> None:
    """Other machines cannot reach it, so it needs no password."""
    assert url.startswith("http://127.0.0.1:")


def test_a_taken_port_is_refused_with_ways_out(url: str) -> None:
    """Before werkzeug would end the process."""
    port = int(url.rpartition(":")[2])
    with pytest.raises(InvalidSettings, match=f"port {port} for the AWS endpoint is taken") as refused:
        EmbeddedAws(port, lambda: None)
    assert f"--aws-endpoint-url http://127.0.0.1:{port}" in refused.value.hint
    assert "LocalStack" not in refused.value.detail
