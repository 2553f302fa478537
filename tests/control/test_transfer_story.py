"""What the API is for: whom boto3 or the AWS CLI lets in logs in, and whom it locks out does not."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import paramiko
import pytest

from support.partner_login import logged_in as login
from support.tidegate_says import tidegate_says
from support.transfer_client import ROLE, Transfer
from tidegate.testing.gateway import LocalGateway

NewKey = Callable[[str], tuple[Path, str]]


def logged_in(gateway: LocalGateway, name: str, private: Path) -> AbstractContextManager[paramiko.SFTPClient]:
    return login(gateway.sftp_port, name, private)


def send(client: paramiko.SFTPClient, path: str, body: bytes = b"a,b\n") -> None:
    client.putfo(io.BytesIO(body), path)


def in_s3(gateway: LocalGateway, key: str) -> bytes:
    body: bytes = gateway.client("s3").get_object(Bucket=gateway.landing_bucket, Key=key)["Body"].read()
    return body


def test_a_partner_made_by_boto3(transfer: Transfer, tidegate: LocalGateway, new_key: NewKey) -> None:
    """It logs in and uploads, is moved, and is locked out once its key is gone; our command sees it too."""
    private, line = new_key("bob")
    target = f"/{transfer.landing}/made-by-boto3"
    transfer(
        "create_user",
        UserName="bob",
        Role=ROLE,
        SshPublicKeyBody=line,
        HomeDirectoryType="LOGICAL",
        HomeDirectoryMappings=[
            {"Entry": "/in", "Target": f"{target}/in"},
            {"Entry": "/own", "Target": f"{target}/${{transfer:UserName}}"},
        ],
    )
    with logged_in(tidegate, "bob", private) as client:
        assert sorted(client.listdir("/")) == ["in", "own"]
        send(client, "/in/report.csv")
        send(client, "/own/report.csv")
    for key in ("in", "bob"):
        assert in_s3(tidegate, f"made-by-boto3/{key}/report.csv") == b"a,b\n"
    assert tidegate.wait_for_transfer("/in/report.csv", partner="bob")["UserName"] == "bob"

    moved = [{"Entry": "/", "Target": f"/{transfer.landing}/moved"}]
    transfer("update_user", UserName="bob", HomeDirectoryMappings=moved)
    with logged_in(tidegate, "bob", private) as client:
        send(client, "/report.csv", b"moved")
    assert in_s3(tidegate, "moved/report.csv") == b"moved"

    listed = {user["UserName"]: user for user in tidegate_says(tidegate, "partners", "list")}
    assert listed["bob"]["HomeDirectoryMappings"] == [moved[0] | {"Type": "DIRECTORY"}]
    assert (listed["bob"]["Role"], listed["bob"]["StartDirectory"]) == (ROLE, "/")
    assert "Role" not in listed["acme"]
    (key,) = transfer.user("bob")["SshPublicKeys"]
    assert [each["SshPublicKeyId"] for each in listed["bob"]["Keys"]] == [key["SshPublicKeyId"]]

    transfer("delete_ssh_public_key", UserName="bob", SshPublicKeyId=key["SshPublicKeyId"])
    with pytest.raises(paramiko.AuthenticationException), logged_in(tidegate, "bob", private):
        pass
    transfer("import_ssh_public_key", UserName="bob", SshPublicKeyBody=line)
    with logged_in(tidegate, "bob", private) as client:
        assert client.listdir("/") == ["report.csv"]
    transfer("delete_user", UserName="bob")
    with pytest.raises(paramiko.AuthenticationException), logged_in(tidegate, "bob", private):
        pass


def test_a_partner_without_a_home(transfer: Transfer, tidegate: LocalGateway, new_key: NewKey) -> None:
    """As at AWS it logs in, and finds nothing; nothing of anybody is in its reach."""
    private, line = new_key("bob")
    transfer("create_user", UserName="bob", Role=ROLE, SshPublicKeyBody=line)
    with logged_in(tidegate, "bob", private) as client:
        for path in ("/report.csv", f"/{transfer.landing}/report.csv"):
            with pytest.raises(FileNotFoundError):
                send(client, path)


def test_a_partner_made_by_our_command_is_seen_by_boto3(transfer: Transfer, tidegate: LocalGateway) -> None:
    """With the home that it sees as `/`, and the key it has."""
    partner = tidegate.partner("made-here")
    found = transfer.user("made-here")
    assert found["HomeDirectoryMappings"] == [{"Entry": "/", "Target": partner.home}]
    assert [key["SshPublicKeyBody"] for key in found["SshPublicKeys"]] == [partner.public_key.strip()]


@pytest.mark.client("aws")
@pytest.mark.lengthy
def test_a_partner_made_by_the_aws_cli(tidegate: LocalGateway, new_key: NewKey, tmp_path: Path) -> None:
    """The same by the program that people type: create, look, list with pages, and delete."""
    private, line = new_key("bob")

    def aws(*words: str) -> Any:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_DEFAULT_REGION": tidegate.region,
            "AWS_PAGER": "",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        # By the option: versions of 2022 do not know AWS_ENDPOINT_URL, and would ask AWS itself.
        command = ["aws", "--output", "json", "--endpoint-url", tidegate.endpoint_url, "transfer", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "null")

    server = ("--server-id", tidegate.server_id)
    bob = (*server, "--user-name", "bob")
    mappings = f"Entry=/,Target=/{tidegate.landing_bucket}/by-cli"
    home = ("--home-directory-type", "LOGICAL", "--home-directory-mappings", mappings)
    made = aws("create-user", *bob, "--role", ROLE, *home, "--ssh-public-key-body", line)
    assert made == {"ServerId": tidegate.server_id, "UserName": "bob"}
    with logged_in(tidegate, "bob", private) as client:
        send(client, "/report.csv")
    assert in_s3(tidegate, "by-cli/report.csv") == b"a,b\n"
    assert aws("describe-user", *bob)["User"]["SshPublicKeys"][0]["SshPublicKeyBody"] == line
    listed = aws("list-users", *server, "--page-size", "1")["Users"]
    assert [each["UserName"] for each in listed] == ["acme", "bob"]
    aws("delete-user", *bob)
