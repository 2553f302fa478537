"""Requests on users, workflows, tags and the rest that are carried out: what is answered, and seen then."""

from __future__ import annotations

from support.control_seed import FUNCTION, STEPS, Like
from support.control_success import (
    ACME,
    BOB,
    LOGS,
    POLICY,
    SERVER_ID,
    TAG,
    WORKFLOW,
    Members,
    Success,
)
from support.control_world import KEY, NOW, ROLE

_KEYS = [{"DateImported": NOW, "SshPublicKeyBody": KEY, "SshPublicKeyId": "@key"}]
_BARE: Members = {
    "Arn": Like(".*:user/s-.*/carl"),
    "HomeDirectoryType": "PATH",
    "Role": ROLE,
    "SshPublicKeys": [],
    "Tags": [],
    "UserName": "carl",
}
_ROOM: Members = {
    "HomeDirectory": "/in",
    "HomeDirectoryType": "LOGICAL",
    "HomeDirectoryMappings": [
        {"Entry": "/in", "Target": "/landing/${transfer:UserName}"},
        {"Entry": "/out", "Target": "/landing/out", "Type": "DIRECTORY"},
        {"Entry": "/prices.csv", "Target": "/landing/prices.csv", "Type": "FILE"},
    ],
    "Policy": POLICY,
    "PosixProfile": {"Uid": 1, "Gid": 2, "SecondaryGids": [3]},
    "Role": ROLE + "-2",
}
CARL: Members = SERVER_ID | {"UserName": "carl"}

USERS = (
    Success(
        "CreateUser",
        CARL | {"Role": ROLE},
        CARL,
        ("DescribeUser", CARL),
        SERVER_ID | {"User": _BARE},
        about="bare",
    ),
    Success(
        "CreateUser",
        CARL | _ROOM | {"SshPublicKeyBody": "@public-key", "Tags": [TAG]},
        CARL,
        ("DescribeUser", CARL),
        SERVER_ID
        | {
            "User": _BARE
            | _ROOM
            | {"Tags": [TAG]}
            | {
                "SshPublicKeys": [
                    {
                        "DateImported": NOW,
                        "SshPublicKeyBody": "@public-key",
                        "SshPublicKeyId": Like("key-[0-9a-f]{17}"),
                    }
                ]
            }
        },
        about="with everything",
    ),
    Success(
        "UpdateUser",
        ACME | _ROOM,
        ACME,
        ("DescribeUser", ACME),
        SERVER_ID
        | {"User": _BARE | _ROOM | {"Arn": "@arn-user", "UserName": "acme", "SshPublicKeys": _KEYS}},
        about="with everything",
    ),
    Success(
        "UpdateUser",
        ACME | {"Policy": ""},
        ACME,
        ("DescribeUser", ACME),
        SERVER_ID | {"User": _BARE | {"Arn": "@arn-user", "UserName": "acme", "SshPublicKeys": _KEYS}},
        before=(("UpdateUser", ACME | {"Policy": POLICY}),),
        about="an empty policy takes it away",
    ),
    Success(
        "DescribeUser",
        ACME,
        SERVER_ID | {"User": _BARE | {"Arn": "@arn-user", "UserName": "acme", "SshPublicKeys": _KEYS}},
    ),
    Success(
        "ListUsers",
        SERVER_ID | {"MaxResults": 1},
        SERVER_ID
        | {
            "NextToken": Like(".+"),
            "Users": [
                {
                    "Arn": "@arn-user",
                    "HomeDirectory": "/landing/acme",
                    "HomeDirectoryType": "PATH",
                    "Role": ROLE,
                    "SshPublicKeyCount": 1,
                    "UserName": "acme",
                }
            ],
        },
        before=(("UpdateUser", ACME | {"HomeDirectory": "/landing/acme"}),),
    ),
    Success("DeleteUser", ACME, {}, ("DescribeUser", ACME), "ResourceNotFoundException"),
    Success(
        "ImportSshPublicKey",
        BOB | {"SshPublicKeyBody": "@public-key"},
        BOB | {"SshPublicKeyId": Like("key-[0-9a-f]{17}")},
    ),
    Success(
        "DeleteSshPublicKey",
        ACME | {"SshPublicKeyId": "@key"},
        {},
        ("DeleteSshPublicKey", ACME | {"SshPublicKeyId": "@key"}),
        "ResourceNotFoundException",
    ),
)

_COPY: Members = {
    "Name": "keep",
    "DestinationFileLocation": {
        "S3FileLocation": {"Bucket": "archive", "Key": "${transfer:UserName}/${transfer:UploadDate}/"}
    },
    "OverwriteExisting": "TRUE",
    "SourceFileLocation": "${previous.file}",
}
ALL_STEPS: list[Members] = [
    {"Type": "COPY", "CopyStepDetails": _COPY},
    {"Type": "DECRYPT", "DecryptStepDetails": _COPY | {"Type": "PGP"}},
    {
        "Type": "CUSTOM",
        "CustomStepDetails": {
            "Name": "scan",
            "Target": FUNCTION,
            "TimeoutSeconds": 60,
            "SourceFileLocation": "${original.file}",
        },
    },
    {
        "Type": "TAG",
        "TagStepDetails": {"Name": "t", "Tags": [TAG], "SourceFileLocation": "${previous.file}"},
    },
    {"Type": "DELETE", "DeleteStepDetails": {"Name": "drop", "SourceFileLocation": "${original.file}"}},
]
_KEPT: Members = {"Description": "of a test", "Steps": STEPS[:1], "OnExceptionSteps": STEPS[1:]}
_WORKFLOW_ID = {"WorkflowId": Like("w-[0-9a-f]{17}")}

