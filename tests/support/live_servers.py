"""A server that boto3 made, and clients that meet it."""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import paramiko
from botocore.exceptions import ClientError

from support.fault_house import wait_until
from support.partner_login import logged_in
from support.transfer_client import ROLE, Transfer

_TAG = "tidegate:sftp-endpoint"


def ssh_options(known_hosts: Path | None = None) -> list[str]:
    """Return options for OpenSSH: no file of the user's, no question."""
    known = ["-o", f"UserKnownHostsFile={known_hosts or '/dev/null'}", "-o", "BatchMode=yes"]
    return ["-F", "none", *known, "-o", f"StrictHostKeyChecking={'yes' if known_hosts else 'no'}"]


@dataclass
class LiveServer:
    """A server of the API, with one user, ana."""

    transfer: Transfer
    server_id: str
    key: Path

    def __post_init__(self) -> None:
        self.client = partial(self._call)

    def _call(self, operation: str, **members: Any) -> dict[str, Any]:
        return self.transfer(operation, **({"ServerId": self.server_id} | members))

    @property
    def port(self) -> int:
        told = {tag["Key"]: tag["Value"] for tag in self.describe()["Tags"]}
        return int(told[_TAG].rpartition(":")[2])

    def describe(self) -> dict[str, Any]:
        described: dict[str, Any] = self.client("describe_server")["Server"]
        return described

    def is_there(self) -> bool:
        try:
            self.transfer.client.describe_server(ServerId=self.server_id)
        except ClientError:
            return False
        return True

    def becomes(self, state: str) -> None:
        wait_until(lambda: self.describe()["State"] == state, f"the server is {state}")

    def start(self) -> None:
        self.client("start_server")
        self.becomes("ONLINE")

    def stop(self) -> None:
        self.client("stop_server")
        self.becomes("OFFLINE")

    def delete(self) -> None:
        self.last_port = self.port
        self.client("delete_server")

    def update(self, **members: Any) -> None:
        assert self.client("update_server", **members) == {"ServerId": self.server_id}

    def login(self, key: Path | None = None) -> AbstractContextManager[paramiko.SFTPClient]:
        """Log in. Raises `AuthenticationException`, or what says that nobody listens."""
        return logged_in(self.port if self.is_there() else self.last_port, "ana", key or self.key)

    def openssh(self, batch: str, options: list[str] | None = None) -> subprocess.CompletedProcess[str]:
        command = ["sftp", "-b", "-", "-P", str(self.port), "-i", str(self.key)]
        return subprocess.run(
            [*command, *(options or ssh_options()), "ana@127.0.0.1"],
            input=batch,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def takes(self, key_exchange: str) -> bool:
        """Tell whether a client that knows no other key exchange can log in."""
        options = [*ssh_options(), "-o", f"KexAlgorithms={key_exchange}"]
        return self.openssh("pwd\n", options).returncode == 0

    def shown_host_key(self, kind: str) -> str:
        """Return the base64 of the host key of a type."""
        transport = paramiko.Transport(("127.0.0.1", self.port))
        transport.get_security_options().key_types = [kind]
        try:
            transport.start_client(timeout=30)
            return transport.get_remote_server_key().get_base64()
        finally:
            transport.close()


def live_server(transfer: Transfer, pair: tuple[Path, str], **members: Any) -> LiveServer:
    """Make a server and a user of it, with /in as its one directory; return when it listens."""
    server_id = transfer("create_server", **members)["ServerId"]
    server = LiveServer(transfer, server_id, pair[0])
    server.client(
        "create_user",
        UserName="ana",
        Role=ROLE,
        SshPublicKeyBody=pair[1],
        HomeDirectoryType="LOGICAL",
        HomeDirectoryMappings=[{"Entry": "/in", "Target": f"/{transfer.landing}/{server_id}"}],
    )
    server.becomes("ONLINE")
    return server
