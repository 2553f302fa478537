"""
Servers in the words of CreateServer, UpdateServer and DescribeServer, and the rules between those words.

Members come as the API's model lets them through; what is checked here is what the model cannot say.
AWS Transfer Family API Reference, CreateServer and UpdateServer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

from tidegate.core.errors import InvalidName
from tidegate.core.servers import AttachedWorkflow, IdentityProvider, IdentityProviderType, Server

Members = Mapping[str, Any]

# What a server shows of members that decide nothing here, where nobody said anything of them.
_DEFAULTS: Final[Members] = {"Domain": "S3", "EndpointType": "PUBLIC", "IpAddressType": "IPV4"}
_PROTOCOL_DEFAULTS: Final[Members] = {"PassiveIp": "AUTO", "TlsSessionResumptionMode": "ENFORCED"}
# Where a server listens, and what stands before it, the gateway's configuration says.
_PROTOCOL_KEPT = (*_PROTOCOL_DEFAULTS, "SftpPorts", "ProxyConfig")
# The names under which they are kept.
_KEPT = ("Certificate", "Domain", "EndpointDetails", "EndpointType", "IpAddressType")
_NOT_SHOWN = "SecurityGroupIds"
_TEXTS = {
    "PreAuthenticationLoginBanner": "pre_login_banner",
    "PostAuthenticationLoginBanner": "post_login_banner",
    "LoggingRole": "logging_role",
    "SecurityPolicyName": "security_policy",
}
_ONLY_OFFLINE = (
    ("EndpointType", "EndpointType"),
    ("IpAddressType", "IpAddressType"),
)


def created(server_id: str, members: Members) -> Server:
    """Return the server that CreateServer asks for, but for its host key and tags. Raises `InvalidName`."""
    return _changed(Server(server_id), members)


def updated(server: Server, members: Members, *, is_offline: bool) -> Server:
    """
    Return the server as UpdateServer wants it; what it does not name stays.

    Raises:
        InvalidName: The members do not go together, or the server must be OFFLINE for this.
    """
    changed = _changed(server, members)
    for member, said in _ONLY_OFFLINE:
        if _shown(changed, member) != _shown(server, member) and not is_offline:
            raise InvalidName(f"Server must be OFFLINE to change {said}")
    if _addresses(changed) != _addresses(server) and not is_offline:
        raise InvalidName("Server must be OFFLINE to change AddressAllocationIds")
    return changed


def described(server: Server) -> dict[str, Any]:
    """Return what DescribeServer shows of what the directory keeps; None is a member that is not shown."""
    provider = server.identity_provider
    details = {
        name: value for name, value in server.kept.get("EndpointDetails", {}).items() if name != _NOT_SHOWN
    }
    return {
        **{name: _shown(server, name) for name in _DEFAULTS},
        "Certificate": server.kept.get("Certificate") or None,
        "EndpointDetails": details or None,
        "IdentityProviderType": provider.type,
        "IdentityProviderDetails": _provider_members(provider),
        "LoggingRole": server.logging_role or None,
        "PostAuthenticationLoginBanner": server.post_login_banner or None,
        "PreAuthenticationLoginBanner": server.pre_login_banner or None,
        "ProtocolDetails": {
            **_PROTOCOL_DEFAULTS,
            **server.kept.get("ProtocolDetails", {}),
            "SetStatOption": server.set_stat or "DEFAULT",
        },
        "Protocols": ["SFTP"],
        "S3StorageOptions": {"DirectoryListingOptimization": server.listing},
        "SecurityPolicyName": server.security_policy,
        "StructuredLogDestinations": list(server.log_destinations),
        "WorkflowDetails": _workflow_members(server),
    }


def check_host_key_storage(storage_type: str | None, kms_key: str | None = None) -> None:
    """Raise `InvalidName` if a host key is to be anywhere but in the directory, under the gateway's key."""
    if storage_type == "SECRETS_MANAGER":
        raise InvalidName("host keys in Secrets Manager are not offered: they are SERVICE_MANAGED here")
    if kms_key is not None:
        raise InvalidName("KmsKey goes with SECRETS_MANAGER, which is not offered")


# --- what a request says ----------------------------------------------------------------------


def _changed(server: Server, members: Members) -> Server:
    _check_offered(members)
    texts: dict[str, Any] = {field: members[name] for name, field in _TEXTS.items() if name in members}
    changed = replace(
        server, **texts, identity_provider=_provider(server, members), kept=_kept(server, members)
    )
    changed = _with_workflows(changed, members.get("WorkflowDetails"))
    if "StructuredLogDestinations" in members:
        changed = replace(changed, log_destinations=tuple(members["StructuredLogDestinations"]))
    if listing := members.get("S3StorageOptions", {}).get("DirectoryListingOptimization"):
        changed = replace(changed, listing=listing)
    if set_stat := members.get("ProtocolDetails", {}).get("SetStatOption"):
        changed = replace(changed, set_stat=set_stat)
    _check_endpoint(changed)
    return changed


