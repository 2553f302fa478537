"""A partner's session by paramiko, as the tests of the API use it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko


@contextmanager
def logged_in(port: int, name: str, private: Path) -> Iterator[paramiko.SFTPClient]:
    """Log in as a partner would. Raises `AuthenticationException`, or what says that nobody listens."""
    # paramiko leaves a socket of its own open when nobody answers.
    transport = paramiko.Transport(socket.create_connection(("127.0.0.1", port), 30))
    try:
        transport.connect(username=name, pkey=paramiko.Ed25519Key.from_private_key_file(str(private)))
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        yield client
    finally:
        transport.close()
