"""A world of the Transfer API with one of each thing in it, for tables of requests: `@name` is an id."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from botocore.parsers import create_parser
from botocore.session import Session
from botocore.validate import ParamValidator
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from support.control_world import ARNS, KMS_KEY, ROLE, SERVER, World, whole_world

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:idp"
STEPS: list[dict[str, Any]] = [
    {"Type": "TAG", "TagStepDetails": {"Name": "mark", "Tags": [{"Key": "seen", "Value": "yes"}]}},
    {"Type": "DELETE", "DeleteStepDetails": {"SourceFileLocation": "${original.file}"}},
]
_MODEL = Session().get_service_model("transfer")
# Of what an answer tells the id of, the one that is new.
_NEW = ("WorkflowId", "HostKeyId", "SshPublicKeyId", "ServerId")


def host_key() -> str:
    """Return a new private key as a text."""
    made = Ed25519PrivateKey.generate()
    return made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def public_key(comment: str = "") -> str:
    """Return a new public key as a line."""
    made = Ed25519PrivateKey.generate().public_key()
    return f"{made.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()} {comment}".strip()


class Like:
    """Equals every text of a form."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self._pattern, other, re.DOTALL) is not None

    def __hash__(self) -> int:
        return hash(self._pattern)

    def __repr__(self) -> str:
        return f"Like({self._pattern!r})"


@dataclass
class Seeded:
    """
    A world, and what `@name` stands for in a table.

    At `server` there are the users acme, who has `key`, and bob, and two host keys: `first-host-key` and
    `host-key`. `other` is a server of an identity provider. `arn-` before a name makes it an ARN.
    """

    world: World
    named: dict[str, Any] = field(default_factory=dict)

    def said(self, value: Any) -> Any:
        """Return a value of a table with what it stands for."""
        if isinstance(value, str) and value.startswith("@"):
            return self.named[value[1:]]
        if isinstance(value, dict):
            return {name: self.said(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.said(member) for member in value]
        return value

    async def refused(self, operation: str, members: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return HTTP status and body of an answer that is an error."""
        status, body = await self.world.ask(operation, **self.said(members))
        assert status != 200, body
        return status, body

    async def asked(self, operation: str, members: dict[str, Any]) -> dict[str, Any]:
        """Return an answer as boto3 would read it, after it was held against botocore's model."""
        status, body = await self.world.ask(operation, **self.said(members))
        assert status == 200, body
        answer = read(operation, body)
        self.named["new"] = next((answer[name] for name in _NEW if name in answer), None)
        return answer


def read(operation: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the members of an answer as boto3 reads them. All are in the model, and none is missing."""
    shape = _MODEL.operation_model(operation).output_shape
    if shape is None:
        assert body == {}
        return {}
    report = ParamValidator().validate(_as_types(shape, body), shape)
    # Lengths are for requests: lists of answers are empty, and keys more than the model's five.
    told = [line for line in report.generate_report().splitlines() if not line.startswith("Invalid length")]
    assert told == []
    return _parsed(shape, body)


def _parsed(shape: Any, body: dict[str, Any]) -> dict[str, Any]:
    answer = create_parser("json").parse(
        {"body": json.dumps(body).encode(), "headers": {}, "status_code": 200}, shape
    )
    answer.pop("ResponseMetadata")
    return dict(answer)


def _as_types(shape: Any, body: dict[str, Any]) -> dict[str, Any]:
    # Timestamps come as numbers, which the validator of parameters does not take.
    return _parsed(shape, body) | {name: value for name, value in body.items() if name not in shape.members}


async def seeded(world: World | None = None, server: str = SERVER) -> Seeded:
    """Return a world with one of each thing, made in one that has a server and its user acme."""
    made = Seeded(world or await whole_world())
    named = made.named
    named |= {"server": server, "arn-server": ARNS.server(server), "arn-user": ARNS.user(server, "acme")}
    named |= {"kms-key": KMS_KEY, "public-key": public_key("of a test"), "private-key": host_key()}
    named["kept-private-key"] = host_key()
    asked = made.asked
    provider = {"IdentityProviderType": "AWS_LAMBDA", "IdentityProviderDetails": {"Function": FUNCTION}}
    # One of its own: none has to be made.
    named["other"] = (await asked("CreateServer", provider | {"HostKey": host_key()}))["ServerId"]
    brought = {"ServerId": server, "HostKeyBody": named["kept-private-key"], "Description": "next"}
    for each in (brought, brought | {"HostKeyBody": host_key()}):
        named["first-host-key"] = named.get("host-key")
        named["host-key"] = (await asked("ImportHostKey", each))["HostKeyId"]
    described = (await asked("DescribeHostKey", {"ServerId": server, "HostKeyId": named["host-key"]}))[
        "HostKey"
    ]
    named["fingerprint"] = described["HostKeyFingerprint"]
    named["arn-host-key"] = ARNS.host_key(server, named["host-key"])
    others = (await asked("ListHostKeys", {"ServerId": named["other"]}))["HostKeys"]
    named["only-host-key"] = others[0]["HostKeyId"]
    workflow = {"Description": "of a test", "Steps": STEPS[:1], "OnExceptionSteps": STEPS[1:]}
    named["workflow"] = (await asked("CreateWorkflow", workflow))["WorkflowId"]
    named["arn-workflow"] = ARNS.workflow(named["workflow"])
    user = (await asked("DescribeUser", {"ServerId": server, "UserName": "acme"}))["User"]
    named["key"] = user["SshPublicKeys"][0]["SshPublicKeyId"]
    await asked("CreateUser", {"ServerId": server, "UserName": "bob", "Role": ROLE})
    return made
