"""The table of requests that are carried out, against a gateway: over HTTP, and over DynamoDB, S3 and KMS."""

from __future__ import annotations

import http.client
import json
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.control_seed import seeded
from support.control_success import Success
from support.control_successes import SUCCESSES
from support.control_world import KEY, ROLE, World
from support.fault_house import wait_until
from tidegate.testing.gateway import LocalGateway

SIGNED = (
    "AWS4-HMAC-SHA256 Credential=test/20261120/us-east-1/transfer/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature="
) + "0" * 64


def asked(gateway: LocalGateway, operation: str, members: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return HTTP status and body of an answer."""
    headers = {"X-Amz-Target": f"TransferService.{operation}", "Authorization": SIGNED}
    headers["Content-Type"] = "application/x-amz-json-1.1"
    connection = http.client.HTTPConnection(urlsplit(gateway.endpoint_url).netloc, timeout=30)
    try:
        connection.request("POST", "/", json.dumps(members).encode(), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        connection.close()


def world_of(gateway: LocalGateway) -> World:
    """Return a gateway's API as the tables ask it: a server that is made or stopped is so."""

    async def ask(operation: str, **members: Any) -> tuple[int, dict[str, Any]]:
        answer = asked(gateway, operation, members)
        if state := {"CreateServer": "ONLINE", "StopServer": "OFFLINE"}.get(operation):
            server = {"ServerId": members.get("ServerId") or answer[1]["ServerId"]}
            described = partial(asked, gateway, "DescribeServer", server)
            wait_until(lambda: described()[1]["Server"]["State"] == state, f"the server is {state}")
        return answer

    return World(ask, set())


def members_of(value: Any) -> Any:
    """Return which members a value has, whatever they hold; of a list those of its first item."""
    if isinstance(value, dict):
        return {name: members_of(member) for name, member in value.items()}
    if isinstance(value, list):
        return [members_of(each) for each in value[:1]]
    return None


# What is kept whole, and read back whole.
WHOLE = [each for each in SUCCESSES if each.about in ("with everything", "of the older kinds")]


@pytest.mark.lengthy
@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.name)
async def test_what_is_kept_is_read_back(case: Success, tidegate: LocalGateway) -> None:
    """With the same members in each answer as over a directory in memory, however deep."""
    world, acme = world_of(tidegate), {"ServerId": tidegate.server_id, "UserName": "acme"}
    await world.ask("DeleteUser", **acme)
    await world.ask("CreateUser", **acme, Role=ROLE, SshPublicKeyBody=KEY)
    at = await seeded(world, tidegate.server_id)
    for operation, members in case.before:
        await at.asked(operation, members)
    assert members_of(await at.asked(case.operation, case.members)) == members_of(case.answer)
    assert case.look is not None
    assert members_of(await at.asked(*case.look)) == members_of(case.seen)
