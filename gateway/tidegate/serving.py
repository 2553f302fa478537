"""
`tidegate serve` from start to end: the same gateway over AWS, or anything that speaks its APIs.

Nothing is made here and nothing is guessed: what is missing is named, all of it at once, with the
way to mend it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import TypeVar

import structlog

from tidegate.assembly import Backend, Gateway, Keys, resolve_keys
from tidegate.core.errors import GatewayError, InvalidSettings, NotFound
from tidegate.settings.loader import LoadedSettings
from tidegate.settings.model import Settings
from tidegate.settings.presets import behaviour_of
from tidegate.settings.serving import check_for_serve
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
        InvalidSettings: Something is missing, one line each; or AWS does not say whether it is there.
    """
    settings = backend.settings
    try:
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
    raise InvalidSettings("\n".join(f"{source}: {problem}" for problem in problems))


class _NoAnswer(Exception):
    def __init__(self, what: str, error: GatewayError) -> None:
        super().__init__()
        self.what = what
        self.error = error


async def _missing(backend: Backend) -> AsyncIterator[str]:
    settings, provisioner, landing = backend.settings, backend.provisioner, backend.settings.landing
    if not await _answer(f"bucket {landing.bucket}", provisioner.has_bucket(landing.bucket)):
        yield f"landing.bucket: bucket {landing.bucket} {_DOES_NOT_EXIST}"
    elif not landing.allow_unversioned and not await _answer(
        f"the versioning of bucket {landing.bucket}", provisioner.is_versioned(landing.bucket)
    ):
        yield (
            f"bucket {landing.bucket} is not versioned: turn versioning on, or accept weaker promises with "
            f"landing.allow_unversioned: true ({UNVERSIONED_WARNING})"
        )
    for number, target in enumerate(settings.deliveries.targets):
        if not await _answer(f"bucket {target.bucket}", provisioner.has_bucket(target.bucket)):
            yield f"deliveries.targets[{number}].bucket: bucket {target.bucket} {_DOES_NOT_EXIST}"
    for setting, table in (
        ("transfers", settings.tables.transfers),
        ("directory", settings.tables.directory),
    ):
        if not await _answer(f"table {table}", provisioner.has_table(table)):
            yield f"tables.{setting}: table {table} {_DOES_NOT_EXIST}"
    for setting, key in _named_keys(settings):
        if not await _answer(f"KMS key {key}", provisioner.key_arn(key)):
            yield f"{setting}: KMS key {key} {_DOES_NOT_EXIST}"


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
