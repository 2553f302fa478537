"""Requests on servers and host keys that are carried out: what is answered, and what is seen then."""

from __future__ import annotations

from support.control_seed import FUNCTION, Like
from support.control_success import (
    ACCOUNT,
    ACME,
    ENDPOINT,
    HOST_KEY,
    LOGS,
    NEW_SERVER,
    REGION,
    SERVER_ID,
    TAG,
    WORKFLOW,
    Members,
    Success,
)
from support.control_world import ARNS, NOW, ROLE, SERVER

_ID = {"ServerId": Like("s-[0-9a-f]{17}")}
_DEFAULTS: Members = {
    "Arn": Like(f"arn:aws:transfer:{REGION}:{ACCOUNT}:server/s-[0-9a-f]{{17}}"),
    "Domain": "S3",
    "EndpointType": "PUBLIC",
    "HostKeyFingerprint": "SHA256:x",
    "IdentityProviderType": "SERVICE_MANAGED",
    "IpAddressType": "IPV4",
    "ProtocolDetails": {
        "PassiveIp": "AUTO",
        "TlsSessionResumptionMode": "ENFORCED",
        "SetStatOption": "DEFAULT",
    },
    "Protocols": ["SFTP"],
    "S3StorageOptions": {"DirectoryListingOptimization": "DISABLED"},
    "SecurityPolicyName": "TransferSecurityPolicy-2024-01",
    "ServerId": "@new",
    "State": "ONLINE",
    "StructuredLogDestinations": [],
    "Tags": [ENDPOINT],
    "UserCount": 0,
}
_ATTACHED = [WORKFLOW | {"ExecutionRole": ROLE}]
# Members that are shown as they were given.
_SHOWN: Members = {
    "Certificate": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/c",
    "EndpointType": "VPC",
    "IdentityProviderType": "AWS_LAMBDA",
    "IdentityProviderDetails": {"Function": FUNCTION, "SftpAuthenticationMethods": "PASSWORD"},
    "IpAddressType": "IPV4",
    "LoggingRole": ROLE,
    "PostAuthenticationLoginBanner": "Bye.",
    "PreAuthenticationLoginBanner": "Ships only.",
    "ProtocolDetails": {
        "PassiveIp": "192.0.2.1",
        "TlsSessionResumptionMode": "ENABLED",
        "SetStatOption": "ENABLE_NO_OP",
        "SftpPorts": [{"SftpPort": 2222, "CommunicationMode": "CLIENT_TALK_FIRST"}],
        "ProxyConfig": {"SftpMode": "NONE"},
    },
    "Protocols": ["SFTP"],
    "S3StorageOptions": {"DirectoryListingOptimization": "ENABLED"},
    "SecurityPolicyName": "TransferSecurityPolicy-2025-03",
    "StructuredLogDestinations": [LOGS],
    "WorkflowDetails": {"OnUpload": _ATTACHED, "OnPartialUpload": _ATTACHED},
}
_DETAILS: Members = {"SubnetIds": ["subnet-1"], "VpcId": "vpc-01234567890123456"}
_GROUPS: Members = {"SecurityGroupIds": ["sg-0123456789abcdef0"]}

