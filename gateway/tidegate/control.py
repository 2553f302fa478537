"""The servers of a process and the Transfer API over them: services, faces and the fleet put together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from tidegate.adapters.aws.probes import AwsProbes
from tidegate.adapters.aws.service_model import transfer_model
from tidegate.assembly import Gateway
from tidegate.backend import Backend, Keys
from tidegate.core.arns import Arns
from tidegate.core.behaviour import PRESETS, Preset
from tidegate.core.errors import GatewayError, InvalidSettings, NotFound
from tidegate.core.host_keys import oldest_first
from tidegate.core.servers import AttachedWorkflow, Server
from tidegate.core.signatures import ApiRequest, CheckCaller
from tidegate.faces.control.api import TransferApi
from tidegate.faces.control.errors import invalid
from tidegate.faces.control.host_keys import HostKeyOperations
from tidegate.faces.control.identity_providers import IdentityProviderOperations
from tidegate.faces.control.protocol import Answer, unavailable
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
from tidegate.fleet import Fleet
from tidegate.ports.servers import ServerDirectory
from tidegate.services.host_keys import HostKeyRing
from tidegate.services.servers import ServerMaking, Servers, UnknownWorkflow
from tidegate.services.user_counts import UserCounts
from tidegate.services.workflows import Workflows
from tidegate.shared import HostKeySources

_log = structlog.get_logger("tidegate.api")

# Whose behaviour a server has that the API made, and that names none.
_PRESET_OF_API: Preset = "transfer-family"


@dataclass(frozen=True, slots=True)
class ApiRules:
    """
    What the API may do here.

    Args:
        port_for: As `ServerMaking` has it.
        may_delete_first: Whether the server of the configuration can be deleted; if not, neither can those of
            other gateways.
    """

    port_for: Callable[[Iterable[int]], int]
    may_delete_first: bool


async def host_keys_in(ring: HostKeyRing) -> HostKeySources:
    """Return the host keys that the directory keeps for a server. Raises `AccessDenied`."""
    return HostKeySources(await ring.private_keys(), await ring.waiting_keys())


def fleet_over(first: Gateway, keys: Keys, files: HostKeySources | None, *, makes_others: bool) -> Fleet:
    """
    Return the servers of this process, not started.

    Args:
        files: The host keys of the first one, where they are not in the directory.
        makes_others: Whether it listens for servers that the API made, too.
    """
    backend = first.backend

    async def host_keys_of(server: Server) -> HostKeySources:
        if files is not None and server.server_id == first.server_id:
            return files
        return await host_keys_in(backend.host_keys(server.server_id))

    async def make(server: Server) -> Gateway:
        behaviour = PRESETS[server.preset or _PRESET_OF_API]
        sources = await host_keys_of(server)
        return Gateway(backend, server, behaviour, keys, sources, shared=first.shared, port=server.port)

    return Fleet(first, make if makes_others else None, host_keys_of, host_keys_are_files=files is not None)


class ApiOnDemand:
    """
    The API over a fleet that runs, made when it is needed first: most who start a gateway never call it.

    There is one, however many ask for it at once: that no two servers get one port hangs on it.
    """

    def __init__(self, fleet: Fleet, check_caller: CheckCaller, rules: ApiRules) -> None:
        self._make = partial(transfer_api, fleet, check_caller, rules)
        self._api: TransferApi | None = None
        self._making = asyncio.Lock()

    async def answer(self, request: ApiRequest) -> Answer:
        """Return the answer to any request; where the account is not to be known, that it cannot be given."""
        try:
            async with self._making:
                self._api = self._api or await self._make()
        except GatewayError as error:
            _log.error("the Transfer API cannot answer", reason=str(error))
            return unavailable()
        return await self._api.answer(request)


async def transfer_api(fleet: Fleet, check_caller: CheckCaller, rules: ApiRules) -> TransferApi:
    """Return the API over a fleet that runs. Raises `GatewayError`: the account is not to be known."""
    backend = fleet.first.backend
    caller = await AwsProbes(backend.clients).caller()
    arns = Arns(backend.settings.aws.region, caller.split(":")[4])
    ring_of, kms_key_arn = ring_finder(fleet), backend.host_key_kms_arn
    workflows = Workflows(backend.workflows)
    making = ServerMaking(ring_of, kms_key_arn, workflow_check(workflows), rules.port_for, fleet.wake)
    servers = Servers(backend.directory, making)

    may_delete = None if rules.may_delete_first else refuse_configured(backend.directory)
    facts_of = FactsOf(fleet, backend)
    counts = UserCounts(backend.directory, backend.clock)
    operations = {
        **ServerOperations(servers, backend.users, arns, facts_of, may_delete).operations(),
        **UserOperations(servers, backend.users, arns, counts).operations(),
        **IdentityProviderOperations(backend.directory.server, fleet.first.identities).operations(),
        **HostKeyOperations(servers, ring_of, kms_key_arn, arns).operations(),
        **WorkflowOperations(workflows, arns).operations(),
        **TagOperations(
            arns,
            {
                "Server": tagged_server(servers),
                "User": tagged_user(servers, backend.users),
                "HostKey": tagged_host_key(servers, ring_of),
                "Workflow": tagged_workflow(workflows),
            },
        ).operations(),
        **security_policy_operations(),
    }
    return TransferApi(transfer_model(), operations, check_caller)


def ring_finder(fleet: Fleet) -> Callable[[str], HostKeyRing]:
    """Return what finds the host keys of a server; it raises `InvalidSettings` where they are files."""
    backend, first_id = fleet.first.backend, fleet.first.server_id

    def ring_of(server_id: str) -> HostKeyRing:
        if server_id == first_id and fleet.host_keys_are_files:
            raise InvalidSettings(
                f"the host keys of {server_id} are files, named in its configuration",
                hint="keep them in the directory: tidegate setup --import-host-key, without host_key_files",
            )
        return backend.host_keys(server_id)

    return ring_of


def refuse_configured(directory: ServerDirectory) -> Callable[[str], Awaitable[None]]:
    """Return what raises `ApiError` for a server of a configuration, of this gateway or of another."""

    async def may_delete(server_id: str) -> None:
        with suppress(NotFound):  # what is left of one that is gone may go, too
            if (await directory.server(server_id)).is_configured:
                raise invalid(f"{server_id} is the server of a gateway's configuration: stop it instead")

    return may_delete


class FactsOf:
    """What this process knows of a server beyond the directory."""

    def __init__(self, fleet: Fleet, backend: Backend) -> None:
        self._fleet = fleet
        self._backend = backend

    def state(self, server: Server) -> str:
        return self._fleet.state(server)

    async def __call__(self, server: Server) -> ServerFacts:
        gateway = self._fleet.gateways.get(server.server_id)
        behaviour = gateway.behaviour if gateway else PRESETS[server.preset or _PRESET_OF_API]
        kept = oldest_first(await self._backend.host_keys(server.server_id).kept())
        shown = [key.fingerprint for key in kept] or [
            key.fingerprint for key in (gateway.listener.host_keys if gateway else ())
        ]
        return ServerFacts(
            shown[0] if shown else None,
            behaviour.security_policy,
            "DEFAULT" if behaviour.setstat == "refuse" else "ENABLE_NO_OP",
            self._fleet.endpoint(server.server_id),
        )


def workflow_check(workflows: Workflows) -> Callable[[Iterable[AttachedWorkflow]], Awaitable[None]]:
    """Return what raises `UnknownWorkflow` for a workflow that is not there."""

    async def check(attached: Iterable[AttachedWorkflow]) -> None:
        for each in attached:
            try:
                await workflows.check_attachable([each.workflow_id])
            except NotFound:
                raise UnknownWorkflow(each.workflow_id) from None

    return check
