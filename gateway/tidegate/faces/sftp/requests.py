"""
Packets in, in their order; answers out, each when it is known.

Every packet is looked at before the library is given it: what it is, whether it is whole, what it is about
(`core/sftp_requests.py` and `core/extensions.py` are the tables). Then a request on an open handle goes
into the lane of that handle, and any other is answered at once, before the next packet is looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncssh
import structlog
from asyncssh import constants as wire
from asyncssh.packet import Byte, SSHPacket, String, UInt32
from asyncssh.sftp import SFTPLimits, SFTPServerHandler
from asyncssh.stream import SSHReader, SSHWriter

from tidegate.core.errors import Malformed, Unsupported
from tidegate.core.extensions import (
    CHECK_FILE,
    CHECK_FILE_HANDLE,
    CHECK_FILE_NAME,
    EXTENSIONS,
    LIMITS,
    MAX_DATA_BYTES,
    MAX_PACKET_BYTES,
    requests_of,
)
from tidegate.core.sftp_requests import EXTENDED, PACKETS, Fields, packet_of, read_fields, read_string
from tidegate.faces.sftp.answers import as_sftp_error
from tidegate.faces.sftp.files import Files
from tidegate.faces.sftp.lanes import Lanes
from tidegate.faces.sftp.listings import Listing
from tidegate.services.uploads import Upload

_log = structlog.get_logger("tidegate.sftp")

SFTP_VERSION = 3
# The type of a packet and its id.
_HEAD_BYTES = 5
# A session's answers of a quarter of a megabyte that may be made at the same time.
_LARGE_ANSWERS = 4
_CHECKS = (CHECK_FILE, CHECK_FILE_HANDLE, CHECK_FILE_NAME)
_LARGE = frozenset({wire.FXP_READ, wire.FXP_READDIR})


@dataclass(frozen=True, slots=True)
class Reply:
    """The body of an EXTENDED_REPLY."""

    body: bytes

    def encode(self, sftp_version: int) -> bytes:  # noqa: ARG002 - as the library asks
        return self.body


class Requests(SFTPServerHandler):
    """asyncssh's request loop, with our tables, our lanes and our back-pressure."""

    def __init__(
        self,
        files: Files,
        reader: SSHReader[bytes],
        writer: SSHWriter[bytes],
        extensions: tuple[bytes, ...],
        may_write: asyncio.Event,
    ) -> None:
        super().__init__(files, reader, writer, SFTP_VERSION)
        self._files = files
        self._may_write = may_write
        self._extensions = [(name, EXTENSIONS[name].data) for name in extensions]
        self._extended = requests_of(extensions)
        handled = {each.kind for each in PACKETS.values() if each.answer == "handled"} | self._extended.keys()
        library = SFTPServerHandler._packet_handlers  # noqa: SLF001 - see the head of session.py
        self._packet_handlers = {kind: each for kind, each in (library | _OWN).items() if kind in handled}
        self._return_types = self._return_types | _RETURN_TYPES
        self._lanes = Lanes(self._lanes_idle)
        self._large = asyncio.Semaphore(_LARGE_ANSWERS)
        self._has_begun = False
        self._is_at_one = False  # whether a request is being answered outside the lanes

    def taken_up(self) -> None:
        """A request has been taken up. For those who build on this."""

    def all_answered(self) -> None:
        """Every request that was taken up has been answered. May come more than once."""

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            self._lanes.cancel()

    async def recv_packet(self) -> Any:
        self._is_at_one = False
        if self._lanes.is_idle:
            self.all_answered()
        await self._lanes.room()
        await self._can_send()
        packet = await super().recv_packet()
        self._is_at_one = True
        self.taken_up()
        if not self._has_begun:
            self._has_begun = True
            return _version_three(packet)
        return packet

    async def _can_send(self) -> None:
        if self._writer:
            await self._writer.drain()
        await self._may_write.wait()

    def _lanes_idle(self) -> None:
        if not self._is_at_one:
            self.all_answered()

    async def _cleanup(self, exc: Exception | None) -> None:
        # What the client asked before it left, it asked: a CLOSE among it is a CLOSE.
        await self._lanes.settle()
        # The library would call `close` for each, with nothing to tell that from a client's CLOSE.
        self._file_handles = {}
        if exc:
            who = self._files.session
            _log.warning("session ended", session=who.session_id, user=who.user_name, reason=str(exc))
        await super()._cleanup(exc)

    # --- one packet -----------------------------------------------------------------------

    async def _process_packet(self, pkttype: int, pktid: int, packet: SSHPacket) -> None:
        payload = packet.get_full_payload()
        try:
            found = self._understand(pkttype, payload)
        except Unsupported as error:
            self._send_status(pktid, as_sftp_error(error, packet_of(pkttype).name, self._files.session))
            return
        except Malformed as error:
            told = as_sftp_error(error, packet_of(pkttype).name, self._files.session)
            if packet_of(pkttype).answer != "ends the session":
                self._send_status(pktid, told)
            raise asyncssh.SFTPBadMessage(error.text) from None
        packet = _without_rest(packet, found.end)
        answer = partial(super()._process_packet, pkttype, pktid, packet)
        handle = found.handle
        if handle in self._file_handles or handle in self._dir_handles:
            ends = self._becomes_visible(pkttype, handle)
            self._lanes.put(handle, len(payload), partial(self._answer_in_lane, pkttype, answer), ends)
        else:
            await self._lanes.ended(self._files.named(found.paths))
            await answer()

    def _understand(self, kind: int, payload: bytes) -> Fields:
        """Return what a request is about. Raises `Unsupported`, `Malformed`."""
        packet, start = packet_of(kind), _HEAD_BYTES
        if packet.answer == "refused":
            raise Unsupported(f"{packet.name} is refused: {packet.why}")
        if packet.answer == "ends the session":
            raise Malformed(f"a client sent {packet.name}, which {packet.why}")
        shape = packet.shape
        if kind == EXTENDED:
            extended, start = read_string(payload, start)
            if extended not in self._extended:
                raise Unsupported(f"the extended request {extended[:100]!r} is not offered")
            shape = self._extended[extended]
        return read_fields(shape, payload, start)

    def _becomes_visible(self, kind: int, handle: bytes) -> str | None:
        opened = self._file_handles.get(handle)
        return opened.record.path if kind == wire.FXP_CLOSE and isinstance(opened, Upload) else None

    async def _answer_in_lane(self, kind: int, answer: Callable[[], Awaitable[None]]) -> None:
        async with self._large if kind in _LARGE else nullcontext():
            try:
                if kind in _LARGE:
                    await self._can_send()
                await answer()
            except (OSError, asyncssh.Error):
                # Nobody is there to read the answer; whoever takes up packets learns it from the next one.
                self.logger.debug1("an answer could not be sent")

    def _send_status(self, pktid: int, told: asyncssh.SFTPError) -> None:
        self.send_packet(wire.FXP_STATUS, pktid, UInt32(pktid), told.encode(SFTP_VERSION))

    # --- requests the library does not know, or answers otherwise -----------------------------

    async def _own_readdir(self, packet: SSHPacket) -> tuple[list[asyncssh.SFTPName], bool]:
        listing: object = self._dir_handles.get(packet.get_string())
        packet.check_end()
        if not isinstance(listing, Listing):
            raise asyncssh.SFTPInvalidHandle("Invalid file handle")
        names = await listing.next()
        if not names:
            raise asyncssh.SFTPEOFError
        return names, False  # whether these are the last is told by protocol version 6 alone

    async def _own_limits(self, packet: SSHPacket) -> SFTPLimits:
        packet.check_end()
        return SFTPLimits(MAX_PACKET_BYTES, MAX_DATA_BYTES, MAX_DATA_BYTES, self._files.max_handles)

    async def _own_check_file(self, packet: SSHPacket, name: bytes) -> Reply:
        subject: object = packet.get_string()
        if name != CHECK_FILE_NAME:
            subject = self._file_handles.get(subject)  # type: ignore[call-overload]
        if not subject:
            raise asyncssh.SFTPInvalidHandle("Invalid file handle")
        algorithms = packet.get_string().split(b",")
        asked = (packet.get_uint64(), packet.get_uint64(), packet.get_uint32())
        digest = await self._files.check_file(subject, algorithms, *asked)
        # The draft's answers begin with the algorithm; paramiko, which alone asks under this name, reads the
        # extension's name before it.
        echoed = String(CHECK_FILE) if name == CHECK_FILE else b""
        return Reply(echoed + String(b"sha256") + digest)


