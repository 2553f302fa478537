"""Listening for partners, and stopping: first no new ones, then no idle ones, then none."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import asyncssh
import structlog

from tidegate.core.errors import InvalidSettings
from tidegate.core.limits import KIB, MIB
from tidegate.core.users import SshPublicKey, User
from tidegate.faces.sftp.algorithms import Offer, host_key_pairs, offer_of
from tidegate.faces.sftp.arrivals import Arrivals
from tidegate.faces.sftp.auth import Connection
from tidegate.faces.sftp.context import FaceContext
from tidegate.faces.sftp.descriptors import make_room
from tidegate.faces.sftp.group_exchange import ignore_deprecation, refuse_small_groups

_log = structlog.get_logger("tidegate.sftp")

# What a client may send unasked, a session: part of the memory formula in docs/memory.md.
_WINDOW_BYTES = 2 * MIB
# Larger packets than the usual 32 KiB save a fifth of the CPU; measured in bench/.
_PACKET_BYTES = 128 * KIB
# A peer that answers nothing for five minutes is gone, as in Transfer Family.
_KEEPALIVE_SECONDS = 60
_KEEPALIVE_COUNT = 5


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """Where and how to listen."""

    host: str
    port: int
    # Files, or keys in the clear (PKCS #8, DER) that were kept elsewhere.
    host_keys: Sequence[Path | bytes]
    # Keys that will be shown once earlier ones are gone, in that order.
    waiting_keys: Sequence[bytes] = ()
    login_timeout_seconds: float = 120
    extra_algorithms: Sequence[str] = ()
    # Networks of load balancers: if there are any, every connection must begin with their header.
    proxy_protocol_from: Sequence[str] = ()
    proxy_protocol_timeout_seconds: float = 5


@dataclass(slots=True)
class HostKey:
    """The public half of a host key, for people and known_hosts."""

    fingerprint: str
    line: str


def read_host_keys(sources: Sequence[Path | bytes]) -> list[asyncssh.SSHKey]:
    """Return the private host keys. Raises `InvalidSettings` naming the file and the mend."""
    return [
        asyncssh.import_private_key(source) if isinstance(source, bytes) else _read_host_key(source)
        for source in sources
    ]


def _read_host_key(file: Path) -> asyncssh.SSHKey:
    try:
        return asyncssh.read_private_key(file)
    except OSError as error:
        raise InvalidSettings(
            f"host key {file}: {error.strerror or error}",
            hint=f"make one: ssh-keygen -t ed25519 -N '' -f {shlex.quote(str(file))}",
        ) from error
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        # Never the command that makes one: it would write over the key that partners know.
        raise InvalidSettings(
            f"host key {file}: {error}",
            hint="name the private half of a host key, without a passphrase; "
            f"ssh-keygen -p -N '' -f {shlex.quote(str(file))} takes one off",
        ) from error


@dataclass(slots=True)
class SftpListener:
    """A listening SFTP server."""

    context: FaceContext
    settings: ListenerSettings
    port: int = 0
    host_keys: list[HostKey] = field(default_factory=list)
    _connections: set[Connection] = field(default_factory=set)
    _offer: Offer | None = None
    _acceptor: asyncssh.SSHAcceptor | None = None
    _arrivals: Arrivals | None = None

    @property
    def has_started(self) -> bool:
        return self._acceptor is not None

    async def start(self) -> None:
        """
        Listen, after `drain` on the same port again. Sets `port` and `host_keys`.

        Raises:
            InvalidSettings: The port is taken, or a host key cannot be read.
        """
        options = self._options()
        refuse_small_groups()
        ignore_deprecation()
        make_room(self.context.guard.places.limits.connections)
        networks, patience = self.settings.proxy_protocol_from, self.settings.proxy_protocol_timeout_seconds
        self._arrivals = Arrivals(networks, patience, self.context.guard.admits)
        try:
            self._acceptor = await asyncssh.listen(
                self.settings.host,
                self.port or self.settings.port,
                # Whatever listens in asyncssh's stead is its "tunnel".
                tunnel=cast(Any, self._arrivals),
                server_factory=self._connection,
                server_version="tidegate",
                login_timeout=self.settings.login_timeout_seconds,
                keepalive_interval=_KEEPALIVE_SECONDS,
                keepalive_count_max=_KEEPALIVE_COUNT,
                agent_forwarding=False,
                x11_forwarding=False,
                allow_pty=False,
                compression_algs=None,
                window=_WINDOW_BYTES,
                max_pktsize=_PACKET_BYTES,
                config=None,
                **options,
            )
        except OSError as error:
            raise InvalidSettings(
                f"cannot listen for SFTP on {self.settings.host} port {self.settings.port}: "
                f"{os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error}",
                hint="choose another: sftp.port or sftp.host; for local, --sftp-port (0 takes a free one)",
            ) from error
        self.port = self._acceptor.get_port()

    def renew(self, settings: ListenerSettings | None = None) -> None:
        """
        Take up other settings, and what the server's behaviour is now, for connections from now on.

        Raises:
            InvalidSettings: As `start`; then all stays as it was.
        """
        before, self.settings = self.settings, settings or self.settings
        try:
            options = self._options()
        except InvalidSettings:
            self.settings = before
            raise
        if self._acceptor:
            self._acceptor.update(**options)

    async def end_revoked(self, may_stay: Callable[[User, SshPublicKey], Awaitable[bool]]) -> bool:
        """
        End the connections of those of the directory's users who may not log in any more.

        Returns:
            Whether that was all: who was being looked up meanwhile may log in by what was read before.
        """
        connections = list(self._connections)
        looked_up = any(connection.is_looked_up for connection in connections)
        for connection in connections:
            who = connection.who
            if who is not None and connection.is_of_directory and not await may_stay(*who):
                connection.end("the user or its key was removed", "Access was withdrawn")
        return not looked_up

    def _connection(self) -> Connection:
        assert self._offer is not None
        return Connection(self.context, self._connections, self._offer)

    def _options(self) -> dict[str, Any]:
        """Return what connections are given that may change while the server listens. Sets `host_keys`."""
        behaviour = self.context.behaviour
        keys = read_host_keys(self.settings.host_keys)
        offer = offer_of(behaviour.security_policy, self.settings.extra_algorithms)
        pairs = host_key_pairs(keys, offer)
        if behaviour.announce_host_keys:
            # Of each algorithm the first is shown; the others are announced alone.
            pairs += host_key_pairs(read_host_keys(self.settings.waiting_keys), offer, may_be_none=True)
        if offer != self._offer:
            _tell(offer)
        self.host_keys, self._offer = [public_half(key) for key in keys], offer
        announced = behaviour.announce_host_keys
        return {"server_host_keys": pairs, "send_server_host_keys": announced, **offer.options}

    async def drain(self, grace_seconds: float, hurried: asyncio.Event) -> None:
        """
        Stop accepting, let running uploads finish within the grace time, then end every connection.

        On return all uploads have ended: finished by their client, or abandoned.

        Args:
            hurried: Set when the rest of the grace time is not to be waited for.
        """
        if self._acceptor:
            self._acceptor.close()
            self._acceptor = None
        if self._arrivals:
            self._arrivals.close()
        await _first_of(self._idle(), hurried.wait(), within=grace_seconds)
        await self.disconnect_all()

    async def _idle(self) -> None:
        await self.context.uploads.all_ended()
        # An upload ends before its CLOSE is answered, and the client is to read that answer.
        await self.context.answering.none()

    async def disconnect_all(self) -> None:
        """End every connection now; uploads that were open are abandoned before this returns."""
        for connection in list(self._connections):
            # Not `abort`: clients are told, and print it.
            connection.conn.disconnect(asyncssh.DISC_BY_APPLICATION, "The server is stopping")
        while self._connections:
            await asyncio.gather(*(each.conn.wait_closed() for each in list(self._connections)))
        await self.context.ended()
        await self.context.uploads.all_ended()


def _tell(offer: Offer) -> None:
    _log.info("security policy", policy=offer.policy)
    if offer.lacking:
        _log.warning(
            "algorithms of the security policy are not offered: the SSH library lacks them",
            policy=offer.policy,
            lacking=list(offer.lacking),
        )


async def _first_of(*waits: Coroutine[Any, Any, object], within: float) -> None:
    """Return when one of them returns, or the seconds have passed; cancels the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def public_half(key: asyncssh.SSHKey) -> HostKey:
    """Return what the world may know of a host key."""
    algorithm, body, *_ = key.export_public_key("openssh").decode().split()
    return HostKey(key.get_fingerprint(), f"{algorithm} {body}")