SERVERS = (
    Success("CreateServer", {}, _ID, ("DescribeServer", NEW_SERVER), {"Server": _DEFAULTS}, about="bare"),
    Success(
        "CreateServer",
        _SHOWN
        | {"Domain": "S3", "HostKey": "@private-key", "HostKeyStorageType": "SERVICE_MANAGED", "Tags": [TAG]}
        | {"EndpointDetails": _DETAILS | _GROUPS},
        _ID,
        ("DescribeServer", NEW_SERVER),
        {"Server": _DEFAULTS | _SHOWN | {"EndpointDetails": _DETAILS, "Tags": [TAG, ENDPOINT]}},
        about="with everything",
    ),
    Success(
        "CreateServer",
        {
            "EndpointType": "VPC_ENDPOINT",
            "EndpointDetails": {"VpcEndpointId": "vpce-0123456789abcdef0"},
            "IdentityProviderType": "API_GATEWAY",
            "IdentityProviderDetails": {"Url": "https://api.example/prod", "InvocationRole": ROLE},
        },
        _ID,
        ("DescribeServer", NEW_SERVER),
        {
            "Server": _DEFAULTS
            | {
                "EndpointType": "VPC_ENDPOINT",
                "EndpointDetails": {"VpcEndpointId": "vpce-0123456789abcdef0"},
                "IdentityProviderType": "API_GATEWAY",
                "IdentityProviderDetails": {
                    "Url": "https://api.example/prod",
                    "InvocationRole": ROLE,
                    "SftpAuthenticationMethods": "PUBLIC_KEY_OR_PASSWORD",
                },
            }
        },
        about="of the older kinds",
    ),
    Success(
        "UpdateServer",
        _SHOWN
        | {"ServerId": "@other", "HostKey": "@private-key"}
        | {"EndpointDetails": _DETAILS | {"AddressAllocationIds": ["eipalloc-1"]}},
        {"ServerId": "@other"},
        ("DescribeServer", {"ServerId": "@other"}),
        {
            "Server": _DEFAULTS
            | _SHOWN
            | {"EndpointDetails": _DETAILS | {"AddressAllocationIds": ["eipalloc-1"]}}
            | {"ServerId": "@other", "State": "OFFLINE"}
        },
        before=(("StopServer", {"ServerId": "@other"}),),
        about="with everything",
    ),
    Success(
        "UpdateServer",
        {
            "ServerId": "@other",
            "IdentityProviderType": "SERVICE_MANAGED",
            "WorkflowDetails": {"OnUpload": [], "OnPartialUpload": []},
            "StructuredLogDestinations": [],
            "LoggingRole": "",
            "PreAuthenticationLoginBanner": "",
        },
        {"ServerId": "@other"},
        ("DescribeServer", {"ServerId": "@other"}),
        {"Server": _DEFAULTS | {"ServerId": "@other"}},
        before=(
            (
                "UpdateServer",
                {"ServerId": "@other"}
                | {
                    name: _SHOWN[name]
                    for name in (
                        "LoggingRole",
                        "PreAuthenticationLoginBanner",
                        "StructuredLogDestinations",
                        "WorkflowDetails",
                    )
                },
            ),
        ),
        about="what an empty value takes away",
    ),
    Success(
        "UpdateServer",
        SERVER_ID,
        SERVER_ID,
        ("ListUsers", SERVER_ID | {"MaxResults": 1}),
        {
            "NextToken": Like(".+"),
            "ServerId": "@server",
            "Users": [
                {
                    "Arn": "@arn-user",
                    "HomeDirectoryType": "PATH",
                    "Role": ROLE,
                    "SshPublicKeyCount": 1,
                    "UserName": "acme",
                }
            ],
        },
        before=(
            (
                "UpdateServer",
                SERVER_ID
                | {"IdentityProviderType": "AWS_LAMBDA", "IdentityProviderDetails": {"Function": FUNCTION}},
            ),
            ("UpdateServer", SERVER_ID | {"IdentityProviderType": "SERVICE_MANAGED"}),
        ),
        about="users survive another provider",
    ),
    Success(
        "UpdateServer",
        SERVER_ID | {"HostKey": "@kept-private-key", "LoggingRole": ROLE},
        SERVER_ID,
        ("DescribeServer", SERVER_ID),
        {
            "Server": _DEFAULTS
            | {"ServerId": "@server", "S3StorageOptions": {"DirectoryListingOptimization": "ENABLED"}}
            | {"LoggingRole": ROLE, "UserCount": 2}
        },
        about="with a host key that is there",
    ),
    Success("StopServer", SERVER_ID, {}, ("StopServer", SERVER_ID), {}, about="twice"),
    Success("StartServer", SERVER_ID, {}, ("StartServer", SERVER_ID), {}, about="one that is on"),
    Success(
        "DeleteServer",
        SERVER_ID,
        {},
        ("DescribeUser", ACME),
        "ResourceNotFoundException",
        about="with its users",
    ),
    Success(
        "ListServers",
        {"MaxResults": 1000},
        {
            "Servers": [
                {
                    "Arn": ARNS.server(SERVER),
                    "Domain": "S3",
                    "EndpointType": "PUBLIC",
                    "IdentityProviderType": "SERVICE_MANAGED",
                    "LoggingRole": ROLE,
                    "ServerId": SERVER,
                    "State": "ONLINE",
                    "UserCount": 2,
                }
            ]
        },
        before=(
            ("UpdateServer", SERVER_ID | {"LoggingRole": ROLE}),
            ("DeleteServer", {"ServerId": "@other"}),
        ),
    ),
    Success(
        "DescribeServer",
        SERVER_ID,
        {
            "Server": _DEFAULTS
            | {"ServerId": "@server", "S3StorageOptions": {"DirectoryListingOptimization": "ENABLED"}}
            | {"UserCount": 2}
        },
        about="of the configuration",
    ),
)

