"""
Where connections begin: is there room for one, and whose is it?

Whoever meets a limit is closed before the SSH library has heard of it, so a flood costs next to nothing.

Connections that come through a load balancer begin with a PROXY header, and only then with SSH. The
header is read on the connection's own transport; then the SSH connection takes the transport
over, and this module is out of the way. Nothing is sent before: SSH's server would speak first, and
who it speaks to is not known yet. There are no tasks here, only a timer for each header still to come.

The rule about headers is strict in both directions: a peer outside the networks is closed without a word,
so a header it forged is not even read; and one inside them is nobody's client without a header.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import Any, Protocol, cast

import structlog

from tidegate.core.proxy_protocol import (
    Address,
    InvalidProxyHeader,
    ProxyHeader,
    plain_address,
    read_header,
)

_log = structlog.get_logger("tidegate.sftp")


class SshProtocol(Protocol):
    """What an SSH connection is to the transport it takes over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...

    def data_received(self, data: bytes) -> None: ...


class Arrivals:
    """
    Where connections begin. `asyncssh.listen` takes it as its `tunnel`.

    Args:
        networks: Those of the balancers; if there are none, no connection brings a header.
        timeout_seconds: How long a header may take, from the connection's first moment on.
        admits: Tells whether an address gets a connection, and says what is to be said if not.
    """

    def __init__(
        self,
        networks: Sequence[str],
        timeout_seconds: float,
        admits: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._networks = [ip_network(each) for each in networks]
        self.timeout_seconds = timeout_seconds
        self.admits = admits
        self.waiting: set[Arrival] = set()

    @property
    def want_header(self) -> bool:
        return bool(self._networks)

    async def create_server(
        self, ssh: Callable[[str, int], SshProtocol], host: str, port: int
    ) -> asyncio.Server:
        """Listen; a connection that is let in becomes one of `ssh`. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: Arrival(self, lambda: ssh(host, port)), host or None, port)

    def trusts(self, peer: str) -> bool:
        """Tell whether a header from this address counts."""
        try:
            address: Address = plain_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def close(self) -> None:
        """End the connections whose header is still to come."""
        for arrival in list(self.waiting):
            arrival.end()


class Arrival(asyncio.Protocol):
    """A connection until it is known whose it is, and that there is room for it."""

    def __init__(self, arrivals: Arrivals, ssh: Callable[[], SshProtocol]) -> None:
        self._arrivals = arrivals
        self._ssh = ssh
        self._received = b""
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername")
        self._peer = str(name[0]) if name else "unknown"
        if not self._arrivals.want_header:
            self._hand_over(self._transport, self._peer)
            return
        if not self._arrivals.trusts(self._peer):
            self._refuse("not from sftp.proxy_protocol_from")
            return
        self._arrivals.waiting.add(self)
        timeout = self._arrivals.timeout_seconds
        self._deadline = asyncio.get_running_loop().call_later(
            timeout, self._refuse, f"no whole PROXY header within {timeout:g} s"
        )

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            header = read_header(self._received)
        except InvalidProxyHeader as error:
            self._refuse(f"no PROXY header: {error.detail}")
            return
        if header:
            client = str(header.source) if header.source else self._peer
            self._hand_over(_seen_from(header, self._transport), client, self._received[header.length :])

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._arrivals.waiting:
            # Balancers look in all day long, and say nothing.
            reason = str(exc) if exc else "the peer closed"
            _log.debug("no PROXY header", peer=self._peer, reason=reason)
        self._settle()

    def end(self) -> None:
        """Close the connection, without a word."""
        self._settle()
        self._transport.abort()

    def _refuse(self, reason: str) -> None:
        _log.warning("connection refused", peer=self._peer, reason=reason)
        self.end()

    def _hand_over(self, seen: asyncio.BaseTransport, client: str, rest: bytes = b"") -> None:
        self._settle()
        if not self._arrivals.admits(client):
            self._transport.abort()
            return
        ssh = self._ssh()
        # Data and events go there directly from now on; the transport itself stays what it was.
        self._transport.set_protocol(cast(asyncio.BaseProtocol, ssh))
        ssh.connection_made(seen)
        if rest:
            ssh.data_received(rest)

    def _settle(self) -> None:
        self._arrivals.waiting.discard(self)
        if self._deadline:
            self._deadline.cancel()


class ProxiedTransport:
    """A transport whose `peername` is the client, and is `proxied`; else the one to the balancer."""

    def __init__(self, transport: asyncio.Transport, peername: tuple[str, int]) -> None:
        self._transport = transport
        self._peername = peername
        self.write = transport.write  # by far the most frequent

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "proxied":
            return True
        return self._peername if name == "peername" else self._transport.get_extra_info(name, default)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _seen_from(header: ProxyHeader, transport: asyncio.Transport) -> asyncio.BaseTransport:
    if header.source is None:
        return transport
    return cast(asyncio.BaseTransport, ProxiedTransport(transport, (str(header.source), header.source_port)))
