"""The Transfer API over a directory in memory, with all that a gateway would put behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tidegate.adapters.aws.service_model import transfer_model
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.adapters.memory.host_keys import MemoryHostKeys, MemoryVault
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.adapters.memory.workflows import MemoryWorkflows
from tidegate.control import workflow_check
from tidegate.core.arns import Arns
from tidegate.core.host_keys import PrivateHostKey, new_host_key
from tidegate.core.identity_providers import Question
from tidegate.core.servers import Server
from tidegate.core.signatures import ApiRequest, Caller
from tidegate.faces.control.api import TransferApi
from tidegate.faces.control.host_keys import HostKeyOperations
from tidegate.faces.control.identity_providers import IdentityProviderOperations
from tidegate.faces.control.security_policies import security_policy_operations
from tidegate.faces.control.servers import ServerFacts, ServerOperations
from tidegate.faces.control.tags import (
    TagOperations,
    tagged_host_key,
    tagged_server,
    tagged_user,
    tagged_workflow,
)
from tidegate.faces.control.users import UserOperations
from tidegate.faces.control.workflows import WorkflowOperations
from tidegate.services.host_keys import HostKeyRing
from tidegate.services.identity_providers import Identities
from tidegate.services.logins import Logins
from tidegate.services.servers import ServerMaking, Servers
from tidegate.services.user_counts import UserCounts
from tidegate.services.users import Users
from tidegate.services.workflows import Workflows

SERVER = "s-0123456789abcdef0"
ROLE = "arn:aws:iam::123456789012:role/sftp"
ARNS = Arns("us-east-1", "123456789012")
MODEL = transfer_model()
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJc9K9q1j9x0pJZ1Yt8p9wq9v0v3w2J8cJm3kq2m7Y0F"
KMS_KEY = "arn:aws:kms:us-east-1:123456789012:key/k"
NOW = datetime(2026, 3, 9, tzinfo=UTC)

Ask = Callable[..., Any]


class Facts:
    """What a fleet would say of its servers."""

    def __init__(self, state: str, set_stat: str) -> None:
        self._state, self._set_stat = state, set_stat

    def state(self, server: Server) -> str:
        return self._state if server.wanted == "ONLINE" else "OFFLINE"

    async def __call__(self, _: Server) -> ServerFacts:
        return ServerFacts("SHA256:x", "TransferSecurityPolicy-2024-01", self._set_stat, "127.0.0.1:2222")


class Provider:
    """An identity provider that knows one password."""

    async def ask(self, question: Question) -> object:
        return {"Role": ROLE} if question.password == "right" else {}


class NewVault(MemoryVault):
    """As KMS: no two ciphertexts are alike."""

    def __init__(self) -> None:
        self._count = 0

    async def encrypt(self, key: str, secret: bytes, context: Any) -> bytes:
        self._count += 1
        return await super().encrypt(key, secret, context) + b" " * self._count


@dataclass
class Outage:
    """What every store raises, once there is something."""

    error: Exception | None = None


class Failing:
    """A store that can be made to fail, whatever it is asked."""

    def __init__(self, store: object, outage: Outage) -> None:
        self._store, self._outage = store, outage

    def __getattr__(self, name: str) -> Any:
        def failed(*_: object, **__: object) -> Any:
            assert self._outage.error is not None
            raise self._outage.error

        return getattr(self._store, name) if self._outage.error is None else failed


@dataclass
class World:
    """
    An API of a server with one user.

    Args:
        ask: Asks an operation with its members; returns HTTP status and body.
        offered: The operations that are offered.
        caller: Who asks: the last of them.
        outage: What all its stores suffer.
    """

    ask: Ask
    offered: set[str]
    caller: list[Caller] = field(default_factory=list)
    outage: Outage = field(default_factory=Outage)


async def one_key() -> list[PrivateHostKey]:
    return [new_host_key("ssh-ed25519")]


async def kms_key() -> str:
    return KMS_KEY


async def whole_world(state: str = "ONLINE", set_stat: str = "DEFAULT", users: int = 10_000) -> World:
    """Return an API; `users` is how many a server may have."""
    outage = Outage()
    directory: Any = Failing(MemoryUserDirectory(), outage)
    kept: Any = Failing(MemoryHostKeys(), outage)
    workflow_store: Any = Failing(MemoryWorkflows(), outage)
    vault, clock = NewVault(), ManualClock(NOW)
    await directory.register_server(SERVER)

    def users_of(server_id: str) -> Users:
        return Users(directory, clock, server_id)

    def ring_of(server_id: str) -> HostKeyRing:
        return HostKeyRing(kept, vault, clock, server_id)

    async def server_of(server_id: str) -> Server:
        found: Server = await directory.server(server_id)
        return found

    workflows = Workflows(workflow_store)
    making = ServerMaking(ring_of, kms_key, workflow_check(workflows), lambda _: 0, new_keys=one_key)
    servers = Servers(directory, making)
    identities = Identities(
        Logins(directory, MemoryTransferLog(clock), clock, SERVER), clock, lambda _: Provider()
    )
    operations = {
        **ServerOperations(servers, users_of, ARNS, Facts(state, set_stat)).operations(),
        **UserOperations(servers, users_of, ARNS, UserCounts(directory, clock, users)).operations(),
        **HostKeyOperations(servers, ring_of, kms_key, ARNS).operations(),
        **IdentityProviderOperations(server_of, identities).operations(),
        **WorkflowOperations(workflows, ARNS).operations(),
        **TagOperations(
            ARNS,
            {
                "Server": tagged_server(servers),
                "User": tagged_user(servers, users_of),
                "HostKey": tagged_host_key(servers, ring_of),
                "Workflow": tagged_workflow(workflows),
            },
        ).operations(),
        **security_policy_operations(),
    }
    caller = [Caller("AKID", "admin")]
    api = TransferApi(MODEL, operations, lambda _: caller[-1])

    async def ask(operation: str, **members: Any) -> tuple[int, dict[str, Any]]:
        headers = {"x-amz-target": f"TransferService.{operation}"}
        body = json.dumps(members).encode()
        answer = await api.answer(ApiRequest("POST", "/", "", headers, body))
        return int(answer.status[:3]), json.loads(answer.body or b"{}")

    await ask("CreateUser", ServerId=SERVER, UserName="acme", Role=ROLE, SshPublicKeyBody=KEY)
    return World(ask, set(operations), caller, outage)


async def world(state: str = "ONLINE", set_stat: str = "DEFAULT") -> tuple[Ask, set[str]]:
    """Return what asks the API of a server with one user, and the operations that are offered."""
    made = await whole_world(state, set_stat)
    return made.ask, made.offered
