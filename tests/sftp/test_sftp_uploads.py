"""Uploads by OpenSSH's sftp: what arrives in S3, what the record says, what is delivered."""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import boto3
import pytest

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh, Stored

pytestmark = pytest.mark.client("sftp")

MIB = 1024 * 1024
# More than two parts of 8 MiB, and no multiple of one.
SIZES = {"small": 12_345, "empty": 0, "of three parts": 20 * MIB + 1}


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_file_arrives_and_is_delivered(
    gateway: LocalGateway, openssh: Callable[..., OpenSsh], stored: type[Stored], size: int
) -> None:
    """Bytes, digest and key are those of the file, in the landing bucket and where it is delivered."""
    client, content, there = openssh(gateway), content_of(size), stored(gateway)
    (client.folder / "report.bin").write_bytes(content)
    client.put("put report.bin in/report.bin")
    record = gateway.wait_for_transfer("/in/report.bin")
    assert there.content("acme/in/report.bin") == content
    assert record["Sha256"] == hashlib.sha256(content).hexdigest()
    assert record["Bytes"] == size
    head = there.head("acme/in/report.bin")
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["SSEKMSKeyId"] == there.key_arn("alias/tidegate") == record["KmsKeyId"]
    assert head["Metadata"]["tidegate-transfer-id"] == record["LogID"]
    assert there.unfinished() == []

    delivery = gateway.wait_for_delivery("/in/report.bin", target="private")
    assert delivery["VersionId"] == record["VersionId"]
    private = gateway.private_bucket
    assert there.content("acme/in/report.bin", private) == content
    delivered = there.head("acme/in/report.bin", private)
    assert delivered["SSEKMSKeyId"] == there.key_arn("alias/tidegate-private")
    assert delivered["SSEKMSKeyId"] != head["SSEKMSKeyId"]


def test_the_record_is_complete(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh], stored: type[Stored]
) -> None:
    """Every attribute that docs/records.md promises is there and says what was."""
    client = openssh(tidegate)
    (client.folder / "r.csv").write_bytes(b"a,b\n")
    client.put("put r.csv")
    record, head = tidegate.wait_for_transfer("r.csv"), stored(tidegate).head("acme/r.csv")
    fingerprint = subprocess.run(
        ["ssh-keygen", "-lf", str(client.key)], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    expected = {
        "Item": "transfer",
        "Direction": "UPLOAD",
        "Status": "COMPLETED",
        "UserName": "acme",
        "ServerId": tidegate.server_id,
        "ClientIp": "127.0.0.1",
        "KeyFingerprint": fingerprint,
        "Path": "/r.csv",
        "Bucket": tidegate.landing_bucket,
        "ObjectKey": "acme/r.csv",
        "VersionId": head["VersionId"],
        "ETag": head["ETag"].strip('"'),
        "Bytes": 4,
        "Fence": 1,
        "DeliveryTargets": ["private"],
    }
    shown = {name: record.get(name) for name in expected} | {"ETag": record["ETag"].strip('"')}
    assert shown == expected
    assert record["ClientVersion"].startswith("SSH-2.0-OpenSSH_")
    assert re.fullmatch(r"[0-9a-z]{26}", record["LogID"])
    assert record["SessionId"]
    assert record["GatewayId"]
    assert record["StartedAt"] <= record["Timestamp"]
    assert "Error" not in record
    assert "OpenWork" not in record, "an ended transfer is no open work"


def test_an_aws_client_that_knows_only_the_endpoint_sees_it(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh]
) -> None:
    """A script with AWS_ENDPOINT_URL in its environment, and nothing else of ours, finds object and items."""
    client = openssh(tidegate)
    (client.folder / "r.csv").write_bytes(b"a,b\n")
    client.put("put r.csv")
    tidegate.wait_for_delivery("r.csv")
    script = """
import boto3
session = boto3.Session("any", "thing", region_name="us-east-1")
print(session.client("s3").get_object(Bucket="tidegate-landing", Key="acme/r.csv")["Body"].read().decode())
for item in session.client("dynamodb").scan(TableName="tidegate-transfers")["Items"]:
    print(item["Item"]["S"], item["Status"]["S"])
"""
    environment = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": tidegate.endpoint_url}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert sorted(ran.stdout.split("\n")[2:4]) == ["delivery#private DELIVERED", "transfer COMPLETED"]
    assert ran.stdout.startswith("a,b\n")


NAMES = [
    "two  blanks.csv",
    " blank before",
    "Überweisung_結果.csv",
    "100%41.csv",
    "a+b&c=d.csv",
    "why?.csv",
    "#1.csv",
    "it's.csv",
    'the "best".csv',
    "back\\slash.csv",
    "[a]*{b}.csv",
    "~tilde",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_kept_byte_for_byte(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh], stored: type[Stored], name: str
) -> None:
    """What the partner calls a file is its key, its path in the record, its name in ls, and comes back."""
    client = openssh(tidegate)
    (client.folder / "local").write_text(name)
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    done = client.sftp(f"put local {quoted}", "ls -1", f"get {quoted} back")
    assert done.returncode == 0, done.stderr
    assert stored(tidegate).keys() == [f"acme/{name}"]
    assert tidegate.wait_for_transfer(f"/{name}")["ObjectKey"] == f"acme/{name}"
    assert name in done.stdout.split("\n")
    assert (client.folder / "back").read_text() == name
    tidegate.wait_for_delivery(f"/{name}")
    assert stored(tidegate).keys(tidegate.private_bucket) == [f"acme/{name}"]


def test_a_second_upload_replaces_the_first(
    gateway: LocalGateway, openssh: Callable[..., OpenSsh], stored: type[Stored]
) -> None:
    """A shorter file over a longer one leaves nothing of it; each has its record; the last is delivered."""
    client = openssh(gateway)
    (client.folder / "long").write_bytes(b"x" * 1000)
    (client.folder / "short").write_bytes(b"y")
    client.put("put long r.csv", "put short r.csv")
    assert stored(gateway).content("acme/r.csv") == b"y"
    first, second = gateway.transfers()
    assert (first["Bytes"], second["Bytes"]) == (1000, 1)
    assert first["VersionId"] != second["VersionId"]
    gateway.wait_for_delivery("r.csv")
    assert stored(gateway).content("acme/r.csv", gateway.private_bucket) == b"y"


def test_a_client_that_checks_checksums_reads_an_object_of_parts(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh]
) -> None:
    """boto3 as it comes compares the checksum it is told with the bytes it reads."""
    client, content = openssh(tidegate), content_of(SIZES["of three parts"])
    (client.folder / "r.bin").write_bytes(content)
    client.put("put r.bin")
    tidegate.wait_for_transfer("/r.bin")
    s3 = boto3.client(
        "s3",
        endpoint_url=tidegate.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with s3.get_object(Bucket=tidegate.landing_bucket, Key="acme/r.bin")["Body"] as body:
        assert body.read() == content
