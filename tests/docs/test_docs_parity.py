"""docs/parity.md: no member is left out, none is called the same untested, and its witnesses are there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from parity import is_there

from support.control_seed import seeded
from support.control_successes import SUCCESSES
from support.control_world import MODEL, whole_world
from support.parity_behaviours import BEHAVIOURS
from support.parity_checks import ACCEPTANCE, CHECKS, PITFALLS
from support.parity_later import LATER, OPTIONAL_FILES
from support.parity_members import NEVER_THERE, NEWER, OPERATIONS, STRUCTURES
from support.parity_rows import Row, Verdict
from tidegate.core.evidence import Evidence
from tidegate.core.shapes import Shape

REQUEST, ANSWER = "request", "answer"


def names(rows: tuple[Row, ...], verdict: Verdict | None = None) -> list[str]:
    """Return the members of some rows, or of those with a verdict."""
    return [name for row in rows for name in row.what if verdict in (None, row.verdict)]


def structures_in(shape: Shape | None) -> Iterator[Shape]:
    """Return every structure of a request or answer, but for the outermost."""
    for member in shape.members.values() if shape else ():
        inner = member
        while inner.item is not None:
            inner = inner.item
        if inner.kind == "structure":
            yield inner
            yield from structures_in(inner)


def modelled() -> dict[tuple[str, ...], set[str]]:
    """Return the members of botocore's model by operation and half, and by structure."""
    found: dict[tuple[str, ...], set[str]] = {}
    for name in OPERATIONS:
        operation = MODEL.operations[name]
        for half, shape in ((REQUEST, operation.input), (ANSWER, operation.output)):
            found[name, half] = set(shape.members) if shape else set()
            found |= {(each.name,): set(each.members) for each in structures_in(shape)}
    return found


def listed() -> dict[tuple[str, ...], list[str]]:
    """Return the same as the page has it."""
    halves = {
        (name, half): names(rows)
        for name, both in OPERATIONS.items()
        for half, rows in zip((REQUEST, ANSWER), both, strict=True)
    }
    return halves | {(name,): names(rows) for name, rows in STRUCTURES.items()}


def test_every_member_is_on_the_page() -> None:
    """Of every operation that is offered, once; the page has one that the model has not only if it is new."""
    assert OPERATIONS.keys() == asyncio.run(whole_world()).offered
    model, page = modelled(), listed()
    assert {at for at, found in page.items() if len(found) != len(set(found))} == set()
    assert {
        at: there - set(page.get(at, ())) for at, there in model.items() if there - set(page.get(at, ()))
    } == {}
    surplus = {at: set(found) - model.get(at, set()) - NEWER for at, found in page.items()}
    assert {at: found for at, found in surplus.items() if found} == {}


def _seen(shape: Shape, value: Any, at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Return the members that a value has, by operation and half, or by structure."""
    if shape.kind == "list" and shape.item is not None:
        for each in value:
            yield from _seen(shape.item, each, (shape.item.name,))
    elif shape.kind == "structure":
        for name, member in value.items():
            yield (*at, name)
            yield from _seen(shape.members[name], member, (shape.members[name].name,))


async def exercised() -> set[tuple[str, ...]]:
    """Carry out the table of successes, and return which members were sent, and which came back."""
    found: set[tuple[str, ...]] = set()
    for case in SUCCESSES:
        at = await seeded()
        looks = [case.look] if case.look and not isinstance(case.seen, str) else []
        for operation, members in [*case.before, (case.operation, case.members), *looks]:
            shape = MODEL.operations[operation]
            found.update(_seen(shape.input, members, (operation, REQUEST)))
            answer = await at.asked(operation, members)
            if shape.output is not None:
                found.update(_seen(shape.output, answer, (operation, ANSWER)))
    return found


# Of listings of servers and workflows a second page is asked for in a table of their own.
PAGED = {"NextToken", "MaxResults"}
NOBODY_THERE = {"DescribeExecution", "SendWorkflowStepState"}


async def test_what_is_called_the_same_was_tested() -> None:
    """Each member of a request was sent in one that was carried out, and each of an answer came back."""
    seen = await exercised()
    claimed = {
        (name, half, member)
        for name, both in OPERATIONS.items()
        for half, rows in zip((REQUEST, ANSWER), both, strict=True)
        for member in names(rows, Verdict.SAME)
        if member not in PAGED and name not in NOBODY_THERE
    }
    claimed |= {(name, member) for name, rows in STRUCTURES.items() for member in names(rows, Verdict.SAME)}
    assert claimed - seen - NEVER_THERE == set()
    assert not NEVER_THERE & seen


def test_a_verdict_fits_its_evidence() -> None:
    """Where nothing is known of AWS, nothing can be the same or differ; and what differs says how."""
    groups = [*(rows for both in OPERATIONS.values() for rows in both), *STRUCTURES.values()]
    groups += [*BEHAVIOURS.values(), *CHECKS.values(), *LATER.values()]
    for row in (row for rows in groups for row in rows):
        assert (row.verdict is Verdict.UNKNOWN) == (row.evidence is Evidence.UNKNOWN), row
        assert row.ours or row.verdict is Verdict.SAME, row


def test_the_witnesses_are_there() -> None:
    """Every test that a row names exists, but for those that come with other work."""
    rows = [row for group in (BEHAVIOURS, CHECKS, LATER) for rows in group.values() for row in rows]
    missing = {each for row in rows for each in row.witness if not is_there(each)}
    assert {each for each in missing if each.split("::")[0] not in OPTIONAL_FILES} == set()
    for row in (row for group in (BEHAVIOURS, CHECKS) for rows in group.values() for row in rows):
        assert any(map(is_there, row.witness)), row.what


def test_no_pitfall_and_no_check_is_left_out() -> None:
    """All ten and all eighteen of what is known to show an imitation."""
    assert [int(row.what[0].split(".")[0]) for row in PITFALLS] == list(range(1, 11))
    assert len({row.what for row in ACCEPTANCE}) == 18
