"""What every `WorkflowDirectory` promises, whoever offers it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tidegate.core.errors import AlreadyExists, NotFound
from tidegate.core.workflows import Step, Workflow

ID, OTHER = "w-0123456789abcdef0", "w-1123456789abcdef0"
FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:f"
PLACE = {"S3FileLocation": {"Bucket": "archive", "Key": "${transfer:UserName}/ü/"}}
FULL = Workflow(
    ID,
    "all of it",
    (
        Step("COPY", {"Name": "keep", "DestinationFileLocation": PLACE, "OverwriteExisting": "TRUE"}),
        Step("CUSTOM", {"Target": FUNCTION, "TimeoutSeconds": 60}),
    ),
    (
        Step("TAG", {"Tags": [{"Key": "bad", "Value": ""}], "SourceFileLocation": "${original.file}"}),
        Step("DELETE", {}),
    ),
    (("team", "blue"), ("ü", "")),
    ("arn:aws:logs:eu-west-1:111122223333:log-group:flow:*",),
)


async def test_comes_back_as_it_was_added(workflows):
    """Every member of every step, with numbers as numbers."""
    await workflows.add_workflow(FULL)
    assert await workflows.workflow(ID) == FULL
    assert await workflows.workflows("", 10) == [FULL]


async def test_in_order_and_in_parts(workflows):
    """Listed by their ids, after any of them, whether it is there or not."""
    for workflow_id in (OTHER, ID):
        await workflows.add_workflow(Workflow(workflow_id))
    assert await workflows.workflows("", 10) == [Workflow(ID), Workflow(OTHER)]
    assert await workflows.workflows("", 1) == [Workflow(ID)]
    assert await workflows.workflows(ID, 10) == [Workflow(OTHER)]
    await workflows.remove_workflow(ID)
    assert await workflows.workflows(ID, 10) == [Workflow(OTHER)]
    assert await workflows.workflows(OTHER, 10) == []


async def test_one_id_is_given_once(workflows):
    """The first stays."""
    await workflows.add_workflow(FULL)
    with pytest.raises(AlreadyExists):
        await workflows.add_workflow(Workflow(ID))
    assert await workflows.workflow(ID) == FULL


async def test_race_of_changes_loses_none(workflows):
    """What several tag at once is all there; the rest of a workflow does not change."""
    await workflows.add_workflow(replace(FULL, tags=()))
    await asyncio.gather(
        *(
            workflows.change_workflow(
                ID, lambda there, n=n: replace(there, tags=(*there.tags, (f"k{n}", "")), description="x")
            )
            for n in range(3)
        )
    )
    found = await workflows.workflow(ID)
    assert sorted(found.tags) == [("k0", ""), ("k1", ""), ("k2", "")]
    assert found == replace(FULL, tags=found.tags)


async def test_missing(workflows):
    """A workflow that is not there cannot be read, changed or removed."""
    await workflows.add_workflow(Workflow(OTHER))
    for attempt in (
        lambda: workflows.workflow(ID),
        lambda: workflows.change_workflow(ID, lambda there: there),
        lambda: workflows.remove_workflow(ID),
    ):
        with pytest.raises(NotFound):
            await attempt()
    assert await workflows.workflows("", 10) == [Workflow(OTHER)]
