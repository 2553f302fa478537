"""
What each role may do, as policy documents: rendered from names, every right named by its Sid.

No role may delete a record. Where the ARN of a KMS key is not known, rights on it are narrowed by its alias.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tidegate.core.resource_policies import Document

_OBJECT_READ = ("s3:GetObject", "s3:GetObjectVersion")
# Tags travel with copies, and S3 asks for these as soon as somebody, a scanner for one, has put any on.
_TAGS_READ = ("s3:GetObjectTagging", "s3:GetObjectVersionTagging")
_TAGS_WRITE = ("s3:PutObjectTagging",)
# A time that a client sets on a stored file is a tag of the very version it was set on.
_TAGS = (*_TAGS_READ, *_TAGS_WRITE, "s3:PutObjectVersionTagging")
_KEY_USE = ("kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt")


@dataclass(frozen=True, slots=True)
class Estate:
    """
    What the rights are about.

    Args:
        account: Of the tables, and of keys not named by ARN; `*` if it is not known.
        landing: Buckets that uploads land in.
        landing_keys, target_keys: Aliases, ids or ARNs.
        targets: Bucket and prefix of each delivery target.
        tables_key: A customer's key of both tables, if there is one.
        host_keys_key, server_id: Where host keys are kept in the directory table; None if they are not.
        handlers: Whether Lambda functions deliver, in place of the gateways.
        queue: ARN of the queue that wakes them, if it is one.
        manages_host_keys: Whether the Transfer API of the gateway may keep host keys.
        makes_servers: Whether it makes servers, which have host keys of their own.
        user_roles: ARNs of the roles of users, where gateways assume those; `*` and `?` as in policies.
        log_group, metrics_namespace: Where activities are told; None where they are not.
        event_bus: The same, by name or ARN.
    """

    region: str
    account: str
    landing: tuple[str, ...]
    transfers: str
    directory: str
    landing_keys: tuple[str, ...] = ()
    targets: tuple[tuple[str, str], ...] = ()
    target_keys: tuple[str, ...] = ()
    tables_key: str | None = None
    host_keys_key: str | None = None
    server_id: str | None = None
    handlers: bool = False
    queue: str | None = None
    manages_host_keys: bool = False
    makes_servers: bool = False
    log_group: str | None = None
    event_bus: str | None = None
    metrics_namespace: str | None = None
    prefix: str = "tidegate"
    user_roles: tuple[str, ...] = ()

    @property
    def partition(self) -> str:
        return partition_of(self.region)


def partition_of(region: str) -> str:
    """Return the first word after `arn:` in a Region. Source: AWS General Reference, "ARNs"."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def gateway_policy(estate: Estate) -> Document:
    """Return what a gateway may do: take uploads, browse, sweep, and deliver unless handlers do."""
    return _document(
        _allow("LandingBuckets", ("s3:ListBucket", "s3:GetBucketVersioning"), _buckets(estate)),
        _allow(
            "LandingObjects",
            (
                "s3:PutObject",
                *_OBJECT_READ,
                "s3:DeleteObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
                *_TAGS,
            ),
            _objects(estate),
        ),
        _allow("SweepBuckets", ("s3:ListBucketVersions", "s3:ListBucketMultipartUploads"), _buckets(estate)),
        *_key_rights("LandingKeys", _KEY_USE, estate.landing_keys, estate),
        *_target_rights(estate, delivers=not estate.handlers),
        _allow(
            "Records",
            ("dynamodb:DescribeTable", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"),
            _records(estate),
        ),
        _allow(
            "Directory",
            (
                "dynamodb:DescribeTable",
                "dynamodb:GetItem",
                "dynamodb:Query",
                "dynamodb:PutItem",
                "dynamodb:UpdateItem",
                "dynamodb:DeleteItem",
            ),
            [_table(estate, estate.directory)],
        ),
        *_table_key_rights(estate),
        *_host_key_rights(
            "HostKeys",
            ("kms:Decrypt", "kms:Encrypt") if estate.manages_host_keys else ("kms:Decrypt",),
            estate,
        ),
        *([_allow("UserRoles", ("sts:AssumeRole",), estate.user_roles)] if estate.user_roles else []),
        *_telling_rights(estate),
    )


def handlers_policy(estate: Estate) -> Document:
    """Return what the function that delivers may do: read uploads and records, write copies."""
    return _document(
        _allow("DeliverySourceBuckets", ("s3:ListBucket", "s3:ListBucketVersions"), _buckets(estate)),
        _allow("DeliverySources", (*_OBJECT_READ, *_TAGS_READ), _objects(estate)),
        *_key_rights("DeliverySourceKeys", ("kms:DescribeKey", "kms:Decrypt"), estate.landing_keys, estate),
        *_target_rights(estate, delivers=True),
        _allow(
            "DeliveryRecords",
            ("dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"),
            _records(estate),
        ),
        *_table_key_rights(estate),
        *_queue_rights(estate),
        _allow(
            "Logs",
            ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
            [_arn(estate, "logs", f"log-group:/aws/lambda/{estate.prefix}*")],
        ),
    )


def sweep_policy(estate: Estate) -> Document:
    """Return what the function that sweeps may do: deliver what is due, and end what gateways left open."""
    return _document(
        *handlers_policy(replace(estate, queue=None))["Statement"],
        _allow("SweepBuckets", ("s3:ListBucketMultipartUploads",), _buckets(estate)),
        # Renames are left to gateways, so nothing is written where uploads land.
        _allow("SweepObjects", ("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"), _objects(estate)),
        # Leases lie beside the partners' rows, in the same partition: IAM cannot tell them apart.
        _allow(
            "SweepLeases",
            ("dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"),
            [_table(estate, estate.directory)],
        ),
    )


def administrator_policy(estate: Estate) -> Document:
    """Return what it takes to administer: partners, keys, logins, transfers but for `sweep`, deliveries."""
    return _document(
        _allow(
            "Administrator",
            (
                "dynamodb:DescribeTable",
                "dynamodb:Query",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:UpdateItem",
                "dynamodb:DeleteItem",
                "dynamodb:ConditionCheckItem",
            ),
            [_table(estate, estate.directory)],
        ),
        _allow("ReadRecords", ("dynamodb:DescribeTable", "dynamodb:Query"), _records(estate)),
        # IAM cannot narrow this to items of deliveries.
        _allow("DecideDeliveries", ("dynamodb:UpdateItem",), [_table(estate, estate.transfers)]),
        # What a release writes, and what it looks for where the file was renamed or removed.
        _allow("ReleaseTransfers", ("dynamodb:PutItem",), [_table(estate, estate.transfers)]),
        _allow("ReleaseBuckets", ("s3:ListBucket", "s3:ListBucketVersions"), _buckets(estate)),
        _allow("VerifyObjects", _OBJECT_READ, _objects(estate)),
        *_key_rights("VerifyKeys", ("kms:Decrypt",), estate.landing_keys, estate),
        *_table_key_rights(estate),
    )


def setup_policy(estate: Estate, role_names: Iterable[str]) -> Document:
    """Return what whoever runs `tidegate setup` must be allowed; for `--check`, the reading actions do."""
    tables = [_table(estate, estate.transfers), _table(estate, estate.directory)]
    roles = [f"arn:{estate.partition}:iam::{estate.account}:role/{name}" for name in role_names]
    return _document(
        _allow("LookAtBuckets", _BUCKET_LOOKS, _every_bucket(estate)),
        _allow("MakeBuckets", _BUCKET_CHANGES, _every_bucket(estate)),
        # A key that is to be made has no ARN yet.
        _allow("LookAtKeys", _KEY_LOOKS, ["*"]),
        _allow("MakeKeys", _KEY_CHANGES, ["*"]),
        _allow("LookAtTables", _TABLE_LOOKS, tables),
        _allow("MakeTables", _TABLE_CHANGES, [*tables, _table(estate, estate.transfers) + "/index/*"]),
        _allow(
            "KeepHostKeys",
            ("dynamodb:Query", "dynamodb:GetItem", "dynamodb:PutItem"),
            [_table(estate, estate.directory)],
        ),
        *_host_key_rights("EncryptHostKeys", ("kms:Encrypt",), estate),
        *([_allow("LookAtRoles", _ROLE_LOOKS, roles)] if roles else []),
        *([_allow("MakeRoles", _ROLE_CHANGES, roles)] if roles else []),
    )


POLICIES: dict[str, Callable[[Estate], Document]] = {
    "gateway": gateway_policy,
    "handlers": handlers_policy,
    "sweep": sweep_policy,
    "administrator": administrator_policy,
}

_BUCKET_LOOKS = (
    "s3:ListBucket",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:GetBucketPolicy",
    "s3:GetLifecycleConfiguration",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketNotification",
)
_BUCKET_CHANGES = (
    "s3:CreateBucket",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutBucketPolicy",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketNotification",
)
_KEY_LOOKS = ("kms:DescribeKey", "kms:GetKeyRotationStatus", "kms:GetKeyPolicy")
# Making a table under a key takes a grant for DynamoDB.
_KEY_CHANGES = (
    "kms:CreateKey",
    "kms:TagResource",
    "kms:CreateAlias",
    "kms:EnableKeyRotation",
    "kms:CreateGrant",
)
_TABLE_LOOKS = (
    "dynamodb:DescribeTable",
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeTimeToLive",
)
_TABLE_CHANGES = (
    "dynamodb:CreateTable",
    "dynamodb:TagResource",
    "dynamodb:UpdateTable",
    "dynamodb:UpdateContinuousBackups",
    "dynamodb:UpdateTimeToLive",
)
_ROLE_LOOKS = (
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListRolePolicies",
    "iam:ListAttachedRolePolicies",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
)
_ROLE_CHANGES = ("iam:CreateRole", "iam:TagRole", "iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy")


def _target_rights(estate: Estate, *, delivers: bool) -> Iterator[Document]:
    if not estate.targets:
        return
    buckets = sorted({bucket for bucket, _ in estate.targets})
    yield _allow("DeliveryTargetBuckets", ("s3:ListBucket",), [_bucket(estate, each) for each in buckets])
    if not delivers:
        # Whoever only records what is owed still looks whether the keys are there.
        yield from _key_rights("DeliveryTargetKeys", ("kms:DescribeKey",), estate.target_keys, estate)
        return
    copies = [f"{_bucket(estate, bucket)}/{prefix}*" for bucket, prefix in estate.targets]
    # Reading is for looking at what a copy would replace.
    write = ("s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", *_TAGS_WRITE)
    yield _allow("DeliveryCopies", write, copies)
    yield from _key_rights("DeliveryTargetKeys", _KEY_USE, estate.target_keys, estate)


def _key_rights(
    sid: str, actions: tuple[str, ...], keys: Iterable[str], estate: Estate, condition: Document | None = None
) -> Iterator[Document]:
    """Yield rights on keys: those known by ARN or id, and those known by alias only."""
    named = sorted(set(keys))
    aliases = [each for each in named if each.startswith("alias/")]
    arns = [_key_arn(each, estate) for each in named if each not in aliases]
    if arns:
        yield _with(_allow(sid, actions, arns), condition)
    if aliases:
        by_alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": aliases}}
        statement = _allow(f"{sid}ByAlias", actions, [_arn(estate, "kms", "key/*")])
        yield _with(statement, {**(condition or {}), **by_alias})


def _table_key_rights(estate: Estate) -> Iterator[Document]:
    if estate.tables_key:
        # DynamoDB opens its tables with the rights of whoever asks it.
        via = {"StringEquals": {"kms:ViaService": f"dynamodb.{estate.region}.amazonaws.com"}}
        use = ("kms:DescribeKey", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")
        yield from _key_rights("TableKey", use, [estate.tables_key], estate, via)


def _host_key_rights(sid: str, actions: tuple[str, ...], estate: Estate) -> Iterator[Document]:
    if estate.host_keys_key and estate.server_id:
        context = "kms:EncryptionContext:server_id"
        own = {"StringEquals": {context: estate.server_id}}
        if estate.makes_servers:
            own = {"StringLike": {context: "s-*"}}
        yield from _key_rights(sid, actions, [estate.host_keys_key], estate, own)


def _queue_rights(estate: Estate) -> Iterator[Document]:
    if estate.queue:
        take = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
        yield _allow("Events", take, [estate.queue])


def _telling_rights(estate: Estate) -> Iterator[Document]:
    if estate.log_group:
        put = ("logs:CreateLogStream", "logs:PutLogEvents")
        yield _allow("ActivityLogs", put, [_arn(estate, "logs", f"log-group:{estate.log_group}:*")])
    if estate.event_bus:
        is_arn = estate.event_bus.startswith("arn:")
        bus = estate.event_bus if is_arn else _arn(estate, "events", f"event-bus/{estate.event_bus}")
        yield _allow("ActivityEvents", ("events:PutEvents",), [bus])
    if estate.metrics_namespace:
        # Metrics have no ARNs: their namespace is what can be narrowed.
        own = {"StringEquals": {"cloudwatch:namespace": estate.metrics_namespace}}
        yield _with(_allow("ActivityMetrics", ("cloudwatch:PutMetricData",), ["*"]), own)


def _document(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(sid: str, actions: Iterable[str], resources: Iterable[str]) -> Document:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def _with(statement: Document, condition: Document | None) -> Document:
    return {**statement, "Condition": condition} if condition else statement


def _buckets(estate: Estate) -> list[str]:
    return [_bucket(estate, each) for each in estate.landing]


def _objects(estate: Estate) -> list[str]:
    return [f"{each}/*" for each in _buckets(estate)]


def _every_bucket(estate: Estate) -> list[str]:
    names = dict.fromkeys([*estate.landing, *(bucket for bucket, _ in estate.targets)])
    return [_bucket(estate, each) for each in names]


def _records(estate: Estate) -> list[str]:
    arn = _table(estate, estate.transfers)
    return [arn, f"{arn}/index/*"]


def _bucket(estate: Estate, name: str) -> str:
    return f"arn:{estate.partition}:s3:::{name}"


def _table(estate: Estate, name: str) -> str:
    return _arn(estate, "dynamodb", f"table/{name}")


def _key_arn(key: str, estate: Estate) -> str:
    return key if key.startswith("arn:") else _arn(estate, "kms", f"key/{key}")


def _arn(estate: Estate, service: str, resource: Any) -> str:
    return f"arn:{estate.partition}:{service}:{estate.region}:{estate.account}:{resource}"
