"""Workflows between a target and a file: known again by what they do."""

from __future__ import annotations

import io
from typing import Any, cast

import pytest

from tidegate.adapters.aws.transfer_directory import TransferUserDirectory
from tidegate.cli.partners_document import as_file
from tidegate.cli.workflows_in_file import made, settle, workflow_sections
from tidegate.core.errors import InvalidSettings, NotFound, Unsupported
from tidegate.core.servers import AttachedWorkflow, Server
from tidegate.settings import Settings, load

ROLE = "arn:aws:iam::123456789012:role/sftp"
ONE, OTHER, NEW = (f"w-{digit * 17}" for digit in "123")
TAG = {"Type": "TAG", "TagStepDetails": {"Name": "t", "Tags": [{"Key": "a", "Value": "b"}]}}
COPY = {
    "Type": "COPY",
    "CopyStepDetails": {
        "DestinationFileLocation": {"S3FileLocation": {"Bucket": "b-1", "Key": "${transfer:UserName}/"}}
    },
}
# The same as COPY, with what AWS adds to it.
COPY_SAID = {
    "Type": "COPY",
    "CopyStepDetails": {
        **COPY["CopyStepDetails"],  # type: ignore[dict-item]
        "OverwriteExisting": "FALSE",
        "SourceFileLocation": "${previous.file}",
    },
}
SERVER = Server("s-0123456789abcdef0", on_upload=AttachedWorkflow(ONE, ROLE))


class Workflows:
    """The workflows of an endpoint."""

    def __init__(self, offered: bool = True, **there: dict[str, Any]) -> None:
        self.there = {name.replace("_", "-"): members for name, members in there.items()}
        self.made: list[dict[str, Any]] = []
        self._offered = offered

    @property
    def directory(self) -> TransferUserDirectory:
        return cast(TransferUserDirectory, self)

    async def workflow_ids(self) -> list[str]:
        if not self._offered:
            raise Unsupported("ListWorkflows: NotImplementedException")
        return sorted(self.there)

    async def workflow(self, workflow_id: str) -> dict[str, Any]:
        if not self._offered:
            raise Unsupported("DescribeWorkflow: NotImplementedException")
        if workflow_id not in self.there:
            raise NotFound("DescribeWorkflow: ResourceNotFoundException")
        return {"WorkflowId": workflow_id, **self.there[workflow_id]}

    async def make_workflow(self, members: dict[str, Any]) -> str:
        self.made.append(members)
        return NEW


def at(**there: dict[str, Any]) -> Workflows:
    return Workflows(True, **there)


async def exported(workflows: Workflows) -> Settings:
    sections = await workflow_sections(workflows.directory, SERVER)
    return load("-", {}, io.StringIO(as_file(SERVER, [], sections))).settings


FULL = {
    "Description": "copies",
    "Steps": [COPY_SAID],
    "OnExceptionSteps": [TAG],
    "Tags": [{"Key": "aws:x", "Value": "y"}, {"Key": "team", "Value": "blue"}],
}


async def test_the_same_elsewhere_is_taken() -> None:
    """Whatever id it has there, and if it says less of what goes without saying."""
    settings = await exported(at(**{ONE: FULL}))
    assert settings.workflows[0].members == {
        **FULL,
        "Tags": [{"Key": "team", "Value": "blue"}],
    }
    target = at(**{OTHER: {"Description": "copies", "Steps": [COPY], "OnExceptionSteps": [TAG]}})
    settled = await settle(target.directory, settings.server.members, settings.workflows)
    assert settled.missing == ()
    assert settled.server["on_upload"] == AttachedWorkflow(OTHER, ROLE)
    assert settled.server["on_partial_upload"] is None
    both = at(**{OTHER: FULL, ONE: FULL, NEW: FULL})
    again = await settle(both.directory, settings.server.members, settings.workflows)
    assert again.server["on_upload"] == AttachedWorkflow(ONE, ROLE)


async def test_one_that_is_not_there_is_made() -> None:
    """Of its definition, and the server names it by the id it is given."""
    settings = await exported(at(**{ONE: FULL}))
    target = at(**{ONE: {"Steps": [TAG]}})
    settled = await settle(target.directory, settings.server.members, settings.workflows)
    assert [change.what for change in settled.changes] == [f"workflow {ONE} copies"]
    server = await made(target.directory, settled)
    assert server["on_upload"] == AttachedWorkflow(NEW, ROLE)
    assert target.made == [{**FULL, "Tags": [{"Key": "team", "Value": "blue"}]}]


async def test_an_endpoint_without_workflows(capsys: pytest.CaptureFixture[str]) -> None:
    """It is passed over with a line, and the ids stay what they are."""
    none = Workflows(offered=False)
    assert await workflow_sections(none.directory, SERVER) == []
    assert f"passed over the workflow {ONE}: DescribeWorkflow" in capsys.readouterr().err
    settings = await exported(at(**{ONE: FULL}))
    settled = await settle(none.directory, settings.server.members, settings.workflows)
    assert (settled.server, settled.missing) == (settings.server.members, ())
    assert "passed over the workflows of the file: ListWorkflows" in capsys.readouterr().err


async def test_a_workflow_that_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    """The server still names it, and the file says no more of it."""
    assert await workflow_sections(at().directory, SERVER) == []
    assert "ResourceNotFoundException" in capsys.readouterr().err


async def test_nothing_is_asked_for_where_no_workflow_is_named() -> None:
    """A file of partners alone needs no right to list workflows."""
    none = Workflows(offered=False)
    settled = await settle(none.directory, {"pre_login_banner": "x", "on_upload": None}, ())
    assert settled.server == {"pre_login_banner": "x", "on_upload": None}


def test_a_step_has_a_type() -> None:
    """The rest of it is the API's to check."""
    with pytest.raises(InvalidSettings, match="expected a step with a Type of COPY"):
        load("-", {}, io.StringIO(f"workflows: [{{id: {ONE}, steps: [{{Type: MOVE}}]}}]"))
