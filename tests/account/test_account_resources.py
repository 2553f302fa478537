"""Single resources over moto: what cannot be mended, and what is only looked at."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from tidegate.adapters.aws.account.buckets import BucketResource
from tidegate.adapters.aws.account.keys import KeyResource, KmsKeys
from tidegate.adapters.aws.account.tables import TableResource
from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.host_keys import DynamoHostKeys, KmsVault
from tidegate.adapters.aws.tables import directory_table, transfers_table
from tidegate.core.audit import Finding, WantedBucket, WantedTable
from tidegate.core.errors import AccessDenied, AlreadyExists, NotFound
from tidegate.core.host_keys import HostKey
from tidegate.ports.account import Resource
from tidegate.services.setup import Outcome, bring, look

SERVER = "s-0123456789abcdef0"


@pytest.fixture
def name() -> str:
    return f"single-{secrets.token_hex(6)}"


@pytest.fixture
def keys(aws_clients: AwsClients) -> KmsKeys:
    return KmsKeys(aws_clients)


async def findings(resource: Resource) -> dict[str, Finding]:
    (outcome,) = [each async for each in look([resource])]
    return {each.what: each for each in outcome.left}


async def brought(resource: Resource) -> Outcome:
    (outcome,) = [each async for each in bring([resource])]
    return outcome


def bucket(clients: AwsClients, keys: KmsKeys, wanted: WantedBucket) -> BucketResource:
    return BucketResource(clients, keys, wanted, "aws", "123456789012")


# --- buckets --------------------------------------------------------------------------------


async def test_object_lock_is_for_new_buckets(aws_clients: AwsClients, keys: KmsKeys, name: str) -> None:
    """Made with it; on one that is there it is a finding, and stays one."""
    resource = bucket(aws_clients, keys, WantedBucket(name, object_lock_days=5))
    assert (await brought(resource)).left == ()
    found = aws_clients.s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
    assert found["Rule"]["DefaultRetention"]["Mode"] == "GOVERNANCE"
    assert found["Rule"]["DefaultRetention"]["Days"] == 5
    longer = await findings(bucket(aws_clients, keys, WantedBucket(name, object_lock_days=9)))
    assert longer["object lock"].problem == "locks versions for 5 days, not 9"
    await brought(bucket(aws_clients, keys, WantedBucket(f"{name}-old")))
    old = await brought(bucket(aws_clients, keys, WantedBucket(f"{name}-old", object_lock_days=5)))
    (left,) = old.left
    assert (left.what, left.severity) == ("object lock", "warning")
    assert "put-object-lock-configuration" in left.mend


async def test_a_bucket_of_another_region_cannot_be_ours(
    aws_clients: AwsClients, keys: KmsKeys, name: str
) -> None:
    """Keys and events are of one Region."""
    other = boto3.client(
        "s3",
        endpoint_url=aws_clients.endpoint.endpoint_url,
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    other.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    other.close()
    found = await findings(bucket(aws_clients, keys, WantedBucket(name)))
    assert found["region"].problem == "is in us-west-2, not in eu-central-1"
    assert not found["region"].by_setup


async def test_a_bucket_of_another_account_is_none_of_ours(
    aws_clients: AwsClients, keys: KmsKeys, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 refuses the expected owner. moto does not compare it, so the refusal is planted."""
    await brought(bucket(aws_clients, keys, WantedBucket(name)))
    plain = AwsClients.run_s3

    async def of_others(self: AwsClients, call: Any, /, *args: Any, **kwargs: Any) -> Any:
        if call.__name__ == "head_bucket" and "ExpectedBucketOwner" in kwargs:
            raise AccessDenied("HeadBucket: 403: Forbidden")
        return await plain(self, call, *args, **kwargs)

    monkeypatch.setattr(AwsClients, "run_s3", of_others)
    found = await findings(bucket(aws_clients, keys, WantedBucket(name)))
    assert found["account"].problem == "is not of account 123456789012"


