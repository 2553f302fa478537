"""Steps of workflows, and what could never be run."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.core.errors import InvalidName
from tidegate.core.workflows import Step, step_of, steps_of

FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:check"
PLACE = {"S3FileLocation": {"Bucket": "archive", "Key": "x/"}}
COPY = {"Type": "COPY", "CopyStepDetails": {"Name": "keep", "DestinationFileLocation": PLACE}}
TAG = {"Type": "TAG", "TagStepDetails": {"Tags": [{"Key": "seen", "Value": ""}]}}
DELETE: dict[str, Any] = {"Type": "DELETE", "DeleteStepDetails": {}}
CUSTOM = {"Type": "CUSTOM", "CustomStepDetails": {"Target": FUNCTION, "TimeoutSeconds": 60}}
DECRYPT = {"Type": "DECRYPT", "DecryptStepDetails": {"Type": "PGP", "DestinationFileLocation": PLACE}}


def copy_to(**place: Any) -> dict[str, Any]:
    return {"Type": "COPY", "CopyStepDetails": {"Name": "keep", "DestinationFileLocation": place}}


def tags(*keys: str) -> dict[str, Any]:
    return {"Type": "TAG", "TagStepDetails": {"Tags": [{"Key": key, "Value": ""} for key in keys]}}


@pytest.mark.parametrize("member", [COPY, TAG, DELETE, CUSTOM, DECRYPT], ids=lambda member: member["Type"])
def test_a_step_is_written_as_it_was_read(member):
    """By the API's own names."""
    step = step_of(member)
    assert isinstance(step, Step)
    assert step.member() == member


@pytest.mark.parametrize(
    "key",
    ["a.csv", "${transfer:UserName}/", "x/${transfer:UploadDate}-${Transfer:UserName}", "$a{b}"],
)
def test_keys_of_a_copy(key):
    """Text and the two variables, mixed."""
    step_of(copy_to(S3FileLocation={"Bucket": "archive", "Key": key}))


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ({}, "a step has no Type"),
        ({"Type": "COPY"}, "CopyStepDetails and no other details, not none"),
        ({"Type": "COPY", "TagStepDetails": {}}, "not TagStepDetails"),
        ({**COPY, "DeleteStepDetails": {}}, "not CopyStepDetails, DeleteStepDetails"),
        (copy_to(), "step keep: DestinationFileLocation names no S3FileLocation"),
        (copy_to(S3FileLocation={"Bucket": "archive"}), "with Bucket and Key"),
        (copy_to(S3FileLocation={"Bucket": "archive", "Key": ""}), "with Bucket and Key"),
        (copy_to(EfsFileLocation={"Path": "/x"}), "on EFS"),
        (copy_to(S3FileLocation={"Bucket": "b-1", "Key": "${user}/"}), "${user} in Key is neither"),
        (copy_to(S3FileLocation={"Bucket": "b-1", "Key": "x/${transfer:UserName"}), None),
        ({"Type": "CUSTOM", "CustomStepDetails": {}}, "Target is not named"),
        (
            {"Type": "CUSTOM", "CustomStepDetails": {"Target": "arn:aws:lambda:x"}},
            "must be the ARN of a Lambda",
        ),
        ({"Type": "TAG", "TagStepDetails": {}}, "there are 0 tags"),
        (tags(*map(str, range(11))), "there are 11 tags"),
        (tags("a", "b", "a"), "the tag 'a' is named 2 times"),
        ({"Type": "DELETE", "DeleteStepDetails": {"SourceFileLocation": "${next.file}"}}, "${next.file}"),
    ],
)
def test_what_could_never_be_run(member, said):
    """Refused with the reason, and with the name of the step if it has one."""
    if said is None:
        step_of(member)
        return
    with pytest.raises(InvalidName) as refused:
        step_of(member)
    assert said in str(refused.value)


def test_eight_steps_and_no_more():
    """As many as AWS takes, in their order."""
    eight = [COPY, TAG, DELETE, CUSTOM, DECRYPT, TAG, TAG, DELETE]
    assert [step.member() for step in steps_of(eight)] == eight
    with pytest.raises(InvalidName):
        steps_of([*eight, TAG])
