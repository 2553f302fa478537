"""Every listing in pages: all of it once, whatever goes meanwhile, and tokens of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from support.control_seed import Seeded, host_key, seeded
from support.control_success import SERVER_ID, WORKFLOW, Members
from support.control_world import ROLE

BAD_TOKEN = "InvalidNextTokenException"


@dataclass(frozen=True)
class Listing:
    """
    One listing.

    Args:
        items: The member with what is listed.
        name_of: What each is known by.
        more: Makes one more that is listed, from a number.
        drop: Takes one away, by its name.
        other: Members that name another list of the same kind, if there is one.
        none: It is always empty.
    """

    operation: str
    members: Members
    items: str
    name_of: Callable[[Any], str]
    more: tuple[str, Callable[[int], Members]] | None = None
    drop: tuple[str, Callable[[str], Members]] | None = None
    other: Members | None = None
    none: bool = False


def of(member: str) -> Callable[[Any], str]:
    return lambda item: str(item[member])


LISTINGS = (
    Listing(
        "ListServers",
        {},
        "Servers",
        of("ServerId"),
        ("CreateServer", lambda _: {}),
        ("DeleteServer", lambda name: {"ServerId": name}),
    ),
    Listing(
        "ListUsers",
        SERVER_ID,
        "Users",
        of("UserName"),
        ("CreateUser", lambda number: SERVER_ID | {"UserName": f"user-{number}", "Role": ROLE}),
        ("DeleteUser", lambda name: SERVER_ID | {"UserName": name}),
        {"ServerId": "@own"},
    ),
    Listing(
        "ListHostKeys",
        SERVER_ID,
        "HostKeys",
        of("HostKeyId"),
        ("ImportHostKey", lambda _: SERVER_ID | {"HostKeyBody": host_key()}),
        ("DeleteHostKey", lambda name: SERVER_ID | {"HostKeyId": name}),
        {"ServerId": "@own"},
    ),
    Listing(
        "ListWorkflows",
        {},
        "Workflows",
        of("WorkflowId"),
        ("CreateWorkflow", lambda _: {"Steps": []}),
        ("DeleteWorkflow", lambda name: {"WorkflowId": name}),
    ),
    Listing(
        "ListTagsForResource",
        {"Arn": "@arn-user"},
        "Tags",
        of("Key"),
        (
            "TagResource",
            lambda number: {"Arn": "@arn-user", "Tags": [{"Key": f"k{number}", "Value": ""}]},
        ),
        ("UntagResource", lambda name: {"Arn": "@arn-user", "TagKeys": [name]}),
        {"Arn": "@arn-server"},
    ),
    Listing("ListSecurityPolicies", {}, "SecurityPolicyNames", str),
    Listing("ListExecutions", WORKFLOW, "Executions", of("ExecutionId"), none=True),
)
FILLED = [each for each in LISTINGS if each.more]


async def filled(listing: Listing, count: int = 6) -> Seeded:
    """Return a world in which so many more are listed."""
    at = await seeded()
    at.named["own"] = (await at.asked("CreateServer", {}))["ServerId"]
    if listing.more:
        operation, members = listing.more
        for number in range(count):
            await at.asked(operation, members(number))
    return at


async def page(at: Seeded, listing: Listing, size: int, token: str | None) -> tuple[list[str], str | None]:
    more = {"NextToken": token} if token else {}
    answer = await at.asked(listing.operation, {**listing.members, "MaxResults": size, **more})
    return list(map(listing.name_of, answer[listing.items])), answer.get("NextToken")


async def rest(at: Seeded, listing: Listing, size: int, token: str | None) -> list[list[str]]:
    """Return all pages from a token on."""
    pages = []
    while True:
        names, token = await page(at, listing, size, token)
        pages.append(names)
        if token is None:
            return pages


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda each: each.operation)
async def test_everything_is_listed_once(listing: Listing) -> None:
    """Over three pages or more, in one order, and the last has no token."""
    at = await filled(listing)
    ((*whole,),) = await rest(at, listing, 1000, None)
    assert whole == sorted(set(whole))
    size = max(1, -(-len(whole) // 3))
    pages = await rest(at, listing, size, None)
    assert [name for names in pages for name in names] == whole
    assert len(pages) == (1 if listing.none else -(-len(whole) // size))
    assert len(pages) >= 3 or listing.none
    if not listing.none:
        # As many as fit exactly: no empty page follows.
        assert len(await rest(at, listing, len(whole), None)) == 1


@pytest.mark.parametrize("listing", FILLED, ids=lambda each: each.operation)
async def test_what_goes_between_two_pages(listing: Listing) -> None:
    """Neither the item that a page ended with nor one that is yet to come confuses what follows."""
    at = await filled(listing)
    ((*whole,),) = await rest(at, listing, 1000, None)
    names, token = await page(at, listing, 3, None)
    assert listing.drop
    operation, members = listing.drop
    for gone in (names[-1], whole[4]):
        await at.asked(operation, members(gone))
    left = [name for each in await rest(at, listing, 3, token) for name in each]
    assert left == [whole[3], *whole[5:]]


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda each: each.operation)
async def test_tokens_of_elsewhere(listing: Listing) -> None:
    """Refused are another operation's, another resource's, and one that was changed."""
    at = await filled(listing)
    tokens = []
    for other in LISTINGS:
        if other.operation == listing.operation or other.none:
            continue
        if other.more and other.operation != "ListServers":
            operation, members = other.more
            for number in (7, 8):
                await at.asked(operation, members(number))
        tokens.append((await page(at, other, 1, None))[1])
    own = None if listing.none else (await page(at, listing, 1, None))[1]
    if own:
        tokens += [own[:-4], own.swapcase(), f"{own}x"]
    assert None not in tokens
    for token in tokens:
        _, body = await at.refused(listing.operation, {**listing.members, "NextToken": token})
        assert body["__type"] == BAD_TOKEN
    if listing.other and own:
        _, body = await at.refused(listing.operation, {**listing.other, "NextToken": own})
        assert body["__type"] == BAD_TOKEN
