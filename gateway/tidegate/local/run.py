"""`tidegate local` from start to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from tidegate.assembly import Backend, Gateway, resolve_keys
from tidegate.core.behaviour import Preset
from tidegate.core.paths import home_from_target
from tidegate.local.ambient import ACCESS_KEY_ID, SECRET_ACCESS_KEY, ignore_ambient_aws, refuse_real_aws
from tidegate.local.banner import banner
from tidegate.local.endpoint import EmbeddedAws
from tidegate.local.ready import DemoPartner, Ready
from tidegate.local.reset import LocalReset
from tidegate.local.state_dir import StateDirectory, write_atomically
from tidegate.partners_file import wanted_users
from tidegate.services.users import WantedUser
from tidegate.settings.loader import LoadedSettings
from tidegate.settings.model import Settings
from tidegate.settings.presets import behaviour_of
from tidegate.settings.sections import PartnerSettings
from tidegate.signals import StopSignal

_DEFAULT_PRESET: Preset = "transfer-family"
_DEMO_PARTNER = "acme"


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """What the command line says; None where it says nothing."""

    loaded: LoadedSettings
    state_dir: Path
    aws_port: int
    sftp_port: int | None = None
    aws_endpoint_url: str | None = None
    ready_file: Path | None = None
    preset: Preset | None = None


async def run_local(options: LocalOptions) -> None:
    """Run until a signal. Raises `InvalidSettings` or another `GatewayError` if it cannot start."""
    ignore_ambient_aws()
    stop = StopSignal()
    with StateDirectory(options.state_dir) as state:
        async with _aws(options) as (url, reset):
            settings = local_settings(options, url)
            backend = Backend(settings)
            try:
                await _serve(options, settings, backend, state, reset, stop)
            finally:
                backend.close()


def local_settings(options: LocalOptions, url: str) -> Settings:
    """Return the settings with what the command line and the embedded endpoint decide."""
    settings = options.loaded.settings
    aws: dict[str, object] = {"endpoint_url": url}
    if settings.aws.access_key_id is None:
        aws |= {
            "access_key_id": SecretStr(ACCESS_KEY_ID),
            "secret_access_key": SecretStr(SECRET_ACCESS_KEY),
        }
    sftp = {} if options.sftp_port is None else {"port": options.sftp_port}
    # A demo partner for whoever configured none, so that there is something to log in with.
    partners = settings.partners or (PartnerSettings(name=_DEMO_PARTNER),)
    return settings.model_copy(
        update={
            "aws": settings.aws.model_copy(update=aws),
            "sftp": settings.sftp.model_copy(update=sftp),
            "preset": options.preset or settings.preset or _DEFAULT_PRESET,
            "partners": partners,
        }
    )


@asynccontextmanager
async def _aws(options: LocalOptions) -> AsyncIterator[tuple[str, LocalReset]]:
    """Give the endpoint's URL: the one that was named, or an embedded one that ends with us."""
    reset = LocalReset(asyncio.get_running_loop())
    named = options.aws_endpoint_url or options.loaded.settings.aws.endpoint_url
    if named:
        refuse_real_aws(named)
        yield named, reset
        return
    embedded = await asyncio.to_thread(EmbeddedAws, options.aws_port, reset.from_thread)
    embedded.start()
    try:
        yield embedded.url, reset
    finally:
        await asyncio.to_thread(embedded.stop)


async def _serve(
    options: LocalOptions,
    settings: Settings,
    backend: Backend,
    state: StateDirectory,
    reset: LocalReset,
    stop: StopSignal,
) -> None:
    server_id = settings.server_id or state.server_id()
    wanted, demo = _partners(settings, options.loaded.source, state)
    assert settings.preset is not None
    gateway = await provisioned_gateway(backend, server_id, settings.preset, state.host_key())
    await gateway.backend.users(server_id).bring_to(wanted, exact=False)
    await gateway.start()
    try:
        ready = _ready(gateway, settings, demo)
        known_hosts = state.write_known_hosts(ready.host, ready.port, ready.host_key_line)
        state.describe(ready.as_json())
        reset.serve(gateway, wanted)
        embedded = options.aws_endpoint_url is None and options.loaded.settings.aws.endpoint_url is None
        print(banner(ready, state.path, known_hosts, in_memory=embedded), flush=True)  # noqa: T201
        if options.ready_file:
            write_atomically(options.ready_file, ready.as_json())
        await stop.wait()
    finally:
        await gateway.stop(settings.shutdown.grace_seconds)
        if options.ready_file:
            options.ready_file.unlink(missing_ok=True)


async def provisioned_gateway(backend: Backend, server_id: str, preset: Preset, host_key: Path) -> Gateway:
    """Make what is missing at the endpoint, and return a gateway over it, not started."""
    settings, provisioner = backend.settings, backend.provisioner
    keys = await resolve_keys(backend, create=True)
    await provisioner.ensure_bucket(settings.landing.bucket, keys.landing)
    for target in settings.deliveries.targets:
        await provisioner.ensure_bucket(target.bucket, keys.targets[target.name])
    await provisioner.ensure_transfers_table(settings.tables.transfers)
    await provisioner.ensure_directory_table(settings.tables.directory)
    await backend.directory.register_server(server_id)
    host_keys = list(settings.sftp.host_key_files) or [host_key]
    return Gateway(backend, behaviour_of(settings, preset), server_id, keys, host_keys)


def _partners(
    settings: Settings, source: str, state: StateDirectory
) -> tuple[list[WantedUser], tuple[DemoPartner, ...]]:
    """Return the wanted users; one without keys gets a key made for it, kept in the state directory."""
    wanted = {user.user_name: user for user in wanted_users(settings, source)}
    demo = []
    for partner in settings.partners:
        home, private = settings.home_of(partner), None
        if not wanted[partner.name].keys:
            private, public = state.partner_key(partner.name)
            wanted[partner.name] = WantedUser(partner.name, home_from_target(home), (public,))
        demo.append(DemoPartner(partner.name, private, home))
    return list(wanted.values()), tuple(demo)


def _ready(gateway: Gateway, settings: Settings, partners: tuple[DemoPartner, ...]) -> Ready:
    key = gateway.listener.host_keys[0]
    targets = settings.deliveries.targets
    return Ready(
        host=settings.sftp.advertised_host or settings.sftp.host,
        port=gateway.listener.port,
        host_key_fingerprint=key.fingerprint,
        host_key_line=key.line,
        aws_endpoint_url=settings.aws.endpoint_url or "",
        region=settings.aws.region,
        server_id=gateway.server_id,
        preset=settings.preset or _DEFAULT_PRESET,
        landing_bucket=settings.landing.bucket,
        private_bucket=targets[0].bucket if targets else None,
        transfers_table=settings.tables.transfers,
        directory_table=settings.tables.directory,
        partners=partners,
    )
