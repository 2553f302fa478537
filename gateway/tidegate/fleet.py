"""
The servers that one process listens for, kept as the directory says.

The first is that of the configuration. Others are there because the Transfer API made them. Every few
seconds, and at once when the API of this process has changed something, the directory is read, by one query;
what then differs is brought about, each server in a task of its own: one that drains holds up no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import structlog

from tidegate.assembly import Gateway
from tidegate.core.errors import GatewayError
from tidegate.core.servers import Server
from tidegate.core.users import SshPublicKey, User
from tidegate.shared import HostKeySources

State: TypeAlias = Literal["OFFLINE", "ONLINE", "STARTING", "STOPPING", "START_FAILED"]

# A removed key is of no use five seconds later, on any gateway; the rest of them is for the reads.
POLL_SECONDS = 3.0
# Revocations whose count got lost are noticed all the same, after so many looks; and what could not be begun,
# because its port or its key was not to be had then, is tried again.
_LOOKS_PER_CHECK = 20

_log = structlog.get_logger("tidegate.fleet")


class Fleet:
    """
    The gateways of one process, by server.

    Args:
        first: The gateway of the configured server; it runs for as long as the process does.
        make: Returns a gateway for another server, not started; None: this process listens for no other.
        host_keys_of: What a server is to listen with now.
        host_keys_are_files: Whether those of the first are, and not in the directory.
    """

    def __init__(
        self,
        first: Gateway,
        make: Callable[[Server], Awaitable[Gateway]] | None,
        host_keys_of: Callable[[Server], Awaitable[HostKeySources]],
        *,
        host_keys_are_files: bool = False,
    ) -> None:
        self.first = first
        self.gateways: dict[str, Gateway] = {first.server_id: first}
        self._make = make
        self._host_keys_of = host_keys_of
        self.host_keys_are_files = host_keys_are_files
        # Called when a server has begun or ceased to listen.
        self.on_change: Callable[[], None] = lambda: None
        self._directory = first.backend.directory
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._checks: dict[str, asyncio.Task[None]] = {}
        self._moving: dict[str, State] = {}
        self._failed: dict[str, Server] = {}
        self._awake = asyncio.Event()
        self._looks = 0
        self._is_paused = False
        self._is_stopping = False
        # Set when what drains is waited for no longer.
        self._hurried = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    # --- what is seen of it ---------------------------------------------------------------

    def state(self, server: Server) -> State:
        """Return what a server of the directory does, as far as this process knows."""
        server_id = server.server_id
        if server_id in self._moving:
            return self._moving[server_id]
        if server_id in self._failed:
            return "START_FAILED"
        gateway = self.gateways.get(server_id)
        if gateway is None and not self._is_ours(server):
            return server.wanted  # others listen for it
        listens = gateway is not None and gateway.listener.has_started
        if server.wanted == "ONLINE":
            return "ONLINE" if listens else "STARTING"
        return "STOPPING" if listens else "OFFLINE"

    def endpoint(self, server_id: str) -> str:
        """Return where a server listens, or did and will again, as `host:port`; empty if not here."""
        gateway, wanted = self.gateways.get(server_id), self.first.backend.settings.sftp
        if gateway is None or not gateway.listener.port:
            return ""
        said = wanted.advertised_port if gateway is self.first else None
        host = wanted.advertised_host or wanted.host
        return f"{f'[{host}]' if ':' in host else host}:{said or gateway.listener.port}"

    def wake(self) -> None:
        """Look at the directory now; what could not be begun is tried again."""
        self._failed.clear()
        self._awake.set()

    # --- running --------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to keep the servers as the directory has them."""
        self._running = asyncio.create_task(self._run())

    async def stop(self, hurried: asyncio.Event) -> None:
        """Drain and stop all gateways, those too that begin or drain already. Args: as `Gateway.stop`."""
        self._is_stopping = True
        hurrying = asyncio.create_task(self._hurry(hurried))
        stops = [self._stopped(server_id, hurried) for server_id in {*self.gateways, *self._tasks}]
        ended = await asyncio.gather(*stops, return_exceptions=True)
        # Until here it looked, for keys that are revoked while uploads are let end.
        running = [each for each in (hurrying, self._running, *self._checks.values()) if each]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.first.observation.stop()
        for fault in ended:
            if isinstance(fault, BaseException):
                raise fault

    async def _stopped(self, server_id: str, hurried: asyncio.Event) -> None:
        if task := self._tasks.get(server_id):
            await asyncio.wait([task])
        if gateway := self.gateways.get(server_id):
            await gateway.stop(hurried)

    async def _hurry(self, hurried: asyncio.Event) -> None:
        await hurried.wait()
        self._hurried.set()

    async def only_the_first(self) -> None:
        """End all others now, and let things be until `reconcile`."""
        self._is_paused = True
        self._hurried.set()
        await self._settled()
        self._hurried = asyncio.Event()
        for server_id in list(self.gateways):
            if server_id != self.first.server_id:
                await self._end(server_id, hurried=True)

    async def reconcile(self) -> None:
        """Bring about what the directory says, and return when it is. Raises `GatewayError`."""
        self._is_paused = False
        await self._look()
        await self._settled()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._awake.wait()
            except TimeoutError:
                pass
            self._awake.clear()
            try:
                await self._look()
            except GatewayError as error:
                _log.warning("servers not looked up", reason=str(error))
            except Exception as error:  # noqa: BLE001 - nobody watches this loop, so it may not end
                _log.error("servers not looked up", exc_info=error)

    async def _look(self) -> None:
        found = {each.server_id: each for each in await self._directory.servers() if self._is_ours(each)}
        if self._is_paused:
            return
        self._looks += 1
        # On their own: neither what drains nor what cannot be brought about puts off a revocation.
        for server_id, gateway in self.gateways.items():
            if self._is_to_be_checked(gateway, found.get(server_id)):
                self._begin_task(self._checks, server_id, self._check(gateway, found.get(server_id)))
        if self._is_stopping:
            return
        for server_id in {*self.gateways, *self._failed} | found.keys():
            self._begin_task(self._tasks, server_id, self._bring(server_id, found.get(server_id)))

    @staticmethod
    def _begin_task(
        tasks: dict[str, asyncio.Task[None]], server_id: str, what: Coroutine[Any, Any, None]
    ) -> None:
        """Do it, unless something of the kind is under way for this server."""
        if server_id in tasks:
            what.close()
            return
        tasks[server_id] = task = asyncio.create_task(what)
        task.add_done_callback(lambda _: tasks.pop(server_id, None))

    async def _settled(self) -> None:
        while under_way := [*self._tasks.values(), *self._checks.values()]:
            await asyncio.wait(under_way)

    def _is_ours(self, server: Server) -> bool:
        return server.server_id == self.first.server_id or (
            self._make is not None and not server.is_configured
        )

    # --- one server -----------------------------------------------------------------------

    async def _bring(self, server_id: str, server: Server | None) -> None:
        try:
            if server is None:
                await self._end(server_id)
            elif self._failed.get(server_id) != server or self._looks % _LOOKS_PER_CHECK == 0:
                await self._bring_to(server)
        except Exception as error:  # noqa: BLE001 - nobody watches this task
            _complain("server not brought to what it should be", server_id, error)
            if server is not None and self._has_not_begun(server):
                self._failed[server_id] = server
        finally:
            self._moving.pop(server_id, None)

    def _has_not_begun(self, server: Server) -> bool:
        gateway = self.gateways.get(server.server_id)
        return gateway is None or (server.wanted == "ONLINE" and not gateway.listener.has_started)

    async def _bring_to(self, server: Server) -> None:
        self._failed.pop(server.server_id, None)
        gateway = self.gateways.get(server.server_id)
        if gateway is None:
            await self._begin(server)
            return
        listens = gateway.listener.has_started
        if server.wanted == "OFFLINE" and listens:
            # First: whatever else is new of it may not be to be had, and stopping needs none of it.
            self._moving[server.server_id] = "STOPPING"
            gateway.listener.context.server = replace(gateway.server, wanted=server.wanted)
            await gateway.listener.drain(gateway.backend.settings.shutdown.grace_seconds, self._hurried)
            self._tell("server stopped", gateway)
        await self._renew(gateway, server)
        if server.wanted == "ONLINE" and not listens:
            self._moving[server.server_id] = "STARTING"
            await gateway.listener.start()
            self._tell("server listens", gateway)

    async def _begin(self, server: Server) -> None:
        assert self._make is not None
        if server.wanted == "ONLINE":
            self._moving[server.server_id] = "STARTING"
        gateway = await self._make(server)
        await gateway.start()
        self.gateways[server.server_id] = gateway
        self._tell("server listens" if gateway.listener.has_started else "server is stopped", gateway)

    async def _renew(self, gateway: Gateway, server: Server) -> None:
        # How far revocations were looked at, `_check` notes.
        if gateway.server != replace(server, revocations=gateway.server.revocations):
            sources = await self._host_keys_of(server)
            gateway.renew(replace(server, revocations=gateway.server.revocations), sources)

    # --- revocations ----------------------------------------------------------------------

    def _is_to_be_checked(self, gateway: Gateway, server: Server | None) -> bool:
        """Tell whether somebody may have lost access; of a server that is gone, everybody has."""
        is_another = server is None or server.revocations != gateway.server.revocations
        return is_another or self._looks % _LOOKS_PER_CHECK == 0

    async def _check(self, gateway: Gateway, server: Server | None) -> None:
        try:
            is_all = await self._end_revoked(gateway)
        except Exception as error:  # noqa: BLE001 - nobody watches this task; the next look begins another
            _complain("revocations not looked up", gateway.server_id, error)
            return
        if server is not None and is_all:
            # Noted last: a look that fails is made again.
            gateway.listener.context.server = replace(gateway.server, revocations=server.revocations)

    async def _end_revoked(self, gateway: Gateway) -> bool:
        """End sessions of those who lost access; False: somebody may have come in meanwhile."""
        if not gateway.behaviour.end_revoked:
            return True

        async def may_stay(user: User, key: SshPublicKey) -> bool:
            return await gateway.logins.key(user.user_name, key.fingerprint) is not None

        return await gateway.listener.end_revoked(may_stay)

    async def _end(self, server_id: str, *, hurried: bool = False) -> None:
        self._failed.pop(server_id, None)
        gateway = self.gateways.get(server_id)
        if gateway is None:
            return
        self._moving[server_id] = "STOPPING"
        now = self._hurried
        if hurried:
            now = asyncio.Event()
            now.set()
        if gateway is self.first:
            if gateway.listener.has_started:
                await gateway.listener.drain(gateway.backend.settings.shutdown.grace_seconds, now)
                self._tell("server is gone from the directory", gateway)
            return
        await gateway.stop(now)
        del self.gateways[server_id]
        # One may have waited for its port.
        self._failed.clear()
        self._tell("server is gone from the directory", gateway)

    def _tell(self, event: str, gateway: Gateway) -> None:
        self._moving.pop(gateway.server_id, None)
        _log.info(event, server=gateway.server_id, port=gateway.listener.port)
        self.on_change()


def _complain(event: str, server_id: str, error: Exception) -> None:
    # What was not foreseen is a mistake of ours, and only its traceback tells where.
    unforeseen = None if isinstance(error, GatewayError) else error
    _log.error(event, server=server_id, reason=str(error), exc_info=unforeseen)
