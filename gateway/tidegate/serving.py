"""
`tidegate serve` from start to end: the same gateway over AWS, or anything that speaks its APIs.

Nothing is made here and nothing is guessed: what is missing is named, all of it at once, with the
way to mend it.
"""

from __future__ import annotations

import structlog

from tidegate.assembly import Backend, Gateway, Keys, resolve_keys
from tidegate.core.errors import GatewayError, InvalidSettings, NotFound
from tidegate.settings.loader import LoadedSettings
from tidegate.settings.presets import behaviour_of
from tidegate.settings.serving import check_for_serve
from tidegate.signals import StopSignal

_log = structlog.get_logger("tidegate")

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
        behaviour = behaviour_of(settings, settings.preset)
        gateway = Gateway(backend, behaviour, settings.server_id, keys, list(settings.sftp.host_key_files))
        await gateway.start()
        _tell(gateway)
        await stop.wait()
        await gateway.stop(settings.shutdown.grace_seconds)
    finally:
        backend.close()


def refuse_unready(loaded: LoadedSettings) -> None:
    """Raise `InvalidSettings` with everything `serve` misses in the settings themselves."""
    problems = check_for_serve(loaded.settings)
    if problems:
        raise InvalidSettings("\n".join(f"{loaded.source}: {problem}" for problem in problems))


async def verified(backend: Backend, source: str) -> Keys:
    """
    Look at everything the gateway stands on, and return the keys.

    Raises:
        InvalidSettings: Something is missing; one line each.
    """
    settings, provisioner = backend.settings, backend.provisioner
    buckets = (settings.landing.bucket, *(target.bucket for target in settings.deliveries.targets))
    tables = (settings.tables.transfers, settings.tables.directory)
    missing = [f"bucket {name}" for name in buckets if not await provisioner.has_bucket(name)]
    missing += [f"table {name}" for name in tables if not await provisioner.has_table(name)]
    problems = [f"{what} does not exist: create it, or correct the name" for what in missing]
    may_overwrite = settings.landing.allow_unversioned or missing
    if not may_overwrite and not await provisioner.is_versioned(settings.landing.bucket):
        problems.append(
            f"bucket {settings.landing.bucket} is not versioned: turn versioning on, or accept weaker "
            f"promises with landing.allow_unversioned: true ({UNVERSIONED_WARNING})"
        )
    keys = await _keys(backend, problems)
    if problems:
        raise InvalidSettings("\n".join(f"{source}: {problem}" for problem in problems))
    return keys


async def _keys(backend: Backend, problems: list[str]) -> Keys:
    try:
        return await resolve_keys(backend, create=False)
    except NotFound as error:
        problems.append(f"a KMS key does not exist: {error.detail}: create it, or correct landing.kms_key")
    except GatewayError as error:
        problems.append(f"a KMS key cannot be looked up: {error.detail}")
    return Keys(None, {})


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
