"""Who is at the other end of one SFTP session."""

from __future__ import annotations

from dataclasses import dataclass


# Two channels of one connection share an id, and are two all the same.
@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """The facts every record and log line of a session carries."""

    session_id: str
    server_id: str
    user_name: str
    client_ip: str
    client_version: str
    key_fingerprint: str
