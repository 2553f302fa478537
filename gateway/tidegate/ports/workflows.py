"""
Where workflows are kept: their definitions, by id.

Reads are strongly consistent, and writes are conditional. Every method may raise `StoreUnavailable` or
`AccessDenied`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tidegate.core.workflows import Workflow


class WorkflowDirectory(Protocol):
    """The workflows of one account in one Region."""

    async def add_workflow(self, workflow: Workflow) -> None:
        """Keep a new workflow. Raises `AlreadyExists` if there is another of its id."""
        ...

    async def workflow(self, workflow_id: str) -> Workflow:
        """Return the workflow. Raises `NotFound`."""
        ...

    async def workflows(self, after: str, limit: int) -> list[Workflow]:
        """Return up to `limit` workflows whose ids come after `after`, in order of their ids."""
        ...

    async def change_workflow(self, workflow_id: str, change: Callable[[Workflow], Workflow]) -> Workflow:
        """
        Put what `change` makes of the workflow in its place, and return it; only tags can change.

        `change` is called again if somebody else changed it meanwhile. Raises `NotFound`, and what it raises.
        """
        ...

    async def remove_workflow(self, workflow_id: str) -> None:
        """Remove the workflow. Raises `NotFound`."""
        ...
