"""A server whose users somebody else knows: made by boto3, asked at the login, tested by the API."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
import yaml

from support.live_servers import LiveServer
from support.transfer_client import ROLE, Transfer
from tidegate.testing.gateway import LocalGateway

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:who-is-it"
PROVIDER = """
import json, sys
asked = json.load(sys.stdin)
known = asked["username"] == "ana" and asked["password"] in ("", "correct horse")
home = json.dumps([{"Entry": "/in", "Target": "/tidegate-landing/provided"}])
answer = {"Role": %r, "HomeDirectoryType": "LOGICAL", "HomeDirectoryDetails": home}
print(json.dumps(answer if known and asked["password"] else {}))
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    folder = tmp_path_factory.mktemp("provided")
    (folder / "provider.py").write_text(PROVIDER % ROLE)
    command = [sys.executable, str(folder / "provider.py")]
    config = yaml.safe_dump({"identity_providers": [{"function": FUNCTION, "command": command}]})
    with LocalGateway(config=config) as started:
        yield started


@pytest.mark.lengthy
def test_a_server_that_asks_for_its_users(gateway: LocalGateway, tmp_path: Path) -> None:
    """The right password lets in, a wrong one does not; the API tells what the provider says."""
    transfer = Transfer(gateway)
    server_id = transfer(
        "create_server",
        IdentityProviderType="AWS_LAMBDA",
        IdentityProviderDetails={"Function": FUNCTION, "SftpAuthenticationMethods": "PASSWORD"},
        S3StorageOptions={"DirectoryListingOptimization": "ENABLED"},
    )["ServerId"]
    server = LiveServer(transfer, server_id, tmp_path)
    server.becomes("ONLINE")
    transport = paramiko.Transport(("127.0.0.1", server.port))
    try:
        transport.connect(username="ana", password="correct horse")
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        assert client.listdir("/") == ["in"]
        client.putfo(io.BytesIO(b"a,b\n"), "/in/report.csv")
    finally:
        transport.close()
    refused = paramiko.Transport(("127.0.0.1", server.port))
    try:
        with pytest.raises(paramiko.AuthenticationException):
            refused.connect(username="ana", password="wrong")
    finally:
        refused.close()
    tested = server.client("test_identity_provider", UserName="ana", UserPassword="correct horse")
    assert (tested["StatusCode"], json.loads(tested["Response"])["Role"]) == (200, ROLE)
    error = transfer.refused("create_user", ServerId=server_id, UserName="bob", Role=ROLE)
    assert error["Code"] == "InvalidRequestException"
