"""`tidegate serve` over an endpoint: one gateway from start to end, and all it asks for before it starts."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import pytest
import yaml

from tidegate.adapters.aws.tables import directory_table, transfers_table
from tidegate.core.errors import InvalidSettings
from tidegate.serving import run_serve, setup_command
from tidegate.settings import load

NUMBERS = itertools.count()
SECRETS = {"KEY_ID": "AKIAEXAMPLE", "SECRET_KEY": "not-to-be-shown"}


@pytest.fixture(scope="module")
def aws(moto_url: str) -> Iterator[dict[str, Any]]:
    """Clients of the endpoint, by the names of the services."""
    clients: dict[str, Any] = {
        service: boto3.client(
            service,
            endpoint_url=moto_url,
            region_name="eu-central-1",
            aws_access_key_id=SECRETS["KEY_ID"],
            aws_secret_access_key=SECRETS["SECRET_KEY"],
        )
        for service in ("s3", "dynamodb", "kms")
    }
    yield clients
    for client in clients.values():
        client.close()


def make_bucket(s3: Any, name: str, *, versioned: bool = True) -> None:
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


@pytest.fixture(scope="module")
def account(aws: dict[str, Any]) -> str:
    """An account where all is there; returns the ending of its names."""
    ending = f"serve-{next(NUMBERS)}"
    make_bucket(aws["s3"], f"landing-{ending}")
    make_bucket(aws["s3"], f"private-{ending}")
    make_bucket(aws["s3"], f"flat-{ending}", versioned=False)
    for shape in (transfers_table(f"transfers-{ending}"), directory_table(f"directory-{ending}")):
        aws["dynamodb"].create_table(**shape)
    key = aws["kms"].create_key()["KeyMetadata"]["KeyId"]
    aws["kms"].create_alias(AliasName=f"alias/{ending}", TargetKeyId=key)
    return ending


@pytest.fixture
def settings(account: str, moto_url: str, tmp_path: Path) -> dict[str, Any]:
    """What `serve` can be told there, with nothing missing."""
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "host_ed25519")
    return {
        "preset": "partner-safe",
        "server_id": "s-0123456789abcdef0",
        "aws": {
            "region": "eu-central-1",
            "endpoint_url": moto_url,
            "access_key_id": "${KEY_ID}",
            "secret_access_key": "${SECRET_KEY}",
        },
        "sftp": {"port": 0, "host_key_files": ["host_ed25519"], "advertised_host": "sftp.example.com"},
        "landing": {"bucket": f"landing-{account}", "kms_key": f"alias/{account}"},
        "tables": {"transfers": f"transfers-{account}", "directory": f"directory-{account}"},
        "deliveries": {"targets": [{"name": "private", "bucket": f"private-{account}"}]},
        "shutdown": {"grace_seconds": 30},
    }


def write(folder: Path, settings: dict[str, Any]) -> str:
    """Write the configuration, and return its name."""
    (folder / "serve.yaml").write_text(yaml.safe_dump(settings))
    return "serve.yaml"


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[dict[str, Any]], InvalidSettings]:
    """Return what `serve` ends with, told these settings; in this process, which is quicker."""

    def error(settings: dict[str, Any]) -> InvalidSettings:
        monkeypatch.chdir(tmp_path)
        loaded = load(write(tmp_path, settings), SECRETS, sys.stdin)
        with pytest.raises(InvalidSettings) as caught:
            asyncio.run(run_serve(loaded))
        assert SECRETS["SECRET_KEY"] not in str(caught.value)
        return caught.value

    return error


def test_a_partner_is_served(
    running: Callable[..., Any],
    program: Callable[..., Any],
    settings: dict[str, Any],
    aws: dict[str, Any],
    account: str,
    tmp_path: Path,
) -> None:
    """A partner made by command uploads; the file is encrypted and delivered; SIGTERM ends it well."""
    gateway = running("serve", "--config", write(tmp_path, settings), **SECRETS)
    listening = gateway.event("listening")
    assert (listening["host"], listening["preset"], listening["landing"]) == (
        "127.0.0.1",
        "partner-safe",
        f"landing-{account}",
    )
    host_key = asyncssh.read_private_key(tmp_path / "host_ed25519")
    assert listening["host_keys"] == [host_key.get_fingerprint()]

    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "id")
    key.write_public_key(tmp_path / "id.pub")
    target = ("--config", "serve.yaml")
    said = program("partners", "add", "beta", "--key", "id.pub", *target, **SECRETS)
    assert said.code == 0, said.err
    assert said.err.startswith("target: the gateway of serve.yaml (http://127.0.0.1:")
    asyncio.run(_upload(listening["port"], tmp_path / "id", host_key))

    def delivered() -> Any:
        return aws["s3"].list_objects_v2(Bucket=f"private-{account}").get("Contents")

    assert [each["Key"] for each in gateway.until(delivered)] == ["beta/report.csv"]
    head = aws["s3"].head_object(Bucket=f"landing-{account}", Key="beta/report.csv")
    assert head["ServerSideEncryption"] == "aws:kms"
    (transfer,) = program("transfers", "list", "--output", "json", *target, **SECRETS).json
    assert (transfer["Status"], transfer["Path"]) == ("COMPLETED", "/report.csv")

    settings["sftp"]["port"] = listening["port"]
    write(tmp_path, settings)
    text = program("partners", "show", "beta", "--for-partner", *target, **SECRETS).out
    assert f"Host:  sftp.example.com\nPort:  {listening['port']}\n" in text
    assert f"  {host_key.get_fingerprint()}\n" in text

    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.ended() == 0
    assert gateway.out == ""
    assert "Traceback" not in gateway.err


async def _upload(port: int, key: Path, host_key: asyncssh.SSHKey) -> None:
    known_hosts = asyncssh.import_known_hosts(
        f"[127.0.0.1]:{port} {host_key.export_public_key('openssh').decode()}"
    )
    async with (
        asyncssh.connect(
            "127.0.0.1", port, username="beta", client_keys=[str(key)], known_hosts=known_hosts, config=None
        ) as connection,
        connection.start_sftp_client() as sftp,
        sftp.open("report.csv", "wb") as file,
    ):
        await file.write(b"a,b\n")


# --- what it asks for -----------------------------------------------------------------------

# A change of the settings, and the line it leads to.
MISSING = {
    "bucket": (
        ["landing", "bucket", "no-such-bucket"],
        "landing.bucket: bucket no-such-bucket does not exist: create",
    ),
    "target": (
        ["deliveries", "targets", [{"name": "private", "bucket": "no-such-target"}]],
        "deliveries.targets[0].bucket: bucket no-such-target does not exist",
    ),
    "table": (
        ["tables", "transfers", "no-such-table"],
        "tables.transfers: table no-such-table does not exist",
    ),
    "directory": (
        ["tables", "directory", "no-such-table"],
        "tables.directory: table no-such-table does not exist",
    ),
    "key": (["landing", "kms_key", "alias/no-such"], "landing.kms_key: KMS key alias/no-such does not exist"),
    "host key": (
        ["sftp", "host_key_files", ["no_key"]],
        "no_key does not exist; make one with `ssh-keygen -t ed25519",
    ),
    "host keys": (
        ["sftp", "host_key_files", []],
        "keeps no host key either; to mend it: tidegate setup --config serve.yaml",
    ),
    "preset": (["preset", None], "preset: serve must be told; write `preset: transfer-family`"),
    "server": (["server_id", None], "server_id: serve must be told; write `server_id: s-"),
    "targets": (
        ["deliveries", {}],
        "deliveries.targets: serve must be told; name the targets, or write `targets: []`",
    ),
}


def changed(settings: dict[str, Any], change: list[Any]) -> dict[str, Any]:
    """Return the settings with one of them replaced: its name in steps, and the new value."""
    *before, name, value = change
    inner = settings
    for step in before:
        inner = inner[step]
    inner[name] = value
    return settings


@pytest.mark.parametrize("case", MISSING)
def test_what_is_missing_is_named(
    refused: Callable[..., InvalidSettings], settings: dict[str, Any], case: str
) -> None:
    """One line: the configuration, the setting, what is not there and how to mend it."""
    change, expected = MISSING[case]
    (line,) = refused(changed(settings, change)).detail.splitlines()
    assert line.startswith("serve.yaml: ")
    assert expected in line


def test_versioning_is_insisted_on(
    program: Callable[..., Any], settings: dict[str, Any], account: str, tmp_path: Path
) -> None:
    """A bucket that would forget what it was given is refused; so is what else is wrong, at once."""
    settings["landing"]["bucket"] = f"flat-{account}"
    settings["tables"]["transfers"] = "no-such-table"
    said = program("serve", "--config", write(tmp_path, settings), **SECRETS)
    assert (said.code, said.out) == (1, "")
    versioning, table = said.err.splitlines()
    assert versioning.startswith(
        f"tidegate: serve.yaml: bucket flat-{account} is not versioned: turn versioning on"
    )
    assert "landing.allow_unversioned: true" in versioning
    assert "no-such-table does not exist" in table
    assert {line.rpartition("; to mend it: ")[2] for line in (versioning, table)} == {
        "tidegate setup --config serve.yaml"
    }


def test_another_region_is_named(refused: Callable[..., InvalidSettings], settings: dict[str, Any]) -> None:
    """Alone, and not with a command that would make keys and tables in the wrong place."""
    settings["aws"]["region"] = "eu-west-1"
    said = refused(settings)
    (line,) = said.detail.splitlines()
    assert line.startswith("serve.yaml: landing.bucket: bucket landing-")
    assert line.endswith(" is in eu-central-1, not in eu-west-1")
    assert "aws.region" in said.hint
    assert "tidegate setup" not in line + said.hint


def test_a_table_without_an_index_is_refused(
    refused: Callable[..., InvalidSettings], settings: dict[str, Any], aws: dict[str, Any], account: str
) -> None:
    """Work would never be found; the line ends with the command that makes the index."""
    shape = transfers_table(f"blind-{account}")
    shape["GlobalSecondaryIndexes"].pop()
    shape["AttributeDefinitions"] = [
        each for each in shape["AttributeDefinitions"] if each["AttributeName"] not in ("OpenWork", "DueAt")
    ]
    aws["dynamodb"].create_table(**shape)
    settings["tables"]["transfers"] = shape["TableName"]
    assert refused(settings).detail == (
        f"serve.yaml: tables.transfers: table blind-{account} has no index open-work, or it is not built "
        "yet; to mend it: tidegate setup --config serve.yaml"
    )


def test_buckets_of_routes_are_looked_at_too(
    refused: Callable[..., InvalidSettings], settings: dict[str, Any], account: str
) -> None:
    """Uploads land there as well."""
    settings["routes"] = [
        {"name": "flat", "partners": ["acme"], "bucket": f"flat-{account}", "kms_key": "alias/no-such"},
        {"name": "none", "bucket": "no-such-bucket"},
    ]
    versioning, missing, key = refused(settings).detail.splitlines()
    assert f"bucket flat-{account} is not versioned" in versioning
    assert "routes[1].bucket: bucket no-such-bucket does not exist" in missing
    assert "routes[0].kms_key: KMS key alias/no-such does not exist" in key


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ("a file.yaml", "tidegate setup --config 'a file.yaml'"),
        ("standard input", "tidegate setup --config -"),
        ("TIDEGATE_CONFIG", "tidegate setup"),
    ],
)
def test_the_command_that_mends_can_be_pasted(source: str, command: str) -> None:
    """Wherever the configuration came from."""
    assert setup_command(source) == command


def test_weaker_promises_are_repeated(
    running: Callable[..., Any], settings: dict[str, Any], account: str, tmp_path: Path
) -> None:
    """What was accepted in the configuration is said at each start."""
    settings["landing"] |= {"bucket": f"flat-{account}", "allow_unversioned": True}
    settings["deliveries"]["targets"] = []
    gateway = running("serve", "--config", write(tmp_path, settings), **SECRETS)
    gateway.event("listening")
    assert gateway.event("weaker promises")["level"] == "warning"
    gateway.process.send_signal(signal.SIGINT)
    assert gateway.ended() == 0


def test_a_damaged_host_key_is_named(
    refused: Callable[..., InvalidSettings], settings: dict[str, Any], tmp_path: Path
) -> None:
    """Before anything listens."""
    (tmp_path / "host_ed25519").write_text("none\n")
    said = refused(settings)
    assert said.detail.startswith(f"host key {tmp_path / 'host_ed25519'}: ")
    assert "ssh-keygen -p" in said.hint  # one that makes a key would write over what is there


def test_credentials_that_are_missing_are_said_at_once(
    program: Callable[..., Any], settings: dict[str, Any], tmp_path: Path
) -> None:
    """Neither in the environment, nor in files, nor in a role: one line, after the first question."""
    for name in ("endpoint_url", "access_key_id", "secret_access_key"):
        del settings["aws"][name]
    said = program("serve", "--config", write(tmp_path, settings))
    assert (said.code, said.out) == (1, "")
    line, hint = said.err.splitlines()
    assert line.startswith("tidegate: serve.yaml: cannot tell whether bucket landing-")
    assert "AWS, Region eu-central-1: no AWS credentials" in line
    assert "give the process a role" in hint


def test_an_endpoint_that_does_not_answer_is_named(
    refused: Callable[..., InvalidSettings], settings: dict[str, Any]
) -> None:
    """The URL, and where it stands in the configuration."""
    settings["aws"] |= {"endpoint_url": "http://127.0.0.1:1", "max_attempts": 1}
    said = refused(settings)
    assert "http://127.0.0.1:1" in said.detail
    assert "aws.endpoint_url" in said.hint


def test_a_taken_port_is_named(
    refused: Callable[..., InvalidSettings], settings: dict[str, Any], moto_url: str
) -> None:
    """As by `local`."""
    settings["sftp"]["port"] = int(moto_url.rpartition(":")[2])
    said = refused(settings)
    assert f"port {settings['sftp']['port']}" in said.detail
    assert "sftp.port" in said.hint
