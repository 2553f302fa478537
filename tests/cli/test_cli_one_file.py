"""One file from one gateway to another, over the Transfer Family API; and the commands that take one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import pytest
import yaml

ROLE = "arn:aws:iam::123456789012:role/sftp"
POLICY = """\
      Version: 2012-10-17
      Statement:
        - {Effect: Allow, Action: ["s3:*", "kms:*"], Resource: "*"}
"""


@pytest.fixture(scope="module")
def two(local_run: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """Two local gateways, with the partner acme that each is started with, and a tag of their files."""
    started = []
    try:
        for name in ("a", "b"):
            folder = tmp_path_factory.mktemp(name)
            (folder / "start.yaml").write_text("server: {tags: {said: at the start}}\n")
            started.append(local_run(folder, "--config", "start.yaml"))
        yield started[0].ready(), started[1].ready()
    finally:
        for each in started:
            each.stop()


@pytest.fixture
def key(tmp_path: Path) -> tuple[Path, str]:
    """A key pair: the private half as a file, the public one as a line."""
    made, path = asyncssh.generate_private_key("ssh-ed25519", "me@pc"), tmp_path / "id"
    made.write_private_key(path)
    return path, made.export_public_key().decode().strip()


async def logged_in(port: int, name: str, private: Path) -> list[str]:
    """Return what the partner sees, as it would log in."""
    async with (
        asyncssh.connect(
            "127.0.0.1", port, username=name, client_keys=[str(private)], known_hosts=None, config=None
        ) as connection,
        connection.start_sftp_client() as sftp,
    ):
        return sorted(name for name in await sftp.listdir(".") if name not in (".", ".."))


@pytest.mark.lengthy
def test_from_one_gateway_to_another(
    tidegate: Callable[..., Any], two: tuple[Any, Any], key: tuple[Path, str], tmp_path: Path
) -> None:
    """
    A file goes to one gateway, is exported, and goes to another by its Transfer API: there is no drift.

    Then somebody changes what the file says, and more: diff names each, apply mends it, the partner logs in.
    """
    a, b = two
    private, line = key
    over = ("--transfer", "--endpoint-url", b.url)
    (tmp_path / "first.yaml").write_text(
        f"""\
partners:
  - name: acme
    home: /tidegate-landing/acme
    keys: [{line}]
    role: {ROLE}
    policy:
{POLICY}    tags: {{team: blue}}
  - name: beta
    mappings:
      - {{entry: /in, target: "/tidegate-landing/${{transfer:UserName}}"}}
      - {{entry: /read.me, target: /tidegate-landing/readme, type: FILE}}
    directory: /in
    keys: [{line}]
  - {{name: path, home: /tidegate-landing/path, home_type: PATH, keys: [{line}], role: {ROLE}}}
