"""
`tidegate serve` from start to end: the same gateway over AWS, or anything that speaks its APIs.

Nothing is made here and nothing is guessed: what is missing is named, all of it at once, with the
command that mends it.
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import TypeVar

import structlog

from tidegate.adapters.aws.tables import transfers_table
from tidegate.assembly import Gateway
from tidegate.backend import Backend, Keys, resolve_keys
from tidegate.control import fleet_over, host_keys_in
from tidegate.core.errors import GatewayError, InvalidSettings, NotFound
from tidegate.fleet import Fleet
from tidegate.served_api import ServedApi
from tidegate.settings.loader import LoadedSettings
from tidegate.settings.model import Settings
from tidegate.settings.presets import behaviour_of
from tidegate.settings.serving import check_for_serve
from tidegate.settings.sources import SOURCE_VARIABLE
from tidegate.shared import HostKeySources
from tidegate.signals import StopSignal

T = TypeVar("T")

_log = structlog.get_logger("tidegate")

_DOES_NOT_EXIST = "does not exist: create it, or correct the name"
UNVERSIONED_WARNING = (
    "the landing bucket is not versioned: if two uploads to one key overlap, or a file is replaced "
    "before it was delivered, the earlier one can be lost after it was acknowledged"
)


async def run_serve(loaded: LoadedSettings) -> None:
    """Run until a signal. Raises `InvalidSettings` with every reason it cannot start."""
    refuse_unready(loaded)
    settings = loaded.settings
    stop = StopSignal()
    backend = Backend(settings)
    try:
        keys = await verified(backend, loaded.source)
        assert settings.preset is not None
        assert settings.server_id is not None
        await backend.directory.register_server(settings.server_id)
        fleet = await _fleet(backend, keys)
        api = ServedApi(fleet)
        await fleet.first.start()
        try:
            api.start()
            _tell(fleet.first)
            fleet.start()
            await stop.wait()
        finally:
            await api.stop()
            await fleet.stop(stop.hurried)
    finally:
        backend.close()


async def _fleet(backend: Backend, keys: Keys) -> Fleet:
    settings = backend.settings
    assert settings.preset is not None
    assert settings.server_id is not None
    server = await backend.directory.server(settings.server_id)
    behaviour, host_keys = behaviour_of(settings, settings.preset), await host_keys_of(backend)
    first = Gateway(backend, server, behaviour, keys, host_keys)
    return fleet_over(
        first,
        keys,
        host_keys if settings.sftp.host_key_files else None,
        makes_others=settings.control.sftp_ports is not None,
    )


def refuse_unready(loaded: LoadedSettings) -> None:
    """Raise `InvalidSettings` with everything `serve` misses in the settings themselves."""
    problems = check_for_serve(loaded.settings)
    if problems:
        raise InvalidSettings("\n".join(f"{loaded.source}: {problem}" for problem in problems))


async def verified(backend: Backend, source: str) -> Keys:
    """
    Look at everything the gateway stands on, and return the keys.

    Raises:
        InvalidSettings: Something is missing, one line each; or AWS does not say whether it is there.
    """
    settings = backend.settings
    try:
        await _refuse_other_region(backend, source)
        problems = [problem async for problem in _missing(backend)]
        if not problems:
            return await resolve_keys(backend, create=False)
    except _NoAnswer as unknown:
        # One is enough: without credentials, say, every other question ends alike.
        where = settings.aws.endpoint_url or f"AWS, Region {settings.aws.region}"
        raise InvalidSettings(
            f"{source}: cannot tell whether {unknown.what} is there, at {where}: {unknown.error.detail}",
            hint=unknown.error.hint or "look at aws.region, aws.endpoint_url and the role's permissions",
        ) from unknown.error
    mend = setup_command(source)
    raise InvalidSettings("\n".join(f"{source}: {problem}; to mend it: {mend}" for problem in problems))


def setup_command(source: str) -> str:
    """Return the command that makes what is missing for this configuration."""
    if source == SOURCE_VARIABLE:
        return "tidegate setup"
    return f"tidegate setup --config {'-' if source == 'standard input' else shlex.quote(source)}"


class _NoAnswer(Exception):
    def __init__(self, what: str, error: GatewayError) -> None:
        super().__init__()
        self.what = what
        self.error = error


async def _missing(backend: Backend) -> AsyncIterator[str]:
    for look in (_lacking_buckets, _lacking_tables, _lacking_keys):
        async for problem in look(backend):
            yield problem


async def _refuse_other_region(backend: Backend, source: str) -> None:
    """Raise `InvalidSettings` if a bucket of uploads lies in another Region: nothing else would be found."""
    here = backend.settings.aws.region
    for setting, bucket in _upload_buckets(backend.settings):
        region = await _answer(f"bucket {bucket}", backend.provisioner.region_of(bucket))
        if region and region != here:
            # Nor is it for setup to mend: that would make keys and tables in the wrong place.
            raise InvalidSettings(
                f"{source}: {setting}: bucket {bucket} is in {region}, not in {here}",
                hint="correct aws.region, or take another bucket: buckets cannot move",
            )


async def _lacking_buckets(backend: Backend) -> AsyncIterator[str]:
    settings, has_bucket = backend.settings, backend.provisioner.has_bucket
    for setting, bucket in _upload_buckets(settings):
        if not await _answer(f"bucket {bucket}", has_bucket(bucket)):
            yield f"{setting}: bucket {bucket} {_DOES_NOT_EXIST}"
        elif not settings.landing.allow_unversioned and not await _answer(
            f"the versioning of bucket {bucket}", backend.provisioner.is_versioned(bucket)
        ):
            yield (
                f"bucket {bucket} is not versioned: turn versioning on, or accept weaker promises with "
                f"landing.allow_unversioned: true ({UNVERSIONED_WARNING})"
            )
    for number, target in enumerate(settings.deliveries.targets):
        if not await _answer(f"bucket {target.bucket}", has_bucket(target.bucket)):
            yield f"deliveries.targets[{number}].bucket: bucket {target.bucket} {_DOES_NOT_EXIST}"


def _upload_buckets(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "landing.bucket", settings.landing.bucket
    said = {settings.landing.bucket}
    for number, route in enumerate(settings.routes):
        if route.bucket and route.bucket not in said:
            said.add(route.bucket)
            yield f"routes[{number}].bucket", route.bucket


async def _lacking_tables(backend: Backend) -> AsyncIterator[str]:
    tables, provisioner = backend.settings.tables, backend.provisioner
    if not await _answer(f"table {tables.transfers}", provisioner.has_table(tables.transfers)):
        yield f"tables.transfers: table {tables.transfers} {_DOES_NOT_EXIST}"
    else:
        asked = provisioner.lacking_indexes(transfers_table(tables.transfers))
        for index in await _answer(f"the indexes of {tables.transfers}", asked) or ():
            yield f"tables.transfers: table {tables.transfers} has no index {index}, or it is not built yet"
    if not await _answer(f"table {tables.directory}", provisioner.has_table(tables.directory)):
        yield f"tables.directory: table {tables.directory} {_DOES_NOT_EXIST}"
    elif not backend.settings.sftp.host_key_files:
        assert backend.settings.server_id is not None
        ring = backend.host_keys(backend.settings.server_id)
        if not await _answer("a host key", ring.kept()):
            yield f"sftp.host_key_files: names none, and table {tables.directory} keeps no host key either"


async def _lacking_keys(backend: Backend) -> AsyncIterator[str]:
    for setting, key in _named_keys(backend.settings):
        if not await _answer(f"KMS key {key}", backend.provisioner.key_arn(key)):
            yield f"{setting}: KMS key {key} {_DOES_NOT_EXIST}"


async def host_keys_of(backend: Backend) -> HostKeySources:
    """Return the files that are named, or the keys that all gateways of the server share."""
    settings = backend.settings
    if settings.sftp.host_key_files:
        return HostKeySources(settings.sftp.host_key_files)
    assert settings.server_id is not None
    try:
        return await host_keys_in(backend.host_keys(settings.server_id))
    except GatewayError as error:
        raise InvalidSettings(
            f"the host keys in table {settings.tables.directory} cannot be opened: {error.detail}",
            hint=error.hint or "allow kms:Decrypt on their KMS key: tidegate setup --policies DIR shows how",
        ) from error


async def _answer(what: str, asked: Awaitable[T]) -> T | None:
    """Return the answer; None if there is nothing of that name. Raises `_NoAnswer`."""
    try:
        return await asked
    except NotFound:
        return None
    except GatewayError as error:
        raise _NoAnswer(what, error) from error


def _named_keys(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.landing.kms_key:
        yield "landing.kms_key", settings.landing.kms_key
    for number, route in enumerate(settings.routes):
        if route.kms_key:
            yield f"routes[{number}].kms_key", route.kms_key
    for number, target in enumerate(settings.deliveries.targets):
        if target.kms_key:
            yield f"deliveries.targets[{number}].kms_key", target.kms_key


def _tell(gateway: Gateway) -> None:
    settings = gateway.backend.settings
    if settings.landing.allow_unversioned:
        _log.warning("weaker promises", reason=UNVERSIONED_WARNING)
    _log.info(
        "listening",
        host=settings.sftp.host,
        port=gateway.listener.port,
        host_keys=[key.fingerprint for key in gateway.listener.host_keys],
        preset=settings.preset,
        server=gateway.server_id,
        gateway=gateway.gateway_id,
        landing=settings.landing.bucket,
    )
