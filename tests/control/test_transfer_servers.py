"""The server, tags and security policies in the Transfer API: boto3 against a running gateway."""

from __future__ import annotations

import re

import pytest
from botocore.exceptions import ClientError

from support.transfer_client import OTHER_SERVER, ROLE, Transfer
from tidegate.faces.control.servers import ENDPOINT_TAG
from tidegate.testing.gateway import LocalGateway


def tags(**members: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in members.items()]


# --- the server -----------------------------------------------------------------------------


def test_the_server_as_it_is(transfer: Transfer, tidegate: LocalGateway) -> None:
    """With the defaults of one that was made with none of its own, and the host key that clients meet."""
    server = transfer("describe_server")["Server"]
    assert server == {
        "Arn": transfer.arn,
        "Domain": "S3",
        "EndpointType": "PUBLIC",
        "HostKeyFingerprint": tidegate.host_key_fingerprint,
        "IdentityProviderType": "SERVICE_MANAGED",
        "IpAddressType": "IPV4",
        "ProtocolDetails": {
            "PassiveIp": "AUTO",
            "SetStatOption": "DEFAULT",
            "TlsSessionResumptionMode": "ENFORCED",
        },
        "Protocols": ["SFTP"],
        "S3StorageOptions": {"DirectoryListingOptimization": "ENABLED"},
        "SecurityPolicyName": "TransferSecurityPolicy-2024-01",
        "ServerId": tidegate.server_id,
        "State": "ONLINE",
        "StructuredLogDestinations": [],
        "Tags": tags(**{ENDPOINT_TAG: f"{tidegate.sftp_host}:{tidegate.sftp_port}"}),
        "UserCount": 1,
    }
    assert re.fullmatch("s-[0-9a-f]{17}", server["ServerId"])


def test_the_list_of_servers(transfer: Transfer) -> None:
    """One: that of this gateway, with what a list has of it; users are counted."""
    transfer("create_user", UserName="one-more", Role=ROLE)
    assert transfer("list_servers") == {
        "Servers": [
            {
                "Arn": transfer.arn,
                "Domain": "S3",
                "EndpointType": "PUBLIC",
                "IdentityProviderType": "SERVICE_MANAGED",
                "ServerId": transfer.server_id,
                "State": "ONLINE",
                "UserCount": 2,
            }
        ]
    }
    assert transfer.refused("list_servers", NextToken="x")["Code"] == "InvalidNextTokenException"
    pages = transfer.client.get_paginator("list_servers").paginate(PaginationConfig={"PageSize": 1})
    assert [server["ServerId"] for page in pages for server in page["Servers"]] == [transfer.server_id]


def test_the_waiter_for_a_server(transfer: Transfer) -> None:
    """boto3's own finds it online at its first look."""
    transfer.client.get_waiter("server_online").wait(
        ServerId=transfer.server_id, WaiterConfig={"Delay": 1, "MaxAttempts": 1}
    )


def test_the_server_has_no_identity_provider_of_its_own(transfer: Transfer) -> None:
    """There is nothing to test, as AWS says of such a server."""
    error = transfer.refused("test_identity_provider", UserName="acme", UserPassword="secret")
    assert error["Code"] == "InvalidRequestException"
    assert error["Message"] == f"{transfer.server_id} not configured for external auth"


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("list_connectors", {}),
        ("list_profiles", {}),
        ("list_web_apps", {}),
    ],
)
def test_what_is_not_offered_says_so(transfer: Transfer, operation, members) -> None:
    """Nothing is pretended: 501, which no SDK tries again."""
    with pytest.raises(ClientError) as refused:
        transfer(operation, **members)
    answer = refused.value.response
    assert answer["Error"]["Code"] == "NotImplementedException"
    assert answer["Error"]["Message"].startswith(f"{refused.value.operation_name} is not offered")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert answer["ResponseMetadata"]["RetryAttempts"] == 0


# --- tags -----------------------------------------------------------------------------------


@pytest.fixture(params=["server", "user"])
def arn(transfer: Transfer, request: pytest.FixtureRequest) -> str:
    """What can be tagged."""
    if request.param == "server":
        return transfer.arn
    transfer("create_user", UserName="acme-2", Role=ROLE)
    return transfer.user_arn("acme-2")


