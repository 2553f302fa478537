"""A reset that fails: the servers go on all the same."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tidegate.core.errors import StoreUnavailable
from tidegate.fleet import Fleet
from tidegate.local.reset import LocalReset


async def test_servers_go_on_after_a_reset_that_failed() -> None:
    """Nobody would start, stop or revoke anything any more if they were left alone."""
    said: list[str] = []

    def noted(name: str, fault: Exception | None = None) -> Any:
        async def call() -> None:
            said.append(name)
            if fault:
                raise fault

        return call

    first = SimpleNamespace(
        listener=SimpleNamespace(disconnect_all=noted("disconnected")),
        pause_background=noted("paused"),
        resume_background=lambda: said.append("resumed"),
        settled=noted("settled", StoreUnavailable("no answer")),
    )
    fleet = SimpleNamespace(first=first, only_the_first=noted("alone"), reconcile=noted("reconciled"))
    reset = LocalReset(asyncio.get_running_loop())
    reset.serve(cast(Fleet, fleet))
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(reset.from_thread)
    assert said == ["alone", "disconnected", "paused", "settled", "resumed", "reconciled"]
