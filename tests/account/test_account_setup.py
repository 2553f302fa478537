"""An empty account, `tidegate setup`, and everything really there: asked by plain boto3."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import asyncssh
import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from tidegate.adapters.aws.clients import AwsClients
from tidegate.backend import Backend
from tidegate.cli.main import run
from tidegate.core.errors import AccessDenied
from tidegate.faces.sftp.listener import read_host_keys
from tidegate.serving import verified
from tidegate.settings import load
from tidegate.settings.loader import LoadedSettings

pytestmark = pytest.mark.lengthy

PREFIX = "fresh"


@pytest.fixture(scope="module")
def world(make_world: Callable[[str], Any]) -> Any:
    return make_world(PREFIX)


@pytest.fixture(scope="module")
def first(world: Any) -> dict[str, Any]:
    """What the command says of the empty account, does to it, and says of it then."""
    return {words: world.setup(*words.split()) for words in ("--dry-run", "--check", "", "--check ")}


@pytest.fixture(scope="module")
def made(world: Any, first: dict[str, Any]) -> Any:
    assert first[""].code == 0, first[""].err
    return world


def loaded(world: Any) -> LoadedSettings:
    return load(str(world.folder / "tidegate.yaml"), {"TEST_KEY": "test"}, None)  # type: ignore[arg-type]


def test_the_target_is_named_first(first: dict[str, Any]) -> None:
    """Account, identity, Region and endpoint, before anything is asked or done."""
    line = first[""].err.splitlines()[0]
    assert re.fullmatch(
        r"target: account 123456789012, as arn:aws:sts::123456789012:\S+, Region eu-central-1, at http\S+",
        line,
    )


@pytest.mark.parametrize("words", [(), ("--check",)])
def test_an_endpoint_that_is_not_there_is_one_complaint(
    make_world: Callable[[str], Any], words: tuple[str, ...]
) -> None:
    """And not one for each thing that cannot be asked for."""
    nowhere = make_world("nowhere")
    nowhere.settings["aws"] |= {"endpoint_url": "http://127.0.0.1:1", "max_attempts": 1}
    said = nowhere.setup(*words)
    assert (said.code, said.out, said.changes) == (1, "", [])
    assert said.err.startswith("tidegate: cannot tell whose account this is: Could not connect")
    assert "aws.endpoint_url" in said.err


def test_a_dry_run_changes_nothing(first: dict[str, Any]) -> None:
    """It says, a line each, what would be made."""
    said = first["--dry-run"]
    assert (said.code, said.changes) == (0, [])
    lines = said.out.splitlines()
    assert all(line.endswith(": would be created") for line in lines)
    assert "bucket fresh-landing: would be created" in lines
    assert "dry run: nothing was changed" in said.err


def test_a_check_of_an_empty_account_names_everything(first: dict[str, Any]) -> None:
    """Exit 1, one finding for each thing, and what mends it."""
    said = first["--check"]
    assert (said.code, said.changes) == (1, [])
    assert len(said.out.splitlines()) == 1 + 12
    assert "12 findings, of which tidegate setup mends 12" in said.err


def test_a_line_for_each_thing_made(first: dict[str, Any]) -> None:
    """In the order in which they need each other."""
    assert first[""].out.splitlines() == [
        "KMS key alias/fresh-landing: created",
        "KMS key alias/fresh-private: created",
        "KMS key alias/fresh-records: created",
        "KMS key alias/fresh-host-keys: created",
        "bucket fresh-landing: created",
        "bucket fresh-private: created",
        "table fresh-transfers: created",
        "table fresh-directory: created",
        "host keys: created",
        "role fresh-gateway: created",
        "role fresh-handlers: created",
        "role fresh-sweep: created",
    ]


def test_a_check_is_green_then(first: dict[str, Any]) -> None:
    """Exit 0, and one line."""
    said = first["--check "]
    assert (said.code, said.out, said.changes) == (0, "all is as it should be\n", [])


def test_a_second_run_changes_nothing(made: Any) -> None:
    """Not one call that writes."""
    said = made.setup()
    assert (said.code, said.changes) == (0, [])
    assert {line.rpartition(": ")[2] for line in said.out.splitlines()} == {"as it should be"}


@pytest.mark.parametrize("name", ["landing", "private"])
def test_buckets_are_private_versioned_and_encrypted(made: Any, name: str) -> None:
    """As plain boto3 finds them."""
    s3, bucket = made.aws["s3"], made.named(name)
    blocks = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert list(blocks.values()) == [True] * 4
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    assert controls["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    key = made.aws["kms"].describe_key(KeyId=f"alias/{bucket}")["KeyMetadata"]["Arn"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    assert rule["BucketKeyEnabled"] is True
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [each["ID"] for each in rules] == ["abort-incomplete-uploads", "tidegate-replaced-versions"]
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )


def test_keys_are_rotated(made: Any) -> None:
    """Every key that setup made."""
    kms = made.aws["kms"]
    for name in ("landing", "private", "records", "host-keys"):
        key = kms.describe_key(KeyId=f"alias/{made.named(name)}")["KeyMetadata"]["KeyId"]
        assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
        assert kms.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "CreatedBy", "TagValue": "tidegate"}]


@pytest.mark.parametrize("name", ["transfers", "directory"])
def test_tables_are_protected_and_can_be_recovered(made: Any, name: str) -> None:
    """Encryption, recovery, protection, and for records the expiry and the indexes."""
    dynamodb, table = made.aws["dynamodb"], made.named(name)
    found = dynamodb.describe_table(TableName=table)["Table"]
    assert found["DeletionProtectionEnabled"] is True
    assert (found["SSEDescription"]["Status"], found["SSEDescription"]["SSEType"]) == ("ENABLED", "KMS")
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    expiry = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    indexes = {each["IndexName"] for each in found.get("GlobalSecondaryIndexes", ())}
    if name == "transfers":
        assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", "ExpiresAt")
        assert indexes == {"by-user", "by-day", "open-work"}


def test_the_landing_bucket_alone_announces_objects(made: Any) -> None:
    """Copies wake nobody."""
    s3 = made.aws["s3"]
    (sent,) = s3.get_bucket_notification_configuration(Bucket=made.named("landing"))["QueueConfigurations"]
    assert (sent["QueueArn"], sent["Events"]) == (made.queue, ["s3:ObjectCreated:*"])
    found = s3.get_bucket_notification_configuration(Bucket=made.named("private"))
    assert "QueueConfigurations" not in found


def test_roles_have_least_privilege(made: Any) -> None:
    """Named services assume them; keys and tables are named by ARN; nobody deletes records."""
    iam = made.aws["iam"]
    for name in ("gateway", "handlers", "sweep"):
        trust = iam.get_role(RoleName=made.named(name))["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert [each["Principal"] for each in trust] == [{"Service": ["ecs-tasks.amazonaws.com"]}]
        document = iam.get_role_policy(RoleName=made.named(name), PolicyName="tidegate")["PolicyDocument"]
        text = json.dumps(document)
        assert '"*"' not in text
        assert "alias/" not in text
        for each in document["Statement"]:
            if "dynamodb:DeleteItem" in each["Action"]:
                assert "transfers" not in json.dumps(each["Resource"])


def test_host_keys_are_kept_under_kms(made: Any) -> None:
    """Two kinds; no row holds a private key in the clear; a gateway opens them, and asyncssh reads them."""
    rows = [
        row
        for row in made.aws["dynamodb"].scan(TableName=made.named("directory"))["Items"]
        if row["Entry"]["S"].startswith("host-key#")
    ]
    assert {row["Type"]["S"] for row in rows} == {"ssh-ed25519", "ssh-rsa"}

    async def opened() -> list[bytes]:
        settings = loaded(made).settings
        backend = Backend(settings)
        try:
            assert await verified(backend, "tidegate.yaml")
            return await backend.host_keys(settings.server_id or "").private_keys()
        finally:
            backend.close()

    keys = asyncio.run(opened())
    fingerprints = {key.get_fingerprint() for key in read_host_keys(keys)}
    assert fingerprints == {row["HostKeyFingerprint"]["S"] for row in rows}
    for key in keys:
        assert load_der_private_key(key, None)
        assert all(key not in row["HostKeyCiphertext"]["B"] for row in rows)


def test_partners_are_told_the_kept_host_key(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one most clients see, without opening it."""
    made.settings["sftp"] = {"advertised_host": "sftp.example.com", "port": 22}
    try:
        made.setup("--dry-run")
        monkeypatch.setattr(os, "environ", {**os.environ, "TEST_KEY": "test"})
        config = ("--config", str(made.folder / "tidegate.yaml"))
        assert run(["partners", "add", "acme", *config]) == 0
        out = io.StringIO()
        with redirect_stdout(out):
            assert run(["partners", "show", "acme", "--for-partner", *config]) == 0
    finally:
        del made.settings["sftp"]
    rows = made.aws["dynamodb"].scan(TableName=made.named("directory"))["Items"]
    (row,) = [row for row in rows if row.get("Type", {}).get("S") == "ssh-ed25519"]
    assert row["HostKeyFingerprint"]["S"] in out.getvalue()
    assert f"sftp.example.com {row['HostKeyBody']['S']}" in out.getvalue()


