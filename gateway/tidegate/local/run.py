"""`tidegate local` from start to end."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from tidegate.backend import Backend
from tidegate.core.behaviour import Preset
from tidegate.core.errors import InvalidSettings, StoreUnavailable
from tidegate.fleet import Fleet
from tidegate.local.ambient import ACCESS_KEY_ID, SECRET_ACCESS_KEY, ignore_ambient_aws, refuse_real_aws
from tidegate.local.banner import banner
from tidegate.local.endpoint import EmbeddedAws
from tidegate.local.files import replace_file
from tidegate.local.provisioned import provisioned_fleet
from tidegate.local.ready import DemoPartner, ListeningServer, Ready
from tidegate.local.reset import LocalReset
from tidegate.local.state_dir import StateDirectory, as_text
from tidegate.local.transfer import LocalTransferApi
from tidegate.partners_file import wanted_server, wanted_users
from tidegate.services.users import WantedUser
from tidegate.settings.loader import LoadedSettings
from tidegate.settings.model import Settings
from tidegate.settings.partners import PartnerSettings
from tidegate.settings.sections import ShutdownSettings
from tidegate.signals import StopSignal
from tidegate.testing.steps import ask_before_steps

_DEFAULT_PRESET: Preset = "transfer-family"
_DEMO_PARTNER = "acme"
# An endpoint that does not even take a connection in this time is not there.
_CONNECT_SECONDS = 3.0


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
    steps_socket: Path | None = None

    @property
    def named_endpoint(self) -> str | None:
        """The endpoint somebody brought; None if one is to be embedded."""
        return self.aws_endpoint_url or self.loaded.settings.aws.endpoint_url


async def run_local(options: LocalOptions) -> None:
    """Run until a signal. Raises `InvalidSettings` or another `GatewayError` if it cannot start."""
    ignore_ambient_aws()
    stop = StopSignal()
    if options.ready_file:
        _make_way(options.ready_file)
    with StateDirectory(options.state_dir) as state:
        async with _aws(options) as (url, seams):
            settings = local_settings(options, url)
            backend = Backend(settings)
            if options.steps_socket:
                ask_before_steps(backend, options.steps_socket)
            try:
                await _serve(options, settings, backend, state, seams, stop)
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
    # The bus of an embedded endpoint is there for tests to look at; another one may have none.
    told: dict[str, object] = {} if options.named_endpoint else {"events": "default", "metrics": True}
    unsaid = {name: value for name, value in told.items() if name not in settings.activity.model_fields_set}
    # A demo partner for whoever configured none, so that there is something to log in with.
    partners = settings.partners or (PartnerSettings(name=_DEMO_PARTNER),)
    return settings.model_copy(
        update={
            "aws": settings.aws.model_copy(update=aws),
            "sftp": settings.sftp.model_copy(update=sftp),
            "activity": settings.activity.model_copy(update=unsaid),
            "preset": options.preset or settings.preset or _DEFAULT_PRESET,
            "partners": partners,
            "rights": settings.rights.model_copy(update={"mode": settings.rights.mode or "evaluate"}),
        }
    )


def _make_way(ready_file: Path) -> None:
    """Remove what an earlier run left, and say now, not once all listen, if it cannot be written."""
    try:
        ready_file.parent.mkdir(parents=True, exist_ok=True)
        ready_file.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidSettings(
            f"cannot write the ready file {ready_file}: {error.strerror}",
            hint="name another with --ready-file",
        ) from error
    if not os.access(ready_file.parent, os.W_OK):
        raise InvalidSettings(f"cannot write the ready file {ready_file}: no permission to write there")


@dataclass(frozen=True, slots=True)
class _Seams:
    """What of the endpoint the gateway answers for."""

    reset: LocalReset
    transfer: LocalTransferApi

    def serve(self, fleet: Fleet) -> None:
        self.reset.serve(fleet)
        self.transfer.serve(fleet)


@asynccontextmanager
async def _aws(options: LocalOptions) -> AsyncIterator[tuple[str, _Seams]]:
    """Give the endpoint's URL: the one that was named, or an embedded one that ends with us."""
    loop = asyncio.get_running_loop()
    seams = _Seams(LocalReset(loop), LocalTransferApi(loop))
    if options.named_endpoint:
        await _must_answer(options.named_endpoint)
        yield options.named_endpoint, seams
        return
    answers = seams.reset.from_thread, seams.transfer.from_thread
    embedded = await asyncio.to_thread(EmbeddedAws, options.aws_port, *answers)
    embedded.start()
    try:
        yield embedded.url, seams
    finally:
        await asyncio.to_thread(embedded.stop)


