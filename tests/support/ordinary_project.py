"""
A project that takes files by AWS Transfer Family, as anybody would write it: nothing in it is tidegate's.

It runs on AWS as it stands, but for `endpoint_of`, which there is a host name made of the server's id.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import boto3
import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

USER = "ana"
SOON = {"Delay": 1, "MaxAttempts": 60}
MAPPINGS = [
    {"Entry": "/in", "Target": "/{bucket}/${{transfer:UserName}}/in"},
    {"Entry": "/out", "Target": "/{bucket}/${{transfer:UserName}}/out"},
]


class Key:
    """An SSH key."""

    def __init__(self) -> None:
        made = Ed25519PrivateKey.generate()
        self.private = made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        self.public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(base64.b64decode(self.public.split()[1])).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    def paramiko(self) -> paramiko.PKey:
        return paramiko.Ed25519Key.from_private_key(io.StringIO(self.private))


def account_id() -> str:
    account: str = boto3.client("sts").get_caller_identity()["Account"]
    return account


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(actions: list[str], *resources: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources), **more}


def trust() -> str:
    """Transfer Family may assume the role for users of this account."""
    account = account_id()
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "transfer.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": account},
                "ArnLike": {"aws:SourceArn": f"arn:aws:transfer:*:{account}:user/*"},
            },
        }
    )


def role_policy(bucket: str) -> str:
    objects = ["s3:PutObject", "s3:GetObject", "s3:GetObjectVersion", "s3:DeleteObject"]
    return document(
        allow(["s3:ListBucket", "s3:GetBucketLocation"], f"arn:aws:s3:::{bucket}"),
        allow(objects, f"arn:aws:s3:::{bucket}/*"),
    )


def session_policy(bucket: str) -> str:
    """Write to /in, read from /out."""
    own = f"arn:aws:s3:::{bucket}/${{transfer:UserName}}"
    listing = {"StringLike": {"s3:prefix": ["${transfer:UserName}/*"]}}
    return document(
        allow(["s3:ListBucket"], f"arn:aws:s3:::{bucket}", Condition=listing),
        allow(["s3:PutObject", "s3:GetObject"], f"{own}/in/*"),
        allow(["s3:GetObject"], f"{own}/out/*"),
    )


def mappings(bucket: str) -> list[dict[str, str]]:
    return [{name: value.format(bucket=bucket) for name, value in each.items()} for each in MAPPINGS]


def pattern_of_uploads() -> str:
    return json.dumps({"source": ["aws.transfer"], "detail-type": ["SFTP Server File Upload Completed"]})


def queue_policy(queue_arn: str) -> str:
    return document(
        allow(["sqs:SendMessage"], queue_arn, Principal={"Service": "events.amazonaws.com"}),
    )


def endpoint_of(server: dict[str, Any]) -> tuple[str, int]:
    """Return host and port. On AWS: `f"{server['ServerId']}.server.transfer.{region}.amazonaws.com", 22`."""
    told = {tag["Key"]: tag["Value"] for tag in server["Tags"]}
    host, _, port = told["tidegate:sftp-endpoint"].rpartition(":")
    return host, int(port)


@contextmanager
def sftp(server: dict[str, Any], key: Key) -> Iterator[paramiko.SFTPClient]:
    """Log in as the partner's program does: it knows the fingerprint of the server's host key."""
    transport = paramiko.Transport(socket.create_connection(endpoint_of(server), 10))
    try:
        transport.start_client(timeout=10)
        met = hashlib.sha256(transport.get_remote_server_key().asbytes()).digest()
        assert f"SHA256:{base64.b64encode(met).decode().rstrip('=')}" == server["HostKeyFingerprint"]
        transport.auth_publickey(USER, key.paramiko())
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        yield client
    finally:
        transport.close()


def send(client: paramiko.SFTPClient, path: str, body: bytes) -> None:
    client.putfo(io.BytesIO(body), path)


def is_denied(client: paramiko.SFTPClient, path: str) -> bool:
    """Tell whether the partner may not write there."""
    with suppress(PermissionError):
        send(client, path, b"x")
        return False
    return True


def messages(queue_url: str) -> list[dict[str, Any]]:
    """Return what a queue holds, once it holds something; waits up to 20 seconds."""
    answer = boto3.client("sqs").receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=20
    )
    return [json.loads(each["Body"]) for each in answer.get("Messages", ())]


def activities(log_group: str, session_id: str) -> list[dict[str, Any]]:
    """Return the lines of a partner's session, once it is over; waits up to 20 seconds."""
    logs, stream = boto3.client("logs"), f"{USER}.{session_id}"
    lines: list[dict[str, Any]] = []
    until = time.monotonic() + 20
    while not any(line["activity-type"] == "DISCONNECTED" for line in lines):
        assert time.monotonic() < until, f"{stream} of {log_group} holds {lines}"
        threading.Event().wait(0.2)
        with suppress(logs.exceptions.ResourceNotFoundException):
            found = logs.get_log_events(logGroupName=log_group, logStreamName=stream, startFromHead=True)
            lines = [json.loads(event["message"]) for event in found["events"]]
    return lines