def test_tags_come_and_go(transfer: Transfer, arn: str) -> None:
    """A key that is there gets the new value; one that is not there cannot be missed."""
    assert transfer("list_tags_for_resource", Arn=arn) == {"Arn": arn, "Tags": []}
    assert transfer("tag_resource", Arn=arn, Tags=tags(b="1", a="ü")) == {}
    transfer("tag_resource", Arn=arn, Tags=tags(b="2", c=""))
    assert transfer("list_tags_for_resource", Arn=arn)["Tags"] == tags(a="ü", b="2", c="")
    assert transfer("untag_resource", Arn=arn, TagKeys=["a", "nothing"]) == {}
    described = transfer("describe_server")["Server"] if ":server/" in arn else transfer.user("acme-2")
    assert [tag for tag in described["Tags"] if tag["Key"] != ENDPOINT_TAG] == tags(b="2", c="")


def test_tags_in_pages(transfer: Transfer, arn: str) -> None:
    """boto3's paginator shows each once; as many as there can be fit, and no more."""
    wanted = tags(**{f"k{number:02}": "" for number in range(50)})
    transfer("tag_resource", Arn=arn, Tags=wanted)
    pages = transfer.client.get_paginator("list_tags_for_resource").paginate(
        Arn=arn, PaginationConfig={"PageSize": 20}
    )
    assert [tag for page in pages for tag in page["Tags"]] == wanted
    assert transfer.refused("tag_resource", Arn=arn, Tags=tags(more=""))["Code"] == "InvalidRequestException"
    assert transfer.refused("list_tags_for_resource", Arn=arn, NextToken="x")["Code"] == (
        "InvalidNextTokenException"
    )


def test_tags_of_what_is_not_there(transfer: Transfer) -> None:
    """ResourceNotFoundException with what it is; but listing knows InvalidRequestException alone."""
    for arn, resource, kind in (
        (transfer.user_arn("nobody"), "nobody", "User"),
        (transfer.arn.replace(transfer.server_id, OTHER_SERVER), OTHER_SERVER, "Server"),
    ):
        for operation, members in (
            ("tag_resource", {"Tags": tags(a="")}),
            ("untag_resource", {"TagKeys": ["a"]}),
        ):
            error = transfer.refused(operation, Arn=arn, **members)
            assert (error["Code"], error["Resource"]) == ("ResourceNotFoundException", resource)
            assert error["ResourceType"] == kind
        assert transfer.refused("list_tags_for_resource", Arn=arn)["Code"] == "InvalidRequestException"


@pytest.mark.parametrize(
    "arn", ["arn:aws:s3:::bucket-of-ours", "arn:aws:transfer:us-east-1:999999999999:server/x"]
)
def test_tags_of_what_is_none_of_ours(transfer: Transfer, arn: str) -> None:
    """Another service's, or another account's."""
    assert transfer.refused("tag_resource", Arn=arn, Tags=tags(a=""))["Code"] == "InvalidRequestException"


# --- security policies ----------------------------------------------------------------------


def test_security_policies(transfer: Transfer) -> None:
    """All fifteen, page by page, and each with what it holds."""
    pages = list(
        transfer.client.get_paginator("list_security_policies").paginate(PaginationConfig={"PageSize": 4})
    )
    names = [name for page in pages for name in page["SecurityPolicyNames"]]
    assert (len(pages), len(set(names)), len(names)) == (4, 15, 15)
    for name in names:
        policy = transfer("describe_security_policy", SecurityPolicyName=name)["SecurityPolicy"]
        assert policy["SecurityPolicyName"] == name
        assert policy["Fips"] == ("-FIPS-" in name)
        assert (policy["Type"], policy["Protocols"]) == ("SERVER", ["SFTP", "FTPS"])
        assert all(policy[member] for member in ("SshCiphers", "SshKexs", "SshMacs"))
        assert len(policy["TlsCiphers"]) == (10 if name.endswith("2018-11") else 8)
    default = transfer("describe_server")["Server"]["SecurityPolicyName"]
    described = transfer("describe_security_policy", SecurityPolicyName=default)["SecurityPolicy"]
    assert described["SshMacs"] == ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"]


def test_security_policies_that_are_none(transfer: Transfer) -> None:
    """A name of another form is an error of another kind."""
    error = transfer.refused("describe_security_policy", SecurityPolicyName="TransferSecurityPolicy-1999-01")
    assert (error["Code"], error["ResourceType"]) == ("ResourceNotFoundException", "SecurityPolicy")
    error = transfer.refused("describe_security_policy", SecurityPolicyName="tidegate-2026-11")
    assert error["Code"] == "InvalidRequestException"
