"""Metrics in memory, for tests."""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.core.errors import GatewayError


class MemoryMetrics:
    """The port `MetricSink`: keeps what it was told; told to fail, it takes nothing."""

    def __init__(self) -> None:
        self.told: list[dict[str, dict[str, int]]] = []
        self.failure: GatewayError | None = None

    async def put_sums(self, sums: Mapping[str, Mapping[str, int]]) -> None:
        if self.failure:
            raise self.failure
        self.told.append({server_id: dict(members) for server_id, members in sums.items()})
