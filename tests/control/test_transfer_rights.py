"""What role and session policy of a user allow, on the wire, as the gateway evaluates them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import paramiko
import pytest
from botocore.exceptions import ClientError

from support.partner_login import logged_in as login
from support.transfer_client import ACCOUNT, ROLE, Transfer
from tidegate.testing.gateway import LocalGateway

NewKey = Callable[[str], tuple[Path, str]]
NAME = "scoped"
TRUST = {"Effect": "Allow", "Principal": {"Service": "transfer.amazonaws.com"}, "Action": "sts:AssumeRole"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(actions: Sequence[str], *resources: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources), **more}


def objects(*keys: str, actions: Sequence[str] = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")) -> Any:
    return allow(actions, *(f"arn:aws:s3:::tidegate-landing/{key}" for key in keys))


def listing(*prefixes: str) -> Any:
    condition = {"StringLike": {"s3:prefix": list(prefixes)}}
    return allow(["s3:ListBucket"], "arn:aws:s3:::tidegate-landing", Condition=condition)


def logged_in(
    gateway: LocalGateway, private: Path, name: str = NAME
) -> AbstractContextManager[paramiko.SFTPClient]:
    return login(gateway.sftp_port, name, private)


def send(client: paramiko.SFTPClient, path: str, body: bytes = b"a,b\n") -> None:
    with client.open(path, "wb") as file:
        file.write(body)


@pytest.fixture
def made(transfer: Transfer, new_key: NewKey) -> Callable[..., Path]:
    """Make the user, with a home of the landing bucket's folder `rights`; return the file of its key."""

    def make(role: str = ROLE, home: str = f"rights/{NAME}", **members: Any) -> Path:
        private, line = new_key(NAME)
        mapping = [{"Entry": "/", "Target": f"/{transfer.landing}/{home}"}]
        logical = {"HomeDirectoryType": "LOGICAL", "HomeDirectoryMappings": mapping}
        transfer("create_user", UserName=NAME, Role=role, SshPublicKeyBody=line, **(logical | members))
        return private

    return make


@pytest.fixture
def role(tidegate: LocalGateway) -> Iterator[Callable[..., str]]:
    """Make a role of IAM's with these policies; return its ARN."""
    iam, roles = tidegate.client("iam"), []

    def make(name: str, *policies: str, trust: dict[str, Any] = TRUST) -> str:
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
        roles.append(name)
        for number, policy in enumerate(policies):
            iam.put_role_policy(RoleName=name, PolicyName=f"inline-{number}", PolicyDocument=policy)
        return arn

    yield make
    for name in roles:
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        for each in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=each["PolicyArn"])
        iam.delete_role(RoleName=name)


def test_a_session_policy_narrows_the_user(
    transfer: Transfer, tidegate: LocalGateway, made: Callable[..., Path]
) -> None:
    """By the user's name in it; denied are writing, reading, removing and listing, and the log says why."""
    policy = document(
        objects("rights/${transfer:UserName}/in/*"), listing("rights/${transfer:UserName}/in/*")
    )
    private = made(Policy=policy)
    tidegate.client("s3").put_object(
        Bucket=tidegate.landing_bucket, Key=f"rights/{NAME}/out/theirs.csv", Body=b"x"
    )
    with logged_in(tidegate, private) as client:
        send(client, "/in/report.csv")
        assert client.open("/in/report.csv").read() == b"a,b\n"
        assert client.listdir("/in") == ["report.csv"]
        for denied in (
            lambda: send(client, "/out/report.csv"),
            lambda: client.open("/out/theirs.csv").read(),
            lambda: client.remove("/out/theirs.csv"),
            lambda: client.listdir("/out"),
            lambda: client.listdir("/"),
            lambda: client.mkdir("/out/new"),
            lambda: client.rename("/in/report.csv", "/out/report.csv"),
        ):
            with pytest.raises(PermissionError):
                denied()
        with pytest.raises(FileNotFoundError):
            client.stat("/in/not-there.csv")
        client.remove("/in/report.csv")
    said = tidegate.log_path.read_text()
    assert f"s3:PutObject on arn:aws:s3:::tidegate-landing/rights/{NAME}/out/report.csv" in said
    assert "is allowed by no statement of the session policy" in said
    left = tidegate.client("s3").list_objects_v2(Bucket=tidegate.landing_bucket, Prefix=f"rights/{NAME}/")
    assert [each["Key"] for each in left["Contents"]] == [f"rights/{NAME}/out/theirs.csv"]


