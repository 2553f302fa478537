"""What operations of the Transfer API refuse, with the words: a table for each error of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from support.control_seed import FUNCTION, Like
from support.control_success import (
    ACME,
    BOB,
    EXECUTION,
    HOST_KEY,
    SERVER_ID,
    TAG,
    UNKNOWN_SERVER,
    UNKNOWN_WORKFLOW,
    WORKFLOW,
    Members,
)
from support.control_world import ARNS, KEY, ROLE, SERVER

NOT_FOUND, EXISTS = "ResourceNotFoundException", "ResourceExistsException"
INVALID = "InvalidRequestException"


@dataclass(frozen=True)
class Refusal:
    """
    A request that is refused.

    Args:
        text: The whole of the error's text.
        more: The error's other members.
    """

    operation: str
    members: Members
    error: str
    text: Any
    more: Members
    about: str = ""

    @property
    def name(self) -> str:
        return f"{self.operation} {self.error} {self.about or self.more.get('ResourceType', '')}".strip()


def _unknown(operation: str, members: Members, kind: str, resource: str, said: str = "") -> Refusal:
    text = f"Unknown {said or kind.lower()}"
    return Refusal(operation, members, NOT_FOUND, text, {"Resource": resource, "ResourceType": kind})


def _invalid(operation: str, members: Members, text: Any, about: str) -> Refusal:
    return Refusal(operation, members, INVALID, text, {}, about)


_NOBODY: Members = SERVER_ID | {"UserName": "nobody"}
_NO_KEY, _NO_HOST_KEY = "key-ffffffffffffffff0", "hostkey-ffffffffffffffff0"
_NO_POLICY = "TransferSecurityPolicy-1999-01"
_ATTACHED = {"OnUpload": [{"WorkflowId": UNKNOWN_WORKFLOW, "ExecutionRole": ROLE}]}
_BODY = {"SshPublicKeyBody": "@public-key"}
_STATE: Members = {"Token": "t", "Status": "SUCCESS"}
_AT_OTHER: Members = {"ServerId": "@other", "UserName": "acme"}

NOT_THERE = (
    *(
        _unknown(each, _NOBODY | more, "User", "nobody")
        for each, more in (
            ("DescribeUser", {}),
            ("UpdateUser", {"Role": ROLE}),
            ("DeleteUser", {}),
            ("ImportSshPublicKey", _BODY),
            ("DeleteSshPublicKey", {"SshPublicKeyId": "@key"}),
        )
    ),
    _unknown(
        "DeleteSshPublicKey",
        BOB | {"SshPublicKeyId": _NO_KEY},
        "SshPublicKey",
        _NO_KEY,
        "SSH public key",
    ),
    *(
        _unknown(each, SERVER_ID | {"HostKeyId": _NO_HOST_KEY}, "HostKey", _NO_HOST_KEY, "host key")
        for each in ("DescribeHostKey", "UpdateHostKey", "DeleteHostKey")
    ),
    *(
        _unknown(each, {"WorkflowId": UNKNOWN_WORKFLOW} | more, "Workflow", UNKNOWN_WORKFLOW)
        for each, more in (
            ("DescribeWorkflow", {}),
            ("DeleteWorkflow", {}),
            ("ListExecutions", {}),
            ("DescribeExecution", {"ExecutionId": EXECUTION}),
            ("SendWorkflowStepState", _STATE | {"ExecutionId": EXECUTION}),
        )
    ),
    *(
        _unknown(each, WORKFLOW | more | {"ExecutionId": EXECUTION}, "Execution", EXECUTION)
        for each, more in (("DescribeExecution", {}), ("SendWorkflowStepState", _STATE))
    ),
    *(
        _unknown(
            each, more | {"SecurityPolicyName": _NO_POLICY}, "SecurityPolicy", _NO_POLICY, "security policy"
        )
        for each, more in (("DescribeSecurityPolicy", {}), ("CreateServer", {}), ("UpdateServer", SERVER_ID))
    ),
    *(
        _unknown(each, more | {"WorkflowDetails": _ATTACHED}, "Workflow", UNKNOWN_WORKFLOW)
        for each, more in (("CreateServer", {}), ("UpdateServer", SERVER_ID))
    ),
    *(
        _unknown(each, more | {"Arn": arn}, kind, resource, said)
        for each, more in (("TagResource", {"Tags": [TAG]}), ("UntagResource", {"TagKeys": ["team"]}))
        for arn, kind, resource, said in (
            (ARNS.server(UNKNOWN_SERVER), "Server", UNKNOWN_SERVER, ""),
            (ARNS.user(SERVER, "nobody"), "User", "nobody", ""),
            (ARNS.user(UNKNOWN_SERVER, "acme"), "Server", UNKNOWN_SERVER, ""),
            (ARNS.host_key(SERVER, _NO_HOST_KEY), "HostKey", _NO_HOST_KEY, "host key"),
            (ARNS.workflow(UNKNOWN_WORKFLOW), "Workflow", UNKNOWN_WORKFLOW, ""),
        )
    ),
)


def _exists(operation: str, members: Members, kind: str, resource: str, said: str) -> Refusal:
    more = {"Resource": resource, "ResourceType": kind}
    return Refusal(operation, members, EXISTS, f"{said} already exists", more)


THERE = (
    _exists("CreateUser", ACME | {"Role": ROLE}, "User", "acme", "User"),
    _exists("ImportSshPublicKey", ACME | {"SshPublicKeyBody": KEY}, "SshPublicKey", "acme", "SSH public key"),
    _exists("ImportHostKey", SERVER_ID | {"HostKeyBody": "@kept-private-key"}, "HostKey", SERVER, "host key"),
)

_LAMBDA: Members = {"IdentityProviderType": "AWS_LAMBDA", "IdentityProviderDetails": {"Function": FUNCTION}}
_VPC: Members = {"EndpointType": "VPC", "EndpointDetails": {"VpcId": "vpc-01234567890123456"}}
_LOGICAL: Members = {"HomeDirectoryType": "LOGICAL"}


def _mapped(*pairs: tuple[str, str], **more: Any) -> Members:
    mappings = [{"Entry": entry, "Target": target} for entry, target in pairs]
    return ACME | _LOGICAL | {"HomeDirectoryMappings": mappings} | more


# Beyond what the model itself says. Texts in full where AWS's own are known.
UNUSABLE = (
    _invalid("TestIdentityProvider", ACME, f"{SERVER} not configured for external auth", "of no provider"),
    *(
        _invalid(
            "UpdateServer",
            SERVER_ID | more,
            f"Server must be OFFLINE to change {what}",
            f"{what} of one that is on",
        )
        for more, what in (
            (_VPC, "EndpointType"),
            ({"IpAddressType": "DUALSTACK"}, "IpAddressType"),
            (
                {"EndpointType": "PUBLIC", "EndpointDetails": {"AddressAllocationIds": ["eipalloc-1"]}},
                "AddressAllocationIds",
            ),
        )
        if what != "AddressAllocationIds"
    ),
    _invalid(
        "CreateServer",
        {"EndpointType": "VPC", "EndpointDetails": {"VpcEndpointId": "vpce-0123456789abcdef0"}},
        "VPC Endpoint ID unsupported for EndpointType: VPC",
        "a VPC with the id of an endpoint",
    ),
    _invalid(
        "DeleteHostKey",
        {"ServerId": "@other", "HostKeyId": "@only-host-key"},
        Like("the only host key of a server cannot be deleted.*"),
        "the only one",
    ),
    _invalid("CreateServer", {"Domain": "EFS"}, Like("Domain EFS is not offered.*"), "EFS"),
    _invalid("CreateServer", {"Protocols": ["SFTP", "FTPS"]}, Like("Protocols can be SFTP.*"), "FTPS"),
    _invalid(
        "UpdateServer",
        SERVER_ID | {"ProtocolDetails": {"As2Transports": ["HTTP"]}},
        Like("As2Transports goes with the protocol AS2.*"),
        "AS2",
    ),
    _invalid("CreateServer", {"HostKey": "no key"}, Like(".*"), "a host key that is none"),
    *(
        _invalid(each, more, Like(".*SECRETS_MANAGER.*|.*Secrets Manager.*"), about)
        for each, more, about in (
            ("CreateServer", {"HostKeyStorageType": "SECRETS_MANAGER"}, "a secret"),
            (
                "ImportHostKey",
                SERVER_ID | {"HostKeyBody": "@private-key", "StorageType": "SECRETS_MANAGER"},
                "a secret",
            ),
            (
                "ImportHostKey",
                SERVER_ID | {"HostKeyBody": "@private-key", "KmsKey": "@kms-key"},
                "its KMS key",
            ),
            ("UpdateHostKey", HOST_KEY | {"StorageType": "SECRETS_MANAGER"}, "a secret"),
            ("UpdateHostKey", HOST_KEY | {"KmsKey": "@kms-key"}, "its KMS key"),
        )
    ),
    _invalid("CreateServer", {"Tags": [TAG, TAG]}, Like("the tag 'team' is named 2 times.*"), "a tag twice"),
    _invalid(
        "CreateServer",
        {"Tags": [{"Key": "aws:x", "Value": ""}]},
        Like("the tag 'aws:x' begins with aws:.*"),
        "a tag of AWS's own",
    ),
    _invalid(
        "CreateServer",
        {"IdentityProviderType": "AWS_LAMBDA"},
        "IdentityProviderType AWS_LAMBDA needs Function, and no Url",
        "a provider without its function",
    ),
    _invalid(
        "CreateServer",
        {
            "IdentityProviderType": "AWS_DIRECTORY_SERVICE",
            "IdentityProviderDetails": {"DirectoryId": "d-0123456789"},
        },
        Like("IdentityProviderType AWS_DIRECTORY_SERVICE is not offered.*"),
        "a directory service",
    ),
    *(
        _invalid(each, _AT_OTHER | more, Like("Server s-.* has no users of its own.*"), "at another provider")
        for each, more in (
            ("CreateUser", {"Role": ROLE}),
            ("DescribeUser", {}),
            ("UpdateUser", {"Role": ROLE}),
            ("DeleteUser", {}),
            ("ImportSshPublicKey", _BODY),
            ("DeleteSshPublicKey", {"SshPublicKeyId": "@key"}),
        )
    ),
    _invalid("ListUsers", {"ServerId": "@other"}, Like("Server s-.* has no users.*"), "at another provider"),
    *(
        _invalid("UpdateUser", members, Like(".*"), about)
        for members, about in (
            (_mapped(("/", "/landing/a"), ("/in", "/landing/in")), "Entry / beside others"),
            (_mapped(("/in", "/landing/a"), ("/in/x", "/landing/b")), "entries in each other"),
            (_mapped(("/in", "/landing/a/")), "a target that ends in a slash"),
            (_mapped(("/in", "/landing/${transfer:HomeFolder}")), "a variable that targets know not"),
            (_mapped(("/in", "/landing/a"), HomeDirectory="/out"), "a start under no mapping"),
            (ACME | {"HomeDirectoryMappings": [{"Entry": "/", "Target": "/a"}]}, "mappings of type PATH"),
        )
    ),
    _invalid(
        "ImportSshPublicKey",
        ACME | {"SshPublicKeyBody": "ssh-ed25519 AAAA"},
        Like("Unsupported or invalid SSH public key format.*"),
        "a key that is none",
    ),
    _invalid(
        "ImportSshPublicKey",
        ACME | {"SshPublicKeyBody": "---- BEGIN SSH2 PUBLIC KEY ----"},
        Like("1 validation error detected: Value .* at 'sshPublicKeyBody' failed to satisfy constraint: .*"),
        "a key of the form of RFC 4716",
    ),
    _invalid(
        "ImportSshPublicKey",
        ACME | {"SshPublicKeyBody": "ssh-dss AAAAB3NzaC1kc3MAAAAA"},
        Like("Unsupported or invalid SSH public key format.*"),
        "a DSA key",
    ),
    _invalid(
        "ImportSshPublicKey",
        ACME | {"SshPublicKeyBody": "sk-ssh-ed25519@openssh.com AAAA"},
        Like("1 validation error detected: .*"),
        "a FIDO key",
    ),
    _invalid(
        "CreateWorkflow",
        {"Steps": [{"Type": "COPY", "TagStepDetails": {"Tags": [TAG]}}]},
        Like("a step of Type COPY has CopyStepDetails and no other details.*"),
        "details of another type",
    ),
    *(
        _invalid(
            each,
            more | {"Arn": "arn:aws:s3:::another-service"},
            Like(".* is the ARN of nothing .*"),
            "an ARN",
        )
        for each, more in (
            ("TagResource", {"Tags": [TAG]}),
            ("UntagResource", {"TagKeys": ["team"]}),
            ("ListTagsForResource", {}),
        )
    ),
    _invalid(
        "ListTagsForResource",
        {"Arn": ARNS.user(SERVER, "nobody")},
        f"Unknown user: {ARNS.user(SERVER, 'nobody')}",
        "of nobody",
    ),
)

REFUSALS = (*NOT_THERE, *THERE, *UNUSABLE)

# Errors of an operation's model that cannot come about here, and why.
CANNOT = {
    ("UpdateServer", EXISTS): "a host key that is there is what was asked for: the request came again",
    ("CreateServer", EXISTS): "everything of a new server is new: its id, and its ring of host keys",
    ("CreateWorkflow", EXISTS): "a new workflow has an id of its own, and names nothing that could be there",
    (
        "UpdateServer",
        "ConflictException",
    ): "it tells of a VPC endpoint that is not available yet; there are none",
    **{
        (operation, error): "the policies are part of the program: nothing is read that could fail"
        for operation in ("DescribeSecurityPolicy", "ListSecurityPolicies")
        for error in ("InternalServiceError", "ServiceUnavailableException")
    },
}
