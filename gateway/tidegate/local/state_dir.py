"""
The state directory: what local mode keeps between starts, and how commands find a running one.

Kept: the server's id, its host key, the demo keys. Not kept: data, which live in memory.
`gateway.json` is there while a gateway runs.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tidegate.core.errors import InvalidSettings, Misuse
from tidegate.core.ids import ServerId, new_server_id
from tidegate.local.key_files import ensure_key_pair

DEFAULT_NAME = ".tidegate"
_DESCRIPTION = "gateway.json"


class StateDirectory:
    """One state directory, held by one gateway at a time. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise InvalidSettings(
                f"cannot use the state directory {self.path}: {error.strerror}",
                hint="name another with --state-dir",
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise InvalidSettings(
                f"another tidegate is running on the state directory {self.path}",
                hint="stop it, or name another with --state-dir",
            ) from None
        (self.path / ".gitignore").write_text("*\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self.path / _DESCRIPTION).unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)

    def server_id(self) -> ServerId:
        """Return the id of this directory's server, made at its first start."""
        file = self.path / "server_id"
        if not file.exists():
            file.write_text(new_server_id() + "\n")
        return ServerId(file.read_text().strip())

    def host_key(self) -> Path:
        """Return the private host key, made at the first start."""
        file = self.path / "host_ed25519"
        ensure_key_pair(file, "tidegate")
        return file

    def partner_key(self, user_name: str) -> tuple[Path, str]:
        """Return the private key file of a demo partner and its public line, made if missing."""
        file = self.path / "partners" / user_name / "id_ed25519"
        return file, ensure_key_pair(file, f"{user_name}@tidegate")

    def write_known_hosts(self, host: str, port: int, key_line: str) -> Path:
        """Write the known_hosts file for this gateway, and only for it."""
        file = self.path / "known_hosts"
        file.write_text(known_hosts_line(host, port, key_line) + "\n")
        return file

    def describe(self, description: dict[str, Any]) -> None:
        """Let commands find the running gateway."""
        write_atomically(self.path / _DESCRIPTION, description)


def known_hosts_line(host: str, port: int, key_line: str) -> str:
    """Return the line for known_hosts; a port other than 22 goes in brackets with the host."""
    where = host if port == 22 else f"[{host}]:{port}"
    return f"{where} {key_line}"


def read_description(path: Path) -> dict[str, Any]:
    """Return what the gateway of this state directory says of itself. Raises `Misuse` if none runs."""
    file = path / _DESCRIPTION
    try:
        description: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        raise Misuse(
            f"no local gateway is running on the state directory {path}",
            hint="start one: tidegate local, or name the directory it was started with",
        ) from None
    except (OSError, ValueError) as error:
        raise Misuse(f"{file} cannot be read: {error}", hint="start tidegate local again") from error
    return description


def write_atomically(path: Path, description: dict[str, Any]) -> None:
    """Write JSON so that a reader sees all of it or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "w") as file:
            json.dump(description, file, indent=2)
            file.write("\n")
        Path(name).replace(path)
    except OSError as error:
        raise InvalidSettings(f"cannot write {path}: {error.strerror}") from error