async def test_a_bucket_that_may_not_be_looked_at_is_not_made(
    aws_clients: AwsClients, keys: KmsKeys, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """403 is another account's bucket, or a missing permission: both are said."""

    async def denied(*_: Any, **__: Any) -> Any:
        raise AccessDenied("HeadBucket: 403: Forbidden")

    monkeypatch.setattr(AwsClients, "run_s3", denied)
    outcome = await brought(bucket(aws_clients, keys, WantedBucket(name)))
    (left,) = outcome.left
    assert "another account's" in left.mend
    assert "s3:ListBucket" in left.mend


async def test_without_a_key_the_choice_of_others_stays(
    aws_clients: AwsClients, keys: KmsKeys, name: str
) -> None:
    """A new bucket gets AWS's own key; one that is there is only told of."""
    resource = bucket(aws_clients, keys, WantedBucket(name, kms_key=None))
    assert (await brought(resource)).left == ()
    aws_clients.s3.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    outcome = await brought(bucket(aws_clients, keys, WantedBucket(name, kms_key=None)))
    (left,) = outcome.left
    assert (left.what, left.severity) == ("encryption", "warning")
    assert "encrypts by AES256" in left.problem


async def test_a_shorter_life_of_versions_is_somebody_s(
    aws_clients: AwsClients, keys: KmsKeys, name: str
) -> None:
    """Another rule that deletes sooner is not undone, and ours would not help."""
    await brought(bucket(aws_clients, keys, WantedBucket(name)))
    rule: Any = {
        "ID": "theirs",
        "Status": "Enabled",
        "Filter": {},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 3},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    aws_clients.s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})
    outcome = await brought(bucket(aws_clients, keys, WantedBucket(name, noncurrent_days=30)))
    assert [each.what for each in outcome.left] == ["replaced versions"]
    assert outcome.mended == ()


