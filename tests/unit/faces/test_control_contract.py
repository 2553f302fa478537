"""Every operation of the Transfer API, carried out over a directory in memory: what it answers and does."""

from __future__ import annotations

import pytest

from support.control_seed import seeded
from support.control_success import Success
from support.control_successes import NEVER, NEVER_ASKED, REQUESTS, SUCCESSES
from support.control_world import MODEL, whole_world


@pytest.mark.parametrize("case", SUCCESSES, ids=lambda case: case.name)
async def test_what_is_answered(case: Success) -> None:
    """All of it by botocore's model, nothing else, and what is asked next shows that it was done."""
    at = await seeded()
    for operation, members in case.before:
        await at.asked(operation, members)
    assert await at.asked(case.operation, case.members) == at.said(case.answer)
    if case.look is None:
        return
    if isinstance(case.seen, str):
        _, body = await at.refused(*case.look)
        assert body["__type"] == case.seen
    else:
        # First: a look can tell of a new id, too.
        seen = at.said(case.seen)
        assert await at.asked(*case.look) == seen


async def test_every_operation_is_in_the_table() -> None:
    """Each that is offered succeeds at least once, or the table says why it never does."""
    offered = (await whole_world()).offered
    assert {each.operation for each in SUCCESSES} == offered - NEVER.keys()
    assert NEVER.keys() == NEVER_ASKED.keys()
    assert REQUESTS.keys() == offered
    assert offered <= MODEL.operations.keys()
