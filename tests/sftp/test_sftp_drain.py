"""What health checks are told while the gateway runs and while it stops, and in which order it stops."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidegate.testing.gateway import LocalGateway

PATIENCE_SECONDS = 15


def health_port(gateway: LocalGateway) -> int:
    """Return the port that the log names."""
    lines = gateway.log_path.read_text().splitlines()
    (event,) = [json.loads(line) for line in lines if '"event": "health"' in line]
    return int(event["port"])


def asked(port: int, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def is_accepting(gateway: LocalGateway) -> bool:
    try:
        socket.create_connection((gateway.sftp_host, gateway.sftp_port), PATIENCE_SECONDS).close()
    except ConnectionRefusedError:
        return False
    return True


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline


def exit_code(gateway: LocalGateway) -> int:
    assert gateway._process is not None
    process = gateway._process._process
    assert process is not None
    return process.wait(PATIENCE_SECONDS)


def outcomes(gateway: LocalGateway) -> list[str]:
    lines = gateway.log_path.read_text().splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return [event["status"] for event in events if event["event"] == "upload ended"]


DRAINING = (503, {"ready": False, "reasons": ["draining"]})


def seen_to_drain(gateway: LocalGateway, port: int) -> None:
    """Check that the gateway first says it will stop, then refuses connections, and is alive throughout."""
    assert asked(port, "/ready") == (200, {"ready": True, "reasons": []})
    os.kill(gateway.pid, signal.SIGTERM)
    until(lambda: asked(port, "/ready") == DRAINING)
    assert is_accepting(gateway)
    assert asked(port, "/live") == (200, {"live": True})
    until(lambda: not is_accepting(gateway))
    assert asked(port, "/ready") == DRAINING
    assert asked(port, "/live") == (200, {"live": True})


async def test_readiness_turns_before_the_drain(tmp_path: Path, packets: Callable[..., Any]) -> None:
    """Then connections are refused, then the open upload ends well, and only then does health fall silent."""
    config = "health: {port: 0}\nshutdown: {notice_seconds: 0.4, grace_seconds: 30}"
    with LocalGateway(config=config, directory=tmp_path) as own:
        port = health_port(own)
        async with packets(own) as session:
            handle = await session.open("r.bin")
            await session.write(handle, 0, b"first")
            await asyncio.to_thread(seen_to_drain, own, port)
            await session.write(handle, 5, b"second")
            assert (await session.close(handle)).status == 0
            assert await asyncio.to_thread(exit_code, own) == 0
        assert outcomes(own) == ["COMPLETED"]
    with pytest.raises(ConnectionRefusedError):
        asked(port, "/live")


@pytest.mark.lengthy
def test_a_gateway_that_cannot_record_is_not_ready(tmp_path: Path) -> None:
    """Once its lease has run out; it is alive all the same, and a restart would mend nothing."""
    config = "health: {port: 0}\nsweep: {lease_seconds: 0.5}"
    with LocalGateway(config=config, directory=tmp_path) as own:
        port = health_port(own)
        until(lambda: asked(port, "/ready")[0] == 200)
        own.client("dynamodb").delete_table(TableName=own.directory_table)
        until(lambda: asked(port, "/ready") == (503, {"ready": False, "reasons": ["lease"]}))
        assert asked(port, "/live") == (200, {"live": True})