"""
    )
    assert tidegate("apply", "first.yaml", *a.target).code == 0
    assert tidegate("export", "--output", "all.yaml", *a.target).code == 0
    text = (tmp_path / "all.yaml").read_text()
    assert tidegate("export", *a.target).out == text
    assert tidegate("apply", "all.yaml", *a.target).out == "nothing to change\n"
    assert [each["name"] for each in yaml.safe_load(text)["partners"]] == ["acme", "beta", "path"]

    assert tidegate("partners", "remove", "acme", *over).code == 0
    refused = tidegate("apply", "all.yaml", *over)
    assert (refused.code, refused.out) == (1, "")
    assert "beta has none" in refused.err
    assert tidegate("partners", "list", *over).out == "no partners\n"
    with_role = (*over, "--role", ROLE)
    applied = tidegate("apply", "all.yaml", *with_role)
    assert applied.code == 0
    assert applied.err == f"target: the only server of {b.url}\n"
    assert tidegate("diff", "all.yaml", *with_role).out == "no drift\n"
    assert tidegate("diff", "all.yaml", "--output", "json", *with_role).json == []

    client = boto3.client(
        "transfer",
        endpoint_url=b.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    server = {"ServerId": b.facts["server_id"]}
    (old,) = client.describe_user(**server, UserName="acme")["User"]["SshPublicKeys"]
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    client.delete_ssh_public_key(**server, UserName="acme", SshPublicKeyId=old["SshPublicKeyId"])
    client.import_ssh_public_key(**server, UserName="acme", SshPublicKeyBody=other)
    client.update_user(**server, UserName="acme", Policy="{}")
    client.create_user(**server, UserName="stray", Role=ROLE, HomeDirectory="/tidegate-landing/x")
    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(logged_in(b.facts["sftp"]["port"], "acme", private))

    drifted = tidegate("diff", "all.yaml", "--output", "json", *with_role)
    assert drifted.code == 1
    assert "4 differences between all.yaml and the only server of" in drifted.err
    table = tidegate("diff", "all.yaml", *with_role).out.splitlines()
    assert [line.split()[:3] for line in table[1:]] == [
        ["changed", "acme", "policy"],
        ["removed", "acme", "key"],
        ["added", "acme", "key"],
        ["added", "stray", "partner"],
    ]
    named = tidegate("diff", "all.yaml", "--named-only", *with_role)
    assert "stray" not in named.out

    dry = tidegate("apply", "all.yaml", "--prune", "--dry-run", *with_role)
    assert "not in FILE, so to be removed: 1 partner: stray" in dry.err
    assert tidegate("diff", "all.yaml", *with_role).code == 1
    assert tidegate("apply", "all.yaml", "--prune", *with_role).code == 0
    assert tidegate("diff", "all.yaml", *with_role).out == "no drift\n"
    assert asyncio.run(logged_in(b.facts["sftp"]["port"], "acme", private)) == []
    # What came by the API is in the directory of B, and comes out of it as of the API.
    by_api, of_directory = (
        yaml.safe_load(tidegate("export", *where).out)["partners"] for where in (over, b.target)
    )
    assert by_api == of_directory


def test_keys_have_the_ids_of_the_endpoint(
    tidegate: Callable[..., Any], two: tuple[Any, Any], key: tuple[Path, str], tmp_path: Path
) -> None:
    """Partners and keys are administered there as here; a key is removed by the id that was told."""
    over = ("--transfer", "--endpoint-url", two[1].url, "--server-id", two[1].facts["server_id"])
    (tmp_path / "me.pub").write_text(key[1])
    home = ("--home", "/tidegate-landing/gamma")
    assert tidegate("partners", "add", "gamma", *over).code == 2
    without = tidegate("partners", "add", "gamma", *home, *over)
    assert (without.code, "takes no user without a role" in without.err) == (1, True)
    added = tidegate("partners", "add", "gamma", *home, "--role", ROLE, *over)
    assert added.out == "added gamma, home /tidegate-landing/gamma, 0 keys\n"
    key_id = tidegate("keys", "add", "gamma", "--key", "me.pub", *over).out.split()[1]
    (kept,) = tidegate("keys", "list", "gamma", "--output", "json", *over).json
    assert kept["SshPublicKeyId"] == key_id
    assert tidegate("keys", "add", "gamma", "--key", "me.pub", *over).code == 1
    shown = tidegate("partners", "show", "gamma", "--output", "json", *over).json
    assert (shown["Role"], shown["CreatedAt"]) == (ROLE, None)
    assert tidegate("partners", "show", "gamma", "--for-partner", *over).code == 2
    removed = tidegate("keys", "remove", "gamma", key_id, *over)
    assert removed.out.startswith(f"removed {key_id} ")
    assert "--transfer --server-id" in removed.err
    assert tidegate("partners", "remove", "gamma", *over).code == 0
    assert tidegate("partners", "show", "gamma", *over).code == 1


def test_a_server_that_cannot_be_changed(
    tidegate: Callable[..., Any], two: tuple[Any, Any], tmp_path: Path
) -> None:
    """Settings of the server come first: an endpoint that refuses them has none of its partners changed."""
    over = ("--transfer", "--endpoint-url", two[1].url)
    (tmp_path / "server.yaml").write_text(
        "server: {identity_provider: {type: AWS_DIRECTORY_SERVICE, directory_id: d-0123456789}}\n"
        f"partners: [{{name: never, home: /tidegate-landing/x, role: {ROLE}}}]\n"
    )
    refused = tidegate("apply", "server.yaml", *over)
    assert (refused.code, refused.out) == (1, "")
    assert tidegate("partners", "show", "never", *over).code == 1


def test_as_a_template(tidegate: Callable[..., Any], two: tuple[Any, Any]) -> None:
    """CloudFormation is another form of the same export; a server has what its file said at its start."""
    over = ("--transfer", "--endpoint-url", two[1].url)
    tags = {"said": "at the start"}
    for where in (over, two[1].target):
        assert yaml.safe_load(tidegate("export", *where).out)["server"]["tags"] == tags
        resources = yaml.safe_load(tidegate("export", "--format", "cloudformation", *where).out)["Resources"]
        assert "AWS::Transfer::Server" in {each["Type"] for each in resources.values()}


def test_a_security_policy_that_nobody_knows(
    tidegate: Callable[..., Any], two: tuple[Any, Any], tmp_path: Path
) -> None:
    """Our own directory would take any text: the file is refused before."""
    (tmp_path / "policy.yaml").write_text("server: {security_policy: TransferSecurityPolicy-1999-01}\n")
    refused = tidegate("apply", "policy.yaml", *two[0].target)
    assert (refused.code, refused.out) == (1, "")
    assert "there is no TransferSecurityPolicy-1999-01" in refused.err


def test_everybody_is_not_removed_by_mistake(
    tidegate: Callable[..., Any], two: tuple[Any, Any], tmp_path: Path
) -> None:
    """A file that names nobody who is there is the wrong one, unless somebody says otherwise."""
    a = two[0].target
    (tmp_path / "wrong.yaml").write_text("partners: [{name: somebody-else}]\n")
    before = tidegate("partners", "list", *a).out
    refused = tidegate("apply", "wrong.yaml", "--prune", *a)
    assert (refused.code, refused.out) == (2, "")
    assert "all of them would be removed" in refused.err
    assert tidegate("partners", "list", *a).out == before
    assert tidegate("apply", "wrong.yaml", "--prune-all", *a).code == 0
    assert [each["UserName"] for each in tidegate("partners", "list", "--output", "json", *a).json] == [
        "somebody-else"
    ]


def test_what_cannot_be_compared_is_no_drift(
    tidegate: Callable[..., Any], two: tuple[Any, Any], tmp_path: Path
) -> None:
    """A file that cannot be used, or a target that does not answer, ends a diff with code 2."""
    (tmp_path / "bad.yaml").write_text("partners: [{nam: acme}]\n")
    said = tidegate("diff", "bad.yaml", *two[0].target)
    assert (said.code, said.out) == (2, "")
    assert "unknown setting" in said.err
    (tmp_path / "good.yaml").write_text("partners: []\n")
    nowhere = ("--transfer", "--endpoint-url", "http://127.0.0.1:9")
    said = tidegate("diff", "good.yaml", *nowhere)
    assert said.code == 2
    assert "the only server of http://127.0.0.1:9 does not answer" in said.err
