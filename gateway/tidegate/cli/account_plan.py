"""From settings to the resources of an account, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from tidegate.adapters.aws.account.buckets import BucketResource
from tidegate.adapters.aws.account.caller import caller_of, was_not_asked
from tidegate.adapters.aws.account.keys import KeyResource, KmsKeys
from tidegate.adapters.aws.account.roles import RoleResource
from tidegate.adapters.aws.account.tables import TableResource
from tidegate.backend import Backend
from tidegate.core.audit import WantedBucket, WantedRole, WantedTable
from tidegate.core.errors import GatewayError
from tidegate.core.host_keys import PrivateHostKey
from tidegate.core.metrics import AWS_NAMESPACE, OWN_NAMESPACE
from tidegate.core.policies import POLICIES, Estate, partition_of
from tidegate.core.resource_policies import Document
from tidegate.ports.account import Caller, Resource
from tidegate.services.host_keys import HostKeysResource
from tidegate.settings.activity import has_aws_names
from tidegate.settings.model import Settings

# An endpoint that is not AWS's may not know of accounts.
NOBODY = Caller("", "")


@dataclass(frozen=True, slots=True)
class Brought:
    """A host key that somebody brings, and the name of its file."""

    key: PrivateHostKey
    name: str


async def whose(backend: Backend) -> Caller:
    """Return whose credentials are used. Raises `GatewayError` if AWS does not say, or nobody answers."""
    try:
        return await caller_of(backend.clients)
    except GatewayError as error:
        if backend.settings.aws.endpoint_url is None or was_not_asked(error):
            raise
        return NOBODY


def resources_of(backend: Backend, caller: Caller, brought: Sequence[Brought] = ()) -> Iterator[Resource]:
    """Yield what the account should hold: keys, buckets, tables, host keys, roles."""
    settings, clients = backend.settings, backend.clients
    keys = KmsKeys(clients)
    for key in _keys_of(settings):
        yield KeyResource(clients, keys, key)
    partition = partition_of(settings.aws.region)
    for bucket in _buckets_of(settings):
        yield BucketResource(clients, keys, bucket, partition, caller.account or None)
    for table in _tables_of(settings):
        yield TableResource(clients, keys, table)
    if not settings.sftp.host_key_files:
        assert settings.server_id is not None
        ring = backend.host_keys(settings.server_id)
        given = {each.name: each.key for each in brought}
        yield HostKeysResource(ring, keys.arn, _host_keys_key(settings), given)
    for role in roles_of(settings):
        rights = partial(_rights, settings, keys, caller, role)
        yield RoleResource(clients, role, rights, settings.tables.transfers)


def roles_of(settings: Settings) -> list[WantedRole]:
    """Return the roles to be made: none, unless services are named that may assume them."""
    prefix, trusted = settings.name_prefix or "tidegate", settings.setup.trusted_services
    if not trusted:
        return []
    made = [WantedRole(f"{prefix}-gateway", "gateway", trusted)]
    if settings.deliveries.owner == "handlers":
        made.append(WantedRole(f"{prefix}-handlers", "handlers", trusted))
        made.append(WantedRole(f"{prefix}-sweep", "sweep", trusted))
    return made


def estate_of(settings: Settings, account: str = "*") -> Estate:
    """Return what rights are about, with keys as the configuration names them."""
    targets = settings.deliveries.targets
    routes = [route.kms_key for route in settings.routes]
    events = settings.deliveries.events or ""
    return Estate(
        region=settings.aws.region,
        account=account,
        landing=tuple(_upload_buckets(settings, with_homes=True)),
        landing_keys=_named([settings.landing.kms_key, *routes]),
        targets=tuple((target.bucket, target.prefix) for target in targets),
        target_keys=_named([target.kms_key for target in targets]),
        transfers=settings.tables.transfers,
        directory=settings.tables.directory,
        tables_key=settings.tables.kms_key,
        host_keys_key=None if settings.sftp.host_key_files else _host_keys_key(settings),
        server_id=settings.server_id,
        handlers=settings.deliveries.owner == "handlers",
        queue=events if ":sqs:" in events else None,
        manages_host_keys=settings.control.port is not None,
        makes_servers=settings.control.sftp_ports is not None,
        prefix=settings.name_prefix or "tidegate",
        user_roles=settings.rights.user_roles if settings.rights.mode == "assume" else (),
        log_group=settings.activity.log_group,
        event_bus=settings.activity.events,
        metrics_namespace=_namespace(settings) if settings.activity.metrics else None,
    )


def _namespace(settings: Settings) -> str:
    has_aws = has_aws_names(settings.activity, settings.aws.endpoint_url)
    return AWS_NAMESPACE if has_aws else OWN_NAMESPACE


async def _rights(settings: Settings, keys: KmsKeys, caller: Caller, role: WantedRole) -> Document:
    """Return the policy of a role, with the keys by their ARNs where they are there."""

    async def arn(key: str) -> str:
        return await keys.arn(key) or key

    estate = estate_of(settings, caller.account or "*")
    known = replace(
        estate,
        landing_keys=tuple([await arn(key) for key in estate.landing_keys]),
        target_keys=tuple([await arn(key) for key in estate.target_keys]),
        tables_key=await arn(estate.tables_key) if estate.tables_key else None,
        host_keys_key=await arn(estate.host_keys_key) if estate.host_keys_key else None,
    )
    return POLICIES[role.holds](known)


def _keys_of(settings: Settings) -> tuple[str, ...]:
    """Return every KMS key that the configuration names, each once."""
    kept_here = None if settings.sftp.host_key_files else settings.sftp.host_key_kms_key
    return _named(
        [
            settings.landing.kms_key,
            *(route.kms_key for route in settings.routes),
            *(target.kms_key for target in settings.deliveries.targets),
            settings.tables.kms_key,
            kept_here,
        ]
    )


def _buckets_of(settings: Settings) -> Iterator[WantedBucket]:
    setup, deliveries = settings.setup, settings.deliveries
    tls_only = speaks_tls(settings)
    for name, key in _upload_buckets(settings).items():
        versioned = name != settings.landing.bucket or not settings.landing.allow_unversioned
        yield WantedBucket(
            name,
            key,
            versioned=versioned,
            noncurrent_days=setup.noncurrent_days,
            # Object Lock keeps versions, so it takes versioning.
            object_lock_days=setup.object_lock_days if versioned else None,
            events=deliveries.events,
            tls_only=tls_only,
        )
    copies = {target.bucket: target.kms_key for target in deliveries.targets}
    for name, key in copies.items():
        if name not in _upload_buckets(settings):
            yield WantedBucket(name, key, noncurrent_days=setup.noncurrent_days, tls_only=tls_only)


def _upload_buckets(settings: Settings, *, with_homes: bool = False) -> dict[str, str | None]:
    """Return the buckets that uploads land in, each with the key of its first mention."""
    found: dict[str, str | None] = {settings.landing.bucket: settings.landing.kms_key}
    for route in settings.routes:
        if route.bucket:
            found.setdefault(route.bucket, route.kms_key or settings.landing.kms_key)
    if with_homes:
        for partner in settings.partners:
            for target in settings.home_of(partner).targets:
                found.setdefault(target.split("/")[1], None)
    return found


def _tables_of(settings: Settings) -> Iterator[WantedTable]:
    tables, protected = settings.tables, settings.setup.deletion_protection
    yield WantedTable(tables.transfers, "transfers", tables.kms_key, protected)
    yield WantedTable(tables.directory, "directory", tables.kms_key, protected)


def _host_keys_key(settings: Settings) -> str | None:
    return settings.sftp.host_key_kms_key or settings.landing.kms_key


def speaks_tls(settings: Settings) -> bool:
    """Tell whether we reach S3 over TLS: a bucket that insists on it would shut us out otherwise."""
    return urlsplit(settings.aws.endpoint_url or "https:").scheme == "https"


def _named(keys: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for key in keys if key))
