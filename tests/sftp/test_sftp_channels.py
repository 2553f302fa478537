"""What a connection may carry: the subsystem sftp, and nothing else that SSH can do."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh

pytestmark = pytest.mark.client("sftp")


@pytest.fixture
def inner_server() -> Iterator[int]:
    """The port of a server behind the gateway, which nobody must reach through it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server.getsockname()[1]
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("words", [("id",), (), ("scp", "-t", "/")], ids=["command", "shell", "scp -t"])
def test_no_command_runs(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh], words: tuple[str, ...]
) -> None:
    """Neither a command nor a shell: the request is refused, and nothing is printed."""
    done = openssh(tidegate).ssh(*words)
    assert done.returncode == 255
    assert "request failed on channel 0" in done.stderr
    assert done.stdout == ""


def test_no_other_subsystem_runs(tidegate: LocalGateway, openssh: Callable[..., OpenSsh]) -> None:
    """`sftp` is the only one."""
    done = openssh(tidegate).ssh("-s", "netconf")
    assert done.returncode == 255
    assert "subsystem request failed on channel 0" in done.stderr


def test_nothing_is_forwarded_to_other_hosts(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh], inner_server: int
) -> None:
    """The gateway is no door into the network it stands in."""
    done = openssh(tidegate).ssh(options=("-W", f"127.0.0.1:{inner_server}"))
    assert done.returncode == 255
    assert "open failed" in done.stderr


def test_nothing_is_forwarded_from_here(tidegate: LocalGateway, openssh: Callable[..., OpenSsh]) -> None:
    """No client may listen on the gateway's host."""
    options = ("-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:9")
    done = openssh(tidegate).ssh(options=options)
    assert done.returncode == 255
    assert "remote port forwarding failed" in done.stderr


async def test_no_local_forward_reaches_anything(
    tidegate: LocalGateway, connection: Callable[..., Any], inner_server: int
) -> None:
    """A client's `-L` listens at the client, and gets nothing through: neither ports nor Unix sockets."""
    async with connection(tidegate) as client:
        with pytest.raises(asyncssh.ChannelOpenError):
            await client.open_connection("127.0.0.1", inner_server)
        with pytest.raises(asyncssh.ChannelOpenError):
            await client.open_unix_connection(str(tidegate.state_dir))
        with pytest.raises(asyncssh.ChannelListenError):
            await client.start_unix_server(lambda *_: None, str(tidegate.state_dir / "socket"))
        with pytest.raises(asyncssh.ChannelListenError):
            await client.start_server(lambda *_: None, "", 0)


async def test_no_tunnel_is_opened(tidegate: LocalGateway, connection: Callable[..., Any]) -> None:
    """Network devices of the host are out of reach."""
    async with connection(tidegate) as client:
        with pytest.raises(asyncssh.ChannelOpenError):
            await client.create_tun(asyncssh.SSHTunTapSession, 0)


async def test_agent_terminal_and_x11_are_refused(
    tidegate: LocalGateway, connection: Callable[..., Any]
) -> None:
    """A session carries no agent, terminal, display or environment of the client's."""
    async with connection(tidegate) as client:
        writer, _, _ = await client.open_session(subsystem="sftp", encoding=None)
        ask = writer.channel._make_request
        assert not await ask(b"auth-agent-req@openssh.com")
        assert not await ask(b"pty-req", _string(b"xterm"), bytes(16), _string(b""))
        assert not await ask(b"x11-req", b"\0", _string(b"MIT-MAGIC-COOKIE-1"), _string(b"00"), bytes(4))
        assert not await ask(b"exec", _string(b"id"))


def _string(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text
