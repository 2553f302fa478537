"""Operations on servers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from tidegate.core.arns import Arns
from tidegate.core.errors import InvalidKey, InvalidSettings
from tidegate.core.server_members import described
from tidegate.core.servers import Server
from tidegate.core.tags import Tags
from tidegate.faces.control.api import Members, Operation
from tidegate.faces.control.errors import about, invalid, unknown
from tidegate.faces.control.paging import cut
from tidegate.services.servers import Servers, UnknownSecurityPolicy, UnknownWorkflow
from tidegate.services.users import Users

# Tells, in DescribeServer, where a server listens.
ENDPOINT_TAG = "tidegate:sftp-endpoint"
_LISTED = ("Domain", "IdentityProviderType", "EndpointType", "LoggingRole")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """
    What only its gateways know of a server.

    Args:
        host_key_fingerprint: `SHA256:...` of the oldest host key.
        security_policy: That of a server that names none.
        set_stat: That of a server that names none.
        endpoint: `host:port`; empty where nobody here listens for it.
    """

    host_key_fingerprint: str | None
    security_policy: str
    set_stat: str
    endpoint: str


class FactsOf(Protocol):
    """Tells what is known of servers."""

    def state(self, server: Server) -> str:
        """Return ONLINE, OFFLINE or what lies between."""
        ...

    async def __call__(self, server: Server) -> ServerFacts:
        """Return all of it. Raises `GatewayError`."""
        ...


class ServerOperations:
    """
    Operations of the API on servers.

    Args:
        users_of: The users of a server.
        facts_of: What is known of a server, asked each time.
        may_delete: Raises `ApiError` for a server that cannot be deleted; None: all can.
    """

    def __init__(
        self,
        servers: Servers,
        users_of: Callable[[str], Users],
        arns: Arns,
        facts_of: FactsOf,
        may_delete: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._servers = servers
        self._users_of = users_of
        self._arns = arns
        self._facts_of = facts_of
        self._may_delete = may_delete

    def operations(self) -> dict[str, Operation]:
        return {
            "CreateServer": self._create,
            "DescribeServer": self._describe,
            "ListServers": self._list,
            "UpdateServer": self._update,
            "StartServer": self._start,
            "StopServer": self._stop,
            "DeleteServer": self._delete,
        }

    async def _create(self, request: Members) -> Members:
        with _made():
            server = await self._servers.create(request, tags_in(request.get("Tags", [])))
        return {"ServerId": server.server_id}

    async def _describe(self, request: Members) -> Members:
        server = await known_server(self._servers, request)
        facts = await self._facts_of(server)
        members = described(server)
        protocol = members["ProtocolDetails"] | {"SetStatOption": server.set_stat or facts.set_stat}
        return {
            "Server": {
                **members,
                **await self._common(server),
                "HostKeyFingerprint": facts.host_key_fingerprint,
                "ProtocolDetails": protocol,
                "SecurityPolicyName": server.security_policy or facts.security_policy,
                "Tags": tag_members(server.tags) + _endpoint_tag(facts),
            }
        }

    async def _list(self, request: Members) -> Members:
        page, token = cut(
            await self._servers.all(), request, "ListServers", lambda server: str(server.server_id)
        )
        listed = [
            {name: described(server).get(name) for name in _LISTED} | await self._common(server)
            for server in page
        ]
        return {"Servers": listed, "NextToken": token}

    async def _update(self, request: Members) -> Members:
        server = await known_server(self._servers, request)
        is_offline = self._facts_of.state(server) == "OFFLINE"
        with about("Server", server.server_id), _made():
            await self._servers.update(server.server_id, request, is_offline=is_offline)
        return {"ServerId": server.server_id}

    async def _start(self, request: Members) -> None:
        with about("Server", request["ServerId"]):
            await self._servers.start(request["ServerId"])

    async def _stop(self, request: Members) -> None:
        with about("Server", request["ServerId"]):
            await self._servers.stop(request["ServerId"])

    async def _delete(self, request: Members) -> None:
        server_id = request["ServerId"]
        if self._may_delete:
            await self._may_delete(server_id)
        with about("Server", server_id):
            await self._servers.delete(server_id)

    async def _common(self, server: Server) -> Members:
        return {
            "Arn": self._arns.server(server.server_id),
            "ServerId": server.server_id,
            "State": self._facts_of.state(server),
            "UserCount": await self._users_of(server.server_id).count(),
        }


async def known_server(servers: Servers, request: Members) -> Server:
    """Return the server that the request names. Raises `ApiError` if there is none."""
    with about("Server", request["ServerId"]):
        return await servers.get(request["ServerId"])


async def users_in(servers: Servers, users_of: Callable[[str], Users], request: Members) -> Users:
    """Return the users of the server that the request names, if they are its own. Raises `ApiError`."""
    server = await known_server(servers, request)
    if server.identity_provider.type != "SERVICE_MANAGED":
        raise invalid(
            f"Server {server.server_id} has no users of its own: its IdentityProviderType is "
            f"{server.identity_provider.type}"
        )
    return users_of(server.server_id)


@contextmanager
def _made() -> Iterator[None]:
    """Answer what of our errors is about what a server is to be made of."""
    try:
        yield
    except UnknownSecurityPolicy as error:
        raise unknown("SecurityPolicy", error.detail) from error
    except UnknownWorkflow as error:
        raise unknown("Workflow", error.detail) from error
    except (InvalidKey, InvalidSettings) as error:
        raise invalid(str(error)) from error


def tag_members(tags: Tags) -> list[Members]:
    return [{"Key": key, "Value": value} for key, value in tags]


def tags_in(members: list[Members]) -> Tags:
    return tuple((tag["Key"], tag["Value"]) for tag in members)


def _endpoint_tag(facts: ServerFacts) -> list[Members]:
    # Nowhere else in the answer is there a place for it. It is no tag that was given, so it counts for none.
    return [{"Key": ENDPOINT_TAG, "Value": facts.endpoint}] if facts.endpoint else []
