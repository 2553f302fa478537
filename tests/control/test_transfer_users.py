"""Users of the Transfer API: boto3 as it comes, against a running gateway."""

from __future__ import annotations

import asyncio

import pytest

from support.transfer_client import OTHER_SERVER, ROLE, Transfer
from tidegate.core.users import Home
from tidegate.testing.aws import LoopbackAws
from tidegate.testing.gateway import LocalGateway

MAPPINGS = [{"Entry": "/in", "Target": "/landing/acme/in"}, {"Entry": "/out", "Target": "/landing/out"}]
LOGICAL = {"HomeDirectoryType": "LOGICAL", "HomeDirectoryMappings": MAPPINGS}


# --- CreateUser and DescribeUser ------------------------------------------------------------


def test_a_user_with_no_more_than_it_must_have(transfer: Transfer) -> None:
    """PATH is the default; what is not there is left out, tags and keys are empty lists."""
    answer = transfer("create_user", UserName="bare", Role=ROLE)
    assert answer == {"ServerId": transfer.server_id, "UserName": "bare"}
    assert transfer("describe_user", UserName="bare") == {
        "ServerId": transfer.server_id,
        "User": {
            "Arn": transfer.user_arn("bare"),
            "HomeDirectoryType": "PATH",
            "Role": ROLE,
            "SshPublicKeys": [],
            "Tags": [],
            "UserName": "bare",
        },
    }


def test_a_user_with_everything(transfer: Transfer, new_key) -> None:
    """Each member comes back as it was sent; a type that was not named is not there."""
    _, line = new_key("key")
    members = {
        "HomeDirectoryType": "LOGICAL",
        "HomeDirectory": "/in",
        "HomeDirectoryMappings": [
            {"Entry": "/in", "Target": "/landing/${transfer:UserName}", "Type": "DIRECTORY"},
            {"Entry": "/readme", "Target": "/landing/readme.txt", "Type": "FILE"},
            {"Entry": "/out", "Target": "/landing/out"},
        ],
        "Policy": '{"Version": "2012-10-17", "Statement": []}',
        "PosixProfile": {"Uid": 0, "Gid": 4294967295, "SecondaryGids": [7]},
        "Role": ROLE,
        "Tags": [{"Key": "team", "Value": "blü"}, {"Key": "a", "Value": ""}],
    }
    transfer("create_user", UserName="full@b.c-d", SshPublicKeyBody=f"{line} me@pc\n", **members)
    found = transfer.user("full@b.c-d")
    assert {name: found[name] for name in members} == members
    (key,) = found["SshPublicKeys"]
    assert key["SshPublicKeyBody"] == f"{line} me@pc"
    assert key["DateImported"].timestamp() > 1_700_000_000


def test_a_name_that_is_taken(transfer: Transfer) -> None:
    """ResourceExistsException; names differ by the case of their letters."""
    transfer("create_user", UserName="acme-2", Role=ROLE)
    error = transfer.refused("create_user", UserName="acme-2", Role=ROLE)
    assert (error["Code"], error["Message"]) == ("ResourceExistsException", "User already exists")
    assert (error["Resource"], error["ResourceType"]) == ("acme-2", "User")
    transfer("create_user", UserName="ACME-2", Role=ROLE)


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"HomeDirectory": "/landing/x", "HomeDirectoryMappings": MAPPINGS}, "set the type to LOGICAL"),
        ({"HomeDirectoryType": "LOGICAL"}, "has no mappings"),
        (LOGICAL | {"HomeDirectory": "/elsewhere"}, "lies under no mapping"),
        (LOGICAL | {"HomeDirectoryMappings": [*MAPPINGS, {"Entry": "/", "Target": "/landing/x"}]}, "entry"),
        (LOGICAL | {"HomeDirectoryMappings": [{"Entry": "/", "Target": "/landing/x/"}]}, "slash"),
        (LOGICAL | {"HomeDirectoryMappings": [{"Entry": "/", "Target": "/b-1", "Type": "FILE"}]}, "FILE"),
        (
            LOGICAL | {"HomeDirectoryMappings": [{"Entry": f"/{n}", "Target": "/b-1"} for n in range(2001)]},
            "2001 mappings",
        ),
        ({"SshPublicKeyBody": "ssh-rsa AAAA"}, "Unsupported or invalid SSH public key format"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "named 2 times"),
        ({"Tags": [{"Key": "aws:a", "Value": "1"}]}, "aws:"),
        ({"HomeDirectory": "no slash"}, "Value 'no slash' at 'homeDirectory' failed to satisfy constraint"),
        ({"SshPublicKeyBody": "s" * 2049}, "Value at 'sshPublicKeyBody' failed to satisfy constraint"),
        ({"UserName": "@cme"}, "Value '@cme' at 'userName' failed to satisfy constraint"),
    ],
)
def test_users_that_cannot_be_created(transfer: Transfer, members, text) -> None:
    """InvalidRequestException says what is wrong, and there is no such user."""
    error = transfer.refused("create_user", **{"UserName": "refused", "Role": ROLE} | members)
    assert error["Code"] == "InvalidRequestException"
    assert text in error["Message"]
    assert transfer.refused("describe_user", UserName="refused")["Code"] == "ResourceNotFoundException"