def _check_file(name: bytes) -> Any:
    async def handler(self: Requests, packet: SSHPacket) -> Reply:
        return await self._own_check_file(packet, name)

    return handler


_OWN: dict[int | bytes, Any] = {
    wire.FXP_READDIR: Requests._own_readdir,  # noqa: SLF001 - ours
    LIMITS: Requests._own_limits,  # noqa: SLF001 - ours
    **{name: _check_file(name) for name in _CHECKS},
}
# What they are answered with, for the library.
_RETURN_TYPES: dict[Any, int] = dict.fromkeys(_CHECKS, wire.FXP_EXTENDED_REPLY)


def _version_three(packet: SSHPacket) -> SSHPacket:
    """
    Return INIT as a client of version 3 sends it, whatever version and extensions this one names.

    asyncssh 2.24.1 ends the session if anything follows another version, and speaks versions below 3.
    """
    payload = packet.get_full_payload()
    is_init = len(payload) >= _HEAD_BYTES and payload[0] == wire.FXP_INIT
    return SSHPacket(Byte(wire.FXP_INIT) + UInt32(SFTP_VERSION)) if is_init else packet


def _without_rest(packet: SSHPacket, end: int) -> SSHPacket:
    """Return the packet without what follows its last field; type and id have been read from it."""
    payload = packet.get_full_payload()
    if end == len(payload):
        return packet
    cut = SSHPacket(payload[:end])
    cut.get_bytes(_HEAD_BYTES)
    return cut
