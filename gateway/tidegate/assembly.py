"""The one place that knows boto3, asyncssh and our services: settings in, a gateway out."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.adapters.aws.directory import DynamoUserDirectory
from tidegate.adapters.aws.leases import DynamoGatewayLeases
from tidegate.adapters.aws.provision import Provisioner
from tidegate.adapters.aws.s3 import S3ObjectStore
from tidegate.adapters.aws.transfer_log import DynamoTransferLog
from tidegate.adapters.clock import SystemClock
from tidegate.core.behaviour import Behaviour
from tidegate.core.deliveries import DeliveryTarget
from tidegate.core.errors import GatewayError
from tidegate.core.ids import new_gateway_id
from tidegate.core.parts import PartSchedule
from tidegate.core.paths import HomeTree
from tidegate.faces.sftp.context import FaceContext
from tidegate.services.browsing import Browsing
from tidegate.services.buffers import BufferBudget
from tidegate.services.deliveries import DeliverySettings, DeliveryWorker
from tidegate.services.downloads import Downloads
from tidegate.services.intake import Backends, Landing, Uploads
from tidegate.services.leases import Lease
from tidegate.services.logins import Logins
from tidegate.services.sweep import Sweep, Sweeper
from tidegate.services.uploads import UploadSettings
from tidegate.services.users import Users
from tidegate.settings.model import Settings

if TYPE_CHECKING:
    from tidegate.faces.sftp.listener import SftpListener

_log = structlog.get_logger("tidegate")


def endpoint_of(settings: Settings) -> AwsEndpoint:
    """Return where AWS is, as the adapters want it."""
    aws = settings.aws
    return AwsEndpoint(
        region=aws.region,
        endpoint_url=aws.endpoint_url,
        access_key_id=aws.access_key_id.get_secret_value() if aws.access_key_id else None,
        secret_access_key=aws.secret_access_key.get_secret_value() if aws.secret_access_key else None,
        connect_timeout_seconds=aws.connect_timeout_seconds,
        read_timeout_seconds=aws.read_timeout_seconds,
        complete_timeout_seconds=aws.complete_timeout_seconds,
        max_attempts=aws.max_attempts,
        s3_concurrency=aws.s3_concurrency,
    )


class Backend:
    """The adapters over one endpoint, as the gateway and the CLI both need them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clients = AwsClients(endpoint_of(settings))
        self.clock = SystemClock()
        self.provisioner = Provisioner(self.clients)
        self.store = S3ObjectStore(self.clients)
        self.directory = DynamoUserDirectory(self.clients, settings.tables.directory)
        self.leases = DynamoGatewayLeases(self.clients, settings.tables.directory)
        self.log = DynamoTransferLog(
            self.clients,
            settings.tables.transfers,
            retention_days=settings.records.retention_days,
            refused_login_retention_days=settings.records.refused_login_retention_days,
        )

    def users(self, server_id: str) -> Users:
        return Users(self.directory, self.clock, server_id)

    def close(self) -> None:
        self.clients.close()


@dataclass(frozen=True, slots=True)
class Keys:
    """KMS keys by their ARNs: aliases are resolved once, so that records name what was really used."""

    landing: str | None
    targets: dict[str, str | None]


def delivery_targets(settings: Settings, keys: Keys) -> tuple[DeliveryTarget, ...]:
    """Return the configured targets, with their keys resolved."""
    return tuple(
        DeliveryTarget(target.name, target.bucket, target.prefix, keys.targets[target.name])
        for target in settings.deliveries.targets
    )


