"""Workflows in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from tidegate.core.errors import AlreadyExists, NotFound
from tidegate.core.workflows import Workflow


class MemoryWorkflows:
    """The port `WorkflowDirectory` over a dict. Every call lets other tasks run once before it acts."""

    def __init__(self) -> None:
        self._kept: dict[str, Workflow] = {}

    async def add_workflow(self, workflow: Workflow) -> None:
        await asyncio.sleep(0)
        if workflow.workflow_id in self._kept:
            raise AlreadyExists(f"there is a workflow {workflow.workflow_id}")
        self._kept[workflow.workflow_id] = workflow

    async def workflow(self, workflow_id: str) -> Workflow:
        await asyncio.sleep(0)
        return self._workflow(workflow_id)

    async def workflows(self, after: str, limit: int) -> list[Workflow]:
        await asyncio.sleep(0)
        return [self._kept[each] for each in sorted(self._kept) if each > after][:limit]

    async def change_workflow(self, workflow_id: str, change: Callable[[Workflow], Workflow]) -> Workflow:
        await asyncio.sleep(0)
        there = self._workflow(workflow_id)
        self._kept[workflow_id] = changed = replace(there, tags=change(there).tags)
        return changed

    async def remove_workflow(self, workflow_id: str) -> None:
        await asyncio.sleep(0)
        del self._kept[self._workflow(workflow_id).workflow_id]

    def _workflow(self, workflow_id: str) -> Workflow:
        try:
            return self._kept[workflow_id]
        except KeyError:
            raise NotFound(f"there is no workflow {workflow_id}") from None