def test_a_key_that_somebody_brings_is_kept(made: Any) -> None:
    """Beside those that are there; a second time it changes nothing; a dry run says what it would do."""
    file = made.folder / "ssh_host_ecdsa_key"
    key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    key.write_private_key(file)
    dry = made.setup("--dry-run", "--import-host-key", str(file))
    assert "host keys: would be mended: import" in dry.out
    assert dry.changes == []
    said = made.setup("--import-host-key", str(file))
    assert said.changes == ["encrypt", "put_item"]
    assert "host keys: mended: import" in said.out
    assert made.setup("--import-host-key", str(file)).changes == []
    assert "PRIVATE" not in said.out + said.err


def test_a_key_with_a_passphrase_is_refused(made: Any) -> None:
    """Before anything is asked of AWS, and with the way to mend it."""
    file = made.folder / "closed"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(
        file, passphrase="secret", rounds=1, ignore_few_rounds=True
    )
    said = made.setup("--import-host-key", str(file))
    assert (said.code, said.out, said.changes) == (1, "", [])
    assert "it has a passphrase, which a server cannot type" in said.err
    assert "ssh-keygen -p" in said.err
    assert "target:" not in said.err


def test_policies_are_written_without_asking_aws(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file for each role, and one for whoever runs setup."""

    async def never(*_: object, **__: object) -> None:
        raise AssertionError("AWS was asked")

    monkeypatch.setattr(AwsClients, "run", never)
    monkeypatch.setattr(AwsClients, "run_s3", never)
    folder = made.folder / "policies"
    said = made.setup("--policies", str(folder))
    assert (said.code, said.err) == (0, "")
    assert {file.name for file in folder.iterdir()} == {
        "gateway.json",
        "handlers.json",
        "sweep.json",
        "administrator.json",
        "setup.json",
    }
    assert json.loads((folder / "gateway.json").read_text())["Version"] == "2012-10-17"


def test_json_says_the_same(made: Any) -> None:
    """A member for each resource."""
    rows = json.loads(made.setup("--output", "json").out)
    assert {row["State"] for row in rows} == {"as it should be"}
    assert {"Resource": "host keys", "State": "as it should be", "Mended": [], "Findings": []} in rows


def test_a_question_that_is_denied_is_a_finding(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the action to allow, and the other questions are asked all the same."""
    plain = AwsClients.run_s3

    async def denied(self: AwsClients, call: Any, /, *args: Any, **kwargs: Any) -> Any:
        if call.__name__ == "get_bucket_policy":
            raise AccessDenied("GetBucketPolicy: AccessDenied: Access Denied")
        return await plain(self, call, *args, **kwargs)

    monkeypatch.setattr(AwsClients, "run_s3", denied)
    said = made.check()
    assert said.code == 1
    assert set(said.findings) == {(f"bucket {PREFIX}-{name}", "policy") for name in ("landing", "private")}
    for each in said.findings.values():
        assert each["Problem"].startswith("could not be asked: GetBucketPolicy: AccessDenied")
        assert each["Mend"] == "allow s3:GetBucketPolicy to whoever runs tidegate setup"
        assert each["BySetup"] is False


def test_what_cannot_be_mended_stops_nothing_else(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused change is a line with the action to allow, and exit 1."""
    plain = AwsClients.run_s3
    bucket = made.named("private")
    made.aws["s3"].delete_public_access_block(Bucket=bucket)
    made.aws["s3"].delete_bucket_lifecycle(Bucket=bucket)

    async def denied(self: AwsClients, call: Any, /, *args: Any, **kwargs: Any) -> Any:
        if call.__name__ == "put_public_access_block":
            raise AccessDenied("PutPublicAccessBlock: AccessDenied: Access Denied")
        return await plain(self, call, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(AwsClients, "run_s3", denied)
        said = made.setup()
    assert said.code == 1
    assert f"bucket {bucket}: mended: unfinished uploads, replaced versions" in said.out
    assert "could not be mended: PutPublicAccessBlock: AccessDenied" in said.out
    assert "allow s3:PutBucketPublicAccessBlock to whoever runs tidegate setup" in said.out
    assert made.setup().code == 0


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--check", "--dry-run"], "give one of them, alone"),
        (["--policies", "x", "--check"], "give one of them, alone"),
        (["--check", "--import-host-key", "x"], "give one of them, alone"),
    ],
)
def test_one_thing_at_a_time(made: Any, words: list[str], hint: str) -> None:
    """Wrong usage is code 2."""
    said = made.setup(*words)
    assert said.code == 2
    assert hint in said.err


def test_what_must_be_told(made: Any, make_world: Callable[[str], Any]) -> None:
    """Names that local mode makes up may be somebody else's in AWS."""
    world = make_world("untold")
    for name in ("name_prefix", "server_id"):
        del world.settings[name]
    del world.settings["deliveries"]["targets"]
    said = world.setup()
    assert (said.code, said.changes) == (1, [])
    assert [line.split(": ")[2] for line in said.err.splitlines() if "must be told" in line] == [
        "server_id",
        "landing.bucket",
        "deliveries.targets",
    ]
