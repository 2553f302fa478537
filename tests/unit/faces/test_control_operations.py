"""The operations over a directory in memory: what no request may bring about, and many at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.control_world import ARNS, KEY, MODEL, ROLE, SERVER, world
from tidegate.core.shapes import Shape


async def test_what_the_gateway_says_of_its_server():
    """It stops, and it forgets what SETSTAT asks: both are seen in what is described."""
    ask, _ = await world("STOPPING", "ENABLE_NO_OP")
    _, described = await ask("DescribeServer", ServerId=SERVER)
    assert described["Server"]["State"] == "STOPPING"
    assert described["Server"]["ProtocolDetails"]["SetStatOption"] == "ENABLE_NO_OP"


async def test_a_policy_that_is_no_json_object_is_refused():
    """Nobody could log in with it. What else is in it is looked at when its user logs in."""
    ask, _ = await world()
    user = {"ServerId": SERVER, "UserName": "acme"}
    for policy in ("no JSON", "[]", '"text"', '{"Statement": [], "Statement": []}'):
        status, answer = await ask("UpdateUser", **user, Policy=policy)
        assert (status, answer["__type"].rpartition("#")[2]) == (400, "InvalidRequestException")
    for policy in ("{}", "", '{"Version": "2012-10-17", "Statement": []}'):
        assert (await ask("UpdateUser", **user, Policy=policy))[0] == 200


async def test_many_tags_at_once_are_all_there():
    """Nobody's is lost to somebody else's."""
    ask, _ = await world()
    arn = ARNS.user(SERVER, "acme")
    tags = [{"Key": f"k{number:02}", "Value": ""} for number in range(20)]
    await asyncio.gather(*(ask("TagResource", Arn=arn, Tags=[tag]) for tag in tags))
    assert (await ask("ListTagsForResource", Arn=arn))[1]["Tags"] == tags


async def test_one_name_at_once_is_given_once():
    """The others read that it is taken."""
    ask, _ = await world()
    user = {"ServerId": SERVER, "UserName": "bob", "Role": ROLE}
    answers = await asyncio.gather(*(ask("CreateUser", **user) for _ in range(5)))
    assert sorted(status for status, _ in answers) == [200, 400, 400, 400, 400]
    assert {body["__type"] for status, body in answers if status == 400} == {"ResourceExistsException"}


@pytest.mark.parametrize("half", ["\ud800", "a\udfffb"])
async def test_halves_of_characters(half):
    """JSON can say them, and nothing can keep them."""
    ask, _ = await world()
    for members in ({"Policy": half}, {"HomeDirectory": f"/{half}"}, {"Role": f"{ROLE}{half}"}):
        status, body = await ask("UpdateUser", ServerId=SERVER, UserName="acme", **members)
        assert (status, body["__type"]) == (400, "SerializationException")


# --- any request ----------------------------------------------------------------------------

_ARNS = [ARNS.server(SERVER), ARNS.user(SERVER, "acme"), ARNS.user(SERVER, "bob"), ROLE]
_PATHS = ["", "/", "/in", "/landing/x", "/landing/${transfer:UserName}", "/${transfer:HomeBucket}", "/a/../b"]
_WORDS = ["LOGICAL", "PATH", "FILE", "DIRECTORY", "TransferSecurityPolicy-2024-01", "acme", KEY, SERVER]
_STEPS = ["TAG", "COPY", "${original.file}", ARNS.workflow("w-0123456789abcdef0"), "w-0123456789abcdef0"]
_BAD = ["aws:x", "\0", "\ud800", "ü" * 99, "key-0123456789abcdef0"]
_TEXTS = st.sampled_from([*_ARNS, *_PATHS, *_WORDS, *_STEPS, *_BAD])
_ODD = st.one_of(st.none(), st.booleans(), st.integers(-1, 2**64), _TEXTS, st.just([]), st.just({}))


def values(shape: Shape) -> st.SearchStrategy[Any]:
    """Return values that are mostly of the shape's kind, and often fit it."""
    if shape.kind == "structure":
        return st.fixed_dictionaries(
            {name: values(shape.members[name]) for name in shape.required},
            optional={
                name: values(each) for name, each in shape.members.items() if name not in shape.required
            },
        )
    if shape.kind == "list":
        assert shape.item is not None
        return st.lists(values(shape.item), max_size=3)
    likely = st.integers(0, 3) if shape.kind in ("integer", "long") else _TEXTS
    named = {"ServerId": st.just(SERVER), "UserName": st.sampled_from(["acme", "bob"]), "Role": st.just(ROLE)}
    return st.one_of(named.get(shape.name, likely), likely, _ODD)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_request_is_a_mistake_of_ours(data: st.DataObject) -> None:
    """Whatever is sent, in any order: it is carried out, or the client reads what is wrong with it."""

    async def story() -> None:
        ask, offered = await world()
        for _ in range(4):
            operation = data.draw(st.sampled_from(sorted(offered)))
            members = data.draw(values(MODEL.operations[operation].input))
            status, body = await ask(operation, **members)
            assert status in (200, 400), body
            assert status == 200 or body["__type"] in MODEL.operations[operation].errors | {
                "SerializationException"
            }

    asyncio.run(story())
