"""Servers in the words of the Transfer API."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.core.behaviour import PRESETS
from tidegate.core.errors import InvalidName
from tidegate.core.server_members import created, described, updated
from tidegate.core.servers import AttachedWorkflow, IdentityProvider, Server, behaviour_of_server

ID = "s-0123456789abcdef0"
ROLE = "arn:aws:iam::123456789012:role/x"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:who"
LAMBDA = {"IdentityProviderType": "AWS_LAMBDA", "IdentityProviderDetails": {"Function": FUNCTION}}
WORKFLOW = {"WorkflowId": "w-0123456789abcdef0", "ExecutionRole": ROLE}
VPC = {"EndpointType": "VPC", "EndpointDetails": {"VpcId": "vpc-1", "SecurityGroupIds": ["sg-1"]}}


def shown(server: Server) -> dict[str, Any]:
    return {name: value for name, value in described(server).items() if value is not None}


def test_what_is_made_of_nothing() -> None:
    """Every default that AWS shows of a server that was made with no member."""
    server = created(ID, {})
    assert server == Server(ID)
    assert shown(server) == {
        "Domain": "S3",
        "EndpointType": "PUBLIC",
        "IdentityProviderType": "SERVICE_MANAGED",
        "IpAddressType": "IPV4",
        "ProtocolDetails": {
            "PassiveIp": "AUTO",
            "SetStatOption": "DEFAULT",
            "TlsSessionResumptionMode": "ENFORCED",
        },
        "Protocols": ["SFTP"],
        "S3StorageOptions": {"DirectoryListingOptimization": "DISABLED"},
        "StructuredLogDestinations": [],
    }


@pytest.mark.parametrize(
    "members",
    [
        LAMBDA | {"IdentityProviderDetails": {"Function": FUNCTION, "SftpAuthenticationMethods": "PASSWORD"}},
        {"PreAuthenticationLoginBanner": "hi", "PostAuthenticationLoginBanner": "ho", "LoggingRole": ROLE},
        {"SecurityPolicyName": "TransferSecurityPolicy-2025-03"},
        {"StructuredLogDestinations": ["arn:aws:logs:eu-west-1:123456789012:log-group:x:*"]},
        {"S3StorageOptions": {"DirectoryListingOptimization": "ENABLED"}},
        {"WorkflowDetails": {"OnUpload": [WORKFLOW]}},
        {"WorkflowDetails": {"OnUpload": [WORKFLOW], "OnPartialUpload": [WORKFLOW]}},
        {"IpAddressType": "DUALSTACK"},
        {"Certificate": "arn:aws:acm:eu-west-1:123456789012:certificate/x"},
    ],
)
def test_what_is_said_is_shown(members: dict[str, Any]) -> None:
    """By the names it was said with."""
    assert shown(created(ID, members)).items() >= members.items()


def test_what_is_never_shown() -> None:
    """Security groups, and the provider's details where there are none."""
    assert shown(created(ID, VPC))["EndpointDetails"] == {"VpcId": "vpc-1"}
    assert "IdentityProviderDetails" not in shown(created(ID, {}))


def test_protocol_details_come_one_by_one() -> None:
    """One that is named changes no other."""
    server = created(ID, {"ProtocolDetails": {"PassiveIp": "192.0.2.1"}})
    changed = updated(server, {"ProtocolDetails": {"SetStatOption": "ENABLE_NO_OP"}}, is_offline=False)
    assert shown(changed)["ProtocolDetails"] == {
        "PassiveIp": "192.0.2.1",
        "SetStatOption": "ENABLE_NO_OP",
        "TlsSessionResumptionMode": "ENFORCED",
    }


def test_what_is_not_named_stays() -> None:
    """An update of nothing is none; one of a banner changes the banner alone."""
    server = created(ID, {**LAMBDA, "WorkflowDetails": {"OnUpload": [WORKFLOW]}, "LoggingRole": ROLE})
    assert updated(server, {}, is_offline=False) == server
    changed = updated(server, {"PreAuthenticationLoginBanner": "hi"}, is_offline=False)
    assert (changed.pre_login_banner, changed.logging_role) == ("hi", ROLE)


def test_what_is_taken_away() -> None:
    """Workflows half by half with an empty list, log groups alike, a role with an empty text."""
    both = {"OnUpload": [WORKFLOW], "OnPartialUpload": [WORKFLOW]}
    server = created(ID, {"WorkflowDetails": both, "LoggingRole": ROLE, "StructuredLogDestinations": ["x"]})
    half = updated(server, {"WorkflowDetails": {"OnUpload": []}}, is_offline=False)
    assert half.on_upload is None
    assert half.on_partial_upload == AttachedWorkflow(*WORKFLOW.values())
    bare = {"WorkflowDetails": {"OnUpload": [], "OnPartialUpload": []}}
    none = updated(server, {**bare, "LoggingRole": "", "StructuredLogDestinations": []}, is_offline=False)
    assert shown(none) == shown(Server(ID))


