"""
What a partner does with a client, said once, and how each client is told to do it.

A client of the table takes part in every journey it can. `Client.needs` names the programs; those of a Python
package need none.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import asyncssh
import paramiko

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh

SCRIPTS = Path(__file__).parent.parent / "clients"


class Client(ABC):
    """
    One client, logged in as one partner. Names are relative to the home, local ones to the test's folder.

    Args:
        ssh: Where and as whom to log in.
        safe: Whether the gateway is partner-safe; against the other some clients need options.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    # What a server of Transfer Family must be told before this client gets in; nothing, for most.
    transfer_family_config: ClassVar[str] = ""

    def __init__(self, ssh: OpenSsh, *, safe: bool) -> None:
        self.ssh = ssh
        self.safe = safe
        self.host = ssh.gateway.sftp_host
        self.user = ssh.destination.partition("@")[0]

    @abstractmethod
    def put(self, local: str, remote: str) -> None: ...

    @abstractmethod
    def get(self, remote: str, local: str) -> None: ...

    @abstractmethod
    def names(self, directory: str) -> list[str]:
        """Return the names in a directory, sorted."""

    @abstractmethod
    def rename(self, old: str, new: str) -> None: ...

    @abstractmethod
    def mkdir(self, directory: str) -> None: ...

    @abstractmethod
    def rmdir(self, directory: str) -> None: ...

    @abstractmethod
    def remove(self, remote: str) -> None: ...

    def ran(self, *command: str, batch: str = "") -> str:
        """Run a program that must succeed; return what it prints."""
        done = self.ssh.run(*command, batch=batch)
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
        return done.stdout

    def host_key(self) -> str:
        """Return the fingerprint of the gateway's host key, `SHA256:...`."""
        return self.ran("ssh-keygen", "-lf", str(self.ssh.gateway.known_hosts_path)).split()[1]


class OpenSshSftp(Client):
    needs = ("sftp",)

    def _do(self, line: str) -> str:
        done = self.ssh.sftp(line)
        assert done.returncode == 0, done.stderr
        return done.stdout.partition("\n")[2]  # the first line repeats the command

    def put(self, local: str, remote: str) -> None:
        self._do(f"put {local} {remote}")

    def get(self, remote: str, local: str) -> None:
        self._do(f"get {remote} {local}")

    def names(self, directory: str) -> list[str]:
        return sorted(line.rpartition("/")[2] for line in self._do(f"ls -1 {directory}").split())

    def rename(self, old: str, new: str) -> None:
        self._do(f"rename {old} {new}")

    def mkdir(self, directory: str) -> None:
        self._do(f"mkdir {directory}")

    def rmdir(self, directory: str) -> None:
        self._do(f"rmdir {directory}")

    def remove(self, remote: str) -> None:
        self._do(f"rm {remote}")


class OpenSshScp(OpenSshSftp):
    """Copies alone; what else there is to do is done by sftp, as its users do."""

    def put(self, local: str, remote: str) -> None:
        self._copied(self.ssh.scp(local, f"REMOTE:{remote}"))

    def get(self, remote: str, local: str) -> None:
        self._copied(self.ssh.scp(f"REMOTE:{remote}", local))

    @staticmethod
    def _copied(done: subprocess.CompletedProcess[str]) -> None:
        assert done.returncode == 0, done.stderr


class Lftp(Client):
    needs = ("lftp", "ssh")

    def _do(self, line: str) -> str:
        commands = (
            "set cmd:fail-exit yes",
            f'set sftp:connect-program "{shlex.join(["ssh", "-a", "-x", *self.ssh.options])}"',
            f"open -u {self.user}, -p {self.ssh.port} sftp://{self.host}",
            line,
        )
        return self.ran("lftp", "--norc", "-c", "; ".join(commands))

    def put(self, local: str, remote: str) -> None:
        self._do(f"put {local} -o {remote}")

    def get(self, remote: str, local: str) -> None:
        self._do(f"get {remote} -o {local}")

    def names(self, directory: str) -> list[str]:
        return sorted(
            line.rstrip("/").rpartition("/")[2] for line in self._do(f"cls -1 {directory}/").split()
        )

    def rename(self, old: str, new: str) -> None:
        self._do(f"mv {old} {new}")

    def mkdir(self, directory: str) -> None:
        self._do(f"mkdir {directory}")

    def rmdir(self, directory: str) -> None:
        self._do(f"rmdir {directory}")

    def remove(self, remote: str) -> None:
        self._do(f"rm {remote}")


