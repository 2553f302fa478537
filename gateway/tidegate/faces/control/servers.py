"""Operations on servers: on the one that this gateway is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tidegate.core.arns import Arns
from tidegate.core.tags import Tags
from tidegate.faces.control.api import Members, Operation
from tidegate.faces.control.errors import about, invalid, unknown
from tidegate.faces.control.paging import cut
from tidegate.services.servers import ServerRecord
from tidegate.services.users import Users

# What DescribeServer shows of a server that was made with no more than its defaults.
_DEFAULTS: Mapping[str, object] = {
    "Domain": "S3",
    "EndpointType": "PUBLIC",
    "IdentityProviderType": "SERVICE_MANAGED",
    "IpAddressType": "IPV4",
    "Protocols": ["SFTP"],
    "S3StorageOptions": {"DirectoryListingOptimization": "DISABLED"},
    "StructuredLogDestinations": [],
}
_LISTED = ("Domain", "IdentityProviderType", "EndpointType")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """
    What only the gateway knows of its server.

    Args:
        host_key_fingerprint: `SHA256:...` of the oldest host key.
        ignores_setstat: Whether SETSTAT is answered OK: AWS's ENABLE_NO_OP.
        state: ONLINE, or STOPPING; asked each time.
    """

    host_key_fingerprint: str
    security_policy: str
    ignores_setstat: bool
    state: Callable[[], str]


class ServerOperations:
    """Operations of the API on the server."""

    def __init__(self, record: ServerRecord, users: Users, arns: Arns, facts: ServerFacts) -> None:
        self._record = record
        self._users = users
        self._arns = arns
        self._facts = facts

    def operations(self) -> dict[str, Operation]:
        return {
            "DescribeServer": self._describe,
            "ListServers": self._list,
            "TestIdentityProvider": self._test_identity_provider,
        }

    async def _describe(self, request: Members) -> Members:
        server_id = known_server(self._record.server_id, request)
        with about("Server", server_id):
            tags = (await self._record.get()).tags
        return {
            "Server": {
                **_DEFAULTS,
                **await self._common(),
                "HostKeyFingerprint": self._facts.host_key_fingerprint,
                "ProtocolDetails": {
                    "PassiveIp": "AUTO",
                    "TlsSessionResumptionMode": "ENFORCED",
                    "SetStatOption": "ENABLE_NO_OP" if self._facts.ignores_setstat else "DEFAULT",
                },
                "SecurityPolicyName": self._facts.security_policy,
                "Tags": tag_members(tags),
            }
        }

    async def _list(self, request: Members) -> Members:
        listed = {name: _DEFAULTS[name] for name in _LISTED} | await self._common()
        servers, token = cut([listed], request, "ListServers", lambda server: str(server["ServerId"]))
        return {"Servers": servers, "NextToken": token}

    async def _test_identity_provider(self, request: Members) -> Members:
        # The provider is SERVICE_MANAGED, as it is at AWS whose answer this is.
        server_id = known_server(self._record.server_id, request)
        raise invalid(f"{server_id} not configured for external auth")

    async def _common(self) -> Members:
        server_id = self._record.server_id
        return {
            "Arn": self._arns.server(server_id),
            "ServerId": server_id,
            "State": self._facts.state(),
            "UserCount": await self._users.count(),
        }


def known_server(server_id: str, request: Members) -> str:
    """Return the server that the request names. Raises `ApiError` if it is not this one."""
    if request["ServerId"] != server_id:
        raise unknown("Server", request["ServerId"])
    return server_id


def tag_members(tags: Tags) -> list[Members]:
    return [{"Key": key, "Value": value} for key, value in tags]


def tags_in(members: list[Members]) -> Tags:
    return tuple((tag["Key"], tag["Value"]) for tag in members)