async def _must_answer(url: str) -> None:
    """Raise `GatewayError` if the endpoint is AWS's, or takes no connection: its retries take long."""
    refuse_real_aws(url, "tidegate serve --config FILE")
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(
                parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
            )
    except OSError as error:
        raise StoreUnavailable(
            f"nothing answers at {url}: {_reason(error)}",
            hint="start it first, or leave out --aws-endpoint-url (aws.endpoint_url) to embed one",
        ) from error
    writer.close()


def _reason(error: OSError) -> str:
    # asyncio puts its own words, and the address once more, into `strerror`.
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    return error.strerror or f"no answer within {_CONNECT_SECONDS:g} s"


async def _serve(
    options: LocalOptions,
    settings: Settings,
    backend: Backend,
    state: StateDirectory,
    seams: _Seams,
    stop: StopSignal,
) -> None:
    server_id = settings.server_id or state.server_id()
    wanted, demo = _partners(settings, options.loaded.source, state)
    assert settings.preset is not None
    fleet = await provisioned_fleet(backend, server_id, settings.preset, state.host_key())
    await backend.users(server_id).bring_to(
        wanted, exact=False, server=wanted_server(settings, options.loaded.source)
    )
    await fleet.first.start()
    try:
        seams.serve(fleet)
        _tell(options, settings, _ready(fleet, settings, demo), state)
        fleet.on_change = lambda: _describe(options, settings, _ready(fleet, settings, demo), state)
        fleet.start()
        await stop.wait()
    finally:
        fleet.on_change = lambda: None
        if options.ready_file:
            options.ready_file.unlink(missing_ok=True)
        _tell_of_waiting(fleet, settings.shutdown)
        await fleet.stop(stop.hurried)


def _tell(options: LocalOptions, settings: Settings, ready: Ready, state: StateDirectory) -> None:
    """Let people, commands and scripts know where everything is."""
    known_hosts = state.write_known_hosts(ready.host, ready.port, ready.host_key_line)
    print(  # noqa: T201
        banner(ready, state.path, known_hosts, in_memory=options.named_endpoint is None), flush=True
    )
    _describe(options, settings, ready, state)


def _describe(options: LocalOptions, settings: Settings, ready: Ready, state: StateDirectory) -> None:
    # Beyond the ready file: what a command needs to act as this gateway would.
    told = {"sweep", "deliveries", "uploads", "behaviour", "routes"}
    sections = settings.model_dump(mode="json", include=told)
    state.describe({**ready.as_json(), **sections})
    # Last, so that whoever waits for it finds all the rest said.
    if options.ready_file:
        # As open as the umask allows: it holds no secret, and others may wait for it.
        replace_file(options.ready_file, as_text(ready.as_json()), 0o666)


def _tell_of_waiting(fleet: Fleet, shutdown: ShutdownSettings) -> None:
    """Nobody should wonder why Ctrl-C seems to do nothing."""
    waits = []
    if shutdown.notice_seconds:
        waits.append(f"{shutdown.notice_seconds:g} s for a load balancer to notice")
    count = sum(gateway.uploads.open_count for gateway in fleet.gateways.values())
    if count:
        uploads = "an open upload" if count == 1 else f"{count} open uploads"
        waits.append(f"up to {shutdown.grace_seconds:g} s for {uploads}")
    if waits:
        print(  # noqa: T201
            f"Waiting {' and then '.join(waits)}. Ctrl-C again does not wait.", file=sys.stderr, flush=True
        )


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
            wanted[partner.name] = replace(wanted[partner.name], keys=(public,))
        demo.append(DemoPartner(partner.name, private, home.target))
    return list(wanted.values()), tuple(demo)


def _ready(fleet: Fleet, settings: Settings, partners: tuple[DemoPartner, ...]) -> Ready:
    gateway = fleet.first
    key = gateway.listener.host_keys[0]
    targets = settings.deliveries.targets
    return Ready(
        host=settings.sftp.advertised_host or settings.sftp.host,
        port=gateway.listener.port or settings.sftp.port,  # it may be stopped
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
        servers=tuple(
            ListeningServer(each.server_id, settings.sftp.host, each.listener.port, fleet.state(each.server))
            for each in fleet.gateways.values()
        ),
    )
