"""Activities as lines of a file or of standard output."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tidegate.adapters.activity_file import ActivityLines, to_file, to_stdout
from tidegate.core.activities import Disconnected, Visitor
from tidegate.core.arns import Arns
from tidegate.core.errors import StoreUnavailable
from tidegate.core.servers import Server

AT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
GONE = Disconnected(Visitor(Server("s-0aa11bb22cc33dd44"), "ana", "0f1e2d3c4b5a6978", "192.0.2.7"), AT)


async def arns() -> Arns:
    return Arns("eu-west-1", "111122223333")


async def test_a_file_is_appended_to(tmp_path: Path) -> None:
    """One line each, as in CloudWatch Logs, and the time last; a file that was moved away begins anew."""
    file = tmp_path / "activity.jsonl"
    sink = ActivityLines("file", to_file(file), arns)
    await sink.write([GONE, GONE])
    first, second = file.read_text().splitlines()
    assert first == second
    assert list(json.loads(first).items()) == [
        ("activity-type", "DISCONNECTED"),
        ("resource-arn", "arn:aws:transfer:eu-west-1:111122223333:server/s-0aa11bb22cc33dd44"),
        ("session-id", "0f1e2d3c4b5a6978"),
        ("time", "2026-01-02T03:04:05.000006000Z"),
    ]
    file.rename(tmp_path / "activity.1")
    await sink.write([GONE])
    assert len(file.read_text().splitlines()) == 1


async def test_a_file_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    """A full disk passes."""
    sink = ActivityLines("file", to_file(tmp_path / "no" / "such"), arns)
    with pytest.raises(StoreUnavailable, match="file: "):
        await sink.write([GONE])


async def test_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """The same lines."""
    await ActivityLines("stdout", to_stdout, arns).write([GONE])
    assert json.loads(capsys.readouterr().out)["activity-type"] == "DISCONNECTED"


async def test_a_reader_that_stalls_holds_up_nobody() -> None:
    """The write is given up by its caller, and its thread keeps no process from ending."""
    stalled, threads = threading.Event(), []

    def stall(text: str) -> None:
        threads.append(threading.current_thread())
        stalled.wait()

    writing = asyncio.create_task(ActivityLines("stdout", stall, arns).write([GONE]))
    async with asyncio.timeout(5):
        while not threads:  # noqa: ASYNC110 - another thread has no event of this loop
            await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert threads[0].daemon
    stalled.set()
