"""Settings and a backend in, a gateway out: the one place that knows asyncssh and all of our services."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from tidegate.backend import (
    Backend,
    Keys,
    delivery_targets,
    delivery_worker,
    held_back,
    kept_uploads,
    rights_of,
    upload_routes,
)
from tidegate.core.behaviour import Behaviour
from tidegate.core.deliveries import DeliveryTarget
from tidegate.core.errors import GatewayError, InvalidSettings
from tidegate.core.holding import Holding
from tidegate.core.ids import new_gateway_id
from tidegate.core.objects import Location
from tidegate.core.parts import PartSchedule
from tidegate.core.paths import HomeTree
from tidegate.core.servers import Server, behaviour_of_server
from tidegate.core.sessions import Session
from tidegate.faces.health import HealthListener, health_pages
from tidegate.faces.sftp.context import FaceContext
from tidegate.faces.sftp.limits import FaceLimits, Guard
from tidegate.observation import Observation, Readings
from tidegate.ports.objects import ObjectStore
from tidegate.services.browsing import Browsing
from tidegate.services.directory_renames import DirectoryRules
from tidegate.services.downloads import Downloads
from tidegate.services.hashes import Hashes
from tidegate.services.held import Held
from tidegate.services.intake import Backends, Landing, Uploads
from tidegate.services.leases import Lease
from tidegate.services.logins import Logins
from tidegate.services.quotas import PlaceLimits, Places, Rates
from tidegate.services.refusals import Refusals
from tidegate.services.renames import Renames
from tidegate.services.sweep import Sweep, Sweeper
from tidegate.services.uploads import UploadSettings
from tidegate.shared import HostKeySources, Memory, Shared

if TYPE_CHECKING:
    from tidegate.faces.sftp.listener import SftpListener

_log = structlog.get_logger("tidegate")


class Gateway:
    """
    A running gateway: one server's SFTP listener, its sweep, and the delivery worker, over one backend.

    Args:
        behaviour: What it does where the server says nothing.
        shared: What the first gateway of this process shares with this one, which then neither delivers
            nor answers health checks; None: this is the first.
        port: Where to listen; None: as the configuration says.
    """

    def __init__(
        self,
        backend: Backend,
        server: Server,
        behaviour: Behaviour,
        keys: Keys,
        host_keys: HostKeySources,
        *,
        shared: Shared | None = None,
        port: int | None = None,
    ) -> None:
        settings = backend.settings
        self.backend = backend
        self._base = behaviour
        behaviour = behaviour_of_server(behaviour, server)
        self.behaviour = behaviour
        self._is_first = shared is None
        server_id = server.server_id
        self.gateway_id = new_gateway_id()
        targets = delivery_targets(settings, keys)
        worker = shared.worker if shared else delivery_worker(backend, self.gateway_id, targets)
        self.shared = shared or Shared(Memory(settings), worker, Observation(backend))
        self.observation = self.shared.observation
        self.worker = self.shared.worker
        self.logins = Logins(backend.directory, backend.log, backend.clock, server_id)
        self.identities = backend.identities(self.logins)
        self.refusals = Refusals(self.logins, backend.clock)
        self.lease = Lease(
            backend.leases, backend.clock, server_id, self.gateway_id, settings.sweep.lease_seconds
        )
        self.routes = upload_routes(settings, keys)
        self.kept = kept_uploads(backend, behaviour, self.gateway_id)
        self.suspects = held_back(backend, server_id, self.gateway_id, self.routes, targets, self.worker.wake)
        self.held = Held(backend.store, backend.log, backend.log, backend.clock)
        holding = Holding(behaviour.temporary_names, settings.deliveries.hold_seconds)
        self.renames = self._renames(behaviour, holding)
        self.uploads = self._uploads(behaviour, Landing(self.routes, targets, holding))
        self.downloads = self._downloads()
        self.listener = self._listener(server, behaviour, host_keys, port)
        self.sweeper = self._sweeper(targets)
        self.observation.watch(server_id, self._readings())
        self.health = self._health()
        self._background: list[asyncio.Task[None]] = []
        self._is_draining = False

    async def start(self) -> None:
        """
        Answer health checks, take the lease, listen and work.

        Raises:
            InvalidSettings: It cannot listen.
            GatewayError: The lease cannot be taken: then no record could be written either.
        """
        if self.health:
            await self.health.start()
            _log.info("health", port=self.health.port)
        try:
            await self.lease.tick()
            await self._listen()
        except BaseException:
            self._stop_health()
            raise
        if self._is_first and self.backend.settings.deliveries.owner == "handlers":
            _log.info("deliveries are left to handlers")
        self.observation.start()
        self.resume_background()

    async def _listen(self) -> None:
        """Listen if the server is to; if not, know the host keys all the same, which are told of it."""
        try:
            if self.server.wanted == "ONLINE":
                await self.listener.start()
            else:
                self.listener.renew()
        except BaseException:
            # Whoever tries again does so under another id: what never listened is not to be swept.
            with suppress(GatewayError):
                await self.lease.forget(self.gateway_id)
            raise

    def unready(self) -> list[str]:
        """Say why no upload should be sent here now, a word for each reason; [] if there is none."""
        is_wanted = self.server.wanted == "ONLINE"
        reasons = {
            "starting": is_wanted and not self.listener.has_started and not self._is_draining,
            "stopped": not is_wanted,
            "draining": self._is_draining,
            # Nothing could be recorded lately, so nothing will be accepted either.
            "lease": not self.lease.is_fresh(),
        }
        return [reason for reason, holds in reasons.items() if holds]

    def resume_background(self) -> None:
        """Renew the lease, sweep, and deliver, unless that is left to handlers."""
        if not self._background:
            running = [self.lease.run(self.sweeper.wake), self.sweeper.run()]
            if self._is_first and self.backend.settings.deliveries.owner == "embedded":
                running.append(self.worker.run())
            self._background = [asyncio.create_task(each) for each in running]

    async def pause_background(self) -> None:
        """Stop all that; deliveries that were claimed are due again when their leases run out."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self._background = []

    async def stop(self, hurried: asyncio.Event) -> None:
        """
        Say that no more is to be sent here, drain, then stop; how long, `shutdown` says.

        On return every upload has ended and every record of it is written.

        Args:
            hurried: Once set, clients are not waited for any longer.
        """
        wanted = self.backend.settings.shutdown
        self._is_draining = True
        _log.info("stopping", grace_seconds=wanted.grace_seconds, open_uploads=self.uploads.open_count)
        # Balancers need a moment to hear it, and must not meet a closed port before.
        with suppress(TimeoutError):
            await asyncio.wait_for(hurried.wait(), wanted.notice_seconds)
        await self.listener.drain(wanted.grace_seconds, hurried)
        await self.pause_background()
        await self.settled()
        with suppress(GatewayError):  # a lease that stays is one dead gateway more to be noticed
            await self.lease.forget(self.gateway_id)
        self.observation.unwatch(self.server_id)
        self._stop_health()

    @property
    def server(self) -> Server:
        """The server as it was when this gateway last looked."""
        return self.listener.context.server

    @property
    def server_id(self) -> str:
        return self.server.server_id

    def renew(self, server: Server, host_keys: HostKeySources) -> None:
        """
        Take up what the server is now, for connections from now on.

        Raises:
            InvalidSettings: It cannot be served so; then all stays as it was.
        """
        context, before = self.listener.context, (self.server, self.behaviour)
        behaviour = behaviour_of_server(self._base, server)
        context.server, context.behaviour = server, behaviour
        wanted = replace(self.listener.settings, host_keys=host_keys.shown, waiting_keys=host_keys.waiting)
        try:
            self.listener.renew(wanted)
        except InvalidSettings:
            context.server, context.behaviour = before
            raise
        self.behaviour = behaviour

    async def settled(self) -> None:
        """Return when nothing is left to be written behind a client's back."""
        await self.renames.ended()
        await self.suspects.ended()
        await self.refusals.said()
        await self.logins.recorded()
        await self.downloads.recorded()
        await self.observation.settled()

    def _renames(self, behaviour: Behaviour, holding: Holding) -> Renames:
        return Renames(
            self._backends(),
            self.backend.log,
            self.routes,
            self.held,
            holding=holding,
            directories=DirectoryRules(behaviour.rename_directories, self._is_open_below),
            on_owed=self.worker.wake,
        )

    def _is_open_below(self, prefix: Location) -> bool:
        return self.uploads.is_open_below(prefix)

    def _downloads(self) -> Downloads:
        backend, read_ahead = self.backend, self.backend.settings.downloads.read_ahead_bytes
        return Downloads(
            backend.store,
            backend.log,
            backend.clock,
            self.gateway_id,
            self.shared.memory.downloads,
            read_ahead,
        )

    def _health(self) -> HealthListener | None:
        wanted = self.backend.settings.health
        if wanted.port is None or not self._is_first:
            return None
        pages = health_pages(self.unready)
        if wanted.metrics:
            pages["/metrics"] = self.observation.page(self.worker, self.shared.memory.uploads)
        return HealthListener(wanted.host, wanted.port, pages)

    def _readings(self) -> Readings:
        places, refusals = self.listener.context.guard.places, self.refusals.counts
        return Readings(
            connections=lambda: places.taken,
            open_uploads=lambda: self.uploads.open_count,
            ready=lambda: not self.unready(),
            refusals=lambda: refusals,
        )

    def _stop_health(self) -> None:
        if self.health:
            self.health.stop()

    def _listener(
        self, server: Server, behaviour: Behaviour, host_keys: HostKeySources, port: int | None
    ) -> SftpListener:
        # Commands that only administer do without asyncssh, which takes longest to import.
        from tidegate.faces.sftp.listener import ListenerSettings, SftpListener  # noqa: PLC0415

        def browsing(tree: HomeTree, session: Session, store: ObjectStore) -> Browsing:
            strict = self.server.targets_must_exist
            return Browsing(tree, session, store, self.renames, self.routes, targets_must_exist=strict)

        wanted = self.backend.settings.sftp
        return SftpListener(
            FaceContext(
                server,
                behaviour,
                self.logins,
                self.uploads,
                self.downloads,
                browsing,
                self.routes,
                self.backend.store,
                self._guard(),
                Hashes(self.backend.store, self.backend.log),
                self.identities,
                rights_of(self.backend),
                self.observation.activities,
            ),
            ListenerSettings(
                host=wanted.host,
                port=wanted.port if port is None else port,
                host_keys=host_keys.shown,
                waiting_keys=host_keys.waiting,
                login_timeout_seconds=wanted.login_timeout_seconds,
                extra_algorithms=wanted.extra_algorithms,
                proxy_protocol_from=wanted.proxy_protocol_from,
                proxy_protocol_timeout_seconds=wanted.proxy_protocol_timeout_seconds,
            ),
        )

    def _guard(self) -> Guard:
        wanted = self.backend.settings.limits
        return Guard(
            FaceLimits(wanted.sessions_per_connection, wanted.handles_per_session, wanted.idle_seconds),
            Places(
                PlaceLimits(
                    wanted.connections, wanted.connections_per_address, wanted.connections_per_partner
                )
            ),
            Rates(
                wanted.upload_bytes_per_second_per_partner,
                wanted.download_bytes_per_second_per_partner,
                self.backend.clock,
            ),
            self.refusals,
        )

    def _sweeper(self, targets: tuple[DeliveryTarget, ...]) -> Sweeper:
        backend = self.backend
        sweep = Sweep(
            store=backend.store,
            log=backend.log,
            rename_log=backend.log,
            kept_log=backend.log,
            renames=self.renames,
            clock=backend.clock,
            lease=self.lease,
            targets=targets,
            is_open_here=self.uploads.has,
            on_owed=self.worker.wake,
            kept=self.kept,
            suspects=self.suspects,
        )
        return Sweeper(sweep, backend.settings.sweep.interval_seconds)

    def _backends(self) -> Backends:
        backend = self.backend
        return Backends(
            backend.store,
            backend.log,
            backend.clock,
            self.gateway_id,
            self.lease.is_fresh,
            self.kept,
            self.suspects,
            self.held,
        )

    def _uploads(self, behaviour: Behaviour, landing: Landing) -> Uploads:
        wanted = self.backend.settings.uploads
        # A part may take no more than half the budget, or one large file would stop all others.
        largest = max(
            wanted.part_size_bytes, min(wanted.part_size_bytes * 90, wanted.buffer_budget_bytes // 2)
        )
        return Uploads(
            self._backends(),
            self.shared.memory.uploads,
            UploadSettings(
                schedule=PartSchedule(wanted.part_size_bytes, largest),
                reorder_window_bytes=wanted.reorder_window_bytes,
                parallel_parts=wanted.parallel_parts,
                store_partial=behaviour.dropped_upload == "store_partial",
                max_file_bytes=self.backend.settings.limits.max_file_bytes,
                resume=behaviour.resume,
            ),
            landing,
            one_writer=behaviour.one_writer,
            on_owed=self.worker.wake,
        )
