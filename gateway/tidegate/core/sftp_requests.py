"""
Every packet type of SFTP version 3, what its fields are, and what becomes of it.

The shape of a packet is checked before anything is done with it. One that is cut short is malformed and
ends its session: nobody can tell which file its bytes were for, so no file of that session may be passed
off as whole. What follows the last field is ignored, as OpenSSH's server does: some clients append flags
of later versions.

Source: draft-ietf-secsh-filexfer-02.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from tidegate.core.errors import Malformed

Answer: TypeAlias = Literal["handled", "refused", "ends the session"]

EXTENDED: Final = 200


@dataclass(frozen=True, slots=True)
class Shape:
    """
    The fields of a request after its id.

    Args:
        fields: A letter each: `h` the string that is a handle, `p` a path, `s` any other string,
            `u` uint32, `q` uint64, `a` ATTRS.
    """

    fields: str


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet type: what is done when a client sends it."""

    kind: int
    name: str
    answer: Answer
    shape: Shape = Shape("")
    why: str = ""


def _handled(kind: int, name: str, fields: str) -> Packet:
    return Packet(kind, name, "handled", Shape(fields))


_NO_LINKS = "S3 has no links"
_NO_ID = "carries no request id, so no answer could be told from another request's"
_OURS = "a server's answer; no client sends it"

PACKETS: Final[dict[int, Packet]] = {
    each.kind: each
    for each in (
        # The first packet of a session is INIT, and is answered by VERSION 3. This is any later one.
        Packet(1, "INIT", "ends the session", why=f"after the first: {_NO_ID}"),
        Packet(2, "VERSION", "ends the session", why=_NO_ID),
        _handled(3, "OPEN", "pua"),
        _handled(4, "CLOSE", "h"),
        _handled(5, "READ", "hqu"),
        _handled(6, "WRITE", "hqs"),
        _handled(7, "LSTAT", "p"),
        _handled(8, "FSTAT", "h"),
        _handled(9, "SETSTAT", "pa"),
        _handled(10, "FSETSTAT", "ha"),
        _handled(11, "OPENDIR", "p"),
        _handled(12, "READDIR", "h"),
        _handled(13, "REMOVE", "p"),
        _handled(14, "MKDIR", "pa"),
        _handled(15, "RMDIR", "p"),
        _handled(16, "REALPATH", "p"),
        _handled(17, "STAT", "p"),
        _handled(18, "RENAME", "pp"),
        Packet(19, "READLINK", "refused", why=_NO_LINKS),
        Packet(20, "SYMLINK", "refused", why=_NO_LINKS),
        Packet(101, "STATUS", "refused", why=_OURS),
        Packet(102, "HANDLE", "refused", why=_OURS),
        Packet(103, "DATA", "refused", why=_OURS),
        Packet(104, "NAME", "refused", why=_OURS),
        Packet(105, "ATTRS", "refused", why=_OURS),
        Packet(EXTENDED, "EXTENDED", "handled", Shape("s"), why="as far as the extension is offered"),
        Packet(201, "EXTENDED_REPLY", "refused", why=_OURS),
    )
}


def packet_of(kind: int) -> Packet:
    """Return what is done with a packet type; those of later versions and unknown ones are refused."""
    return PACKETS.get(kind) or Packet(kind, f"type {kind}", "refused", why="not a request of version 3")


@dataclass(slots=True)
class Fields:
    """
    What was found in a request.

    Args:
        end: Where its last field ends; what follows is to be ignored.
    """

    end: int
    handle: bytes | None = None
    paths: list[bytes] = field(default_factory=list)


_SIZE, _OWNERS, _MODE, _TIMES, _EXTENDED = 1, 2, 4, 8, 0x80000000


def read_fields(shape: Shape, packet: bytes, start: int) -> Fields:
    """
    Find the fields of a request, beginning at `start` of its packet. Copies handle and paths, no data.

    Raises:
        Malformed: The packet ends before its last field does.
    """
    found = Fields(start)
    for letter in shape.fields:
        at = found.end
        found.end = _END_OF[letter](packet, at)
        if letter == "h":
            found.handle = packet[at + 4 : found.end]
        elif letter == "p":
            found.paths.append(packet[at + 4 : found.end])
    return found


def read_string(packet: bytes, start: int) -> tuple[bytes, int]:
    """Return the string at `start`, and where it ends. Raises `Malformed`."""
    end = _string(packet, start)
    return packet[start + 4 : end], end


def _within(packet: bytes, end: int) -> int:
    if end > len(packet):
        raise Malformed(f"a packet of {len(packet)} bytes lacks {end - len(packet)} of its fields")
    return end


def _uint32(packet: bytes, start: int) -> int:
    return _within(packet, start + 4)


def _uint64(packet: bytes, start: int) -> int:
    return _within(packet, start + 8)


def _string(packet: bytes, start: int) -> int:
    return _within(packet, _uint32(packet, start) + _number(packet, start))


def _attributes(packet: bytes, start: int) -> int:
    end = _uint32(packet, start)
    flags = _number(packet, start)
    for flag, size in ((_SIZE, 8), (_OWNERS, 8), (_MODE, 4), (_TIMES, 8)):
        end += size if flags & flag else 0
    if flags & _EXTENDED:
        pairs, end = end, _uint32(packet, end)
        # A count of four thousand million ends where the packet ends: each pair takes eight bytes of it.
        for _ in range(_number(packet, pairs)):
            end = _string(packet, _string(packet, end))
    return _within(packet, end)


def _number(packet: bytes, start: int) -> int:
    found: tuple[int] = struct.unpack_from(">I", packet, start)
    return found[0]


_END_OF = {"h": _string, "p": _string, "s": _string, "u": _uint32, "q": _uint64, "a": _attributes}
