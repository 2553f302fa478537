"""`tidegate local --aws-endpoint-url`: over an endpoint that outlives the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import pytest


@pytest.fixture(scope="module")
def aws(moto_url: str) -> Callable[[str], Any]:
    """Give a client of the endpoint, by the name of the service."""

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=moto_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    return client


@pytest.fixture(scope="module")
def before(aws: Callable[[str], Any]) -> Iterator[None]:
    """The landing bucket is there before any gateway, in its own way and with an object in it."""
    s3 = aws("s3")
    s3.create_bucket(Bucket="tidegate-landing")
    s3.put_object(Bucket="tidegate-landing", Key="acme/old.txt", Body=b"old")
    s3.close()
    return


@pytest.mark.lengthy
def test_what_is_missing_is_made_and_what_is_there_is_kept(
    start: Callable[..., Any],
    tidegate: Callable[..., Any],
    aws: Callable[[str], Any],
    moto_url: str,
    before: None,
    tmp_path: Path,
) -> None:
    """
    The second gateway over an endpoint finds what the first left there.

    Objects, records, and partners added by command; the bucket that was there is as it was, and the one that
    was not is versioned, encrypted and cleared of unfinished uploads.
    """
    first = start("--aws-endpoint-url", moto_url).ready()
    assert first.url == moto_url
    assert f"Data live at {moto_url}, and stay there." in first.out
    first.upload(b"new", "new.txt")
    asyncssh.generate_private_key("ssh-ed25519").write_public_key(tmp_path / "beta.pub")
    assert tidegate("partners", "add", "beta", "--key", "beta.pub", *first.target).code == 0
    partners = tidegate("partners", "list", "--output", "json", *first.target).json
    first.process.terminate()
    assert first.ended() == 0

    again = start("--aws-endpoint-url", moto_url).ready()
    assert tidegate("partners", "list", "--output", "json", *again.target).json == partners
    assert [row.split()[-1] for row in tidegate("transfers", "list", *again.target).rows] == ["/new.txt"]

    s3 = aws("s3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="tidegate-landing")["Contents"]]
    assert keys == ["acme/new.txt", "acme/old.txt"]
    assert "Status" not in s3.get_bucket_versioning(Bucket="tidegate-landing")
    assert s3.get_bucket_versioning(Bucket="tidegate-private")["Status"] == "Enabled"
    rules = s3.get_bucket_encryption(Bucket="tidegate-private")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert s3.get_bucket_lifecycle_configuration(Bucket="tidegate-private")["Rules"]
    s3.close()


def test_the_endpoint_may_come_from_the_configuration(
    start: Callable[..., Any], moto_url: str, before: None, tmp_path: Path
) -> None:
    """`aws.endpoint_url` says the same as the option; no port is taken for an endpoint of our own."""
    (tmp_path / "there.yaml").write_text(
        f"aws:\n  endpoint_url: {moto_url}\n  region: eu-central-1\n"
        "landing: {bucket: other-landing}\n"
        "tables: {transfers: other-transfers, directory: other-directory}\n"
        "deliveries: {targets: []}\n"
    )
    running = start("--config", "there.yaml", "--aws-port", moto_url.rpartition(":")[2]).ready()
    facts = running.facts
    assert facts["aws_endpoint_url"] == moto_url
    assert (facts["region"], facts["landing_bucket"], facts["private_bucket"]) == (
        "eu-central-1",
        "other-landing",
        None,
    )
    assert "are delivered to" not in running.out


@pytest.mark.lengthy
def test_commands_follow_the_names_of_the_configuration(
    start: Callable[..., Any], tidegate: Callable[..., Any], moto_url: str, tmp_path: Path
) -> None:
    """By state directory, tables and buckets of other names are found, where the URL alone is not enough."""
    (tmp_path / "names.yaml").write_text(
        "server_id: s-0123456789abcdef0\nlanding: {bucket: named-landing}\n"
        "tables: {transfers: named-transfers, directory: named-directory}\n"
    )
    running = start("--config", "names.yaml", "--aws-endpoint-url", moto_url).ready()
    running.upload(b"x", "named.txt")
    assert "/named.txt" in tidegate("transfers", "list", *running.target).out
    said = tidegate("partners", "add", "beta", *running.target)
    assert "home /tidegate-landing" not in said.out
    assert "home /named-landing/beta" in said.out
    (tmp_path / "by.yaml").write_text(
        (tmp_path / "names.yaml").read_text()
        + f"aws: {{endpoint_url: '{moto_url}', access_key_id: '${{KEY}}', secret_access_key: '${{KEY}}'}}\n"
    )
    assert tidegate("partners", "list", "--config", "by.yaml").code == 1  # KEY is not set