def test_a_new_policy_counts_from_the_next_login_on(
    transfer: Transfer, tidegate: LocalGateway, made: Callable[..., Path]
) -> None:
    """The session that is open keeps what it was given, as credentials of AWS do."""
    private = made(Policy=document(objects(f"rights/{NAME}/in/*")))
    with logged_in(tidegate, private) as before:
        send(before, "/in/one.csv")
        transfer("update_user", UserName=NAME, Policy=document(objects(f"rights/{NAME}/out/*")))
        send(before, "/in/two.csv")
        with logged_in(tidegate, private) as after:
            send(after, "/out/three.csv")
            with pytest.raises(PermissionError):
                send(after, "/in/four.csv")
    transfer("update_user", UserName=NAME, Policy="")
    with logged_in(tidegate, private) as free:
        send(free, "/anywhere/five.csv")


def test_role_and_session_policy_must_both_allow(
    tidegate: LocalGateway, made: Callable[..., Path], role: Callable[..., str]
) -> None:
    """Inline and attached policies of the role together, and of these what the session policy allows, too."""
    arn = role("rights-both", document(objects("rights/*/in/*"), listing("*")))
    attached = tidegate.client("iam").create_policy(
        PolicyName="rights-attached", PolicyDocument=document(objects("rights/*/attached/*"))
    )["Policy"]["Arn"]
    tidegate.client("iam").attach_role_policy(RoleName="rights-both", PolicyArn=attached)
    private = made(arn, Policy=document(objects("*/in/*", "*/out/*"), listing("*")))
    with logged_in(tidegate, private) as client:
        send(client, "/in/report.csv")
        for path in ("/out/report.csv", "/attached/report.csv"):
            with pytest.raises(PermissionError):
                send(client, path)


def test_a_rename_takes_the_right_to_remove(
    tidegate: LocalGateway, made: Callable[..., Path], role: Callable[..., str]
) -> None:
    """Without it nothing is copied: a file that cannot leave its old name does not get a second one."""
    may_not = objects("*", actions=["s3:GetObject", "s3:PutObject"])
    private = made(role("rights-rename", document(may_not, listing("*"))))
    with logged_in(tidegate, private) as client:
        send(client, "/old.csv")
        with pytest.raises(PermissionError):
            client.rename("/old.csv", "/new.csv")
        assert client.listdir("/") == ["old.csv"]


def test_a_role_that_transfer_family_may_not_assume(
    tidegate: LocalGateway, made: Callable[..., Path], role: Callable[..., str]
) -> None:
    """No session is opened; the record of the refusal names the statement that is missing."""
    trust = TRUST | {"Principal": {"Service": "ec2.amazonaws.com"}}
    private = made(role("rights-untrusting", document(objects("*")), trust=trust))
    with pytest.raises(paramiko.ChannelException), logged_in(tidegate, private):
        pass
    said = tidegate.log_path.read_text()
    assert f"may not assume arn:aws:iam::{ACCOUNT}:role/rights-untrusting" in said
    assert "add this statement to its trust policy" in said


def test_policies_that_cannot_be_used(
    transfer: Transfer, tidegate: LocalGateway, made: Callable[..., Path]
) -> None:
    """What is no JSON object is refused by the API; what IAM would not take is refused at login."""
    with pytest.raises(ClientError, match="InvalidRequestException"):
        made(Policy="[]")
    private = made(Policy=document({"Effect": "Allow", "Action": "s3:*"}))
    with pytest.raises(paramiko.ChannelException), logged_in(tidegate, private):
        pass
    assert "must have either Resource or NotResource" in tidegate.log_path.read_text()