WORKFLOWS = (
    Success(
        "CreateWorkflow",
        {
            "Description": "all steps",
            "Steps": ALL_STEPS,
            "OnExceptionSteps": ALL_STEPS,
            "Tags": [TAG],
            "StructuredLogDestinations": [LOGS],
        },
        _WORKFLOW_ID,
        ("DescribeWorkflow", {"WorkflowId": "@new"}),
        {
            "Workflow": {
                "Arn": Like(".*:workflow/w-.*"),
                "Description": "all steps",
                "Steps": ALL_STEPS,
                "OnExceptionSteps": ALL_STEPS,
                "Tags": [TAG],
                "WorkflowId": "@new",
                "StructuredLogDestinations": [LOGS],
            }
        },
        about="with everything",
    ),
    Success(
        "CreateWorkflow",
        {"Steps": []},
        _WORKFLOW_ID,
        ("DescribeWorkflow", {"WorkflowId": "@new"}),
        {
            "Workflow": {
                "Arn": Like(".*"),
                "Steps": [],
                "OnExceptionSteps": [],
                "Tags": [],
                "WorkflowId": "@new",
            }
        },
        about="bare",
    ),
    Success(
        "DescribeWorkflow",
        WORKFLOW,
        {"Workflow": WORKFLOW | _KEPT | {"Arn": "@arn-workflow", "Tags": []}},
    ),
    Success(
        "ListWorkflows",
        {},
        {"Workflows": [WORKFLOW | {"Arn": "@arn-workflow", "Description": "of a test"}]},
    ),
    Success("DeleteWorkflow", WORKFLOW, {}, ("DescribeWorkflow", WORKFLOW), "ResourceNotFoundException"),
    Success("ListExecutions", WORKFLOW, WORKFLOW | {"Executions": []}),
)

_TAGGED = tuple(f"@arn-{kind}" for kind in ("server", "user", "host-key", "workflow"))

TAGS = (
    *(
        Success(
            "TagResource",
            {"Arn": arn, "Tags": [TAG]},
            {},
            ("ListTagsForResource", {"Arn": arn, "MaxResults": 1}),
            {"Arn": arn, "Tags": [TAG]},
            before=(("TagResource", {"Arn": arn, "Tags": [TAG | {"Value": "old"}]}),),
            about=arn,
        )
        for arn in _TAGGED
    ),
    *(
        Success(
            "UntagResource",
            {"Arn": arn, "TagKeys": ["team", "none"]},
            {},
            ("ListTagsForResource", {"Arn": arn}),
            {"Arn": arn, "Tags": []},
            before=(("TagResource", {"Arn": arn, "Tags": [TAG]}),),
            about=arn,
        )
        for arn in _TAGGED
    ),
    *(Success("ListTagsForResource", {"Arn": arn}, {"Arn": arn, "Tags": []}, about=arn) for arn in _TAGGED),
)

_TESTED: Members = {"ServerId": "@other", "UserName": "acme"}

OTHERS = (
    Success(
        "TestIdentityProvider",
        _TESTED | {"ServerProtocol": "SFTP", "SourceIp": "192.0.2.7", "UserPassword": "right"},
        {"Response": f'{{"Role": "{ROLE}"}}', "StatusCode": 200, "Message": "", "Url": ""},
        about="a password",
    ),
    Success(
        "TestIdentityProvider",
        _TESTED | {"UserPassword": "wrong"},
        {"Response": "{}", "StatusCode": 200, "Message": "", "Url": ""},
        about="a wrong password",
    ),
    Success(
        "ListSecurityPolicies",
        {"MaxResults": 1},
        {"NextToken": Like(".+"), "SecurityPolicyNames": ["TransferSecurityPolicy-2018-11"]},
    ),
    Success(
        "DescribeSecurityPolicy",
        {"SecurityPolicyName": "TransferSecurityPolicy-FIPS-2025-03"},
        {
            "SecurityPolicy": {
                "Fips": True,
                "Protocols": ["SFTP", "FTPS"],
                "SecurityPolicyName": "TransferSecurityPolicy-FIPS-2025-03",
                "SshCiphers": [
                    "aes256-gcm@openssh.com",
                    "aes128-gcm@openssh.com",
                    "aes256-ctr",
                    "aes192-ctr",
                    "aes128-ctr",
                ],
                "SshKexs": [
                    "mlkem768x25519-sha256",
                    "mlkem768nistp256-sha256",
                    "mlkem1024nistp384-sha384",
                    "ecdh-sha2-nistp256",
                    "ecdh-sha2-nistp384",
                    "ecdh-sha2-nistp521",
                    "diffie-hellman-group-exchange-sha256",
                    "diffie-hellman-group16-sha512",
                    "diffie-hellman-group18-sha512",
                ],
                "SshMacs": ["hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com"],
                "TlsCiphers": [
                    f"TLS_ECDHE_{kind}_WITH_AES_{bits}"
                    for bits in ("128_GCM_SHA256", "128_CBC_SHA256", "256_GCM_SHA384", "256_CBC_SHA384")
                    for kind in ("ECDSA", "RSA")
                ],
                "Type": "SERVER",
            }
        },
    ),
)
