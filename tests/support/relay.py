"""A TCP relay between a client and a gateway that can reset the connection, or fall silent without a word."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Relay:
    """One port in front of another. Made by `relay_to`."""

    def __init__(self) -> None:
        self.port = 0
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._writers: list[asyncio.StreamWriter] = []

    def fall_silent(self) -> None:
        """Forward nothing more, in neither direction, and close nothing: a cable was pulled."""
        self._speaks.clear()

    def reset(self) -> None:
        """End all connections with an RST, as a firewall does that lost its table."""
        for writer in self._writers:
            found: socket.socket = writer.get_extra_info("socket")
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while data := await reader.read(65_536):
                await self._speaks.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # the other side is gone, which is what these stories are about
        finally:
            writer.close()


@asynccontextmanager
async def relay_to(port: int) -> AsyncIterator[Relay]:
    """Listen in front of `port` of this machine."""
    relay = Relay()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        tasks.add(asyncio.create_task(relay.pump(reader, there_writer)))
        tasks.add(asyncio.create_task(relay.pump(there_reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
