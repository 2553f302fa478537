"""Telling the sums of transfers every five minutes, as Transfer Family does."""

from __future__ import annotations

import structlog

from tidegate.core.errors import GatewayError
from tidegate.ports.activities import MetricSink
from tidegate.ports.clock import Clock
from tidegate.services.metering import TransferSums

_log = structlog.get_logger("tidegate.activities")

PERIOD_SECONDS = 300.0


class MetricReports:
    """Tells what `sums` has counted; what cannot be told is lost, and said in the log."""

    def __init__(self, sums: TransferSums, sink: MetricSink, clock: Clock) -> None:
        self._sums = sums
        self._sink = sink
        self._clock = clock

    async def run(self) -> None:
        while True:
            await self._clock.sleep(PERIOD_SECONDS)
            await self.report()

    async def report(self) -> None:
        """Tell what there is since the last time. Never raises."""
        if told := self._sums.take():
            try:
                await self._sink.put_sums(told)
            except GatewayError as error:
                _log.warning("metrics lost", servers=sorted(told), reason=str(error))
