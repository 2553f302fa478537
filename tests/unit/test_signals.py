"""Signals: the first asks, the second hurries, the third ends the process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from tidegate.signals import StopSignal


@pytest.fixture
async def exits(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[int]]:
    """The exit codes the process would have ended with."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    yield codes
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)


async def sent(number: signal.Signals) -> None:
    """Send ourselves a signal, and return when the loop has seen it."""
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()
    os.kill(os.getpid(), number)
    loop.call_later(0.02, seen.set)
    await seen.wait()


async def test_the_second_hurries_and_the_third_ends(exits: list[int]) -> None:
    """SIGTERM and Ctrl-C count alike."""
    stop = StopSignal()
    waiting = asyncio.create_task(stop.wait())
    await sent(signal.SIGTERM)
    await asyncio.wait_for(waiting, 5)
    assert not stop.hurried.is_set()
    await sent(signal.SIGINT)
    assert stop.hurried.is_set()
    assert exits == []
    await sent(signal.SIGTERM)
    assert exits == [0]


async def test_before_the_start_nobody_is_waited_for(exits: list[int]) -> None:
    """A start that hangs is ended by the second signal; the first one is not forgotten."""
    stop = StopSignal()
    await sent(signal.SIGINT)
    assert exits == []
    await sent(signal.SIGINT)
    assert exits == [0]
    await asyncio.wait_for(stop.wait(), 5)
