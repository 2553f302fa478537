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


class Cut:
    """A wire to the gateway that breaks once so many bytes went to it."""

    def __init__(self, target: int, after_bytes: int) -> None:
        self._target = target
        self._left = self._most = after_bytes
        self._ends: list[asyncio.StreamWriter] = []
        self._pumps: set[asyncio.Task[None]] = set()

    @property
    def sent_bytes(self) -> int:
        """How many bytes have gone to the gateway."""
        return self._most - self._left

    async def __aenter__(self) -> Cut:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._break()
        await asyncio.gather(*self._pumps)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection("127.0.0.1", self._target)
        self._ends += [writer, to_there]
        back = asyncio.create_task(self._pump(there, writer))
        self._pumps.add(back)
        await self._pump(reader, to_there, counted=True)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = False
    ) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data[: self._left] if counted else data)
                self._left -= len(data) if counted else 0
                if self._left <= 0:
                    break
                await writer.drain()
        except OSError:
            pass  # the other end broke first
        if counted:
            self._break()

    def _break(self) -> None:
        for end in self._ends:
            end.transport.abort()
