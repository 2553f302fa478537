"""Sums of transfers to CloudWatch, as Transfer Family's metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate.adapters.aws.clients import AwsClients
from tidegate.ports.clock import Clock

# CloudWatch API, PutMetricData.
MAX_METRICS = 1000


class TransferMetrics:
    """`MetricSink` over CloudWatch."""

    def __init__(self, clients: AwsClients, clock: Clock, namespace: str) -> None:
        self._clients = clients
        self._clock = clock
        self._namespace = namespace

    async def put_sums(self, sums: Mapping[str, Mapping[str, int]]) -> None:
        now = self._clock.now()
        data: list[dict[str, Any]] = [
            {
                "MetricName": name,
                "Dimensions": [{"Name": "ServerId", "Value": server_id}],
                "Timestamp": now,
                "Value": value,
                "Unit": "Count",
            }
            for server_id, told in sums.items()
            for name, value in told.items()
        ]
        for at in range(0, len(data), MAX_METRICS):
            await self._put(data[at : at + MAX_METRICS])

    async def _put(self, data: list[dict[str, Any]]) -> None:
        await self._clients.run_telling(
            lambda: self._clients.cloudwatch.put_metric_data(Namespace=self._namespace, MetricData=data)
        )
