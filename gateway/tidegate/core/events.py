"""
Activities as EventBridge hears of them: Transfer Family's twelve kinds of event for SFTP servers.

Logins, listings and refused OPENs have none. Members and their order are those of AWS's samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tidegate.core.activities import Activity, Changed, Closed, Failed, Operation
from tidegate.core.servers import Server

# AWS keeps sources that begin with `aws.` to its own services: its EventBridge refuses them from others.
AWS_SOURCE = "aws.transfer"
OWN_SOURCE = "tidegate.transfer"

_TRANSFERS = {"in": "File Upload", "out": "File Download"}
_SUBJECTS: dict[Operation, str] = {
    "DELETE": "File Delete",
    "RENAME": "File Rename",
    "MKDIR": "Directory Create",
    "RMDIR": "Directory Delete",
}
_PARTIAL = {
    "in": ("PARTIAL_UPLOAD", "File was partially uploaded."),
    "out": ("PARTIAL_DOWNLOAD", "File was partially downloaded."),
}


@dataclass(frozen=True, slots=True)
class FileEvent:
    """An event, without what its envelope says of account, Region and bus."""

    server: Server
    at: datetime
    detail_type: str
    detail: dict[str, Any]


def has_event(activity: Activity) -> bool:
    """Tell whether an event is said of the activity, and cheaply."""
    match activity:
        case Closed():
            return activity.says_event
        case Changed():
            return activity.operation in _SUBJECTS
        case Failed():
            return activity.operation in _SUBJECTS or (
                activity.operation == "CLOSE" and activity.direction is not None
            )
    return False


def event_of(activity: Activity) -> FileEvent | None:
    """Return what is said of the activity; None if there is no such event."""
    if not isinstance(activity, Closed | Changed | Failed) or not has_event(activity):
        return None
    failure = _failure(activity)
    kind = f"SFTP Server {_subject(activity)} {'Failed' if failure else 'Completed'}"
    return FileEvent(activity.server, activity.at, kind, _detail(activity, failure))


def _subject(activity: Closed | Changed | Failed) -> str:
    if isinstance(activity, Closed):
        return _TRANSFERS[activity.direction]
    if isinstance(activity, Failed) and activity.direction:
        return _TRANSFERS[activity.direction]
    return _SUBJECTS[activity.operation]


def _failure(activity: Closed | Changed | Failed) -> tuple[str, str] | None:
    """Return code and message; None if it went well."""
    if isinstance(activity, Failed):
        return "UNKNOWN_ERROR", activity.message
    if isinstance(activity, Closed) and activity.is_partial:
        return _PARTIAL[activity.direction]
    return None


def _detail(activity: Closed | Changed | Failed, failure: tuple[str, str] | None) -> dict[str, Any]:
    code, message = failure or ("", "")
    visitor = activity.visitor
    members = {
        "failure-code": code,
        "status-code": "FAILED" if failure else "COMPLETED",
        "protocol": "SFTP",
        "bytes": _size(activity),
        "client-ip": visitor.client_ip,
        "failure-message": message,
        "end-timestamp": timestamp(activity.at),
        "etag": activity.etag if isinstance(activity, Closed) else "",
        **_paths(activity),
        "server-id": visitor.server.server_id,
        "username": visitor.user_name,
        "session-id": visitor.session_id,
        "start-timestamp": timestamp(activity.started_at),
    }
    return {name: value for name, value in members.items() if value not in ("", None)}


def _size(activity: Closed | Changed | Failed) -> int | None:
    if isinstance(activity, Changed) or activity.direction is None:
        return None
    return activity.size


def _paths(activity: Closed | Changed | Failed) -> dict[str, str]:
    if isinstance(activity, Closed):
        return {"file-path": activity.path}
    match activity.operation:
        case "RENAME":
            return {"original-file-path": activity.path, "renamed-file-path": activity.new_path}
        case "MKDIR" | "RMDIR":
            return {"directory-path": activity.path}
    return {"file-path": activity.path}


def timestamp(at: datetime) -> str:
    """Return the moment as these events have it: UTC, with nine decimals."""
    plain = at.astimezone(UTC)
    return f"{plain:%Y-%m-%dT%H:%M:%S}.{plain.microsecond:06d}000Z"