def test_what_the_client_would_not_send(transfer: Transfer) -> None:
    """The server checks what boto3 checks, too: several faults are told together."""
    client = transfer.unchecked()
    with pytest.raises(client.exceptions.InvalidRequestException) as refused:
        client.create_user(UserName="x", HomeDirectoryType="path", Role=ROLE)
    text = refused.value.response["Message"]
    assert text.startswith("4 validation errors detected: ")
    for part in ("'serverId'", "'userName'", "Member must satisfy enum value set: [PATH, LOGICAL]"):
        assert part in text
    with pytest.raises(client.exceptions.ClientError) as unreadable:
        client.list_users(ServerId=7)
    assert unreadable.value.response["Error"]["Code"] == "SerializationException"
    client.close()


# --- servers and users that are not there ---------------------------------------------------

_KEY_ID = "key-0123456789abcdef0"
_NAMED = [
    ("create_user", {"Role": ROLE}),
    ("describe_user", {}),
    ("update_user", {"Role": ROLE}),
    ("delete_user", {}),
    ("import_ssh_public_key", {"SshPublicKeyBody": "ssh-ed25519 AAAA"}),
    ("delete_ssh_public_key", {"SshPublicKeyId": _KEY_ID}),
]


@pytest.mark.parametrize(("operation", "members"), [*_NAMED, ("list_users", {}), ("describe_server", {})])
def test_an_unknown_server(transfer: Transfer, operation, members) -> None:
    """HTTP 400, with the server's id and kind, before anything of the user is looked at."""
    named = {} if operation in ("list_users", "describe_server") else {"UserName": "nobody"}
    error = transfer.refused(operation, **named, **members, ServerId=OTHER_SERVER)
    assert (error["Code"], error["Message"]) == ("ResourceNotFoundException", "Unknown server")
    assert (error["Resource"], error["ResourceType"]) == (OTHER_SERVER, "Server")


@pytest.mark.parametrize(("operation", "members"), _NAMED[1:])
def test_an_unknown_user(transfer: Transfer, operation, members) -> None:
    """The same for the user."""
    error = transfer.refused(operation, **members, UserName="nobody")
    assert (error["Code"], error["Message"]) == ("ResourceNotFoundException", "Unknown user")
    assert (error["Resource"], error["ResourceType"]) == ("nobody", "User")


# --- UpdateUser and DeleteUser --------------------------------------------------------------


def test_an_update_changes_what_it_names(transfer: Transfer) -> None:
    """The rest stays; an empty policy takes the policy away."""
    tags = [{"Key": "a", "Value": "b"}]
    transfer("create_user", UserName="acme-2", Role=ROLE, Policy="{}", Tags=tags, HomeDirectory="/landing/a")
    before = transfer.user("acme-2")
    answer = transfer("update_user", UserName="acme-2", Role=f"{ROLE}-2", PosixProfile={"Uid": 1, "Gid": 2})
    assert answer == {"ServerId": transfer.server_id, "UserName": "acme-2"}
    after = before | {"Role": f"{ROLE}-2", "PosixProfile": {"Uid": 1, "Gid": 2}}
    assert transfer.user("acme-2") == after
    transfer("update_user", UserName="acme-2", Policy="")
    del after["Policy"]
    assert transfer.user("acme-2") == after
    transfer("update_user", UserName="acme-2", **LOGICAL)
    del after["HomeDirectory"]
    assert transfer.user("acme-2") == after | LOGICAL


def test_an_update_that_is_refused_changes_nothing(transfer: Transfer) -> None:
    """Not the role either, which could be changed."""
    transfer("create_user", UserName="acme-2", Role=ROLE, **LOGICAL)
    before = transfer.user("acme-2")
    error = transfer.refused("update_user", UserName="acme-2", Role=f"{ROLE}-2", HomeDirectory="/nowhere")
    assert error["Code"] == "InvalidRequestException"
    assert transfer.user("acme-2") == before


def test_a_deleted_user_is_gone(transfer: Transfer, new_key) -> None:
    """With its keys: one that is made anew has none."""
    _, line = new_key("key")
    transfer("create_user", UserName="acme-2", Role=ROLE, SshPublicKeyBody=line)
    assert transfer("delete_user", UserName="acme-2") == {}
    assert transfer.refused("delete_user", UserName="acme-2")["Code"] == "ResourceNotFoundException"
    transfer("create_user", UserName="acme-2", Role=ROLE)
    assert transfer.user("acme-2")["SshPublicKeys"] == []


# --- ListUsers ------------------------------------------------------------------------------