def _check_offered(members: Members) -> None:
    if members.get("Domain", "S3") != "S3":
        raise InvalidName("Domain EFS is not offered: files go to S3")
    if members.get("Protocols", ["SFTP"]) != ["SFTP"]:
        raise InvalidName("Protocols can be SFTP and nothing else here")
    if "As2Transports" in members.get("ProtocolDetails", {}):
        raise InvalidName("As2Transports goes with the protocol AS2, which is not offered")
    check_host_key_storage(members.get("HostKeyStorageType"))


def _kept(server: Server, members: Members) -> Members:
    kept = {**server.kept, **{name: members[name] for name in _KEPT if name in members}}
    said = members.get("ProtocolDetails", {})
    if protocol := {name: said[name] for name in _PROTOCOL_KEPT if name in said}:
        kept["ProtocolDetails"] = {**kept.get("ProtocolDetails", {}), **protocol}
    return kept


def _provider(server: Server, members: Members) -> IdentityProvider:
    before = server.identity_provider
    if not {"IdentityProviderType", "IdentityProviderDetails"} & members.keys():
        return before
    kind = cast(IdentityProviderType, members.get("IdentityProviderType", before.type))
    said = members.get("IdentityProviderDetails", {})
    base = before if kind == before.type else IdentityProvider(kind)
    provider = replace(
        base,
        function=said.get("Function", base.function),
        url=said.get("Url", base.url),
        invocation_role=said.get("InvocationRole", base.invocation_role),
        directory_id=said.get("DirectoryId", base.directory_id),
        sftp_authentication_methods=said.get("SftpAuthenticationMethods", base.sftp_authentication_methods),
    )
    _check_provider(provider, said)
    return provider


def _check_provider(provider: IdentityProvider, said: Members) -> None:
    if provider.type == "SERVICE_MANAGED" and said:
        raise InvalidName("IdentityProviderDetails cannot be specified for SERVICE_MANAGED")
    if provider.type == "AWS_DIRECTORY_SERVICE":
        raise InvalidName("IdentityProviderType AWS_DIRECTORY_SERVICE is not offered: no directory is here")
    if provider.type == "AWS_LAMBDA" and (not provider.function or provider.url):
        raise InvalidName("IdentityProviderType AWS_LAMBDA needs Function, and no Url")
    if provider.type == "API_GATEWAY" and (not provider.url or provider.function):
        raise InvalidName("IdentityProviderType API_GATEWAY needs Url, and no Function")


def _with_workflows(server: Server, details: Members | None) -> Server:
    """An empty list takes a workflow away; a half that is not named stays."""
    for name, field in (("OnUpload", "on_upload"), ("OnPartialUpload", "on_partial_upload")):
        if details is not None and name in details:
            attached = [AttachedWorkflow(each["WorkflowId"], each["ExecutionRole"]) for each in details[name]]
            change: dict[str, Any] = {field: attached[0] if attached else None}
            server = replace(server, **change)
    return server


def _check_endpoint(server: Server) -> None:
    kind, details = _shown(server, "EndpointType"), server.kept.get("EndpointDetails", {})
    if kind == "PUBLIC" and details:
        raise InvalidName("EndpointDetails cannot be specified for EndpointType: PUBLIC")
    if kind == "VPC" and "VpcEndpointId" in details:
        raise InvalidName("VPC Endpoint ID unsupported for EndpointType: VPC")
    if _addresses(server) and _shown(server, "IpAddressType") == "DUALSTACK":
        raise InvalidName("AddressAllocationIds cannot be specified for IpAddressType: DUALSTACK")


# --- what is shown ----------------------------------------------------------------------------


def _shown(server: Server, name: str) -> Any:
    return server.kept.get(name) or _DEFAULTS[name]


def _addresses(server: Server) -> list[str]:
    return list(server.kept.get("EndpointDetails", {}).get("AddressAllocationIds", []))


def _provider_members(provider: IdentityProvider) -> dict[str, Any] | None:
    if provider.type in ("SERVICE_MANAGED", "AWS_DIRECTORY_SERVICE"):
        return None
    members = {
        "Function": provider.function,
        "Url": provider.url,
        "InvocationRole": provider.invocation_role,
        "SftpAuthenticationMethods": provider.sftp_authentication_methods,
    }
    return {name: value for name, value in members.items() if value}


def _workflow_members(server: Server) -> dict[str, Any] | None:
    halves = (("OnUpload", server.on_upload), ("OnPartialUpload", server.on_partial_upload))
    members = {
        name: [{"WorkflowId": attached.workflow_id, "ExecutionRole": attached.execution_role}]
        for name, attached in halves
        if attached
    }
    return members or None
