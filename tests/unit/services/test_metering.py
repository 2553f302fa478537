"""What is counted of activities, for Prometheus and for CloudWatch."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.metrics import MemoryMetrics
from tidegate.core.activities import (
    AuthFailure,
    Changed,
    Closed,
    Connected,
    Disconnected,
    Failed,
    KexFailure,
    Opened,
    Visitor,
)
from tidegate.core.errors import StoreUnavailable
from tidegate.core.servers import Server
from tidegate.services.metering import ActivityCounters, TransferSums
from tidegate.services.metric_reports import PERIOD_SECONDS, MetricReports

S = "s-0aa11bb22cc33dd44"
AT = datetime(2026, 1, 2, tzinfo=UTC)
ANA = Visitor(Server(S), "ana", "0f1e2d3c4b5a6978", "192.0.2.7")
CONNECTED = Connected(ANA, AT, "SSH-2.0-x", "kex", ("c", "c"), None, "ssh-ed25519", "AAAA", "SHA256:x")
UPLOADED = Closed(ANA, AT, "/b/k", "in", 10, AT)
FAILED = Failed(ANA, AT, "CLOSE", "/b/k", "no", AT, direction="in", size=3)


def test_what_prometheus_is_told() -> None:
    """Files by how they ended, bytes, operations and logins."""
    counters = ActivityCounters()
    for each in (
        CONNECTED,
        AuthFailure(Server(S), AT, "192.0.2.7", "nobody", "x"),
        KexFailure(Server(S), AT, "192.0.2.7", "x", "y"),
        Opened(ANA, AT, "/b/k", "READ"),
        UPLOADED,
        replace(UPLOADED, direction="out", size=7),
        replace(UPLOADED, is_partial=True, size=5),
        FAILED,
        replace(FAILED, operation="OPEN", direction=None),
        Changed(ANA, AT, "DELETE", "/b/k", AT),
        Disconnected(ANA, AT),
    ):
        counters.note(each)
    assert dict(counters.logins.read()) == {
        (S, "accepted"): 1,
        (S, "refused"): 1,
        (S, "no_common_algorithm"): 1,
    }
    assert dict(counters.transfers.read()) == {
        (S, "ana", "upload", "completed"): 1,
        (S, "ana", "download", "completed"): 1,
        (S, "ana", "upload", "partial"): 1,
        (S, "ana", "upload", "failed"): 1,
    }
    assert dict(counters.bytes.read()) == {(S, "ana", "upload"): 18, (S, "ana", "download"): 7}
    assert dict(counters.operations.read()) == {
        (S, "OPEN", "ok"): 1,
        (S, "CLOSE", "ok"): 2,
        (S, "CLOSE", "error"): 1,
        (S, "OPEN", "error"): 1,
        (S, "DELETE", "ok"): 1,
    }


def test_names_that_are_only_tried_make_no_series() -> None:
    """Whoever tries a thousand names makes one series."""
    counters = ActivityCounters()
    for number in range(1000):
        counters.note(AuthFailure(Server(S), AT, "192.0.2.7", f"name{number}", "x"))
    assert sum(len(family.read()) for family in counters.families) == 1


def test_cloudwatch_is_told_while_somebody_is_connected() -> None:
    """Sums since the last time; zeros while a connection is idle, and nothing once all have gone."""
    sums = TransferSums()
    assert sums.take() == {}
    sums.note(CONNECTED)
    sums.note(UPLOADED)
    sums.note(replace(UPLOADED, direction="out", size=4))
    assert sums.take() == {S: {"BytesIn": 10, "BytesOut": 4, "FilesIn": 1, "FilesOut": 1}}
    assert sums.take() == {S: {"BytesIn": 0, "BytesOut": 0, "FilesIn": 0, "FilesOut": 0}}
    sums.note(UPLOADED)
    sums.note(Disconnected(ANA, AT))
    assert sums.take() == {S: {"BytesIn": 10, "BytesOut": 0, "FilesIn": 1, "FilesOut": 0}}
    assert sums.take() == {}


async def test_reports_come_every_five_minutes() -> None:
    """Nothing before the time, and an error is said and ends nothing."""
    clock, sink, sums = ManualClock(AT), MemoryMetrics(), TransferSums()
    sums.note(CONNECTED)
    task = asyncio.create_task(MetricReports(sums, sink, clock).run())
    await asyncio.sleep(0)
    clock.advance(PERIOD_SECONDS - 1)
    await asyncio.sleep(0)
    assert sink.told == []
    sink.failure = StoreUnavailable("away")
    with capture_logs() as logged:
        clock.advance(1)
        for _ in range(5):
            await asyncio.sleep(0)
    assert [each["event"] for each in logged] == ["metrics lost"]
    sink.failure = None
    clock.advance(PERIOD_SECONDS)
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(sink.told) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