class Psftp(Client):
    needs = ("psftp", "puttygen")

    def _do(self, line: str) -> str:
        if not (self.ssh.folder / "key.ppk").exists():
            self.ran("puttygen", str(self.ssh.key), "-o", "key.ppk")
        (self.ssh.folder / "batch").write_text(f"{line}\n")
        where = ("-P", str(self.ssh.port), "-i", "key.ppk", "-hostkey", self.host_key())
        return self.ran("psftp", "-batch", "-b", "batch", *where, self.ssh.destination)

    def put(self, local: str, remote: str) -> None:
        self._do(f"put {local} {remote}")

    def get(self, remote: str, local: str) -> None:
        self._do(f"get {remote} {local}")

    def names(self, directory: str) -> list[str]:
        lines = self._do(f"ls {directory}").partition("Listing directory")[2].splitlines()[1:]
        return sorted(line.split()[-1] for line in lines)

    def rename(self, old: str, new: str) -> None:
        self._do(f"mv {old} {new}")

    def mkdir(self, directory: str) -> None:
        self._do(f"mkdir {directory}")

    def rmdir(self, directory: str) -> None:
        self._do(f"rmdir {directory}")

    def remove(self, remote: str) -> None:
        self._do(f"rm {remote}")


class Curl(Client):
    needs = ("curl",)
    # libssh2 before 1.11 knows neither GCM nor encrypt-then-mac, and later policies have nothing else.
    transfer_family_config = "sftp: {security_policy: TransferSecurityPolicy-2020-06}\n"

    def _do(self, *options: str, path: str = "") -> str:
        key = self.ssh.key
        known = self.host_key().removeprefix("SHA256:")
        login = ("--user", f"{self.user}:", "--key", str(key), "--pubkey", f"{key}.pub")
        url = f"sftp://{self.host}:{self.ssh.port}/{path}"
        return self.ran("curl", "-sS", "--hostpubsha256", known, *login, *options, url)

    def put(self, local: str, remote: str) -> None:
        self._do("-T", local, path=remote)

    def get(self, remote: str, local: str) -> None:
        self._do("-o", local, path=remote)

    def names(self, directory: str) -> list[str]:
        return sorted(self._do("-l", path=f"{directory}/").split())

    def rename(self, old: str, new: str) -> None:
        self._do("-l", "-Q", f"rename /{old} /{new}")

    def mkdir(self, directory: str) -> None:
        self._do("-l", "-Q", f"mkdir /{directory}")

    def rmdir(self, directory: str) -> None:
        self._do("-l", "-Q", f"rmdir /{directory}")

    def remove(self, remote: str) -> None:
        self._do("-l", "-Q", f"rm /{remote}")


class Rclone(Client):
    needs = ("rclone",)

    def _do(self, *command: str) -> str:
        # It sets the time after each upload, and gives up where that is refused.
        times = () if self.safe else ("--sftp-set-modtime=false",)
        return self.ran("rclone", "--config", os.devnull, *times, *command)

    def remote(self, path: str) -> str:
        known = self.ssh.gateway.known_hosts_path
        return (
            f":sftp,host={self.host},port={self.ssh.port},user={self.user},shell_type=none,"
            f"key_file='{self.ssh.key}',known_hosts_file='{known}':{path}"
        )

    def put(self, local: str, remote: str) -> None:
        self._do("copyto", local, self.remote(remote))

    def get(self, remote: str, local: str) -> None:
        self._do("copyto", self.remote(remote), local)

    def names(self, directory: str) -> list[str]:
        return sorted(line.rstrip("/") for line in self._do("lsf", self.remote(directory)).split())

    def rename(self, old: str, new: str) -> None:
        self._do("moveto", self.remote(old), self.remote(new))

    def mkdir(self, directory: str) -> None:
        self._do("mkdir", self.remote(directory))

    def rmdir(self, directory: str) -> None:
        self._do("rmdir", self.remote(directory))

    def remove(self, remote: str) -> None:
        self._do("deletefile", self.remote(remote))


