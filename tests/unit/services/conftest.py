"""A gateway's services over memory, small enough that a part is a few bytes, and with faults on demand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from unit.services.world import MIN_PART, World


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let S3's smallest part be of a few bytes: what holds for them holds for MiB."""
    for module in ("uploads", "part_sender", "kept_uploads", "continuing"):
        monkeypatch.setattr(f"tidegate.services.{module}.S3_MIN_PART_BYTES", MIN_PART)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(autouse=True)
def told() -> Iterator[list[EventDict]]:
    """What the services told the log, kept out of the report."""
    with capture_logs() as events:
        yield events
