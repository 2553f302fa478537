"""
Everything broken at once: `--check` names each piece with its mend, and `setup` mends what it may.

What moto lacks is not shown here: encryption of a table that is there (its UpdateTable ignores it), and
EventBridge notifications (it does not tell of them); tests/unit/core/test_bucket_rules.py has those.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tidegate.adapters.aws.tables import directory_table

pytestmark = pytest.mark.lengthy

P = "broken"
LANDING, TRANSFERS, DIRECTORY = f"bucket {P}-landing", f"table {P}-transfers", f"table {P}-directory"
GATEWAY, HANDLERS = f"role {P}-gateway", f"role {P}-handlers"

# What was broken, the finding, and whether setup mends it.
BROKEN = {
    "public access on": (LANDING, "public access", True),
    "acls count": (LANDING, "ownership", True),
    "versioning suspended": (LANDING, "versioning", True),
    "encryption off": (LANDING, "encryption", True),
    "lifecycle rule missing": (LANDING, "unfinished uploads", True),
    "expiry of versions missing": (LANDING, "replaced versions", True),
    "notification missing": (LANDING, "notifications", True),
    "policy without tls": (f"bucket {P}-open", "TLS", True),
    "policy for everybody": (f"bucket {P}-open", "public policy", False),
    "policy by wildcard": (f"bucket {P}-open", "wildcard policy", False),
    "key of somebody else": (f"bucket {P}-other", "encryption", False),
    "key of aws": (f"bucket {P}-plain", "encryption", True),
    "bucket key off": (f"bucket {P}-plain", "bucket key", True),
    "unsigned payloads denied": (f"bucket {P}-strict", "unsigned payload", False),
    "our key denied": (f"bucket {P}-strict", "key policy of uploads", False),
    "sse-kms denied": (f"bucket {P}-strict", "encryption header", False),
    "bucket missing": (f"bucket {P}-gone", "existence", True),
    "alias missing": (f"KMS key alias/{P}-gone", "existence", True),
    "rotation off": (f"KMS key alias/{P}-landing", "rotation", True),
    "key disabled": (f"KMS key alias/{P}-other", "state", False),
    "key about to be deleted": (f"KMS key alias/{P}-strict", "state", False),
    "key for everybody": (f"KMS key alias/{P}-open", "public policy", False),
    "recovery off": (TRANSFERS, "recovery", True),
    "expiry off": (TRANSFERS, "expiry", True),
    "index missing": (TRANSFERS, "indexes", True),
    "protection off": (TRANSFERS, "deletion protection", True),
    "host keys missing": ("host keys", "existence", True),
    "role may be assumed by none": (GATEWAY, "trust", True),
    "role for everybody": (GATEWAY, "public policy", False),
    "rights changed": (GATEWAY, "rights", True),
    "other rights by wildcard": (GATEWAY, "wildcard policy", False),
    "records may be deleted": (GATEWAY, "deleting records", False),
    "role missing": (HANDLERS, "existence", True),
}
# moto's UpdateTable does not encrypt.
BEYOND_MOTO = {(DIRECTORY, "encryption")}


def allow(sid: str, **members: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Resource": "*", **members}


def deny(sid: str, **condition: Any) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": "*",
        "Condition": condition,
    }


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


SSE = "s3:x-amz-server-side-encryption"
OPEN = policy(
    {**allow("Everybody", Principal="*", Action="s3:GetObject"), "Resource": f"arn:aws:s3:::{P}-open/*"},
    allow("Auditor", Principal={"AWS": "arn:aws:iam::123456789012:root"}, Action="s3:*"),
)
STRICT = (
    deny("Signed", StringEquals={"s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
    deny("OneKey", StringNotEquals={f"{SSE}-aws-kms-key-id": "arn:aws:kms:eu-central-1:123456789012:key/x"}),
    deny("Aes", StringNotEquals={SSE: "AES256"}),
)


def break_landing(s3: Any) -> None:
    bucket = f"{P}-landing"
    s3.put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True, "IgnorePublicAcls": True}
    )
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.delete_bucket_encryption(Bucket=bucket)
    rule = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})


def encrypt(s3: Any, bucket: str, key: str | None, *, bucket_key: bool = True) -> None:
    default = {"SSEAlgorithm": "aws:kms", **({"KMSMasterKeyID": key} if key else {})}
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": bucket_key}]
        },
    )


def break_buckets(s3: Any, kms: Any) -> None:
    s3.put_bucket_policy(Bucket=f"{P}-open", Policy=OPEN)
    theirs = json.loads(s3.get_bucket_policy(Bucket=f"{P}-strict")["Policy"])["Statement"]
    s3.put_bucket_policy(Bucket=f"{P}-strict", Policy=policy(*theirs, *STRICT))
    encrypt(s3, f"{P}-other", kms.create_key()["KeyMetadata"]["Arn"])
    encrypt(s3, f"{P}-plain", None, bucket_key=False)
    s3.delete_bucket(Bucket=f"{P}-gone")


def key_of(kms: Any, name: str) -> str:
    key: str = kms.describe_key(KeyId=f"alias/{P}-{name}")["KeyMetadata"]["KeyId"]
    return key


def break_keys(kms: Any) -> None:
    kms.delete_alias(AliasName=f"alias/{P}-gone")
    kms.disable_key_rotation(KeyId=key_of(kms, "landing"))
    kms.put_key_policy(
        KeyId=key_of(kms, "open"),
        PolicyName="default",
        Policy=policy(allow("All", Principal={"AWS": "*"}, Action="kms:Decrypt")),
    )
    kms.disable_key(KeyId=key_of(kms, "other"))
    kms.schedule_key_deletion(KeyId=key_of(kms, "strict"), PendingWindowInDays=7)


def break_tables(dynamodb: Any) -> None:
    table = f"{P}-transfers"
    dynamodb.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )
    dynamodb.update_time_to_live(
        TableName=table, TimeToLiveSpecification={"Enabled": False, "AttributeName": "ExpiresAt"}
    )
    dynamodb.update_table(
        TableName=table,
        DeletionProtectionEnabled=False,
        GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-day"}}],
    )
    # A directory somebody made by hand: no encryption, and no host keys.
    dynamodb.update_table(TableName=f"{P}-directory", DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=f"{P}-directory")
    shape = directory_table(f"{P}-directory")
    del shape["SSESpecification"]
    dynamodb.create_table(**shape)


def break_roles(iam: Any) -> None:
    role = f"{P}-gateway"
    iam.update_assume_role_policy(
        RoleName=role,
        PolicyDocument=policy({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}),
    )
    mine = json.dumps({"Version": "2012-10-17", "Statement": [allow("Less", Action="s3:GetObject")]})
    iam.put_role_policy(RoleName=role, PolicyName="tidegate", PolicyDocument=mine)
    iam.put_role_policy(
        RoleName=role, PolicyName="more", PolicyDocument=policy(allow("More", Action=["dynamodb:*"]))
    )
    iam.delete_role_policy(RoleName=f"{P}-handlers", PolicyName="tidegate")
    iam.delete_role(RoleName=f"{P}-handlers")


@pytest.fixture(scope="module")
def world(make_world: Callable[[str], Any]) -> Any:
    """An account that setup made, and others then broke."""
    world = make_world(P)
    names = ("open", "other", "plain", "strict", "gone")
    world.settings["deliveries"]["targets"] = [{"name": name} for name in names]
    assert world.setup().code == 0
    break_landing(world.aws["s3"])
    break_buckets(world.aws["s3"], world.aws["kms"])
    break_keys(world.aws["kms"])
    break_tables(world.aws["dynamodb"])
    break_roles(world.aws["iam"])
    return world


@pytest.fixture(scope="module")
def said(world: Any) -> dict[str, Any]:
    """A check, a setup, and a check once more."""
    return {"before": world.check(), "setup": world.setup(), "after": world.check()}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_piece_is_named_with_its_mend(said: dict[str, Any], case: str) -> None:
    """By resource and by one word that stays the same; whoever reads it knows what to do."""
    resource, what, by_setup = BROKEN[case]
    found = said["before"].findings[resource, what]
    assert (found["BySetup"], bool(found["Problem"])) == (by_setup, True)
    assert ("tidegate setup" in found["Mend"]) is by_setup


@pytest.mark.parametrize("case", BROKEN)
def test_setup_mends_what_it_may_and_leaves_the_rest(said: dict[str, Any], case: str) -> None:
    """What it found `BySetup` is gone; what a person must decide is as it was."""
    resource, what, by_setup = BROKEN[case]
    assert ((resource, what) in said["after"].findings) is not by_setup


def test_nothing_else_is_found(said: dict[str, Any]) -> None:
    """The list above is the whole of it: no finding twice under two names, none out of the air."""
    known = {(resource, what) for resource, what, _ in BROKEN.values()} | BEYOND_MOTO
    # With the table that was made by hand came these as well.
    known |= {(DIRECTORY, "recovery"), (DIRECTORY, "deletion protection")}
    # Rights name keys by ARN, and one alias leads to none.
    known |= {(f"role {P}-sweep", "rights")}
    assert set(said["before"].findings) == known


def test_a_check_changes_nothing(said: dict[str, Any]) -> None:
    """Whatever it finds."""
    assert (said["before"].code, said["before"].changes) == (1, [])


def test_setup_ends_with_1_while_something_is_left(said: dict[str, Any]) -> None:
    """And says how much of it a person must mend."""
    assert said["setup"].code == 1
    assert "that tidegate setup does not mend" in said["setup"].err
    assert f"{LANDING}: mended: public access, ownership, versioning, encryption" in said["setup"].out
    assert f"{HANDLERS}: created" in said["setup"].out


def test_what_others_wrote_is_kept(world: Any, said: dict[str, Any]) -> None:
    """Statements, rules and policies of others stand beside ours."""
    assert said["after"]
    s3 = world.aws["s3"]
    statements = json.loads(s3.get_bucket_policy(Bucket=f"{P}-open")["Policy"])["Statement"]
    assert [each["Sid"] for each in statements] == ["Everybody", "Auditor", "TidegateTlsOnly"]
    lifecycle = s3.get_bucket_lifecycle_configuration(Bucket=f"{P}-landing")
    assert [rule["ID"] for rule in lifecycle["Rules"]] == [
        "theirs",
        "abort-incomplete-uploads",
        "tidegate-replaced-versions",
    ]
    trust = world.aws["iam"].get_role(RoleName=f"{P}-gateway")["Role"]["AssumeRolePolicyDocument"]
    assert len(trust["Statement"]) == 2
    assert world.aws["iam"].get_role_policy(RoleName=f"{P}-gateway", PolicyName="more")


def test_a_second_setup_changes_nothing_more(world: Any, said: dict[str, Any]) -> None:
    """But for what moto does not do: it is tried again."""
    assert said["after"]
    assert world.setup().changes == ["update_table"]
