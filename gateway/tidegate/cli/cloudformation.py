"""A server and its partners as a CloudFormation template."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tidegate.adapters.aws.transfer_members import creation, server_update, tag_members
from tidegate.core.drift import own_tags
from tidegate.core.errors import InvalidSettings
from tidegate.core.servers import Server
from tidegate.core.users import User
from tidegate.settings.shown import as_yaml
from tidegate.settings.workflows import WorkflowSettings

# CloudFormation User Guide, quotas: resources in a template.
_MOST_RESOURCES = 500
# What CreateServer gives; CloudFormation would give one of 2018.
_SECURITY_POLICY = "TransferSecurityPolicy-2024-01"
_SERVER, _ROLE = "Server", "PartnerRole"


def as_template(server: Server, users: Sequence[User], workflows: Sequence[WorkflowSettings] = ()) -> str:
    """
    Return the template as YAML: a server, its users and the workflows it names.

    Users without a role take that of the parameter `PartnerRole`.

    Raises:
        InvalidSettings: CloudFormation would not take so much.
    """
    count = 1 + len(users) + len(workflows)
    if count > _MOST_RESOURCES:
        raise InvalidSettings(
            f"a template has {_MOST_RESOURCES} resources at most, and this would be {count}",
            hint="export a file, and apply it with --transfer",
        )
    ordered = sorted(users, key=lambda user: user.user_name)
    template: dict[str, Any] = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "A server of AWS Transfer Family and its users, written by tidegate export",
    }
    if any(not user.role for user in users):
        template["Parameters"] = {
            _ROLE: {"Type": "String", "Description": "ARN of the role of users that have none of their own"}
        }
    template["Resources"] = {
        _SERVER: _resource("Server", _server(server, workflows)),
        **{_workflow_id(each.id): _resource("Workflow", _workflow(each)) for each in workflows},
        **{_logical("User", user.user_name): _resource("User", _user(user)) for user in ordered},
    }
    template["Outputs"] = {"ServerId": {"Value": _server_id()}}
    return as_yaml(template)


def _resource(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"Type": f"AWS::Transfer::{kind}", "Properties": properties}


def _server(server: Server, workflows: Sequence[WorkflowSettings]) -> dict[str, Any]:
    bare = Server(server.server_id)
    # What is the gateway's own, such as its port, is no part of a server at AWS.
    told = replace(server, wanted=bare.wanted, preset=None, port=None)
    properties = {
        "Domain": "S3",
        "EndpointType": "PUBLIC",
        "Protocols": ["SFTP"],
        "IdentityProviderType": server.identity_provider.type,
        "SecurityPolicyName": _SECURITY_POLICY,
        **server_update(bare, told),
        **_tags(server.tags),
    }
    if "WorkflowDetails" in properties:
        properties["WorkflowDetails"] = _details(
            properties["WorkflowDetails"], {each.id for each in workflows}
        )
    return properties


def _details(details: Mapping[str, Any], defined: set[str]) -> dict[str, Any]:
    """Return the attached workflows, those of this template by reference."""

    def attached(each: Mapping[str, str]) -> dict[str, Any]:
        named = each["WorkflowId"]
        by_reference = {"Fn::GetAtt": [_workflow_id(named), "WorkflowId"]}
        return {**each, "WorkflowId": by_reference if named in defined else named}

    return {name: list(map(attached, listed)) for name, listed in details.items() if listed}


def _workflow(workflow: WorkflowSettings) -> dict[str, Any]:
    members = workflow.members
    # CloudFormation knows of no logs of workflows.
    members.pop("StructuredLogDestinations", None)
    return members


def _user(user: User) -> dict[str, Any]:
    members = creation(replace(user, role=user.role or _ROLE, keys=(), tags=()))
    if not user.role:
        members["Role"] = {"Ref": _ROLE}
    keys = sorted(key.line for key in user.keys)
    return {
        "ServerId": _server_id(),
        **members,
        **({"SshPublicKeys": keys} if keys else {}),
        **_tags(user.tags),
    }


def _tags(tags: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    own = tuple(sorted(own_tags(tags)))
    return {"Tags": tag_members(own)} if own else {}


def _server_id() -> dict[str, Any]:
    return {"Fn::GetAtt": [_SERVER, "ServerId"]}


def _workflow_id(workflow_id: str) -> str:
    return _logical("Workflow", workflow_id)


def _logical(kind: str, name: str) -> str:
    """Return a logical id: letters and digits alone, always the same for a name and another for each."""
    readable = re.sub(r"[^0-9A-Za-z]", "", name)[:40]
    return f"{kind}{readable}{hashlib.sha256(name.encode()).hexdigest()[:8]}"
