"""Events, as Transfer Family sends them: the twelve kinds, their members and order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tidegate.core.activities import (
    Activity,
    AuthFailure,
    Changed,
    Closed,
    Disconnected,
    Ended,
    Failed,
    Opened,
    Visitor,
)
from tidegate.core.events import event_of, has_event, timestamp
from tidegate.core.servers import Server

SERVER = Server("s-0aa11bb22cc33dd44")
ANA = Visitor(SERVER, "ana", "0f1e2d3c4b5a6978", "198.51.100.7")
BEGAN = datetime(2026, 1, 2, 3, 4, 4, 1, tzinfo=UTC)
AT = datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
FILE, NEW = "/inbox-bkt/ana/a.csv", "/inbox-bkt/ana/b.csv"
UPLOADED = Closed(ANA, AT, FILE, "in", 2048, BEGAN, "9b2cf535")
FAILED = Failed(ANA, AT, "CLOSE", FILE, "Permission denied", BEGAN)


def detail(paths: dict[str, str], *, failure: tuple[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Return the members in their order."""
    return {
        **({"failure-code": failure[0]} if failure else {}),
        "status-code": "FAILED" if failure else "COMPLETED",
        "protocol": "SFTP",
        **({"bytes": more["bytes"]} if "bytes" in more else {}),
        "client-ip": "198.51.100.7",
        **({"failure-message": failure[1]} if failure else {}),
        "end-timestamp": "2026-01-02T03:04:05.123456000Z",
        **({"etag": more["etag"]} if "etag" in more else {}),
        **paths,
        "server-id": "s-0aa11bb22cc33dd44",
        "username": "ana",
        "session-id": "0f1e2d3c4b5a6978",
        "start-timestamp": "2026-01-02T03:04:04.000001000Z",
    }


DENIED = ("UNKNOWN_ERROR", "Permission denied")
EVENTS: list[tuple[str, Activity, dict[str, Any]]] = [
    (
        "SFTP Server File Upload Completed",
        UPLOADED,
        detail({"file-path": FILE}, bytes=2048, etag="9b2cf535"),
    ),
    (
        "SFTP Server File Upload Failed",
        replace(UPLOADED, is_partial=True, etag=""),
        detail({"file-path": FILE}, failure=("PARTIAL_UPLOAD", "File was partially uploaded."), bytes=2048),
    ),
    (
        "SFTP Server File Upload Failed",
        replace(FAILED, direction="in", size=0),
        detail({"file-path": FILE}, failure=DENIED, bytes=0),
    ),
    (
        "SFTP Server File Download Completed",
        replace(UPLOADED, direction="out"),
        detail({"file-path": FILE}, bytes=2048, etag="9b2cf535"),
    ),
    (
        "SFTP Server File Download Failed",
        replace(UPLOADED, direction="out", is_partial=True, etag=""),
        detail(
            {"file-path": FILE}, failure=("PARTIAL_DOWNLOAD", "File was partially downloaded."), bytes=2048
        ),
    ),
    (
        "SFTP Server File Delete Completed",
        Changed(ANA, AT, "DELETE", FILE, BEGAN),
        detail({"file-path": FILE}),
    ),
    (
        "SFTP Server File Delete Failed",
        replace(FAILED, operation="DELETE"),
        detail({"file-path": FILE}, failure=DENIED),
    ),
    (
        "SFTP Server File Rename Completed",
        Changed(ANA, AT, "RENAME", FILE, BEGAN, NEW),
        detail({"original-file-path": FILE, "renamed-file-path": NEW}),
    ),
    (
        "SFTP Server File Rename Failed",
        replace(FAILED, operation="RENAME", new_path=NEW),
        detail({"original-file-path": FILE, "renamed-file-path": NEW}, failure=DENIED),
    ),
    (
        "SFTP Server Directory Create Completed",
        Changed(ANA, AT, "MKDIR", "/inbox-bkt/ana/d", BEGAN),
        detail({"directory-path": "/inbox-bkt/ana/d"}),
    ),
    (
        "SFTP Server Directory Create Failed",
        replace(FAILED, operation="MKDIR"),
        detail({"directory-path": FILE}, failure=DENIED),
    ),
    (
        "SFTP Server Directory Delete Completed",
        Changed(ANA, AT, "RMDIR", "/inbox-bkt/ana/d", BEGAN),
        detail({"directory-path": "/inbox-bkt/ana/d"}),
    ),
    (
        "SFTP Server Directory Delete Failed",
        replace(FAILED, operation="RMDIR"),
        detail({"directory-path": FILE}, failure=DENIED),
    ),
]


@pytest.mark.parametrize(("kind", "activity", "wanted"), EVENTS, ids=[each[0] for each in EVENTS])
def test_each_kind_of_event(kind: str, activity: Activity, wanted: dict[str, Any]) -> None:
    """Each of the twelve kinds has its members, in their order."""
    event = event_of(activity)
    assert event is not None
    assert event.detail_type == kind
    assert list(event.detail.items()) == list(wanted.items())
    assert has_event(activity)


def test_the_kinds_are_twelve() -> None:
    """Every kind is told of above."""
    assert len({kind for kind, _, _ in EVENTS}) == 12


@pytest.mark.parametrize(
    "activity",
    [
        Opened(ANA, AT, FILE, "READ"),
        Disconnected(ANA, AT),
        Ended(ANA, AT, "idle"),
        AuthFailure(SERVER, AT, "198.51.100.7", "ana", "RSA SHA256:x"),
        Changed(ANA, AT, "SETSTAT", FILE, BEGAN),
        replace(FAILED, operation="OPEN"),
        replace(FAILED, operation="LIST"),
        replace(UPLOADED, says_event=False),
    ],
)
def test_no_event_of_the_rest(activity: Activity) -> None:
    """Logins, attributes and refused OPENs have none, nor a file that was left as it was."""
    assert event_of(activity) is None
    assert not has_event(activity)


def test_a_download_of_nothing_says_its_bytes() -> None:
    """Zero is a number, and is said."""
    event = event_of(replace(UPLOADED, size=0))
    assert event is not None
    assert event.detail["bytes"] == 0


def test_timestamps_are_utc_with_nine_decimals() -> None:
    """Whatever zone the time is in."""
    there = timezone(timedelta(hours=2))
    assert timestamp(datetime(2026, 1, 2, 5, 4, 5, 7, tzinfo=there)) == "2026-01-02T03:04:05.000007000Z"
