"""
The state directory: what local mode keeps between starts, and how commands find a running one.

Kept: the server's id, its host key, the demo keys. Not kept: data, which live in memory.
`gateway.json` is there while a gateway runs.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tidegate.core.errors import InvalidSettings, Misuse
from tidegate.core.ids import ServerId, new_server_id
from tidegate.local.files import replace_file
from tidegate.local.key_files import ensure_key_pair

DEFAULT_NAME = ".tidegate"
_DESCRIPTION = "gateway.json"
# What commands read of a description.
_TOLD = frozenset(
    {
        "sftp",
        "aws_endpoint_url",
        "region",
        "server_id",
        "landing_bucket",
        "transfers_table",
        "directory_table",
    }
)


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
            self._let_go()
            raise InvalidSettings(
                f"another tidegate is running on the state directory {self.path}",
                hint="stop it, or name another with --state-dir",
            ) from None
        # Left by a gateway that was killed: what it says is true no more.
        self._description.unlink(missing_ok=True)
        (self.path / ".gitignore").write_text("*\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._description.unlink(missing_ok=True)
        self._let_go()

    def server_id(self) -> ServerId:
        """Return the id of this directory's server, made at its first start."""
        file = self.path / "server_id"
        if not file.exists():
            replace_file(file, f"{new_server_id()}\n".encode(), 0o644)
        found = file.read_text(encoding="utf-8", errors="replace").strip()
        if re.fullmatch(r"s-[0-9a-f]{17}", found) is None:
            raise InvalidSettings(
                f"{file} holds no server id",
                hint=f"remove it, and the next start makes a new one: rm {shlex.quote(str(file))}",
            )
        return ServerId(found)

    def host_key(self) -> Path:
        """Return the private host key, made at the first start."""
        file = self.path / "host_ed25519"
        ensure_key_pair(file, "tidegate")
        return file

    def partner_key_file(self, user_name: str) -> Path:
        """Return where the private key of a demo partner is, or would be made."""
        return self.path / "partners" / user_name / "id_ed25519"

    def partner_key(self, user_name: str) -> tuple[Path, str]:
        """Return the private key file of a demo partner and its public line, made if missing."""
        file = self.partner_key_file(user_name)
        return file, ensure_key_pair(file, f"{user_name}@tidegate")

    def write_known_hosts(self, host: str, port: int, key_line: str) -> Path:
        """Write the known_hosts file for this gateway, and only for it."""
        file = self.path / "known_hosts"
        replace_file(file, f"{known_hosts_line(host, port, key_line)}\n".encode(), 0o644)
        return file

    def describe(self, description: dict[str, Any]) -> None:
        """Let commands find the running gateway."""
        replace_file(self._description, as_text(description), 0o600)

    def _let_go(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def _description(self) -> Path:
        return self.path / _DESCRIPTION


def known_hosts_line(host: str, port: int, key_line: str) -> str:
    """Return the line for known_hosts; a port other than 22 goes in brackets with the host."""
    where = host if port == 22 else f"[{host}]:{port}"
    return f"{where} {key_line}"


def is_described(path: Path) -> bool:
    """Return whether a gateway of this state directory runs, or was killed."""
    return (path / _DESCRIPTION).is_file()


def read_description(path: Path) -> dict[str, Any]:
    """Return what the gateway of this state directory says of itself. Raises `Misuse` if none runs."""
    file = path / _DESCRIPTION
    try:
        description = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise Misuse(
            f"no local gateway is running on the state directory {path}",
            hint="start one: tidegate local, or name the directory it was started with",
        ) from None
    except (OSError, ValueError) as error:
        raise Misuse(f"{file} cannot be read: {error}", hint="start tidegate local again") from error
    if not (isinstance(description, dict) and description.keys() >= _TOLD):
        raise Misuse(f"{file} is not what this tidegate writes", hint="start tidegate local again")
    return description


def as_text(description: dict[str, Any]) -> bytes:
    """Return the JSON that others read."""
    return f"{json.dumps(description, indent=2)}\n".encode()
