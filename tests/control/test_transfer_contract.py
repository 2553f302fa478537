"""What tests of operations in memory cannot show: boto3's own errors and paginators, and sessions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest

from support.control_successes import REQUESTS
from support.live_servers import live_server
from support.transfer_client import OTHER_SERVER, ROLE, Transfer
from tidegate.testing.gateway import LocalGateway

# Those that boto3 has paginators for; ListHostKeys has tokens and none.
PAGINATORS = {"list_servers", "list_users", "list_executions", "list_workflows", "list_security_policies"}
PAGINATORS |= {"list_tags_for_resource"}


def test_the_errors_that_boto3_knows(transfer: Transfer) -> None:
    """By their classes, with the members that code reads of them."""
    client = transfer.client
    with pytest.raises(client.exceptions.ResourceNotFoundException) as missing:
        client.describe_server(ServerId=OTHER_SERVER)
    assert missing.value.response["Resource"] == OTHER_SERVER
    assert missing.value.response["ResourceType"] == "Server"
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(client.exceptions.ResourceExistsException) as there:
        client.create_user(ServerId=transfer.server_id, UserName="acme", Role=ROLE)
    assert there.value.response["Message"] == "User already exists"
    with pytest.raises(client.exceptions.InvalidNextTokenException):
        client.list_users(ServerId=transfer.server_id, NextToken="x")
    with pytest.raises(client.exceptions.InvalidRequestException, match="not configured for external auth"):
        client.test_identity_provider(ServerId=transfer.server_id, UserName="acme")


def test_users_over_three_pages(transfer: Transfer) -> None:
    """boto3's paginator finds each once, and keeps ServerId beside them."""
    for number in range(6):
        transfer("create_user", UserName=f"user-{number}", Role=ROLE)
    pages = transfer.client.get_paginator("list_users").paginate(
        ServerId=transfer.server_id, PaginationConfig={"PageSize": 3}
    )
    found = pages.build_full_result()
    assert [user["UserName"] for user in found["Users"]] == ["acme", *(f"user-{each}" for each in range(6))]
    assert found["ServerId"] == transfer.server_id


def test_what_boto3_can_page_through(transfer: Transfer) -> None:
    """Every paginator of its model that is about what we offer, and no other."""
    names = transfer.client.meta.method_to_api_mapping
    pageable = {name for name, api in names.items() if api in REQUESTS and transfer.client.can_paginate(name)}
    assert pageable == PAGINATORS


def test_what_is_open_while_a_server_stops(
    transfer: Transfer, tidegate: LocalGateway, new_key: Callable[[str], tuple[Path, str]]
) -> None:
    """Nobody comes in any more, the upload under way ends well, and then the server is OFFLINE."""
    server = live_server(transfer, new_key("key"))
    try:
        with server.login() as client, client.open("/in/report.csv", "wb") as file:
            file.write(b"a,b\n")
            file.flush()
            transfer.client.stop_server(ServerId=server.server_id)
            server.becomes("STOPPING")
            with pytest.raises((paramiko.SSHException, OSError)), server.login():
                pass
            file.write(b"1,2\n")
        server.becomes("OFFLINE")
    finally:
        server.delete()
    (stored,) = tidegate.client("s3").list_objects_v2(Bucket=transfer.landing)["Contents"]
    assert stored["Size"] == 8
