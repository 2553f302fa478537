"""Workflows in the Transfer API: boto3 as it comes, against a running gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.transfer_client import Transfer

NOBODY = "w-0123456789abcdef0"
EXECUTION = "5d7a2f0e-1111-4222-8333-abcdef012345"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:check"
STEPS: list[dict[str, Any]] = [
    {
        "Type": "COPY",
        "CopyStepDetails": {
            "Name": "keep",
            "DestinationFileLocation": {
                "S3FileLocation": {"Bucket": "archive", "Key": "${transfer:UserName}/${transfer:UploadDate}/"}
            },
            "OverwriteExisting": "TRUE",
            "SourceFileLocation": "${original.file}",
        },
    },
    {
        "Type": "DECRYPT",
        "DecryptStepDetails": {
            "Type": "PGP",
            "DestinationFileLocation": {"S3FileLocation": {"Bucket": "archive", "Key": "clear/"}},
        },
    },
    {"Type": "TAG", "TagStepDetails": {"Tags": [{"Key": "seen", "Value": "yes"}]}},
    {"Type": "CUSTOM", "CustomStepDetails": {"Target": FUNCTION, "TimeoutSeconds": 1800}},
]
DELETE: dict[str, Any] = {"Type": "DELETE", "DeleteStepDetails": {"SourceFileLocation": "${original.file}"}}
LOGS = "arn:aws:logs:us-east-1:123456789012:log-group:flows:*"


@pytest.fixture(autouse=True)
def none_left(transfer: Transfer) -> Iterator[None]:
    yield
    for workflow in transfer("list_workflows")["Workflows"]:
        transfer("delete_workflow", WorkflowId=workflow["WorkflowId"])


@pytest.fixture
def workflow_id(transfer: Transfer) -> str:
    return str(transfer("create_workflow", Steps=[DELETE])["WorkflowId"])


def arn_of(transfer: Transfer, workflow_id: str) -> str:
    return f"{transfer.arn.split(':server/')[0]}:workflow/{workflow_id}"


def test_a_workflow_is_shown_as_it_was_made(transfer: Transfer) -> None:
    """With an id and an ARN of AWS's form, and every member of every step."""
    made = transfer(
        "create_workflow",
        Description="what comes in",
        Steps=STEPS,
        OnExceptionSteps=[DELETE],
        Tags=[{"Key": "team", "Value": "blue"}],
        StructuredLogDestinations=[LOGS],
    )
    workflow_id = made.pop("WorkflowId")
    assert made == {}
    assert workflow_id[:2] == "w-"
    assert len(bytes.fromhex(workflow_id[2:] + "0")) == 9
    common = {
        "Arn": arn_of(transfer, workflow_id),
        "Description": "what comes in",
        "WorkflowId": workflow_id,
    }
    assert transfer("describe_workflow", WorkflowId=workflow_id)["Workflow"] == {
        **common,
        "Steps": STEPS,
        "OnExceptionSteps": [DELETE],
        "Tags": [{"Key": "team", "Value": "blue"}],
        "StructuredLogDestinations": [LOGS],
    }
    assert transfer("list_workflows") == {"Workflows": [common]}
    assert transfer("delete_workflow", WorkflowId=workflow_id) == {}
    assert transfer("list_workflows") == {"Workflows": []}


def test_ten_in_pages_and_no_more(transfer: Transfer) -> None:
    """As many as an account may have, each once by boto3's paginator."""
    made = {transfer("create_workflow", Steps=[DELETE])["WorkflowId"] for _ in range(10)}
    pages = list(transfer.client.get_paginator("list_workflows").paginate(PaginationConfig={"PageSize": 4}))
    listed = [workflow["WorkflowId"] for page in pages for workflow in page["Workflows"]]
    assert (len(pages), len(listed), set(listed)) == (3, 10, made)
    error = transfer.refused("create_workflow", Steps=[DELETE])
    assert error["Code"] == "InvalidRequestException"
    assert "there are 10 workflows" in error["Message"]
    assert transfer.refused("list_workflows", NextToken="x")["Code"] == "InvalidNextTokenException"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"Steps": [{"Type": "COPY", "DeleteStepDetails": {}}]}, "a step of Type COPY has CopyStepDetails"),
        ({"Steps": [], "OnExceptionSteps": [{"Type": "CUSTOM", "CustomStepDetails": {}}]}, "Target"),
        ({"Steps": [DELETE], "Tags": [{"Key": "aws:x", "Value": ""}]}, "aws:"),
        ({"Steps": [DELETE], "Description": "a: b"}, "'description' failed to satisfy constraint"),
        ({"Steps": [DELETE] * 9}, "'steps' failed to satisfy constraint"),
    ],
)
def test_what_cannot_be_a_workflow(transfer: Transfer, members: dict[str, Any], said: str) -> None:
    """InvalidRequestException with the reason; none is made."""
    error = transfer.refused("create_workflow", **members)
    assert error["Code"] == "InvalidRequestException"
    assert said in error["Message"]
    assert transfer("list_workflows")["Workflows"] == []


def test_tags(transfer: Transfer, workflow_id: str) -> None:
    """They come and go by ARN as those of servers and users do."""
    arn = arn_of(transfer, workflow_id)
    transfer("tag_resource", Arn=arn, Tags=[{"Key": key, "Value": ""} for key in "ba"])
    transfer("untag_resource", Arn=arn, TagKeys=["b"])
    assert transfer("list_tags_for_resource", Arn=arn)["Tags"] == [{"Key": "a", "Value": ""}]
    described = transfer("describe_workflow", WorkflowId=workflow_id)["Workflow"]
    assert described["Tags"] == [{"Key": "a", "Value": ""}]
    error = transfer.refused("tag_resource", Arn=arn_of(transfer, NOBODY), Tags=[{"Key": "a", "Value": ""}])
    assert (error["Code"], error["ResourceType"]) == ("ResourceNotFoundException", "Workflow")


def test_no_execution_is_under_way(transfer: Transfer, workflow_id: str) -> None:
    """What AWS says of one that has ended is said of any."""
    named = {"WorkflowId": workflow_id, "ExecutionId": EXECUTION}
    assert transfer("list_executions", WorkflowId=workflow_id) == {
        "WorkflowId": workflow_id,
        "Executions": [],
    }
    error = transfer.refused("list_executions", WorkflowId=workflow_id, NextToken="x")
    assert error["Code"] == "InvalidNextTokenException"
    for error in (
        transfer.refused("describe_execution", **named),
        transfer.refused("send_workflow_step_state", **named, Token="abc", Status="SUCCESS"),
    ):
        assert (error["Code"], error["ResourceType"]) == ("ResourceNotFoundException", "Execution")
        assert (error["Resource"], error["Message"]) == (EXECUTION, "Unknown execution")


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("describe_workflow", {}),
        ("delete_workflow", {}),
        ("list_executions", {}),
        ("describe_execution", {"ExecutionId": EXECUTION}),
        ("send_workflow_step_state", {"ExecutionId": EXECUTION, "Token": "abc", "Status": "FAILURE"}),
    ],
)
def test_workflows_that_are_not_there(transfer: Transfer, operation: str, members: dict[str, str]) -> None:
    """ResourceNotFoundException with its id and kind."""
    error = transfer.refused(operation, WorkflowId=NOBODY, **members)
    assert (error["Code"], error["ResourceType"]) == ("ResourceNotFoundException", "Workflow")
    assert (error["Resource"], error["Message"]) == (NOBODY, "Unknown workflow")