def test_users_in_pages(transfer: Transfer, new_key) -> None:
    """boto3's paginator shows each once, in order; the configured partner has no role."""
    _, line = new_key("key")
    for name in ("zoe", "bob", "bob-x"):
        transfer("create_user", UserName=name, Role=ROLE, SshPublicKeyBody=line)
    paginator = transfer.client.get_paginator("list_users")
    pages = list(paginator.paginate(ServerId=transfer.server_id, PaginationConfig={"PageSize": 1}))
    assert len(pages) == 4
    assert {page["ServerId"] for page in pages} == {transfer.server_id}
    users = [user for page in pages for user in page["Users"]]
    assert [user["UserName"] for user in users] == ["acme", "bob", "bob-x", "zoe"]
    assert "Role" not in users[0]
    assert users[1] == {
        "Arn": transfer.user_arn("bob"),
        "HomeDirectoryType": "PATH",
        "Role": ROLE,
        "SshPublicKeyCount": 1,
        "UserName": "bob",
    }
    assert transfer("list_users")["Users"] == users
    assert "NextToken" not in transfer("list_users", MaxResults=4)


def test_tokens_of_elsewhere(transfer: Transfer) -> None:
    """One that was made up, or of another listing."""
    token = transfer("list_security_policies", MaxResults=1)["NextToken"]
    for bad in ("x", token):
        assert transfer.refused("list_users", NextToken=bad)["Code"] == "InvalidNextTokenException"


# --- keys -----------------------------------------------------------------------------------


def test_keys_come_and_go(transfer: Transfer, new_key) -> None:
    """Each has an id of AWS's form; they are shown oldest first."""
    lines = [new_key(name)[1] for name in ("one", "two")]
    transfer("create_user", UserName="acme-2", Role=ROLE, SshPublicKeyBody=lines[0])
    answer = transfer("import_ssh_public_key", UserName="acme-2", SshPublicKeyBody=f" {lines[1]} two \n")
    assert answer.keys() == {"ServerId", "SshPublicKeyId", "UserName"}
    keys = transfer.user("acme-2")["SshPublicKeys"]
    assert [key["SshPublicKeyBody"] for key in keys] == [lines[0], f"{lines[1]} two"]
    assert keys[1]["SshPublicKeyId"] == answer["SshPublicKeyId"]
    assert all(len(key["SshPublicKeyId"]) == 21 for key in keys)
    gone = {"UserName": "acme-2", "SshPublicKeyId": keys[0]["SshPublicKeyId"]}
    assert transfer("delete_ssh_public_key", **gone) == {}
    assert transfer.user("acme-2")["SshPublicKeys"] == keys[1:]
    error = transfer.refused("delete_ssh_public_key", **gone)
    assert (error["Code"], error["Resource"]) == ("ResourceNotFoundException", gone["SshPublicKeyId"])
    assert error["ResourceType"] == "SshPublicKey"


def test_a_key_that_is_there(transfer: Transfer, new_key) -> None:
    """Whatever its comment is. The same key at another user is another key."""
    _, line = new_key("key")
    for name in ("acme-2", "acme-3"):
        transfer("create_user", UserName=name, Role=ROLE, SshPublicKeyBody=line)
    error = transfer.refused("import_ssh_public_key", UserName="acme-2", SshPublicKeyBody=f"{line} other")
    assert (error["Code"], error["ResourceType"]) == ("ResourceExistsException", "SshPublicKey")


@pytest.mark.parametrize(
    "body",
    [
        "---- BEGIN SSH2 PUBLIC KEY ----",
        "ssh-dss AAAAB3NzaC1kc3MAAAA=",
        "sk-ssh-ed25519@openssh.com AAAA",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA",
    ],
)
def test_keys_that_cannot_be_used(transfer: Transfer, body) -> None:
    """InvalidRequestException; a private key is not repeated."""
    transfer("create_user", UserName="acme-2", Role=ROLE)
    error = transfer.refused("import_ssh_public_key", UserName="acme-2", SshPublicKeyBody=body)
    assert error["Code"] == "InvalidRequestException"
    assert "b3BlbnNz" not in error["Message"]
    assert transfer.user("acme-2")["SshPublicKeys"] == []


def test_as_many_keys_as_a_user_can_have(transfer: Transfer, tidegate: LocalGateway, new_key) -> None:
    """Fifty; one more is refused."""
    lines = [new_key(f"key{number}")[1] for number in range(51)]
    aws = LoopbackAws(tidegate.endpoint_url, tidegate.region)
    users = aws.users(tidegate.directory_table, tidegate.server_id)
    asyncio.run(users.add("acme-2", Home.chroot("/landing/acme-2"), lines[:50]))
    aws.close()
    error = transfer.refused("import_ssh_public_key", UserName="acme-2", SshPublicKeyBody=lines[50])
    assert (error["Code"], "50 keys" in error["Message"]) == ("InvalidRequestException", True)
    assert len(transfer.user("acme-2")["SshPublicKeys"]) == 50
