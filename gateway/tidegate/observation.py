"""Who is told of what happens in sessions: made of settings, begun and ended with the process's gateways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from tidegate.adapters.activity_file import ActivityLines, to_file, to_stdout
from tidegate.adapters.aws.account_arns import AccountArns
from tidegate.adapters.aws.event_bus import EventBus
from tidegate.adapters.aws.log_groups import LogGroups
from tidegate.adapters.aws.metrics import TransferMetrics
from tidegate.backend import Backend
from tidegate.core.events import AWS_SOURCE, OWN_SOURCE
from tidegate.core.metrics import AWS_NAMESPACE, CONTENT_TYPE, OWN_NAMESPACE, Family, Gauge, exposition
from tidegate.faces.health import Answer
from tidegate.ports.activities import ActivitySink
from tidegate.services.activities import Activities
from tidegate.services.buffers import BufferBudget
from tidegate.services.deliveries import DeliveryWorker
from tidegate.services.metering import ActivityCounters, TransferSums
from tidegate.services.metric_reports import MetricReports
from tidegate.settings.activity import has_aws_names

# How long a gateway that stops, or is reset, waits for what was not told yet; and for the last metrics.
FLUSH_SECONDS = 3.0
_REPORT_SECONDS = 2.0


Values = Mapping[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Readings:
    """What one server's gateway says of itself when it is asked."""

    connections: Callable[[], float]
    open_uploads: Callable[[], float]
    ready: Callable[[], bool]
    refusals: Callable[[], Mapping[str, int]]


class Observation:
    """The activities of the gateways of one process, and what is counted of them."""

    def __init__(self, backend: Backend) -> None:
        wanted = backend.settings.activity
        self._servers: dict[str, Readings] = {}
        self.counters = ActivityCounters()
        sums = TransferSums()
        account = AccountArns(backend.clients, backend.clock)
        self._groups = LogGroups(backend.clients, account, backend.clock, wanted.log_group)
        sinks = [self._groups, *_sinks(backend, account)]
        self.activities = Activities(sinks, backend.clock, wanted.queue, [self.counters, sums])
        self._reports = _reports(backend, sums)
        self._reporting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write what is told. May be repeated."""
        self.activities.start()
        if self._reports and self._reporting is None:
            self._reporting = asyncio.create_task(self._reports.run())

    async def settled(self) -> None:
        """Return when all so far is written, or as much of it as three seconds let."""
        await self.activities.settled(FLUSH_SECONDS)

    def forget(self) -> None:
        """Forget what was found at AWS: it was emptied."""
        self._groups.forget()

    async def stop(self) -> None:
        """Stop, after `settled`. What waits still is counted and lost."""
        if self._reporting and self._reports:
            self._reporting.cancel()
            await asyncio.gather(self._reporting, return_exceptions=True)
            self._reporting = None
            await asyncio.wait([asyncio.create_task(self._reports.report())], timeout=_REPORT_SECONDS)
        await self.activities.stop(0)

    def watch(self, server_id: str, readings: Readings) -> None:
        """Count a server's gateway among those that metrics tell of."""
        self._servers[server_id] = readings

    def unwatch(self, server_id: str) -> None:
        """Leave it out from now on."""
        self._servers.pop(server_id, None)

    def page(self, worker: DeliveryWorker, memory: BufferBudget) -> Callable[[], Answer]:
        """Return the page `/metrics`: what is counted here, and what the gateways share."""
        every = [*self.counters.families, *self._of_servers(), *self._own(), *_of_all(worker, memory)]
        return lambda: Answer(HTTPStatus.OK, exposition(every).encode(), CONTENT_TYPE)

    def _of_servers(self) -> list[Family]:
        def each(read: Callable[[Readings], float]) -> Callable[[], Values]:
            return lambda: {(name,): read(readings) for name, readings in self._servers.items()}

        def refusals() -> Values:
            return {
                (name, reason): count
                for name, readings in self._servers.items()
                for reason, count in readings.refusals().items()
            }

        labels = ("server",)
        return [
            Gauge("tidegate_connections", "Connections.", each(lambda told: told.connections()), labels),
            Gauge("tidegate_open_uploads", "Uploads.", each(lambda told: told.open_uploads()), labels),
            Gauge("tidegate_ready", "Whether uploads can be taken.", each(lambda told: told.ready()), labels),
            Gauge(
                "tidegate_refusals_total",
                "Limits that somebody met.",
                refusals,
                (*labels, "reason"),
                "counter",
            ),
        ]

    def _own(self) -> list[Family]:
        def lost() -> Values:
            return {(name,): count for name, count in self.activities.lost.items()}

        def waiting() -> Values:
            return {(name,): count for name, count in self.activities.waiting.items()}

        return [
            Gauge("tidegate_activities_lost_total", "Activities not told.", lost, ("sink",), "counter"),
            Gauge("tidegate_activities_waiting", "Activities not told yet.", waiting, ("sink",)),
        ]


def _of_all(worker: DeliveryWorker, memory: BufferBudget) -> list[Family]:
    def outcomes() -> Values:
        return {(target, status): count for (target, status), count in worker.outcomes.items()}

    return [
        Gauge(
            "tidegate_delivery_attempts_total",
            "Attempts of deliveries, by what came of them.",
            outcomes,
            ("target", "status"),
            "counter",
        ),
        Gauge("tidegate_upload_buffer_bytes", "Memory that uploads hold.", lambda: {(): memory.taken_bytes}),
        Gauge("tidegate_upload_buffer_limit_bytes", "And may hold.", lambda: {(): memory.total_bytes}),
    ]


def _sinks(backend: Backend, account: AccountArns) -> list[ActivitySink]:
    wanted, clients = backend.settings.activity, backend.clients
    sinks: list[ActivitySink] = []
    if wanted.stdout:
        sinks.append(ActivityLines("stdout", to_stdout, account.arns))
    if wanted.file:
        sinks.append(ActivityLines("file", to_file(wanted.file), account.arns))
    if wanted.events:
        source = AWS_SOURCE if _has_aws_names(backend) else OWN_SOURCE
        sinks.append(EventBus(clients, account, wanted.events, source))
    return sinks


def _reports(backend: Backend, sums: TransferSums) -> MetricReports | None:
    if not backend.settings.activity.metrics:
        return None
    namespace = AWS_NAMESPACE if _has_aws_names(backend) else OWN_NAMESPACE
    return MetricReports(sums, TransferMetrics(backend.clients, backend.clock, namespace), backend.clock)


def _has_aws_names(backend: Backend) -> bool:
    return has_aws_names(backend.settings.activity, backend.settings.aws.endpoint_url)