async def test_what_belongs_to_all_rules_is_sent_back(
    aws_clients: AwsClients, keys: KmsKeys, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A put without it would reset it. moto forgets it, so it is planted in the answer."""
    await brought(bucket(aws_clients, keys, WantedBucket(name)))
    aws_clients.s3.delete_bucket_lifecycle(Bucket=name)
    plain, sent = AwsClients.run_s3, dict[str, Any]()

    async def planted(self: AwsClients, call: Any, /, *args: Any, **kwargs: Any) -> Any:
        if call.__name__ == "get_bucket_lifecycle_configuration":
            return {"Rules": [], "TransitionDefaultMinimumObjectSize": "varies_by_storage_class"}
        if call.__name__ == "put_bucket_lifecycle_configuration":
            sent.update(kwargs)
        return await plain(self, call, *args, **kwargs)

    monkeypatch.setattr(AwsClients, "run_s3", planted)
    await brought(bucket(aws_clients, keys, WantedBucket(name)))
    assert sent["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"


# --- keys -----------------------------------------------------------------------------------


async def test_a_key_by_arn_is_only_looked_at(aws_clients: AwsClients, keys: KmsKeys) -> None:
    """What is wrong with it is said with the command."""
    arn = aws_clients.kms.create_key()["KeyMetadata"]["Arn"]
    outcome = await brought(KeyResource(aws_clients, keys, arn))
    (left,) = outcome.left
    assert (left.what, left.severity, left.by_setup) == ("rotation", "warning", False)
    assert left.mend.startswith("aws kms enable-key-rotation --key-id ")


@pytest.mark.parametrize("key", ["alias/aws/no-such", "arn:aws:kms:eu-central-1:123456789012:key/none"])
async def test_some_keys_cannot_be_made(aws_clients: AwsClients, keys: KmsKeys, key: str) -> None:
    """One named by ARN, and those of AWS."""
    (left,) = (await brought(KeyResource(aws_clients, keys, key))).left
    assert (left.what, left.by_setup) == ("existence", False)


async def test_a_key_must_be_symmetric(aws_clients: AwsClients, keys: KmsKeys) -> None:
    """S3 takes no other."""
    made = aws_clients.kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    found = await findings(KeyResource(aws_clients, keys, made))
    assert list(found) == ["kind"]


# --- tables ---------------------------------------------------------------------------------


async def test_a_table_of_another_shape_cannot_be_mended(
    aws_clients: AwsClients, keys: KmsKeys, name: str
) -> None:
    """It is told by its keys, and left."""
    aws_clients.dynamodb.create_table(**directory_table(name))
    outcome = await brought(TableResource(aws_clients, keys, WantedTable(name, "transfers")))
    problem = {each.what: each.problem for each in outcome.left}["key schema"]
    assert problem == "has the keys Server, Entry, not LogID, Item"


async def test_an_index_of_another_shape_is_left(aws_clients: AwsClients, keys: KmsKeys, name: str) -> None:
    """An index that holds less than we read would lie."""
    shape = transfers_table(name)
    for index in shape["GlobalSecondaryIndexes"]:
        index["Projection"] = {"ProjectionType": "KEYS_ONLY"}
    aws_clients.dynamodb.create_table(**shape)
    outcome = await brought(TableResource(aws_clients, keys, WantedTable(name, "transfers")))
    assert [each.problem for each in outcome.left] == [
        f"index {index} has other keys or attributes" for index in ("by-user", "by-day", "open-work")
    ]


async def test_expiry_by_another_attribute_is_left(aws_clients: AwsClients, keys: KmsKeys, name: str) -> None:
    """DynamoDB has one at a time."""
    aws_clients.dynamodb.create_table(**transfers_table(name))
    aws_clients.dynamodb.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "Gone"}
    )
    outcome = await brought(TableResource(aws_clients, keys, WantedTable(name, "transfers")))
    assert [each.problem for each in outcome.left] == ["records expire by Gone"]


async def test_protection_may_be_declined(aws_clients: AwsClients, keys: KmsKeys, name: str) -> None:
    """By the configuration; what is protected all the same stays so."""
    unprotected = TableResource(aws_clients, keys, WantedTable(name, "directory", deletion_protection=False))
    assert (await brought(unprotected)).left == ()
    table = aws_clients.dynamodb.describe_table(TableName=name)["Table"]
    assert table["DeletionProtectionEnabled"] is False
    assert await findings(unprotected) == {}


async def test_a_table_under_another_key_is_left(aws_clients: AwsClients, keys: KmsKeys, name: str) -> None:
    """Somebody chose it."""
    theirs, ours = (aws_clients.kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    await brought(TableResource(aws_clients, keys, WantedTable(name, "directory", theirs)))
    assert await findings(TableResource(aws_clients, keys, WantedTable(name, "directory", theirs))) == {}
    found = await findings(TableResource(aws_clients, keys, WantedTable(name, "directory", ours)))
    assert not found["encryption"].by_setup
    assert theirs in found["encryption"].problem


# --- host keys ------------------------------------------------------------------------------


@pytest.fixture
async def kept(aws_clients: AwsClients, name: str) -> DynamoHostKeys:
    aws_clients.dynamodb.create_table(**directory_table(name))
    return DynamoHostKeys(aws_clients, name)


async def test_host_keys_are_kept_once(kept: DynamoHostKeys) -> None:
    """A key comes back as it was given; another of its id is refused; other servers see none of it."""
    at = datetime(2026, 1, 31, tzinfo=UTC)
    key = HostKey("hostkey-1", "ssh-ed25519", "SHA256:1", at, "", "arn:key", "ssh-ed25519 AAAA")
    await kept.add(SERVER, key, b"closed")
    # The same write again is our own, sent twice.
    await kept.add(SERVER, key, b"closed")
    with pytest.raises(AlreadyExists):
        await kept.add(SERVER, key, b"other")
    assert await kept.of_server(SERVER) == [key]
    assert await kept.encrypted(SERVER, key.host_key_id) == b"closed"
    assert await kept.of_server("s-other") == []
    with pytest.raises(NotFound):
        await kept.encrypted(SERVER, "hostkey-none")


async def test_the_vault_opens_for_the_same_context_only(aws_clients: AwsClients) -> None:
    """A ciphertext moved to another server or row is of no use."""
    vault = KmsVault(aws_clients)
    arn = aws_clients.kms.create_key()["KeyMetadata"]["Arn"]
    closed = await vault.encrypt(arn, b"secret", {"server_id": SERVER})
    assert await vault.decrypt(arn, closed, {"server_id": SERVER}) == b"secret"
    with pytest.raises(AccessDenied, match="was not encrypted"):
        await vault.decrypt(arn, closed, {"server_id": "s-other"})