class Gateway:
    """A running gateway: the SFTP listener, the delivery worker and the sweep over one backend."""

    def __init__(
        self,
        backend: Backend,
        behaviour: Behaviour,
        server_id: str,
        keys: Keys,
        host_key_files: list[Path],
    ) -> None:
        settings = backend.settings
        self.backend = backend
        self.server_id = server_id
        self.gateway_id = new_gateway_id()
        targets = delivery_targets(settings, keys)
        self.worker = self._worker(targets)
        self.budget = BufferBudget(settings.uploads.buffer_budget_bytes)
        self.logins = Logins(backend.directory, backend.log, backend.clock, server_id)
        self.lease = Lease(
            backend.leases, backend.clock, server_id, self.gateway_id, settings.sweep.lease_seconds
        )
        self.uploads = self._uploads(behaviour, Landing(keys.landing, targets))
        self.downloads = self._downloads()
        self.listener = self._listener(behaviour, keys.landing, host_key_files)
        self.sweeper = self._sweeper(targets)
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """
        Take the lease, listen and work.

        Raises:
            InvalidSettings: It cannot listen.
            GatewayError: The lease cannot be taken: then no record could be written either.
        """
        await self.lease.tick()
        await self.listener.start()
        self.resume_background()

    def resume_background(self) -> None:
        """Deliver, renew the lease, sweep."""
        if not self._background:
            running = (self.worker.run(), self.lease.run(self.sweeper.wake), self.sweeper.run())
            self._background = [asyncio.create_task(each) for each in running]

    async def pause_background(self) -> None:
        """Stop all that; deliveries that were claimed are due again when their leases run out."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self._background = []

    async def stop(self, grace_seconds: float) -> None:
        """Drain, then stop. On return every upload has ended and every record of it is written."""
        _log.info("stopping", grace_seconds=grace_seconds, open_uploads=self.uploads.open_count)
        await self.listener.drain(grace_seconds)
        await self.pause_background()
        await self.settled()
        with suppress(GatewayError):  # a lease that stays is one dead gateway more to be noticed
            await self.lease.forget(self.gateway_id)

    async def settled(self) -> None:
        """Return when nothing is left to be written behind a client's back."""
        await self.logins.recorded()
        await self.downloads.recorded()

    def _downloads(self) -> Downloads:
        backend, wanted = self.backend, self.backend.settings.downloads
        budget = BufferBudget(wanted.buffer_budget_bytes)
        return Downloads(
            backend.store, backend.log, backend.clock, self.gateway_id, budget, wanted.read_ahead_bytes
        )

    def _listener(
        self, behaviour: Behaviour, kms_key_id: str | None, host_key_files: list[Path]
    ) -> SftpListener:
        # Commands that only administer do without asyncssh, which takes longest to import.
        from tidegate.faces.sftp.listener import ListenerSettings, SftpListener  # noqa: PLC0415

        def browsing(tree: HomeTree) -> Browsing:
            return Browsing(tree, self.backend.store, kms_key_id)

        wanted = self.backend.settings.sftp
        return SftpListener(
            FaceContext(self.server_id, behaviour, self.logins, self.uploads, self.downloads, browsing),
            ListenerSettings(
                host=wanted.host,
                port=wanted.port,
                host_key_files=host_key_files,
                login_timeout_seconds=wanted.login_timeout_seconds,
                extra_algorithms=wanted.extra_algorithms,
            ),
        )

    def _sweeper(self, targets: tuple[DeliveryTarget, ...]) -> Sweeper:
        backend = self.backend
        sweep = Sweep(
            store=backend.store,
            log=backend.log,
            clock=backend.clock,
            lease=self.lease,
            targets=targets,
            is_open_here=self.uploads.has,
            on_owed=self.worker.wake,
        )
        return Sweeper(sweep, backend.settings.sweep.interval_seconds)

    def _worker(self, targets: tuple[DeliveryTarget, ...]) -> DeliveryWorker:
        backend, wanted = self.backend, self.backend.settings.deliveries
        return DeliveryWorker(
            backend.store,
            backend.log,
            backend.log,
            backend.clock,
            self.gateway_id,
            targets,
            DeliverySettings(
                poll_interval_seconds=wanted.poll_interval_seconds,
                lease_seconds=wanted.lease_seconds,
                max_attempts=wanted.max_attempts,
                concurrency=wanted.concurrency,
            ),
        )

    def _uploads(self, behaviour: Behaviour, landing: Landing) -> Uploads:
        backend, wanted = self.backend, self.backend.settings.uploads
        # A part may take no more than half the budget, or one large file would stop all others.
        largest = max(
            wanted.part_size_bytes, min(wanted.part_size_bytes * 90, wanted.buffer_budget_bytes // 2)
        )
        return Uploads(
            Backends(backend.store, backend.log, backend.clock, self.gateway_id, self.lease.is_fresh),
            self.budget,
            UploadSettings(
                schedule=PartSchedule(wanted.part_size_bytes, largest),
                reorder_window_bytes=wanted.reorder_window_bytes,
                parallel_parts=wanted.parallel_parts,
                store_partial=behaviour.dropped_upload == "store_partial",
            ),
            landing,
            one_writer=behaviour.one_writer,
            on_owed=self.worker.wake,
        )


async def resolve_keys(backend: Backend, *, create: bool) -> Keys:
    """
    Return the ARNs behind the configured keys.

    Args:
        create: Make missing keys and aliases; otherwise a missing one raises `NotFound`.
    """
    resolve = backend.provisioner.ensure_key if create else backend.provisioner.key_arn

    async def arn(key: str | None) -> str | None:
        return await resolve(key) if key else None

    settings = backend.settings
    return Keys(
        landing=await arn(settings.landing.kms_key),
        targets={target.name: await arn(target.kms_key) for target in settings.deliveries.targets},
    )
