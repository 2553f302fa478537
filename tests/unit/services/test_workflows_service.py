"""What a server may name, and how many workflows there can be."""

from __future__ import annotations

import pytest

from tidegate.adapters.memory.workflows import MemoryWorkflows
from tidegate.core.errors import InvalidName, NotFound
from tidegate.core.workflows import Workflow
from tidegate.services.workflows import Workflows

NOBODY = "w-0123456789abcdef0"


async def test_a_server_may_name_what_is_there():
    """All of those that it names, or none."""
    workflows = Workflows(MemoryWorkflows())
    ids = [(await workflows.create(Workflow(""))).workflow_id for _ in range(2)]
    await workflows.check_attachable([])
    await workflows.check_attachable(ids)
    with pytest.raises(NotFound, match=NOBODY):
        await workflows.check_attachable([*ids, NOBODY])


async def test_there_is_room_again_after_one_is_deleted():
    """Ten, as AWS's quota is; tags that cannot be are refused before anything is kept."""
    workflows = Workflows(MemoryWorkflows())
    with pytest.raises(InvalidName):
        await workflows.create(Workflow("", tags=(("aws:x", ""),)))
    made = [await workflows.create(Workflow("")) for _ in range(10)]
    with pytest.raises(InvalidName):
        await workflows.create(Workflow(""))
    await workflows.remove(made[0].workflow_id)
    await workflows.create(Workflow(""))
    assert len(await workflows.page("", 100)) == 10
