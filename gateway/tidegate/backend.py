"""The adapters over one endpoint, as gateways, commands and functions need them; and what settings name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from tidegate.adapters.aws.assumed import StsRoles
from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.adapters.aws.directory import DynamoUserDirectory
from tidegate.adapters.aws.host_keys import DynamoHostKeys, KmsVault
from tidegate.adapters.aws.iam_roles import IamRoles
from tidegate.adapters.aws.leases import DynamoGatewayLeases
from tidegate.adapters.aws.provision import Provisioner
from tidegate.adapters.aws.s3 import S3ObjectStore
from tidegate.adapters.aws.transfer_log import DynamoTransferLog
from tidegate.adapters.aws.workflows import DynamoWorkflows
from tidegate.adapters.clock import SystemClock
from tidegate.adapters.identity_providers import ProviderCalls
from tidegate.core.behaviour import Behaviour
from tidegate.core.deliveries import DeliveryTarget
from tidegate.core.errors import InvalidSettings
from tidegate.core.ids import GatewayId
from tidegate.core.objects import Storage
from tidegate.core.routes import Route, Routes
from tidegate.services.decisions import Decisions
from tidegate.services.deliveries import DeliverySettings, DeliveryWorker
from tidegate.services.held import Held
from tidegate.services.host_keys import HostKeyRing
from tidegate.services.identity_providers import Identities
from tidegate.services.kept_uploads import KeptUploads
from tidegate.services.logins import Logins
from tidegate.services.rights import AssumedRights, EvaluatedRights, HomeRights, Rights
from tidegate.services.suspects import Suspects
from tidegate.services.users import Users
from tidegate.settings.model import Settings


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
        full_object_checksums=aws.object_checksums == "full",
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
        self.workflows = DynamoWorkflows(self.clients, settings.tables.directory)
        self.leases = DynamoGatewayLeases(self.clients, settings.tables.directory)
        self.log = DynamoTransferLog(
            self.clients,
            settings.tables.transfers,
            retention_days=settings.records.retention_days,
            refused_login_retention_days=settings.records.refused_login_retention_days,
        )

    def users(self, server_id: str) -> Users:
        return Users(self.directory, self.clock, server_id)

    def host_keys(self, server_id: str) -> HostKeyRing:
        kept = DynamoHostKeys(self.clients, self.settings.tables.directory)
        return HostKeyRing(kept, KmsVault(self.clients), self.clock, server_id)

    @property
    def has_host_key_kms_key(self) -> bool:
        """Whether host keys can be kept in the directory."""
        return bool(self.settings.sftp.host_key_kms_key or self.settings.landing.kms_key)

    async def host_key_kms_arn(self) -> str:
        """Return the KMS key of host keys. Raises `InvalidSettings` where none is named, `NotFound`."""
        name = self.settings.sftp.host_key_kms_key or self.settings.landing.kms_key
        if not name:
            raise InvalidSettings(
                "there is no KMS key that host keys could be kept under",
                hint="name one in sftp.host_key_kms_key",
            )
        return await self.provisioner.key_arn(name)

    def identities(self, logins: Logins) -> Identities:
        """Return who finds users, in the directory or by asking providers."""
        seconds = self.settings.sftp.identity_provider_timeout_seconds
        stand_ins = [each.stand_in() for each in self.settings.identity_providers]
        return Identities(logins, self.clock, ProviderCalls(self.clients, stand_ins, seconds).of, seconds)

    def close(self) -> None:
        self.clients.close()


@dataclass(frozen=True, slots=True)
class Keys:
    """KMS keys by their ARNs: aliases are resolved once, so that records name what was really used."""

    landing: str | None
    targets: dict[str, str | None]
    routes: dict[str, str | None]


def delivery_targets(settings: Settings, keys: Keys) -> tuple[DeliveryTarget, ...]:
    """Return the configured targets, with their keys resolved."""
    return tuple(
        DeliveryTarget(target.name, target.bucket, target.prefix, keys.targets[target.name])
        for target in settings.deliveries.targets
    )


def upload_routes(settings: Settings, keys: Keys) -> Routes:
    """Return the configured routes, with their keys resolved."""
    return Routes(
        tuple(
            Route(
                name=route.name,
                partners=route.partners,
                path=route.path,
                target=f"/{route.bucket}/{route.prefix}".rstrip("/") if route.bucket else None,
                storage=Storage(
                    keys.routes[route.name] or keys.landing, route.storage_class, tuple(route.tags.items())
                ),
                deliver_to=route.deliver_to,
                accept=route.accept.rules(),
            )
            for route in settings.routes
        ),
        otherwise=Storage(keys.landing),
    )


def kept_uploads(backend: Backend, behaviour: Behaviour, gateway_id: GatewayId) -> KeptUploads | None:
    """Return what keeps dropped uploads in the name of `gateway_id`; None where they are not kept."""
    if behaviour.dropped_upload != "keep":
        return None
    keep_for = timedelta(seconds=backend.settings.uploads.keep_dropped_seconds)
    return KeptUploads(backend.store, backend.log, backend.log, backend.clock, gateway_id, keep_for)


def delivery_worker(
    backend: Backend, gateway_id: GatewayId, targets: tuple[DeliveryTarget, ...]
) -> DeliveryWorker:
    """Return a worker that claims deliveries in the name of `gateway_id`; it does not run yet."""
    wanted = backend.settings.deliveries
    return DeliveryWorker(
        backend.store,
        backend.log,
        backend.log,
        backend.clock,
        gateway_id,
        targets,
        DeliverySettings(
            poll_interval_seconds=wanted.poll_interval_seconds,
            lease_seconds=wanted.lease_seconds,
            max_attempts=wanted.max_attempts,
            concurrency=wanted.concurrency,
        ),
    )


def file_decisions(backend: Backend, targets: tuple[DeliveryTarget, ...]) -> Decisions:
    """Return who decides about files that are held back."""
    held = Held(backend.store, backend.log, backend.log, backend.clock)
    return Decisions(backend.store, backend.log, backend.log, backend.clock, targets, held)


def held_back(
    backend: Backend,
    server_id: str,
    gateway_id: GatewayId,
    routes: Routes,
    targets: tuple[DeliveryTarget, ...],
    on_owed: Callable[[], None] = lambda: None,
) -> Suspects:
    """Return who judges files by the rules of their routes, in the name of `gateway_id`."""
    return Suspects(file_decisions(backend, targets), routes, server_id, gateway_id, on_owed)


def rights_of(backend: Backend) -> Rights:
    """Return who says what the users of a server may do."""
    wanted, clients = backend.settings.rights, backend.clients
    if wanted.mode == "evaluate":
        book, region = IamRoles(clients), backend.settings.aws.region
        return EvaluatedRights(backend.store, book, region, strict=wanted.roles == "strict")
    if wanted.mode == "assume":
        return AssumedRights(backend.store, StsRoles(clients, backend.store))
    return HomeRights(backend.store)


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
        routes={route.name: await arn(route.kms_key) for route in settings.routes},
    )
