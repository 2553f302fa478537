"""SIGTERM and Ctrl-C: what is running may end well, nothing new begins, and nobody can hold it up."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tidegate.testing.gateway import LocalGateway

GRACE_SECONDS = 30  # the default; every wait here is shorter


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LocalGateway]:
    """A gateway that a test may end."""
    with LocalGateway(directory=tmp_path) as gateway:
        yield gateway


async def ended(gateway: LocalGateway, within: float = GRACE_SECONDS / 2) -> int:
    """Return the exit code, once the process has ended."""
    assert gateway._process is not None
    process = gateway._process._process
    assert process is not None
    return await asyncio.to_thread(process.wait, within)


async def refuses_connections(gateway: LocalGateway) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while True:
        try:
            (
                await asyncio.to_thread(socket.create_connection, (gateway.sftp_host, gateway.sftp_port))
            ).close()
        except ConnectionRefusedError:
            return
        assert asyncio.get_running_loop().time() < deadline, "new connections are still accepted"


async def has_logged(gateway: LocalGateway, event: str) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while f'"event": "{event}"' not in gateway.log_path.read_text():
        assert asyncio.get_running_loop().time() < deadline, f"{event} was not logged"


def outcomes(gateway: LocalGateway) -> list[str]:
    """Return the states uploads ended in, as the log has them: the records are gone with the process."""
    lines = gateway.log_path.read_text().splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return [event["status"] for event in events if event["event"] == "upload ended"]


async def test_a_running_upload_may_finish(own: LocalGateway, packets: Callable[..., Any]) -> None:
    """After SIGTERM nobody new gets in, the upload under way completes, and the exit code is 0."""
    async with packets(own) as session:
        handle = await session.open("r.bin")
        await session.write(handle, 0, b"first")
        os.kill(own.pid, signal.SIGTERM)
        await refuses_connections(own)
        await session.write(handle, 5, b"second")
        assert (await session.close(handle)).status == 0
        assert await ended(own) == 0
    assert outcomes(own) == ["COMPLETED"]


async def test_an_idle_session_holds_nothing_up(own: LocalGateway, packets: Callable[..., Any]) -> None:
    """Only uploads are waited for: clients keep sessions open all day, and some never say a word."""
    with socket.create_connection((own.sftp_host, own.sftp_port)):
        async with packets(own):
            os.kill(own.pid, signal.SIGTERM)
            assert await ended(own) == 0


@pytest.mark.lengthy
async def test_the_grace_is_bounded(tmp_path: Path, packets: Callable[..., Any]) -> None:
    """An upload that goes on for longer is ended as one whose connection dropped."""
    config = "shutdown: {grace_seconds: 0.2}"
    with LocalGateway(config=config, directory=tmp_path) as own:
        async with packets(own) as session:
            handle = await session.open("r.bin")
            await session.write(handle, 0, b"first")
            os.kill(own.pid, signal.SIGTERM)
            assert await ended(own) == 0
        assert outcomes(own) == ["PARTIAL"]


async def test_a_second_ctrl_c_does_not_wait(tmp_path: Path, packets: Callable[..., Any]) -> None:
    """Neither out the notice nor the grace: what is open ends as one whose connection dropped."""
    config = "shutdown: {notice_seconds: 3600, grace_seconds: 3600}"
    with LocalGateway(config=config, directory=tmp_path) as own:
        async with packets(own) as session:
            handle = await session.open("r.bin")
            await session.write(handle, 0, b"first")
            os.kill(own.pid, signal.SIGINT)
            await has_logged(own, "stopping")
            os.kill(own.pid, signal.SIGINT)
            assert await ended(own, within=5) == 0
        assert outcomes(own) == ["PARTIAL"]
