"""A gateway that starts, and one that cannot: what is left of either where others look."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from tidegate.adapters.memory.leases import MemoryGatewayLeases
from tidegate.assembly import Gateway
from tidegate.backend import Backend, Keys
from tidegate.core.behaviour import PRESETS
from tidegate.core.errors import InvalidSettings
from tidegate.core.servers import Server
from tidegate.settings.model import Settings
from tidegate.shared import HostKeySources

SERVER = "s-0123456789abcdef0"


@pytest.fixture
def backend() -> Iterator[Backend]:
    """Adapters that are never asked, but for leases in memory."""
    aws = {"endpoint_url": "http://127.0.0.1:9", "access_key_id": "test", "secret_access_key": "test"}
    backend = Backend(Settings.model_validate({"aws": aws}))
    backend.leases = MemoryGatewayLeases()  # type: ignore[assignment]
    yield backend
    backend.close()


def gateway(backend: Backend, server: Server, folder: Path, port: int) -> Gateway:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(folder / "host")
    sources = HostKeySources([folder / "host"])
    resolved = Keys(None, {"private": None}, {})
    made = Gateway(backend, server, PRESETS["partner-safe"], resolved, sources, port=port)
    made.resume_background = lambda: None  # type: ignore[method-assign]
    return made


async def test_a_stopped_server_is_known_by_its_host_keys(backend: Backend, tmp_path: Path) -> None:
    """Whoever starts a gateway is told of them, also where it has yet to listen."""
    made = gateway(backend, Server(SERVER, wanted="OFFLINE"), tmp_path, 0)
    await made.start()
    assert not made.listener.has_started
    assert [key.line.split()[0] for key in made.listener.host_keys] == ["ssh-ed25519"]
    await made.stop(asyncio.Event())


async def test_what_never_listened_leaves_no_lease(backend: Backend, tmp_path: Path) -> None:
    """It would be one dead gateway more at every try."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        made = gateway(backend, Server(SERVER), tmp_path, taken.getsockname()[1])
        with pytest.raises(InvalidSettings):
            await made.start()
    assert await backend.leases.counters(SERVER) == {}
