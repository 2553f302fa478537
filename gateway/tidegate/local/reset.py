"""
Back to how it started, without starting again: what the test plugin does between two tests.

Sessions end, what they were writing is abandoned, and everything at the endpoint is as it was when
the gateway began to listen: our buckets and tables empty, the configured partners there again, and
nothing left of what a test made in any service. Only the embedded endpoint offers it: nobody else's
data are ours to empty.
"""

from __future__ import annotations

import asyncio
import copy
import sys
import threading
from collections.abc import Iterator
from typing import Any

from tidegate.backend import Backend
from tidegate.fleet import Fleet

_PATIENCE_SECONDS = 30.0


class LocalReset:
    """Runs on the gateway's loop, and is called from the endpoint's threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._one_at_a_time = asyncio.Lock()
        self._fleet: Fleet | None = None
        self._moto = _Moto()

    def serve(self, fleet: Fleet) -> None:
        """From now on, reset these servers to what is at the endpoint now."""
        self._fleet = fleet
        self._moto = _Moto()

    def from_thread(self) -> None:
        """Reset. Raises `TimeoutError` if that takes longer than 30 seconds."""
        asyncio.run_coroutine_threadsafe(self._reset(), self._loop).result(_PATIENCE_SECONDS)

    async def _reset(self) -> None:
        fleet = self._fleet
        if fleet is None:
            return
        gateway = fleet.first
        async with self._one_at_a_time:
            try:
                await fleet.only_the_first()
                await gateway.listener.disconnect_all()
                await gateway.pause_background()
                try:
                    await gateway.settled()
                    await _quiet(gateway.backend)
                    self._moto.restore()
                    gateway.observation.forget()
                finally:
                    gateway.resume_background()
            finally:
                # Its server may have been stopped, changed or deleted; and if that failed, others go on.
                await fleet.reconcile()


async def _quiet(backend: Backend) -> None:
    """
    Return when no S3 call is under way.

    A cancelled copy goes on in its thread, and would put an object of the last test into the next
    one. When every thread of the pool stands at the barrier, none is doing anything else.
    """
    threads = backend.settings.aws.s3_concurrency
    barrier = threading.Barrier(threads, timeout=_PATIENCE_SECONDS)
    await asyncio.gather(*(backend.clients.run_s3(barrier.wait) for _ in range(threads)))


class _Moto:
    """
    The emulator's state: as it was when this was made, and back to that.

    Taken when there are names and no content yet: buckets, tables, keys and the configured partners.
    The keys keep their ARNs, which the gateway has resolved.
    """

    def __init__(self) -> None:
        self._states = [(backend, _copied(backend, backend.__dict__)) for backend in _moto_backends()]

    def restore(self) -> None:
        for backend in _moto_backends():
            backend.reset()
        # moto keeps every model it ever made, for a dashboard we do not offer.
        sys.modules["moto.core.model_instances"].reset_model_data()
        for backend, state in self._states:
            backend.__dict__ = _copied(backend, state)


def _copied(backend: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Return a deep copy of a backend's state, in which the backend itself stays what it is."""
    return copy.deepcopy(state, {id(backend): backend})


def _moto_backends() -> Iterator[Any]:
    """Yield moto's state by service, account and Region; nothing where moto does not run."""
    # moto lists what was used nowhere else; its own reset goes through the same list (moto 5.2.5).
    base: Any = sys.modules.get("moto.core.base_backend")
    for service in list(base.BackendDict._instances) if base else ():  # noqa: SLF001
        yield from [backend for _, _, backend in service.iter_backends()]
