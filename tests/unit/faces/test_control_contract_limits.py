"""What the model and the quotas bound, at the bound and one beyond it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from support.control_seed import host_key, public_key, seeded
from support.control_success import ACME, BOB, SERVER_ID, WORKFLOW
from support.control_successes import REQUESTS
from support.control_world import ARNS, KEY, MODEL, ROLE, SERVER, whole_world
from tidegate.core.shapes import Shape

INVALID = "InvalidRequestException"
OFFERED = sorted(REQUESTS)


# --- what the model says ----------------------------------------------------------------------


def places(shape: Shape, at: str = "") -> Iterator[tuple[str, Shape, list[str]]]:
    """Return every value of a request that is no structure: where it is in AWS's words, and the way to it."""
    for name, member in shape.members.items():
        told = f"{at}{name[:1].lower()}{name[1:]}"
        yield from _below(member, told, [name])


def _below(shape: Shape, told: str, way: list[str]) -> Iterator[tuple[str, Shape, list[str]]]:
    if shape.kind == "structure":
        for where, member, rest in places(shape, f"{told}."):
            yield where, member, [*way, *rest]
        return
    yield told, shape, way
    if shape.kind == "list" and shape.item is not None:
        yield from _below(shape.item, f"{told}.1.member", [*way, "[]"])


def plain(shape: Shape) -> Any:
    """Return a value of a shape's type, whatever else is asked of it."""
    if shape.kind == "structure":
        return {name: plain(shape.members[name]) for name in shape.required}
    return {"list": [], "integer": 1, "long": 1, "boolean": True}.get(shape.kind, "x")


def holding(shape: Shape, way: list[str], value: Any) -> Any:
    """Return a request with a value at the end of a way into it, and what must be beside it."""
    if not way:
        return value
    if way[0] == "[]":
        assert shape.item is not None
        return [holding(shape.item, way[1:], value)]
    return plain(shape) | {way[0]: holding(shape.members[way[0]], way[1:], value)}


def sized(shape: Shape, size: int) -> Any:
    """Return a value of a length, or a number."""
    if shape.kind == "list":
        assert shape.item is not None
        return [plain(shape.item)] * size
    return "x" * size if shape.kind == "string" else size


def bounds(shape: Shape) -> Iterator[tuple[Any, str, bool]]:
    """Return values at the bounds of a shape, the constraint in AWS's words, and whether it is kept."""
    what = "value" if shape.kind in ("integer", "long") else "length"
    if shape.most is not None:
        said = f"Member must have {what} less than or equal to {shape.most}"
        yield sized(shape, shape.most), said, True
        yield sized(shape, shape.most + 1), said, False
    if shape.least:
        said = f"Member must have {what} greater than or equal to {shape.least}"
        yield sized(shape, shape.least), said, True
        yield sized(shape, shape.least - 1), said, False
    if shape.enum:
        said = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        yield shape.enum[0], said, True
        yield "ANOTHER", said, False
    if shape.pattern is not None and shape.pattern.fullmatch("\0") is None and (shape.least or 0) <= 1:
        yield "\0", f"Member must satisfy regular expression pattern: {shape.pattern_text}", False


@pytest.mark.parametrize("operation", OFFERED)
async def test_bounds_of_the_model(operation: str) -> None:
    """Lengths, ranges, enumerations, patterns of every member, however deep: kept, or told in AWS's words."""
    world, shape, count = await whole_world(), MODEL.operations[operation].input, 0
    for told, member, way in places(shape):
        # A list of tens of thousands is refused one beyond its end; filling it shows nothing more.
        if member.kind == "list" and (member.most or 0) > 1000:
            continue
        for value, constraint, is_kept in bounds(member):
            _, body = await world.ask(operation, **holding(shape, way, value))
            said = rf"at '{re.escape(told)}' failed to satisfy constraint: {re.escape(constraint)}"
            assert (re.search(said, body.get("Message", "")) is None) == is_kept, (told, value, body)
            assert is_kept or body["__type"] == INVALID
            count += 1
    assert count


async def test_too_many_mappings_for_the_model() -> None:
    """One more than the 50,000 of the model."""
    world = await whole_world()
    mapping = {"Entry": "/a", "Target": "/b"}
    status, body = await world.ask(
        "UpdateUser", ServerId=SERVER, UserName="acme", HomeDirectoryMappings=[mapping] * 50_001
    )
    assert (status, body["__type"]) == (400, INVALID)
    assert "Member must have length less than or equal to 50000" in body["Message"]


# --- quotas -----------------------------------------------------------------------------------


async def test_fifty_servers() -> None:
    """The fifty-first is refused, until one is deleted."""
    at = await seeded()
    for _ in range(48):
        await at.asked("CreateServer", {})
    _, body = await at.refused("CreateServer", {})
    assert (body["__type"], body["Message"]) == (INVALID, "there are 50 servers, the most that there can be")
    await at.asked("DeleteServer", {"ServerId": "@other"})
    await at.asked("CreateServer", {})


