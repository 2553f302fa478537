"""
`tidegate_handlers.sweep.handler`: the net under the events, for a schedule.

It pays every delivery that is due, whether or not an event came for it, and ends uploads that dead gateways
left. Their renames it leaves to gateways: it need not be allowed to write to landing buckets.
"""

from __future__ import annotations

import asyncio

import structlog

from tidegate.core.errors import AccessDenied, InvalidSettings
from tidegate.upkeep import look_at_waiting, open_count, sweep_once, watching_seconds
from tidegate_handlers.runtime import Context, Runtime, runtime, seconds_left

_log = structlog.get_logger("tidegate.handlers")

# What sweeping may take once the leases were watched; what is not swept by then is swept the next time.
_SWEEPING_SECONDS = 20.0
_MOST_ROUNDS = 10


def handler(event: object, context: Context) -> dict[str, int]:  # noqa: ARG001 - whatever a schedule sends
    """
    Pay what is due, then sweep, as far as the time of the invocation allows.

    Returns:
        How many deliveries were attempted, and how many records swept.

    Raises:
        StoreUnavailable: S3 or DynamoDB did not answer: the next call of the schedule tries again.
        InvalidSettings: The configuration cannot be used, or names no server.
    """
    return asyncio.run(sweep(runtime(), context))


async def sweep(owned: Runtime, context: Context) -> dict[str, int]:
    """Do what `handler` does, with a given runtime."""
    server_id = owned.settings.server_id
    if server_id is None:
        raise InvalidSettings(
            "server_id is not set", hint="a sweep is for the gateways of one server: name it"
        )
    attempted = await _pay(owned, context)
    released = await _look(owned, server_id, context)
    swept = await _sweep(owned, server_id, context)
    if released or swept:
        attempted += await _pay(owned, context)
    _log.info("swept all", attempted=attempted, swept=swept, released=released)
    return {"attempted": attempted, "swept": swept}


async def _pay(owned: Runtime, context: Context) -> int:
    """Attempt what is due until nothing is; return how many deliveries were to be had."""
    if not owned.delivers():
        return 0
    worker = await owned.worker()
    attempted = 0
    try:
        async with asyncio.timeout(seconds_left(context)):
            # A round takes up to a hundred of each shard; what keeps failing has its turn in the next call.
            for _ in range(_MOST_ROUNDS):
                found = await worker.run_once()
                attempted += found
                if not found:
                    break
    except TimeoutError:
        _log.warning("deliveries left for later", reason="the time of this invocation has run out")
    return attempted


async def _look(owned: Runtime, server_id: str, context: Context) -> int:
    """Release what waited for a sidecar that has come."""
    if not any(route.accept.sidecar for route in owned.settings.routes):
        return 0
    try:
        async with asyncio.timeout(seconds_left(context)):
            return await look_at_waiting(owned.backend, server_id, await owned.keys())
    except TimeoutError:
        _log.warning("not all looked at", reason="the time of this invocation has run out")
    except AccessDenied as error:
        # Gateways look, too.
        _log.warning("not looked at", reason=str(error))
    return 0


async def _sweep(owned: Runtime, server_id: str, context: Context) -> int:
    """Sweep, if anything has been open for longer than a living gateway needs to renew its lease."""
    lease_seconds = owned.settings.sweep.lease_seconds
    if not await open_count(owned.backend, with_renames=False, older_than_seconds=lease_seconds):
        return 0
    needed = watching_seconds(lease_seconds) + _SWEEPING_SECONDS
    if seconds_left(context) < needed:
        _log.warning("not swept", reason=f"{needed:g} s are needed, and {seconds_left(context):g} s are left")
        return 0
    try:
        async with asyncio.timeout(seconds_left(context)):
            keys = await owned.keys()
            return len(await sweep_once(owned.backend, server_id, keys, with_renames=False))
    except TimeoutError:
        _log.warning("not all swept", reason="the time of this invocation has run out")
    except AccessDenied as error:
        # Gateways sweep, too: a function may well be allowed to deliver and nothing else.
        _log.warning("not swept", reason=str(error))
    return 0
