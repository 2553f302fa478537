"""
What happens in sessions, as whoever watches is told of it: values, and where their lines belong.

How they are written is in activity_lines.py and events.py. Paths are `/bucket/key`, as in Transfer Family's
logs; where a path leads into no bucket it is the one the client sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from tidegate.core.servers import Server

Direction: TypeAlias = Literal["in", "out"]
# Transfer Family's words, in its logs.
Operation: TypeAlias = Literal[
    "OPEN", "CLOSE", "READ", "WRITE", "DELETE", "RENAME", "MKDIR", "RMDIR", "SETSTAT", "LIST", "STAT", "OTHER"
]

# What changes names or attributes, by the names of requests; the others of `OBSERVED` are of files.
CHANGES: dict[str, Operation] = {
    "REMOVE": "DELETE",
    "RENAME": "RENAME",
    "POSIX-RENAME": "RENAME",
    "MKDIR": "MKDIR",
    "RMDIR": "RMDIR",
    "SETSTAT": "SETSTAT",
    "LSETSTAT": "SETSTAT",
    "FSETSTAT": "SETSTAT",
}
# Requests that are told of when they go well.
OBSERVED = frozenset({"OPEN", "CLOSE", *CHANGES})

# Of logins and handshakes that failed: they have no session.
ERRORS_STREAM = "ERRORS"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who has logged in, to which server, and by what name its session goes."""

    server: Server
    user_name: str
    session_id: str
    client_ip: str


@dataclass(frozen=True, slots=True)
class _OfVisit:
    """What every activity of somebody who has logged in tells."""

    visitor: Visitor
    at: datetime

    @property
    def server(self) -> Server:
        return self.visitor.server


@dataclass(frozen=True, slots=True)
class Connected(_OfVisit):
    """
    A login.

    Args:
        home_directory: None where the home is LOGICAL.
        ciphers: From the client, and to it.
        key_body: Base64 alone.
        policy: The session policy; empty if the user has none.
        proxied: Whether a PROXY header said who the client is.
    """

    client: str
    kex: str
    ciphers: tuple[str, str]
    home_directory: str | None
    key_type: str
    key_body: str
    key_fingerprint: str
    role: str = ""
    policy: str = ""
    proxied: bool = False


@dataclass(frozen=True, slots=True)
class Ended(_OfVisit):
    """Why a connection ended that its client did not end."""

    message: str


@dataclass(frozen=True, slots=True)
class Disconnected(_OfVisit):
    """The end of what a login began."""


@dataclass(frozen=True, slots=True)
class AuthFailure:
    """A login that was refused."""

    server: Server
    at: datetime
    client_ip: str
    user_name: str
    message: str
    method: str = "publickey"


@dataclass(frozen=True, slots=True)
class KexFailure:
    """A handshake that found no algorithm in common; `kex` is what the client offered."""

    server: Server
    at: datetime
    client_ip: str
    message: str
    kex: str


@dataclass(frozen=True, slots=True)
class Opened(_OfVisit):
    """A file was opened; `mode` is the names of its flags, joined by `|`."""

    path: str
    mode: str


@dataclass(frozen=True, slots=True)
class Closed(_OfVisit):
    """
    A file that was open is so no more.

    Args:
        started_at: When it was opened.
        etag: Of the object, where there is one; without quotes.
        is_partial: The connection was gone before the client closed it.
        says_event: Not where the file was left as it had been.
    """

    path: str
    direction: Direction
    size: int
    started_at: datetime
    etag: str = ""
    is_partial: bool = False
    says_event: bool = True


@dataclass(frozen=True, slots=True)
class Changed(_OfVisit):
    """A change of names or attributes that was acknowledged; `new_path` of RENAME alone."""

    operation: Operation
    path: str
    started_at: datetime
    new_path: str = ""


@dataclass(frozen=True, slots=True)
class Failed(_OfVisit):
    """
    An operation that was refused or failed.

    Args:
        message: What the client was told.
        direction, size: Of a file that was open.
    """

    operation: Operation
    path: str
    message: str
    started_at: datetime
    new_path: str = ""
    direction: Direction | None = None
    size: int = 0


Activity: TypeAlias = (
    Connected | Ended | Disconnected | AuthFailure | KexFailure | Opened | Closed | Changed | Failed
)


def stream_of(activity: Activity) -> str:
    """Return the name of the log stream that the activity's line belongs to."""
    if isinstance(activity, AuthFailure | KexFailure):
        return ERRORS_STREAM
    return f"{activity.visitor.user_name}.{activity.visitor.session_id}"


def legacy_group_of(server: Server) -> str:
    """Return the name of the log group that a server with a logging role writes text to."""
    return f"/aws/transfer/{server.server_id}"
