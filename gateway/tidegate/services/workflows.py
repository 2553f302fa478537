"""Administering workflows: what is behind the Transfer API's operations on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tidegate.core.errors import InvalidName
from tidegate.core.ids import new_workflow_id
from tidegate.core.limits import TRANSFER_WORKFLOWS_PER_ACCOUNT
from tidegate.core.tags import tagged, untagged
from tidegate.core.workflows import Workflow
from tidegate.ports.workflows import WorkflowDirectory


class Workflows:
    """Workflows, and what may be done with them."""

    def __init__(self, directory: WorkflowDirectory) -> None:
        self._directory = directory

    async def create(self, wanted: Workflow) -> Workflow:
        """
        Keep a workflow under an id of its own, and return it so.

        Raises:
            InvalidName: A tag cannot be used, or there are as many workflows as there can be. Several that
                are made at the same moment may pass that bound.
        """
        most = TRANSFER_WORKFLOWS_PER_ACCOUNT
        made = replace(wanted, workflow_id=new_workflow_id(), tags=tagged((), wanted.tags))
        if len(await self._directory.workflows("", most)) >= most:
            raise InvalidName(
                f"there are {most} workflows, the most there can be", hint="delete one that is not used"
            )
        await self._directory.add_workflow(made)
        return made

    async def get(self, workflow_id: str) -> Workflow:
        """Return the workflow. Raises `NotFound`."""
        return await self._directory.workflow(workflow_id)

    async def page(self, after: str, limit: int) -> list[Workflow]:
        """Return up to `limit` workflows whose ids come after `after`, in order of their ids."""
        return await self._directory.workflows(after, limit)

    async def remove(self, workflow_id: str) -> None:
        """Remove the workflow, also one that servers name. Raises `NotFound`."""
        await self._directory.remove_workflow(workflow_id)

    async def tag(self, workflow_id: str, tags: Iterable[tuple[str, str]]) -> Workflow:
        """Add tags, or give them other values. Raises `NotFound`, `InvalidName`."""
        added = tuple(tags)
        return await self._directory.change_workflow(
            workflow_id, lambda workflow: replace(workflow, tags=tagged(workflow.tags, added))
        )

    async def untag(self, workflow_id: str, keys: Iterable[str]) -> Workflow:
        """Take tags away; one that is not there is no error. Raises `NotFound`."""
        gone = frozenset(keys)
        return await self._directory.change_workflow(
            workflow_id, lambda workflow: replace(workflow, tags=untagged(workflow.tags, gone))
        )

    async def check_attachable(self, workflow_ids: Iterable[str]) -> None:
        """Return if a server may name all of these. Raises `NotFound` for the first that is not there."""
        for workflow_id in workflow_ids:
            await self._directory.workflow(workflow_id)
