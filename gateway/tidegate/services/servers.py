"""Servers: made, changed, started, stopped and deleted by the Transfer API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from tidegate.core.behaviour import PRESETS, Preset
from tidegate.core.errors import AlreadyExists, InvalidName, InvalidSettings, NotFound
from tidegate.core.host_keys import MADE_TYPES, PrivateHostKey, new_host_key, read_host_key
from tidegate.core.ids import new_server_id
from tidegate.core.limits import TRANSFER_SERVERS
from tidegate.core.security_policies import POLICIES
from tidegate.core.server_members import created, updated
from tidegate.core.servers import AttachedWorkflow, Server
from tidegate.core.tags import Tags, tagged, untagged
from tidegate.ports.servers import ServerDirectory
from tidegate.services.host_keys import HostKeyRing

# A tag that chooses, for a server that the API makes, whose behaviour it has.
PRESET_TAG = "tidegate:preset"


async def _new_keys() -> list[PrivateHostKey]:
    # Finding the primes of an RSA key takes up to a second.
    return [await asyncio.to_thread(new_host_key, kind) for kind in MADE_TYPES]


@dataclass(frozen=True, slots=True)
class ServerMaking:
    """
    What servers are made with.

    Args:
        ring_of: The host keys of a server.
        kms_key_arn: What host keys are encrypted under; raises `InvalidSettings` where there is none.
        check_workflows: Raises `UnknownWorkflow` if one is not there.
        port_for: The port of a new server, of those that others have; raises `InvalidSettings` where this
            gateway listens for no server but its own.
        on_change: Called when a server has become another.
        new_keys: Makes host keys for a server that is brought none.
    """

    ring_of: Callable[[str], HostKeyRing]
    kms_key_arn: Callable[[], Awaitable[str]]
    check_workflows: Callable[[Iterable[AttachedWorkflow]], Awaitable[None]]
    port_for: Callable[[Iterable[int]], int]
    on_change: Callable[[], None] = lambda: None
    new_keys: Callable[[], Awaitable[list[PrivateHostKey]]] = _new_keys


class Servers:
    """All servers of a directory."""

    def __init__(self, directory: ServerDirectory, making: ServerMaking) -> None:
        self._directory = directory
        self._making = making
        self._one_at_a_time = asyncio.Lock()

    async def get(self, server_id: str) -> Server:
        """Return a server. Raises `NotFound`."""
        return await self._directory.server(server_id)

    async def all(self) -> list[Server]:
        """Return all servers, in order of their ids."""
        return await self._directory.servers()

    async def create(self, members: Mapping[str, Any], tags: Tags = ()) -> Server:
        """
        Make a server as CreateServer asks, with a host key of its own or the one that is named.

        Raises:
            InvalidName: The members do not go together, or there are as many servers as there can be.
            InvalidKey: The host key cannot be used.
            UnknownSecurityPolicy, UnknownWorkflow: It is named, and not there.
            InvalidSettings: This gateway can make no server; why, it says.
        """
        server = created(new_server_id(), members)
        await self._check(server, members)
        server = replace(server, tags=tagged((), tags), preset=_preset_in(tags))
        brought = members.get("HostKey")
        host_keys = [read_host_key(brought.encode())] if brought else await self._making.new_keys()
        # Two that are made at once would find the same port free.
        async with self._one_at_a_time:
            there = await self.all()
            if len(there) >= TRANSFER_SERVERS:
                raise InvalidName(f"there are {len(there)} servers, the most that there can be")
            port = self._making.port_for(each.port for each in there if each.port)
            server = replace(server, port=port)
            await self._keep_keys(server.server_id, host_keys)
            await self._directory.add_server(server)
        self._making.on_change()
        return server

    async def update(self, server_id: str, members: Mapping[str, Any], *, is_offline: bool) -> Server:
        """
        Change what UpdateServer names; all or nothing, but for a host key, which is kept first.

        Raises:
            NotFound, InvalidName, InvalidKey: As `create`.
        """
        server = await self.get(server_id)
        await self._check(updated(server, members, is_offline=is_offline), members)
        if key := members.get("HostKey"):
            with suppress(AlreadyExists):  # the same request, sent again after its answer was lost
                await self._making.ring_of(server_id).bring(key, await self._making.kms_key_arn())
            await self.host_keys_changed(server_id)
        changed = await self._directory.change_server(
            server_id, lambda found: updated(found, members, is_offline=is_offline)
        )
        self._making.on_change()
        return changed

    async def start(self, server_id: str) -> None:
        """Have the server listen; one that does goes on. Raises `NotFound`."""
        await self._want(server_id, "ONLINE")

    async def stop(self, server_id: str) -> None:
        """Have the server listen no more; its users and settings stay. Raises `NotFound`."""
        await self._want(server_id, "OFFLINE")

    async def delete(self, server_id: str) -> None:
        """Delete the server with its users, keys and host keys; no file. Raises `NotFound`."""
        await self._directory.remove_server(server_id)
        self._making.on_change()

    async def tag(self, server_id: str, tags: Iterable[tuple[str, str]]) -> Server:
        """Add tags, or give them other values. Raises `NotFound`, `InvalidName`."""
        added = tuple(tags)
        return await self._directory.change_server(
            server_id, lambda server: replace(server, tags=tagged(server.tags, added))
        )

    async def untag(self, server_id: str, keys: Iterable[str]) -> Server:
        """Take tags away; one that is not there is no error. Raises `NotFound`."""
        gone = frozenset(keys)
        return await self._directory.change_server(
            server_id, lambda server: replace(server, tags=untagged(server.tags, gone))
        )

    async def host_keys_changed(self, server_id: str) -> None:
        """Let every gateway of the server know that a host key came or went. Raises `NotFound`."""
        await self._directory.change_server(
            server_id, lambda server: replace(server, host_key_changes=server.host_key_changes + 1)
        )
        self._making.on_change()

    async def _want(self, server_id: str, state: Any) -> None:
        await self._directory.change_server(server_id, lambda server: replace(server, wanted=state))
        self._making.on_change()

    async def _check(self, server: Server, members: Mapping[str, Any]) -> None:
        if "SecurityPolicyName" in members:
            check_security_policy(members["SecurityPolicyName"])
        if "WorkflowDetails" in members:
            attached = (server.on_upload, server.on_partial_upload)
            await self._making.check_workflows([each for each in attached if each])

    async def _keep_keys(self, server_id: str, keys: Iterable[PrivateHostKey]) -> None:
        # Before the server: whoever finds it finds keys that it can listen with.
        ring, arn = self._making.ring_of(server_id), await self._making.kms_key_arn()
        for key in keys:
            await ring.add(key, arn, "")


class UnknownSecurityPolicy(NotFound):
    """There is no security policy of that name. `detail` is the name."""


class UnknownWorkflow(NotFound):
    """There is no workflow of that id. `detail` is the id."""


def check_security_policy(name: str) -> None:
    """Raise `UnknownSecurityPolicy` if Transfer Family has no such policy for servers."""
    policy = {policy.name: policy for policy in POLICIES.values()}.get(name)  # type: ignore[call-overload]
    if policy is None or policy.evidence is None:
        raise UnknownSecurityPolicy(name)


def _preset_in(tags: Tags) -> Preset | None:
    said = dict(tags).get(PRESET_TAG)
    if said is None:
        return None
    for preset in PRESETS:
        if preset == said:
            return preset
    raise InvalidName(f"the tag {PRESET_TAG} is {said!r}, and can be {' or '.join(PRESETS)}")


def no_room(_: Iterable[int]) -> int:
    """A `port_for` where there is none."""
    raise InvalidSettings(
        "this gateway makes no servers: it has no ports to listen on for them",
        hint="name some in control.sftp_ports",
    )
