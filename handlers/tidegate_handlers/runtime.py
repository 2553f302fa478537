"""What a function keeps between invocations: settings, clients, and keys once they were looked up."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Protocol

import structlog

from tidegate.backend import Backend, Keys, delivery_targets, delivery_worker, resolve_keys, upload_routes
from tidegate.core.errors import InvalidSettings
from tidegate.core.ids import new_gateway_id
from tidegate.core.imports import NOBODY
from tidegate.logs import configure_logging
from tidegate.services.deliveries import DeliveryWorker
from tidegate.services.imports import Imports
from tidegate.services.intake import Landing
from tidegate.services.wakeups import Wakeups
from tidegate.settings.loader import load
from tidegate.settings.model import Settings
from tidegate.settings.sources import SOURCE_VARIABLE

_log = structlog.get_logger("tidegate.handlers")

# What is kept back of an invocation's time, to report and to settle.
_RESERVE_SECONDS = 2.0


class Context(Protocol):
    """What Lambda tells of the invocation."""

    def get_remaining_time_in_millis(self) -> int: ...


def seconds_left(context: Context) -> float:
    """Return how long this invocation may still work; 0 once it must come to an end."""
    return max(context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS, 0)


class Runtime:
    """
    One process of a function. Invocations come one after another, each with an event loop of its own.

    boto3's clients and their threads belong to no loop, so they are kept; workers are made anew.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._keys: Keys | None = None
        self._has_said_so = False

    @property
    def settings(self) -> Settings:
        return self.backend.settings

    def delivers(self) -> bool:
        """Tell whether deliveries are ours; if not, say so once in the log."""
        if self.settings.deliveries.owner == "handlers":
            return True
        if not self._has_said_so:
            self._has_said_so = True
            _log.warning("nothing is delivered here", reason="deliveries.owner is embedded: gateways deliver")
        return False

    async def keys(self) -> Keys:
        """Return the ARNs of the configured keys. Raises `NotFound` if one is missing."""
        if self._keys is None:
            self._keys = await resolve_keys(self.backend, create=False)
        return self._keys

    async def worker(self) -> DeliveryWorker:
        """Return a worker for this invocation: it claims under an id that nobody else has."""
        return delivery_worker(
            self.backend, new_gateway_id(), delivery_targets(self.settings, await self.keys())
        )

    async def wakeups(self) -> Wakeups:
        """Return the service for this invocation."""
        foreign = self.settings.deliveries.foreign_objects == "deliver"
        imports = self._imports(await self.keys()) if foreign else None
        return Wakeups(self.backend.store, self.backend.log, await self.worker(), imports)

    def _imports(self, keys: Keys) -> Imports:
        backend, settings = self.backend, self.settings
        return Imports(
            store=backend.store,
            log=backend.log,
            clock=backend.clock,
            landing=Landing(upload_routes(settings, keys), delivery_targets(settings, keys)),
            sources=landing_buckets(settings),
            server_id=settings.server_id or NOBODY,
            gateway_id=new_gateway_id(),
        )


def landing_buckets(settings: Settings) -> frozenset[str]:
    """Return the buckets that uploads land in, as far as the configuration tells."""
    routes = {route.bucket for route in settings.routes if route.bucket}
    targets = [target for partner in settings.partners for target in settings.home_of(partner).targets]
    homes = {target.split("/")[1] for target in targets}
    return frozenset({settings.landing.bucket} | routes | homes)


@cache
def runtime() -> Runtime:
    """
    Return this process's runtime, made by the first call.

    Raises:
        InvalidSettings: TIDEGATE_CONFIG is not set, or cannot be used.
    """
    if not os.environ.get(SOURCE_VARIABLE):
        raise InvalidSettings(
            f"{SOURCE_VARIABLE} is not set", hint="set it to the YAML of the gateways' configuration"
        )
    settings = load(None, os.environ, sys.stdin).settings
    configure_logging(settings.logging.format, settings.logging.level)
    return Runtime(Backend(settings))