class NodeSsh2(Client):
    needs = ("node", "node-ssh2")

    def do(self, *what: str) -> str:
        script = str(SCRIPTS / "ssh2.js")
        return self.ran("node", script, self.host, str(self.ssh.port), self.user, str(self.ssh.key), *what)

    def put(self, local: str, remote: str) -> None:
        self.do("fastPut", local, remote)

    def get(self, remote: str, local: str) -> None:
        self.do("fastGet", remote, local)

    def names(self, directory: str) -> list[str]:
        return sorted(self.do("list", directory).strip('[]"\n').split('","'))

    def rename(self, old: str, new: str) -> None:
        self.do("rename", old, new)

    def mkdir(self, directory: str) -> None:
        self.do("mkdir", directory)

    def rmdir(self, directory: str) -> None:
        self.do("rmdir", directory)

    def remove(self, remote: str) -> None:
        self.do("unlink", remote)


class Paramiko(Client):
    @contextlib.contextmanager
    def _session(self) -> Iterator[paramiko.SFTPClient]:
        with paramiko.SSHClient() as ssh:
            ssh.load_host_keys(str(self.ssh.gateway.known_hosts_path))
            ssh.connect(
                self.host,
                self.ssh.port,
                username=self.user,
                key_filename=str(self.ssh.key),
                allow_agent=False,
                look_for_keys=False,
            )
            with ssh.open_sftp() as sftp:
                yield sftp

    def put(self, local: str, remote: str) -> None:
        with self._session() as sftp:
            sftp.put(str(self.ssh.folder / local), remote)

    def get(self, remote: str, local: str) -> None:
        with self._session() as sftp:
            sftp.get(remote, str(self.ssh.folder / local))

    def names(self, directory: str) -> list[str]:
        with self._session() as sftp:
            return sorted(sftp.listdir(directory))

    def rename(self, old: str, new: str) -> None:
        with self._session() as sftp:
            sftp.rename(old, new)

    def mkdir(self, directory: str) -> None:
        with self._session() as sftp:
            sftp.mkdir(directory)

    def rmdir(self, directory: str) -> None:
        with self._session() as sftp:
            sftp.rmdir(directory)

    def remove(self, remote: str) -> None:
        with self._session() as sftp:
            sftp.remove(remote)


class Asyncssh(Client):
    def _do(self, method: str, *arguments: str) -> object:
        async def work() -> object:
            async with (
                asyncssh.connect(
                    self.host,
                    self.ssh.port,
                    username=self.user,
                    client_keys=[str(self.ssh.key)],
                    known_hosts=str(self.ssh.gateway.known_hosts_path),
                    agent_path=None,
                    config=None,
                ) as connection,
                connection.start_sftp_client() as sftp,
            ):
                return await getattr(sftp, method)(*arguments)

        return asyncio.run(work())

    def put(self, local: str, remote: str) -> None:
        self._do("put", str(self.ssh.folder / local), remote)

    def get(self, remote: str, local: str) -> None:
        self._do("get", remote, str(self.ssh.folder / local))

    def names(self, directory: str) -> list[str]:
        found = self._do("listdir", directory)
        assert isinstance(found, list)
        return sorted(found)

    def rename(self, old: str, new: str) -> None:
        self._do("rename", old, new)

    def mkdir(self, directory: str) -> None:
        self._do("mkdir", directory)

    def rmdir(self, directory: str) -> None:
        self._do("rmdir", directory)

    def remove(self, remote: str) -> None:
        self._do("remove", remote)


CLIENTS: tuple[type[Client], ...] = (
    OpenSshSftp,
    OpenSshScp,
    Lftp,
    Psftp,
    Curl,
    Rclone,
    NodeSsh2,
    Paramiko,
    Asyncssh,
)
