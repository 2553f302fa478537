"""The policies in the pages, and of those who run `setup`, against the calls the adapters make."""

from __future__ import annotations

import ast
import json
from dataclasses import replace

from diagrams import EXAMPLE
from docs_pages import ROOT, blocks, text_of

from tidegate.core.policies import gateway_policy, setup_policy

# What AWS asks for each call. Source: Service Authorization Reference; S3 API Reference.
ACTIONS = {
    "put_object": {"s3:PutObject"},
    "create_multipart_upload": {"s3:PutObject"},
    "upload_part": {"s3:PutObject"},
    "complete_multipart_upload": {"s3:PutObject"},
    "abort_multipart_upload": {"s3:AbortMultipartUpload"},
    "head_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "get_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "copy_object": {"s3:PutObject", "s3:GetObject", "s3:GetObjectVersion"},
    "upload_part_copy": {"s3:PutObject", "s3:GetObject", "s3:GetObjectVersion"},
    "delete_object": {"s3:DeleteObject"},
    "list_objects_v2": {"s3:ListBucket"},
    "list_object_versions": {"s3:ListBucketVersions"},
    "list_parts": {"s3:ListMultipartUploadParts"},
    "list_multipart_uploads": {"s3:ListBucketMultipartUploads"},
    "head_bucket": {"s3:ListBucket"},
    "get_bucket_versioning": {"s3:GetBucketVersioning"},
    # Of the current version, and of a named one.
    "get_object_tagging": {"s3:GetObjectTagging", "s3:GetObjectVersionTagging"},
    "put_object_tagging": {"s3:PutObjectTagging", "s3:PutObjectVersionTagging"},
    "describe_key": {"kms:DescribeKey"},
    "describe_table": {"dynamodb:DescribeTable"},
    "query": {"dynamodb:Query"},
    "put_item": {"dynamodb:PutItem"},
    "update_item": {"dynamodb:UpdateItem"},
    "get_item": {"dynamodb:GetItem"},
    "delete_item": {"dynamodb:DeleteItem"},
    "decrypt": {"kms:Decrypt"},
    "encrypt": {"kms:Encrypt"},
    "get_caller_identity": set(),  # everybody may ask who they are
    "generate_data_key": {"kms:GenerateDataKey"},
    "assume_role": {"sts:AssumeRole"},
    # The members of a transaction are authorised one by one.
    "transact_write_items": {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"},
}
# Making what is missing, and emptying what is full: `serve` never does.
# `encrypt` closes host keys, which `setup` alone does.
# Roles of users are read to be evaluated, which `serve` leaves to IAM itself.
LOCAL_ONLY = {
    "get_policy",
    "get_policy_version",
    "get_role",
    "get_role_policy",
    "list_attached_role_policies",
    "list_role_policies",
    "encrypt",
    "create_alias",
    "create_bucket",
    "create_key",
    "create_table",
    "put_bucket_encryption",
    "put_bucket_lifecycle_configuration",
    "put_bucket_versioning",
    "update_continuous_backups",
    "update_time_to_live",
}
# What AWS asks for the calls that only `setup` makes.
SETUP_ACTIONS = {
    "head_bucket": {"s3:ListBucket"},
    "create_bucket": {"s3:CreateBucket", "s3:PutBucketOwnershipControls"},
    "get_public_access_block": {"s3:GetBucketPublicAccessBlock"},
    "put_public_access_block": {"s3:PutBucketPublicAccessBlock"},
    "get_bucket_ownership_controls": {"s3:GetBucketOwnershipControls"},
    "put_bucket_ownership_controls": {"s3:PutBucketOwnershipControls"},
    "get_bucket_versioning": {"s3:GetBucketVersioning"},
    "put_bucket_versioning": {"s3:PutBucketVersioning"},
    "get_bucket_encryption": {"s3:GetEncryptionConfiguration"},
    "put_bucket_encryption": {"s3:PutEncryptionConfiguration"},
    "get_bucket_policy": {"s3:GetBucketPolicy"},
    "put_bucket_policy": {"s3:PutBucketPolicy"},
    "get_bucket_lifecycle_configuration": {"s3:GetLifecycleConfiguration"},
    "put_bucket_lifecycle_configuration": {"s3:PutLifecycleConfiguration"},
    "get_object_lock_configuration": {"s3:GetBucketObjectLockConfiguration"},
    "put_object_lock_configuration": {"s3:PutBucketObjectLockConfiguration"},
    "get_bucket_notification_configuration": {"s3:GetBucketNotification"},
    "put_bucket_notification_configuration": {"s3:PutBucketNotification"},
    "describe_key": {"kms:DescribeKey"},
    "create_key": {"kms:CreateKey", "kms:TagResource"},
    "create_alias": {"kms:CreateAlias"},
    "get_key_rotation_status": {"kms:GetKeyRotationStatus"},
    "enable_key_rotation": {"kms:EnableKeyRotation"},
    "get_key_policy": {"kms:GetKeyPolicy"},
    "describe_table": {"dynamodb:DescribeTable"},
    "create_table": {"dynamodb:CreateTable", "dynamodb:TagResource", "kms:CreateGrant"},
    "update_table": {"dynamodb:UpdateTable"},
    "describe_continuous_backups": {"dynamodb:DescribeContinuousBackups"},
    "update_continuous_backups": {"dynamodb:UpdateContinuousBackups"},
    "describe_time_to_live": {"dynamodb:DescribeTimeToLive"},
    "update_time_to_live": {"dynamodb:UpdateTimeToLive"},
    "get_role": {"iam:GetRole"},
    "create_role": {"iam:CreateRole", "iam:TagRole"},
    "update_assume_role_policy": {"iam:UpdateAssumeRolePolicy"},
    "get_role_policy": {"iam:GetRolePolicy"},
    "put_role_policy": {"iam:PutRolePolicy"},
    "list_role_policies": {"iam:ListRolePolicies"},
    "list_attached_role_policies": {"iam:ListAttachedRolePolicies"},
    "get_policy": {"iam:GetPolicy"},
    "get_policy_version": {"iam:GetPolicyVersion"},
    # Everybody may ask who they are.
    "get_caller_identity": set(),
}
# Of the directory table, and of KMS: host keys are kept there.
_HOST_KEY_ACTIONS = {"dynamodb:Query", "dynamodb:GetItem", "dynamodb:PutItem", "kms:Encrypt"}
_CLIENT_NAMES = {"s3", "s3_patient", "s3_once", "dynamodb", "kms", "iam", "sts"}
TRANSFER_CALLS = "transfer_directory.py"
# What AWS asks for the calls that tell of transfers: where they are configured, and only there.
TELLING_ACTIONS = {
    "create_log_stream": {"logs:CreateLogStream"},
    "put_log_events": {"logs:PutLogEvents"},
    # For a logging role alone, which only the API knows of: docs/logs-and-events.md says so.
    "create_log_group": set(),
    "put_events": {"events:PutEvents"},
    "put_metric_data": {"cloudwatch:PutMetricData"},
}
_NO_CALLS = {"get_paginator", "get_waiter", "close"}


def aws_calls(folder: str = "gateway/tidegate/adapters/aws", clients: set[str] = _CLIENT_NAMES) -> set[str]:
    """Return the names of all calls to AWS in the adapters of a folder, those by paginators included."""
    found = set()
    for path in (ROOT / folder).glob("*.py"):
        if path.name == TRANSFER_CALLS:  # with the rights of a person's profile, below
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and _name(node.value) in clients:
                found.add(node.attr)
            if isinstance(node, ast.Call) and _name(node.func) == "get_paginator":
                found.add(str(ast.literal_eval(node.args[0])))
    return found - _NO_CALLS


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def transfer_calls() -> set[str]:
    """Return the operations of Transfer Family that commands with --transfer ask for."""
    text = (ROOT / "gateway/tidegate/adapters/aws" / TRANSFER_CALLS).read_text(encoding="utf-8")
    return {
        str(node.args[0].value)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and _name(node.func) in ("_call", "_pages")
        if isinstance(node.args[0], ast.Constant)
    }


def test_the_policies_of_one_file_allow_every_call_to_transfer_family() -> None:
    """Reading takes the first policy of the page, changing the second as well; no more than is asked."""
    reading, changing = (
        json.loads(block)["Statement"] for block in blocks(text_of("docs/one-file.md"), "json")
    )
    asked = {f"transfer:{''.join(map(str.capitalize, name.split('_')))}" for name in transfer_calls()}
    reads = {action for action in asked if action.startswith(("transfer:Describe", "transfer:List"))}
    assert {action for each in reading for action in each["Action"]} == reads
    # AWS asks it of whoever names a role; the role of users is named by CreateUser.
    assert {action for each in changing for action in each["Action"]} == asked - reads | {"iam:PassRole"}


def policy_actions() -> dict[str, set[str]]:
    """Return the actions of each statement of the policies in docs/serve.md, by its Sid."""
    documents = [json.loads(block) for block in blocks(text_of("docs/serve.md"), "json")]
    statements = [statement for document in documents for statement in document.get("Statement", ())]
    return {each["Sid"]: set(each["Action"]) for each in statements}


def test_the_policy_allows_every_call_of_the_adapters() -> None:
    """A call the code makes without the permission in docs/serve.md would fail only in production."""
    calls = aws_calls() - LOCAL_ONLY
    assert calls <= ACTIONS.keys(), "say above what AWS asks for these"
    allowed = set().union(*policy_actions().values())
    needed = set().union(*(ACTIONS[call] for call in calls))
    assert needed <= allowed
    # S3 makes the calls to KMS for us, and reads and writes tags when it copies.
    assert {action for action in allowed - needed if "Tagging" not in action} <= {
        "kms:GenerateDataKey",
        "kms:Decrypt",
    }


def test_what_is_told_is_allowed_where_it_is_configured() -> None:
    """The calls to CloudWatch and EventBridge, no more, and nothing of it elsewhere."""
    by_paginators = aws_calls(clients=set())
    assert aws_calls(clients={"logs", "events", "cloudwatch"}) - by_paginators == TELLING_ACTIONS.keys()
    telling = replace(EXAMPLE, log_group="/sftp/activity", event_bus="default", metrics_namespace="Own")
    silent, told = (gateway_policy(estate)["Statement"] for estate in (EXAMPLE, telling))
    added = set().union(*(each["Action"] for each in told if each not in silent))
    assert added == set().union(*TELLING_ACTIONS.values())


def test_whoever_runs_setup_is_allowed_every_call_of_it() -> None:
    """And nothing besides."""
    calls = aws_calls("gateway/tidegate/adapters/aws/account")
    assert calls <= SETUP_ACTIONS.keys(), "say above what AWS asks for these"
    statements = setup_policy(EXAMPLE, ["tidegate-gateway"])["Statement"]
    allowed = set().union(*(each["Action"] for each in statements))
    assert allowed == _HOST_KEY_ACTIONS.union(*(SETUP_ACTIONS[call] for call in calls))


def test_the_policy_of_the_gateway_deletes_no_record() -> None:
    """Items may be deleted of the directory alone: leases by the gateway, partners by the administrator."""
    allowed = policy_actions()
    may_delete = {sid for sid, actions in allowed.items() if "dynamodb:DeleteItem" in actions}
    assert may_delete == {"Directory", "Administrator"}
    assert "Records" in allowed