async def test_ten_host_keys() -> None:
    """The eleventh is refused, by both operations that bring one."""
    at = await seeded()
    for _ in range(8):
        await at.asked("ImportHostKey", SERVER_ID | {"HostKeyBody": host_key()})
    for operation, member in (("ImportHostKey", "HostKeyBody"), ("UpdateServer", "HostKey")):
        _, body = await at.refused(operation, SERVER_ID | {member: host_key()})
        assert body["__type"] == INVALID
        assert "the server has 10 host keys, the most it can have" in body["Message"]


async def test_ten_workflows() -> None:
    """The eleventh is refused, until one is deleted."""
    at = await seeded()
    for _ in range(9):
        await at.asked("CreateWorkflow", {"Steps": []})
    _, body = await at.refused("CreateWorkflow", {"Steps": []})
    assert body["__type"] == INVALID
    assert "there are 10 workflows, the most there can be" in body["Message"]
    await at.asked("DeleteWorkflow", WORKFLOW)
    await at.asked("CreateWorkflow", {"Steps": []})


async def test_fifty_keys_of_a_user() -> None:
    """The fifty-first is refused; another user has room."""
    at = await seeded()
    for _ in range(49):
        await at.asked("ImportSshPublicKey", ACME | {"SshPublicKeyBody": public_key()})
    described = await at.asked("DescribeUser", ACME)
    assert len(described["User"]["SshPublicKeys"]) == 50
    _, body = await at.refused("ImportSshPublicKey", ACME | {"SshPublicKeyBody": public_key()})
    assert body["__type"] == INVALID
    assert "acme has 50 keys" in body["Message"]
    await at.asked("ImportSshPublicKey", BOB | {"SshPublicKeyBody": KEY})


@pytest.mark.parametrize("kind", ["server", "user", "host-key", "workflow"])
async def test_fifty_tags(kind: str) -> None:
    """The fifty-first is refused, and nothing of that request kept; a new value for one is taken."""
    at = await seeded()
    arn, tags = f"@arn-{kind}", [{"Key": f"k{number:02}", "Value": ""} for number in range(50)]
    await at.asked("TagResource", {"Arn": arn, "Tags": tags})
    more = [{"Key": "k00", "Value": "other"}, {"Key": "more", "Value": ""}]
    _, body = await at.refused("TagResource", {"Arn": arn, "Tags": more})
    assert body["__type"] == INVALID
    assert "there would be 51 tags, and there can be 50" in body["Message"]
    assert (await at.asked("ListTagsForResource", {"Arn": arn}))["Tags"] == tags
    await at.asked("TagResource", {"Arn": arn, "Tags": more[:1]})


async def test_users_of_a_server() -> None:
    """As many as there can be, of each server; one that is deleted makes room."""
    ask = (await whole_world(users=3)).ask
    for name in ("bob", "carl"):
        assert (await ask("CreateUser", ServerId=SERVER, UserName=name, Role=ROLE))[0] == 200
    status, body = await ask("CreateUser", ServerId=SERVER, UserName="dora", Role=ROLE)
    assert (status, body["__type"]) == (400, INVALID)
    assert "has 3 users, the most it can have" in body["Message"]
    await ask("DeleteUser", ServerId=SERVER, UserName="bob")
    assert (await ask("CreateUser", ServerId=SERVER, UserName="dora", Role=ROLE))[0] == 200


async def test_two_thousand_mappings() -> None:
    """AWS's quota, far below its model's bound."""
    at = await seeded()
    mappings = [{"Entry": f"/e{number}", "Target": "/landing/x"} for number in range(2001)]
    logical = ACME | {"HomeDirectoryType": "LOGICAL"}
    _, body = await at.refused("UpdateUser", logical | {"HomeDirectoryMappings": mappings})
    assert body["__type"] == INVALID
    assert "2,000" in body["Message"] or "2000" in body["Message"]
    await at.asked("UpdateUser", logical | {"HomeDirectoryMappings": mappings[:2000]})


async def test_a_page_of_any_size() -> None:
    """From one to a thousand; without MaxResults as many as there can be."""
    at = await seeded()
    for size in (1, 1000):
        assert len((await at.asked("ListUsers", SERVER_ID | {"MaxResults": size}))["Users"]) == min(size, 2)
    for size in (0, 1001):
        _, body = await at.refused("ListUsers", SERVER_ID | {"MaxResults": size})
        assert "at 'maxResults' failed to satisfy constraint" in body["Message"]
    for number in range(999):
        name = f"user-{number:03}"
        await at.world.ask("CreateUser", ServerId=SERVER, UserName=name, Role=ROLE)
    page = await at.asked("ListUsers", SERVER_ID)
    assert (len(page["Users"]), "NextToken" in page) == (1000, True)
    assert ARNS.user(SERVER, "acme") == page["Users"][0]["Arn"]
