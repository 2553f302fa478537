"""Every error of every operation of the Transfer API that is offered, over a directory in memory."""

from __future__ import annotations

from typing import Any

from support.control_refusals import CANNOT, INVALID, NOT_FOUND, REFUSALS
from support.control_seed import Seeded, seeded
from support.control_success import HOST_KEY, UNKNOWN_SERVER, WORKFLOW
from support.control_successes import REQUESTS
from support.control_world import ARNS, MODEL, SERVER
from tidegate.core.errors import StoreUnavailable, Throttled
from tidegate.core.signatures import Caller

DENIED, BAD_TOKEN = "AccessDeniedException", "InvalidNextTokenException"
THROTTLED, UNAVAILABLE = "ThrottlingException", "ServiceUnavailableException"
OURS = "InternalServiceError"
OFFERED = sorted(REQUESTS)
LOOKING = ("Describe", "List", "Test")


def taking(member: str) -> list[str]:
    """Return the operations that take a member."""
    return [name for name in OFFERED if member in MODEL.operations[name].input.members]


def answering(error: str) -> list[str]:
    """Return the operations that can answer an error: by their model, and here."""
    return [
        name for name in OFFERED if error in MODEL.operations[name].errors and (name, error) not in CANNOT
    ]


def misfit(operation: str) -> dict[str, Any] | None:
    """Return members that do not fit the operation's model; None if it takes anything."""
    shape, members = MODEL.operations[operation].input, dict(REQUESTS[operation])
    if "MaxResults" in shape.members:
        return members | {"MaxResults": 0}
    for name in shape.required:
        return {other: value for other, value in members.items() if other != name}
    return None


def needing() -> list[str]:
    return [name for name in OFFERED if misfit(name) is not None]


async def everything(at: Seeded) -> list[Any]:
    """Return all that can be seen of a world."""
    asked = [
        ("ListServers", {}),
        ("DescribeServer", {"ServerId": SERVER}),
        ("DescribeServer", {"ServerId": "@other"}),
        ("DescribeUser", {"ServerId": SERVER, "UserName": "acme"}),
        ("DescribeUser", {"ServerId": SERVER, "UserName": "bob"}),
        ("ListUsers", {"ServerId": SERVER}),
        ("DescribeHostKey", HOST_KEY),
        ("ListHostKeys", {"ServerId": SERVER}),
        ("ListWorkflows", {}),
        ("DescribeWorkflow", WORKFLOW),
        ("ListTagsForResource", {"Arn": ARNS.server(SERVER)}),
    ]
    return [await at.asked(*each) for each in asked]


async def test_what_is_refused() -> None:
    """HTTP status 400, the error with its text and members, nothing else in it, and nothing is changed."""
    at = await seeded()
    before, amiss = await everything(at), {}
    for case in REFUSALS:
        answer = await at.refused(case.operation, case.members)
        if answer != (400, {"__type": case.error, "Message": case.text} | case.more):
            amiss[case.name] = answer
    assert not amiss
    assert await everything(at) == before


async def test_an_unknown_server() -> None:
    """The one answer that AWS's pages show in full, from every operation that names a server."""
    at = await seeded()
    for operation in taking("ServerId"):
        assert await at.refused(operation, {**REQUESTS[operation], "ServerId": UNKNOWN_SERVER}) == (
            400,
            {
                "__type": NOT_FOUND,
                "Message": "Unknown server",
                "Resource": UNKNOWN_SERVER,
                "ResourceType": "Server",
            },
        ), operation


async def test_a_token_that_is_none() -> None:
    """Every listing says so, in one text."""
    at = await seeded()
    for operation in taking("NextToken"):
        assert await at.refused(operation, {**REQUESTS[operation], "NextToken": "none"}) == (
            400,
            {"__type": BAD_TOKEN, "Message": "The NextToken parameter that was passed is invalid."},
        ), operation


async def test_what_does_not_fit_the_model() -> None:
    """A member that must be there and is not, or a number out of its range."""
    at = await seeded()
    for operation in needing():
        status, body = await at.refused(operation, misfit(operation) or {})
        assert (status, body["__type"]) == (400, INVALID), operation
        assert body["Message"].startswith("1 validation error detected: Value"), operation


async def test_a_directory_that_does_not_answer() -> None:
    """HTTP status 500, which SDKs try again."""
    at = await seeded()
    at.world.outage.error = StoreUnavailable("DynamoDB does not answer")
    for operation in answering(UNAVAILABLE):
        status, body = await at.refused(operation, REQUESTS[operation])
        assert (status, body["__type"]) == (500, UNAVAILABLE), operation
        assert "DynamoDB does not answer" in body["Message"]


async def test_a_directory_that_wants_fewer_requests() -> None:
    """One member, a text: also of operations whose model does not name the error, as of any AWS service."""
    at = await seeded()
    at.world.outage.error = Throttled("slower")
    for operation in answering(UNAVAILABLE):
        answer = await at.refused(operation, REQUESTS[operation])
        assert answer == (400, {"__type": THROTTLED, "RetryAfterSeconds": "1"}), operation


async def test_a_mistake_of_ours() -> None:
    """HTTP status 500, a name without the word Exception, and an id that leads to the log."""
    at = await seeded()
    at.world.outage.error = RuntimeError("a secret")
    for operation in answering(OURS):
        status, body = await at.refused(operation, REQUESTS[operation])
        assert (status, body["__type"]) == (500, OURS), operation
        assert "error id" in body["Message"]
        assert "a secret" not in str(body)


async def test_who_may_only_look() -> None:
    """Is denied what changes something, in AWS's words, also where the model has no such error."""
    at = await seeded()
    at.world.caller.append(Caller("AKID", "read"))
    for operation in OFFERED:
        status, body = await at.world.ask(operation, **at.said(REQUESTS[operation]))
        if operation.startswith(LOOKING):
            assert body.get("__type") != DENIED
            assert DENIED not in MODEL.operations[operation].errors
        else:
            text = "You do not have sufficient access to perform this action."
            assert (status, body) == (400, {"__type": DENIED, "Message": text})


def test_every_error_is_accounted_for() -> None:
    """Each of each operation's model is brought about above, or the table says why it cannot be."""
    shown = {(each.operation, each.error) for each in REFUSALS}
    shown |= {(name, NOT_FOUND) for name in taking("ServerId")}
    shown |= {(name, BAD_TOKEN) for name in taking("NextToken")}
    shown |= {(name, INVALID) for name in needing()}
    shown |= {(name, UNAVAILABLE) for name in answering(UNAVAILABLE)}
    shown |= {(name, THROTTLED) for name in answering(UNAVAILABLE)}
    shown |= {(name, OURS) for name in answering(OURS)}
    shown |= {(name, DENIED) for name in OFFERED if not name.startswith(LOOKING)}
    modelled = {(name, error) for name in OFFERED for error in MODEL.operations[name].errors}
    assert modelled - shown == CANNOT.keys()
    assert not CANNOT.keys() & shown
