"""File descriptors: raised as far as the administrator allows, never lowered, and said if too few."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from tidegate.faces.sftp.descriptors import make_room

resource = pytest.importorskip("resource")


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "then", "events"),
    [
        (1024, 65536, 1000, 1256, []),
        (4096, 65536, 1000, 4096, []),
        (1024, 1024, 1000, 1024, ["too few file descriptors"]),
        (256, 1000, 1000, 1000, ["too few file descriptors"]),
        (-1, -1, 1000, -1, []),
        (1024, -1, 5000, 5256, []),
    ],
)
def test_room_is_made(monkeypatch, soft, hard, connections, then, events):
    """A descriptor for each connection and some for the rest, within the hard limit."""
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.append(wanted))
    with capture_logs() as logs:
        make_room(connections)
    assert limits[-1] == (then, hard)
    assert [each["event"] for each in logs] == events
