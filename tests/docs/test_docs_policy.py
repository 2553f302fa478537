"""The policies in docs/serve.md against the calls the adapters make."""

from __future__ import annotations

import ast
import json

from docs_pages import ROOT, blocks, text_of

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
    "list_multipart_uploads": {"s3:ListBucketMultipartUploads"},
    "head_bucket": {"s3:ListBucket"},
    "get_bucket_versioning": {"s3:GetBucketVersioning"},
    "describe_key": {"kms:DescribeKey"},
    "describe_table": {"dynamodb:DescribeTable"},
    "query": {"dynamodb:Query"},
    "put_item": {"dynamodb:PutItem"},
    "update_item": {"dynamodb:UpdateItem"},
    "get_item": {"dynamodb:GetItem"},
    "delete_item": {"dynamodb:DeleteItem"},
    "scan": {"dynamodb:Scan"},
    # The members of a transaction are authorised one by one.
    "transact_write_items": {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"},
}
# Making what is missing, and emptying what is full: `serve` never does.
LOCAL_ONLY = {
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
_CLIENT_NAMES = {"s3", "s3_patient", "s3_once", "dynamodb", "kms"}
_NO_CALLS = {"get_paginator", "get_waiter", "close"}


def aws_calls() -> set[str]:
    """Return the names of all calls to AWS in the adapters, those by paginators included."""
    found = set()
    for path in (ROOT / "gateway/tidegate/adapters/aws").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and _name(node.value) in _CLIENT_NAMES:
                found.add(node.attr)
            if isinstance(node, ast.Call) and _name(node.func) == "get_paginator":
                found.add(str(ast.literal_eval(node.args[0])))
    return found - _NO_CALLS


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def policy_actions() -> dict[str, set[str]]:
    """Return the actions of each statement of the policies in docs/serve.md, by its Sid."""
    documents = [json.loads(block) for block in blocks(text_of("docs/serve.md"), "json")]
    statements = [statement for document in documents for statement in document.get("Statement", ())]
    return {
        each["Sid"]: {each["Action"]} if isinstance(each["Action"], str) else set(each["Action"])
        for each in statements
    }


def test_the_policy_allows_every_call_of_the_adapters() -> None:
    """A call the code makes without the permission in docs/serve.md would fail only in production."""
    calls = aws_calls() - LOCAL_ONLY
    assert calls <= ACTIONS.keys(), "say above what AWS asks for these"
    allowed = set().union(*policy_actions().values())
    needed = set().union(*(ACTIONS[call] for call in calls))
    assert needed <= allowed
    assert allowed - needed == {"kms:GenerateDataKey", "kms:Decrypt"}  # S3 makes these calls for us


def test_the_policy_of_the_gateway_deletes_no_record() -> None:
    """Items may be deleted of the directory alone: leases by the gateway, partners by the administrator."""
    allowed = policy_actions()
    may_delete = {sid for sid, actions in allowed.items() if "dynamodb:DeleteItem" in actions}
    assert may_delete == {"Directory", "Administrator"}
    assert "Records" in allowed