_HOST_KEY_ID = Like("hostkey-[0-9a-f]{17}")
_DESCRIBED_KEY: Members = {
    "Arn": "@arn-host-key",
    "DateImported": NOW,
    "Description": "next",
    "HostKeyFingerprint": "@fingerprint",
    "HostKeyId": "@host-key",
    "Tags": [],
    "Type": "ssh-ed25519",
}
_LISTED_KEY = {
    {"HostKeyFingerprint": "Fingerprint"}.get(name, name): value
    for name, value in _DESCRIBED_KEY.items()
    if name != "Tags"
}

HOST_KEYS = (
    Success(
        "ImportHostKey",
        SERVER_ID
        | {"HostKeyBody": "@private-key", "Description": "d", "Tags": [TAG]}
        | {"StorageType": "SERVICE_MANAGED"},
        SERVER_ID | {"HostKeyId": _HOST_KEY_ID},
        ("DescribeHostKey", SERVER_ID | {"HostKeyId": "@new"}),
        {
            "HostKey": _DESCRIBED_KEY
            | {"Arn": Like(".*:host-key/s-.*/hostkey-.*"), "HostKeyId": "@new", "Tags": [TAG]}
            | {"Description": "d", "HostKeyFingerprint": Like("SHA256:[A-Za-z0-9+/]{43}")}
        },
        about="with everything",
    ),
    Success(
        "ImportHostKey",
        SERVER_ID | {"HostKeyBody": "@private-key"},
        SERVER_ID | {"HostKeyId": _HOST_KEY_ID},
        about="bare",
    ),
    Success("DescribeHostKey", HOST_KEY, {"HostKey": _DESCRIBED_KEY}),
    Success(
        "ListHostKeys",
        SERVER_ID,
        SERVER_ID | {"HostKeys": [_LISTED_KEY]},
        before=(("DeleteHostKey", SERVER_ID | {"HostKeyId": "@first-host-key"}),),
    ),
    Success(
        "UpdateHostKey",
        HOST_KEY | {"Description": "other", "StorageType": "SERVICE_MANAGED"},
        HOST_KEY,
        ("DescribeHostKey", HOST_KEY),
        {"HostKey": _DESCRIBED_KEY | {"Description": "other"}},
    ),
    Success(
        "UpdateHostKey",
        HOST_KEY,
        HOST_KEY,
        ("DescribeHostKey", HOST_KEY),
        {"HostKey": _DESCRIBED_KEY},
        about="of nothing",
    ),
    Success("DeleteHostKey", HOST_KEY, {}, ("DescribeHostKey", HOST_KEY), "ResourceNotFoundException"),
)
