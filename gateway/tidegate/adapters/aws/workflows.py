"""
Workflows in the directory table, one row each in a partition of their own:

    Server = workflows, Entry = WORKFLOWID      attributes as the Transfer API calls them
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.directory_items import new_generation
from tidegate.adapters.aws.directory_table import ABSENT, DirectoryTable
from tidegate.adapters.aws.items import Item
from tidegate.adapters.aws.server_items import tag_items, tags_of
from tidegate.core.errors import AlreadyExists, ChangedMeanwhile, NotFound
from tidegate.core.workflows import Workflow, steps_of

_PARTITION = "workflows"
_LAST = "w-~"  # sorts after every id
# Rivals that change the same tags this often in a row are not people.
_TRIES = 5


class DynamoWorkflows:
    """The port `WorkflowDirectory` over the directory table."""

    def __init__(self, clients: AwsClients, table_name: str) -> None:
        self._table = DirectoryTable(clients, table_name)

    async def add_workflow(self, workflow: Workflow) -> None:
        row = workflow_item(workflow)
        try:
            # Of the same generation is our own write, sent again after a lost answer.
            await self._table.put(
                row, f"{ABSENT} OR Generation = :generation", generation=str(row["Generation"])
            )
        except ChangedMeanwhile as error:
            raise AlreadyExists(f"there is a workflow {workflow.workflow_id}") from error

    async def workflow(self, workflow_id: str) -> Workflow:
        return _workflow(await self._there(workflow_id))

    async def workflows(self, after: str, limit: int) -> list[Workflow]:
        found: list[Workflow] = []
        async for row in self._table.rows(_PARTITION, after or "w-", _LAST):
            if row["Entry"] != after:
                found.append(_workflow(row))
            if len(found) == limit:
                break
        return found

    async def change_workflow(self, workflow_id: str, change: Callable[[Workflow], Workflow]) -> Workflow:
        for _ in range(_TRIES):
            row = await self._there(workflow_id)
            there, after = _workflow(row), new_generation()
            changed = replace(there, tags=change(there).tags)
            with suppress(ChangedMeanwhile):
                await self._table.change(
                    row,
                    {"Tags": tag_items(changed.tags), "Revision": after},
                    "Revision IN (:before, :after)",
                    before=row["Revision"],
                    after=after,
                )
                return changed
        raise ChangedMeanwhile(f"workflow {workflow_id} is being changed by others all the time")

    async def remove_workflow(self, workflow_id: str) -> None:
        await self._table.delete(await self._there(workflow_id))

    async def _there(self, workflow_id: str) -> Item:
        row = await self._table.row(_PARTITION, workflow_id)
        if row is None:
            raise NotFound(f"there is no workflow {workflow_id}")
        return row


def workflow_item(workflow: Workflow) -> Item:
    """Return the row of a new workflow."""
    generation = new_generation()
    return {
        "Server": _PARTITION,
        "Entry": workflow.workflow_id,
        "Generation": generation,
        "Revision": generation,
        "Description": workflow.description,
        "Steps": [step.member() for step in workflow.steps],
        "OnExceptionSteps": [step.member() for step in workflow.on_exception_steps],
        "StructuredLogDestinations": list(workflow.log_destinations),
        "Tags": tag_items(workflow.tags),
    }


def _workflow(row: Item) -> Workflow:
    return Workflow(
        row["Entry"],
        row["Description"],
        steps_of(row["Steps"]),
        steps_of(row["OnExceptionSteps"]),
        tags_of(row),
        tuple(row["StructuredLogDestinations"]),
    )
