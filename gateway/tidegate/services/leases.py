"""
Knowing who is alive.

A gateway moves its own counter on three times in every lease, and looks at the others' counters
right after. Another gateway is dead when its counter was seen not to move for a whole lease, by this
gateway's own monotonic clock, in looks that all followed a successful renewal of its own. So no two
clocks are ever compared; and while DynamoDB is down nobody can renew, nobody can look, and nobody is
declared dead: the first renewal after the outage starts all observations anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from tidegate.core.errors import GatewayError
from tidegate.core.ids import GatewayId
from tidegate.ports.clock import Clock
from tidegate.ports.leases import GatewayLeases

_log = structlog.get_logger("tidegate.leases")

_RENEWALS_PER_LEASE = 3


@dataclass(frozen=True, slots=True)
class _Seen:
    """A counter and when it was seen: first with this value, and last."""

    counter: int | None
    first: float
    last: float


class Lease:
    """One gateway's own lease, and its view of the others."""

    def __init__(
        self,
        leases: GatewayLeases,
        clock: Clock,
        server_id: str,
        gateway_id: GatewayId,
        lease_seconds: float,
    ) -> None:
        self._leases = leases
        self._clock = clock
        self.server_id = server_id
        self.gateway_id = gateway_id
        self.lease_seconds = lease_seconds
        self._renewed_at: float | None = None
        self._seen: dict[GatewayId, _Seen] = {}
        self._asked_about: set[GatewayId] = set()

    def is_fresh(self) -> bool:
        """Tell whether nobody can have declared this gateway dead yet. False: ask before publishing."""
        if self._renewed_at is None:
            return False
        return self._clock.monotonic() - self._renewed_at < self.lease_seconds

    def is_dead(self, gateway_id: GatewayId) -> bool:
        """
        Tell whether another gateway was seen not to move for a whole lease.

        A gateway that is asked about is watched from then on even if it has no lease at all: that is
        a counter that does not move.
        """
        if gateway_id == self.gateway_id:
            return False
        self._asked_about.add(gateway_id)
        seen = self._seen.get(gateway_id)
        return seen is not None and seen.last - seen.first >= self.lease_seconds

    async def tick(self) -> None:
        """Renew, then look. Raises `GatewayError` when either fails; all observations are then void."""
        at = self._clock.monotonic()
        try:
            await self._leases.renew(self.server_id, self.gateway_id)
            # The lease counts from before the request: it may have waited long for its answer.
            self._renewed_at = at
            self._observe(await self._leases.counters(self.server_id))
        except GatewayError:
            self._seen.clear()
            raise

    async def run(self, on_death: Callable[[], None]) -> None:
        """Tick until cancelled; call `on_death` whenever somebody was newly found dead."""
        known: set[GatewayId] = set()
        while True:
            try:
                await self.tick()
                dead = {gateway for gateway in self._seen if self.is_dead(gateway)}
                if dead - known:
                    on_death()
                known = dead
            except GatewayError as error:
                _log.warning("lease not renewed", gateway=self.gateway_id, reason=str(error))
            await self._clock.sleep(self.lease_seconds / _RENEWALS_PER_LEASE)

    async def forget(self, gateway_id: GatewayId) -> None:
        """Drop the lease of a gateway that is dead and has nothing left to be finished, or our own."""
        self._asked_about.discard(gateway_id)
        self._seen.pop(gateway_id, None)
        await self._leases.drop(self.server_id, gateway_id)

    def dead(self) -> set[GatewayId]:
        """Return all gateways that are known to be dead."""
        return {gateway for gateway in self._seen if self.is_dead(gateway)}

    def _observe(self, counters: dict[GatewayId, int]) -> None:
        now = self._clock.monotonic()
        watched = (counters.keys() | self._asked_about) - {self.gateway_id}
        self._seen = {gateway: self._look(gateway, counters.get(gateway), now) for gateway in watched}

    def _look(self, gateway_id: GatewayId, counter: int | None, now: float) -> _Seen:
        before = self._seen.get(gateway_id)
        if before is None or before.counter != counter:
            return _Seen(counter, now, now)
        return replace(before, last=now)
