"""
Two ways to speak to the assembled gateway: the real OpenSSH programs, and single SFTP packets.

The gateways run as processes of their own: the plugin's, which behaves as Transfer Family, and a second
one that is partner-safe. A test of a fact that holds for both asks for `gateway` and runs twice.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tidegate.testing.gateway import LocalGateway
from tidegate.testing.partners import Partner

PATIENCE_SECONDS = 30


# --- gateways -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def partner_safe_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    with LocalGateway("partner-safe", directory=tmp_path_factory.mktemp("partner-safe")) as server:
        yield server


@pytest.fixture
def partner_safe(partner_safe_server: LocalGateway) -> LocalGateway:
    """A gateway of the preset partner-safe, clean."""
    partner_safe_server.reset()
    return partner_safe_server


@pytest.fixture(params=["transfer-family", "partner-safe"])
def preset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def gateway(preset: str, request: pytest.FixtureRequest) -> LocalGateway:
    """A clean gateway: the test runs once for each preset."""
    name = "tidegate" if preset == "transfer-family" else "partner_safe"
    clean: LocalGateway = request.getfixturevalue(name)
    return clean


# --- OpenSSH --------------------------------------------------------------------------------


class OpenSsh:
    """OpenSSH's programs, logging in as one partner. They read nothing of whoever runs the tests."""

    def __init__(self, gateway: LocalGateway, partner: Partner, folder: Path) -> None:
        self.gateway = gateway
        self.folder = folder
        self.destination = f"{partner.user_name}@{gateway.sftp_host}"
        self.key = partner.private_key_path
        self.port = gateway.sftp_port

    @property
    def options(self) -> list[str]:
        return [
            *("-F", os.devnull, "-o", f"IdentityFile={self.key}"),
            *(
                word
                for option in (
                    "IdentitiesOnly=yes",
                    "IdentityAgent=none",
                    "BatchMode=yes",
                    "StrictHostKeyChecking=yes",
                    f'UserKnownHostsFile="{self.gateway.known_hosts_path}"',
                    f"GlobalKnownHostsFile={os.devnull}",
                    # A proxy in a test has another port, and the same host key.
                    f"HostKeyAlias=[{self.gateway.sftp_host}]:{self.gateway.sftp_port}",
                )
                for word in ("-o", option)
            ),
        ]

    @property
    def environment(self) -> dict[str, str]:
        # In a UTF-8 locale, or sftp would print names in octal.
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}

    def run(self, *command: str, batch: str = "") -> subprocess.CompletedProcess[str]:
        """Run any of the programs in the test's folder."""
        return subprocess.run(
            command,
            input=batch,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def sftp_command(self, *options: str) -> list[str]:
        return ["sftp", *self.options, "-P", str(self.port), *options, "-b", "-", self.destination]

    def sftp(self, *lines: str) -> subprocess.CompletedProcess[str]:
        """Run a batch. A line that may fail begins with `-`; any other ends it with exit code 1."""
        return self.run(*self.sftp_command(), batch="\n".join(lines) + "\n")

    def put(self, *lines: str) -> None:
        """Run a batch that must succeed."""
        done = self.sftp(*lines)
        assert done.returncode == 0, done.stderr

    def scp(self, *arguments: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Copy; `REMOTE:` in an argument is the partner's home."""
        named = [each.replace("REMOTE:", f"{self.destination}:") for each in arguments]
        return self.run("scp", *self.options, "-P", str(self.port), *options, *named)

    def lftp(self, *commands: str) -> subprocess.CompletedProcess[str]:
        """Run commands of lftp, which speaks through OpenSSH; the first that fails ends it."""
        program = shlex.join(["ssh", "-a", "-x", *self.options])
        words = (
            "set cmd:fail-exit yes",
            f'set sftp:connect-program "{program}"',
            f"open -u {self.destination.split('@')[0]}, -p {self.port} sftp://{self.gateway.sftp_host}",
            *commands,
        )
        return self.run("lftp", "--norc", "-c", "; ".join(words))

    def ssh(self, *arguments: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run `ssh OPTIONS destination ARGUMENTS`."""
        where = ("-p", str(self.port), *options, self.destination)
        return self.run("ssh", *self.options, *where, *arguments)


@pytest.fixture
def openssh(tmp_path: Path) -> Callable[..., OpenSsh]:
    """Return OpenSSH as a partner of a gateway: `openssh(gateway)`, `openssh(gateway, "bank")`."""

    def make(gateway: LocalGateway, name: str = "acme") -> OpenSsh:
        return OpenSsh(gateway, gateway.partner(name), tmp_path)

    return make


# --- single packets -------------------------------------------------------------------------


@asynccontextmanager
async def connected(gateway: LocalGateway, partner: Partner) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """Give a connection that has logged in."""
    connection = await asyncssh.connect(
        gateway.sftp_host,
        gateway.sftp_port,
        username=partner.user_name,
        client_keys=[str(partner.private_key_path)],
        known_hosts=str(gateway.known_hosts_path),
        agent_path=None,
        config=None,
    )
    try:
        yield connection
    finally:
        connection.abort()
        await connection.wait_closed()


@dataclass(frozen=True)
class Answer:
    """One reply: its type, and what follows the request id."""

    kind: int
    body: bytes

    @property
    def status(self) -> int:
        assert self.kind == 101, f"no STATUS but a packet of type {self.kind}"
        return int.from_bytes(self.body[:4], "big")

    @property
    def text(self) -> str:
        assert self.kind == 101, f"no STATUS but a packet of type {self.kind}"
        return _string(self.body[4:]).decode()

    @property
    def string(self) -> bytes:
        """The handle of a HANDLE, the bytes of a DATA."""
        assert self.kind in {102, 103}, f"no HANDLE or DATA but a packet of type {self.kind}, {self.body!r}"
        return _string(self.body)


class Packets:
    """An SFTP version 3 client of single packets: says exactly what a test wants said, and when."""

    def __init__(self, connection: asyncssh.SSHClientConnection, writer: Any, reader: Any) -> None:
        self.connection = connection
        self.writer = writer
        self._reader = reader
        self._ids = count(1)
        self._came: dict[int, Answer] = {}

    @property
    def channel(self) -> Any:
        return self.writer.channel

    async def begin(self) -> bytes:
        """Exchange versions; return the extensions the server offers, as it writes them."""
        self._send(1, struct.pack(">I", 3))
        kind, body = await self._receive()
        assert (kind, body[:4]) == (2, struct.pack(">I", 3))
        return body[4:]

    def ask(self, kind: int, *fields: bytes | int) -> int:
        """Send a request without waiting: strings as bytes, uint32 as int. Return its id."""
        number = next(self._ids)
        packed = [_packed(each) if isinstance(each, bytes) else struct.pack(">I", each) for each in fields]
        self._send(kind, struct.pack(">I", number) + b"".join(packed))
        return number

    async def answer(self, number: int) -> Answer:
        """Return the reply to a request, whenever it comes."""
        while number not in self._came:
            kind, body = await self._receive()
            self._came[int.from_bytes(body[:4], "big")] = Answer(kind, body[4:])
        return self._came.pop(number)

    async def open(self, path: str, pflags: int = 0x1A) -> bytes:
        """Open, for a new file unless told otherwise, and return the handle."""
        return (await self.answer(self.ask(3, path.encode(), pflags, 0))).string

    def ask_write(self, handle: bytes, offset: int, data: bytes) -> int:
        return self.ask(6, handle, offset >> 32, offset & 0xFFFFFFFF, data)

    def ask_read(self, handle: bytes, offset: int, length: int) -> int:
        return self.ask(5, handle, offset >> 32, offset & 0xFFFFFFFF, length)

    async def write(self, handle: bytes, offset: int, data: bytes) -> list[Answer]:
        """Write in order and in pieces of 128 KiB; return the replies."""
        pieces = range(0, len(data), 131072)
        asked = [self.ask_write(handle, offset + at, data[at : at + 131072]) for at in pieces]
        return [await self.answer(number) for number in asked]

    async def close(self, handle: bytes) -> Answer:
        return await self.answer(self.ask(4, handle))

    def _send(self, kind: int, body: bytes) -> None:
        self.writer.write(struct.pack(">IB", len(body) + 1, kind) + body)

    async def _receive(self) -> tuple[int, bytes]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            length = int.from_bytes(await self._reader.readexactly(4), "big")
            packet = await self._reader.readexactly(length)
        return packet[0], packet[1:]


@asynccontextmanager
async def packets_over(
    connection: asyncssh.SSHClientConnection, window: int = 2**24
) -> AsyncIterator[Packets]:
    """Give a session on a connection, versions exchanged."""
    writer, reader, _ = await connection.open_session(
        subsystem="sftp", encoding=None, window=window, max_pktsize=2**17
    )
    session = Packets(connection, writer, reader)
    await session.begin()
    yield session


@pytest.fixture
def packets() -> Callable[..., Any]:
    """Return an SFTP session of single packets: `async with packets(gateway) as session`."""

    @asynccontextmanager
    async def make(gateway: LocalGateway, name: str = "acme", window: int = 2**24) -> AsyncIterator[Packets]:
        partner = await asyncio.to_thread(gateway.partner, name)
        async with connected(gateway, partner) as connection, packets_over(connection, window) as session:
            yield session

    return make


@pytest.fixture
def packets_on() -> Callable[..., Any]:
    """Return an SFTP session of single packets on a connection there is: `async with packets_on(conn)`."""
    return packets_over


@pytest.fixture
def connection() -> Callable[..., Any]:
    """Return a connection that has logged in: `async with connection(gateway) as conn`."""

    @asynccontextmanager
    async def make(gateway: LocalGateway, name: str = "acme") -> AsyncIterator[asyncssh.SSHClientConnection]:
        partner = await asyncio.to_thread(gateway.partner, name)
        async with connected(gateway, partner) as made:
            yield made

    return make


def _packed(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _string(packed: bytes) -> bytes:
    length = int.from_bytes(packed[:4], "big")
    return packed[4 : 4 + length]


# --- what is at the endpoint, and the command -------------------------------------------------


class Stored:
    """What S3 holds for a gateway, read by an AWS client."""

    def __init__(self, gateway: LocalGateway) -> None:
        self.gateway = gateway
        self._s3 = gateway.client("s3")

    def head(self, key: str, bucket: str | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = self._s3.head_object(Bucket=bucket or self.gateway.landing_bucket, Key=key)
        return answer

    def content(self, key: str, bucket: str | None = None) -> bytes:
        got = self._s3.get_object(Bucket=bucket or self.gateway.landing_bucket, Key=key)
        with got["Body"] as body:
            content: bytes = body.read()
        return content

    def keys(self, bucket: str | None = None) -> list[str]:
        """Return the keys of all versions and delete markers."""
        found = self._s3.list_object_versions(Bucket=bucket or self.gateway.landing_bucket)
        return [each["Key"] for each in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]]

    def unfinished(self) -> list[str]:
        """Return the keys of multipart uploads that are neither completed nor aborted."""
        found = self._s3.list_multipart_uploads(Bucket=self.gateway.landing_bucket)
        return [each["Key"] for each in found.get("Uploads", [])]

    def key_arn(self, alias: str) -> str:
        arn: str = self.gateway.client("kms").describe_key(KeyId=alias)["KeyMetadata"]["Arn"]
        return arn


@pytest.fixture
def stored() -> type[Stored]:
    """What S3 holds: `stored(gateway).content("acme/x")`."""
    return Stored


@pytest.fixture
def command() -> Callable[..., str]:
    """Run the tidegate command about a gateway, and return what it prints."""

    def run(gateway: LocalGateway, *arguments: str) -> str:
        told = [sys.executable, "-P", "-m", "tidegate", *arguments, "--state-dir", str(gateway.state_dir)]
        done = subprocess.run(told, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
