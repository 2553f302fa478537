"""What the server says of itself: version, banner, extensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.core.behaviour import PRESETS
from tidegate.core.extensions import EXTENSIONS
from tidegate.testing.gateway import LocalGateway


async def test_extensions_are_the_preset_s(
    gateway: LocalGateway, preset: str, connection: Callable[..., Any]
) -> None:
    """Transfer Family answers VERSION 3 and nothing more; partner-safe offers what it can keep."""
    async with connection(gateway) as client:
        writer, reader, _ = await client.open_session(subsystem="sftp", encoding=None)
        writer.write(bytes.fromhex("00000005 01 00000006"))  # the client could do version 6
        packet = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
    assert packet[:5] == bytes.fromhex("02 00000003")
    offered = PRESETS["partner-safe"].extensions if preset == "partner-safe" else ()
    assert packet[5:] == b"".join(_pair(name, EXTENSIONS[name].data) for name in offered)


async def test_what_is_not_offered_is_not_done(tidegate: LocalGateway, packets: Callable[..., Any]) -> None:
    """An extended request that was not offered is answered as unsupported, also if the library knows it."""
    async with packets(tidegate) as session:
        for name in (b"posix-rename@openssh.com", b"hardlink@openssh.com", b"statvfs@openssh.com"):
            answer = await session.answer(session.ask(200, name, b"a", b"b"))
            assert answer.status == 8, name


def _pair(name: bytes, data: bytes) -> bytes:
    return b"".join(len(each).to_bytes(4, "big") + each for each in (name, data))