def test_another_identity_provider() -> None:
    """A change of type forgets the details of the old one; the details of one change it alone."""
    server = created(ID, LAMBDA)
    said = {"IdentityProviderDetails": {"SftpAuthenticationMethods": "PUBLIC_KEY_AND_PASSWORD"}}
    assert updated(server, said, is_offline=False).identity_provider == IdentityProvider(
        "AWS_LAMBDA", function=FUNCTION, sftp_authentication_methods="PUBLIC_KEY_AND_PASSWORD"
    )
    managed = updated(server, {"IdentityProviderType": "SERVICE_MANAGED"}, is_offline=False)
    assert managed.identity_provider == IdentityProvider()


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"Domain": "EFS"}, "EFS is not offered"),
        ({"Protocols": ["SFTP", "FTPS"]}, "Protocols"),
        ({"ProtocolDetails": {"As2Transports": ["HTTP"]}}, "AS2"),
        ({"IdentityProviderType": "AWS_LAMBDA"}, "needs Function"),
        ({"IdentityProviderType": "API_GATEWAY"}, "needs Url"),
        ({"IdentityProviderType": "AWS_DIRECTORY_SERVICE"}, "not offered"),
        ({"IdentityProviderDetails": {"Function": FUNCTION}}, "SERVICE_MANAGED"),
        ({"EndpointDetails": {"VpcId": "vpc-1"}}, "EndpointType: PUBLIC"),
        (
            {"EndpointType": "VPC", "EndpointDetails": {"VpcEndpointId": "vpce-1"}},
            "VPC Endpoint ID unsupported for EndpointType: VPC",
        ),
        (
            {
                "EndpointType": "VPC",
                "IpAddressType": "DUALSTACK",
                "EndpointDetails": {"AddressAllocationIds": ["e"]},
            },
            "DUALSTACK",
        ),
    ],
)
def test_what_does_not_go_together(members: dict[str, Any], text: str) -> None:
    """Refused when it is made and when it is changed, with what is wrong."""
    with pytest.raises(InvalidName, match=text):
        created(ID, members)
    with pytest.raises(InvalidName, match=text):
        updated(Server(ID), members, is_offline=True)


@pytest.mark.parametrize(
    ("members", "what"),
    [
        (VPC, "EndpointType"),
        ({"IpAddressType": "DUALSTACK"}, "IpAddressType"),
        ({"EndpointType": "VPC", "EndpointDetails": {"AddressAllocationIds": ["e"]}}, "EndpointType"),
    ],
)
def test_what_only_a_server_that_is_stopped_changes(members: dict[str, Any], what: str) -> None:
    """In AWS's words; saying again what is so is no change."""
    with pytest.raises(InvalidName, match=f"Server must be OFFLINE to change {what}"):
        updated(Server(ID), members, is_offline=False)
    changed = updated(Server(ID), members, is_offline=True)
    assert updated(changed, members, is_offline=False) == changed


def test_addresses_change_only_while_it_is_stopped() -> None:
    """Elastic addresses of a VPC server, too."""
    server = created(ID, VPC)
    more = {"EndpointDetails": {"VpcId": "vpc-1", "AddressAllocationIds": ["e"]}}
    with pytest.raises(InvalidName, match="AddressAllocationIds"):
        updated(server, more, is_offline=False)
    assert shown(updated(server, more, is_offline=True))["EndpointDetails"]["AddressAllocationIds"] == ["e"]


def test_what_a_server_makes_of_its_preset() -> None:
    """SETSTAT by its option, where the preset does not do more; the policy it names."""
    aws, safe = PRESETS["transfer-family"], PRESETS["partner-safe"]
    for base, said, setstat in (
        (aws, None, "refuse"),
        (aws, "DEFAULT", "refuse"),
        (aws, "ENABLE_NO_OP", "no_op"),
        (safe, "ENABLE_NO_OP", "accept"),
        (safe, "DEFAULT", "accept"),
    ):
        assert behaviour_of_server(base, Server(ID, set_stat=said)).setstat == setstat
    policy = "TransferSecurityPolicy-2025-03"
    assert behaviour_of_server(aws, Server(ID, security_policy=policy)).security_policy == policy
    assert behaviour_of_server(aws, Server(ID)) == aws
