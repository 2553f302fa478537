"""What local mode stands on, made where it is missing; and the servers over it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tidegate.assembly import Gateway
from tidegate.backend import Backend, resolve_keys
from tidegate.control import fleet_over, host_keys_in
from tidegate.core.behaviour import Preset
from tidegate.core.errors import InvalidKey, InvalidSettings
from tidegate.core.host_keys import PrivateHostKey, read_host_key
from tidegate.fleet import Fleet
from tidegate.services.host_keys import HostKeyRing
from tidegate.settings.presets import behaviour_of
from tidegate.shared import HostKeySources


async def provisioned_fleet(backend: Backend, server_id: str, preset: Preset, host_key: Path) -> Fleet:
    """Make what is missing at the endpoint, and return the servers over it, not started."""
    settings, provisioner = backend.settings, backend.provisioner
    keys = await resolve_keys(backend, create=True)
    if settings.sftp.host_key_kms_key:
        await provisioner.ensure_key(settings.sftp.host_key_kms_key)
    await provisioner.ensure_bucket(settings.landing.bucket, keys.landing)
    for target in settings.deliveries.targets:
        await provisioner.ensure_bucket(target.bucket, keys.targets[target.name])
    for route in settings.routes:
        if route.bucket:
            await provisioner.ensure_bucket(route.bucket, keys.routes[route.name] or keys.landing)
    await provisioner.ensure_transfers_table(settings.tables.transfers)
    await provisioner.ensure_directory_table(settings.tables.directory)
    await backend.directory.register_server(server_id)
    named = settings.sftp.host_key_files or (host_key,)
    files = None if backend.has_host_key_kms_key else HostKeySources(named)
    ring = backend.host_keys(server_id)
    if files is None:
        await _keep(ring, named, await backend.host_key_kms_arn())
    server = await backend.directory.server(server_id)
    sources = files or await host_keys_in(ring)
    first = Gateway(backend, server, behaviour_of(settings, preset), keys, sources)
    return fleet_over(first, keys, files, makes_others=True)


async def _keep(ring: HostKeyRing, files: Iterable[Path], kms_key_arn: str) -> None:
    """Keep these keys in the directory, as the Transfer API shows them, unless they are there."""
    kept = {key.fingerprint for key in await ring.kept()}
    for file in files:
        key = _read(file)
        if key.fingerprint not in kept:
            await ring.add(key, kms_key_arn, "")


def _read(file: Path) -> PrivateHostKey:
    try:
        return read_host_key(file.read_bytes())
    except OSError as error:
        raise InvalidSettings(f"host key {file}: {error.strerror or error}") from error
    except InvalidKey as error:
        raise InvalidSettings(f"host key {file}: {error.detail}", hint=error.hint) from error
