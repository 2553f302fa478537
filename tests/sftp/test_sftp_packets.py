"""
Every packet type, whole and broken, as a client sends it: handled, refused in words, or the session ends.

A session that ends takes no other with it, publishes nothing half-sent, and leaves no record open.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.core.extensions import EXTENSIONS
from tidegate.core.sftp_requests import PACKETS, packet_of
from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh, Stored

VERSION_3 = bytes.fromhex("02 00000003")
UNSUPPORTED, BAD_MESSAGE, FAILURE, OK = 8, 5, 4, 0
PATIENCE_SECONDS = 20


class Raw:
    """A session that says any bytes."""

    def __init__(self, writer: Any, reader: Any) -> None:
        self._writer = writer
        self._reader = reader

    def say(self, packet: bytes, length: int | None = None) -> None:
        """Send a packet under its length, or under a wrong one."""
        told = len(packet) if length is None else length
        self._writer.write(struct.pack(">I", told) + packet)

    async def hear(self) -> bytes:
        """Return the next packet; nothing if the session has ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                length = int.from_bytes(await self._reader.readexactly(4), "big")
                packet: bytes = await self._reader.readexactly(length)
            except (asyncio.IncompleteReadError, asyncssh.Error, OSError):
                return b""
        return packet

    async def ask(self, packet: bytes) -> bytes:
        self.say(packet)
        return await self.hear()

    async def is_alive(self) -> bool:
        return (await self.ask(b"\x10\x00\x00\x00\x63" + _string(b".")))[:5] == b"\x68\x00\x00\x00\x63"

    async def end(self) -> None:
        """Say that nothing more comes, and return when the gateway has ended the session."""
        self._writer.write_eof()
        while await self.hear():
            pass


@asynccontextmanager
async def raw_over(connection: Any, *, begin: bool = True) -> AsyncIterator[Raw]:
    writer, reader, _ = await connection.open_session(subsystem="sftp", encoding=None)
    session = Raw(writer, reader)
    if begin:
        assert (await session.ask(b"\x01\x00\x00\x00\x03"))[:5] == VERSION_3
    yield session
    writer.close()


def _string(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _status(packet: bytes) -> tuple[int, int, str]:
    """Return the request id, the status and the text of a STATUS."""
    kind, number, status, length = struct.unpack_from(">BIII", packet)
    assert kind == 101, packet
    return number, status, packet[13 : 13 + length].decode()


# --- types ----------------------------------------------------------------------------------


async def test_every_type_has_its_answer(gateway: LocalGateway, connection: Callable[..., Any]) -> None:
    """Handled types answer, refused and unknown ones say status 8 in fixed words, and the session goes on."""
    kinds = [*range(3, 26), *range(101, 106), 199, 200, 201, 255]
    async with connection(gateway) as client, raw_over(client) as session:
        for kind in kinds:
            asked = {
                "h": _string(b"none"),
                "p": _string(b"/none"),
                "s": _string(b"none@example.com"),
                "u": bytes(4),
                "q": bytes(8),
                "a": bytes(4),
            }
            packet = packet_of(kind)
            fields = b"".join(asked[letter] for letter in packet.shape.fields)
            answer = await session.ask(struct.pack(">BI", kind, kind + 1000) + fields)
            assert answer[1:5] == struct.pack(">I", kind + 1000), packet.name
            if packet.answer == "refused" or kind == 200:
                assert _status(answer)[1:] == (UNSUPPORTED, "Operation unsupported"), packet.name
            else:
                assert answer[0] != 101 or _status(answer)[1] in {0, 2, 4, 8}, packet.name
                assert "unsupported" not in answer.decode("latin-1") or kind in {3, 9}, packet.name
        assert await session.is_alive()


async def test_every_known_extension_has_its_answer(
    gateway: LocalGateway, preset: str, connection: Callable[..., Any]
) -> None:
    """What is not offered is status 8, whatever follows its name, and the session goes on."""
    async with connection(gateway) as client, raw_over(client) as session:
        for name, extension in EXTENSIONS.items():
            if preset == "partner-safe" and extension.can_be_offered:
                continue
            for asked in {name, *extension.requests}:
                answer = await session.ask(b"\xc8\x00\x00\x00\x07" + _string(asked) + b"\xff\xff")
                assert _status(answer) == (7, UNSUPPORTED, "Operation unsupported"), asked
        unspeakable = await session.ask(b"\xc8\x00\x00\x00\x08" + _string(b"\xff\xfe" * 1000))
        assert _status(unspeakable)[:2] == (8, UNSUPPORTED)
        assert await session.is_alive()


# --- versions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "init",
    [
        *(struct.pack(">BI", 1, version) for version in (0, 2, 4, 5, 6, 2**32 - 1)),
        b"\x01\x00\x00\x00\x06" + _string(b"vendor-id") + _string(b"x"),
        b"\x01\x00\x00\x00\x03" + _string(b"newline@vandyke.com") + _string(b"\r\n"),
        b"\x01\x00\x00\x00\x03" + b"what is no extension",
    ],
)
async def test_whatever_is_asked_for_is_version_3(
    tidegate: LocalGateway, connection: Callable[..., Any], init: bytes
) -> None:
    """Clients that could do more, or less, or say more with it, get version 3 and go on in it."""
    async with connection(tidegate) as client, raw_over(client, begin=False) as session:
        assert await session.ask(init) == VERSION_3
        assert await session.is_alive()


# --- malformed ------------------------------------------------------------------------------

# Each ends its session. The first byte of an answer, if there is one, says STATUS.
MALFORMED = {
    "nothing in it": (b"", None),
    "no id": (b"\x11\x00\x00", None),
    "no field": (b"\x11\x00\x00\x00\x05", None),
    "a string beyond the packet": (b"\x11\x00\x00\x00\x05\x00\x00\x00\x09/short", None),
    "a string of 4 GiB": (b"\x11\x00\x00\x00\x05\xff\xff\xff\xff/", None),
    "half an offset": (b"\x05\x00\x00\x00\x05" + _string(b"none") + bytes(6), None),
    "data beyond the packet": (b"\x06\x00\x00\x00\x05" + _string(b"none") + bytes(8) + b"\0\0\1\0x", None),
    "attributes without values": (b"\x0e\x00\x00\x00\x05" + _string(b"/d") + b"\x00\x00\x00\x0f", None),
    "attributes without end": (
        b"\x0e\x00\x00\x00\x05" + _string(b"/d") + b"\x80\x00\x00\x00\xff\xff\xff\xff",
        None,
    ),
    "an extension without a name": (b"\xc8\x00\x00\x00\x05", None),
    "a packet of 4 GiB": (b"\x06\x00\x00\x00\x05", 2**32 - 1),
    "one byte more than may be": (b"\x06\x00\x00\x00\x05", 4 * 1024 * 1024 + 1025),
    "INIT again": (b"\x01\x00\x00\x00\x03", None),
    "VERSION": (b"\x02\x00\x00\x00\x03", None),
}


@pytest.mark.parametrize(("packet", "length"), MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_packet_ends_its_session_alone(
    tidegate: LocalGateway, connection: Callable[..., Any], packet: bytes, length: int | None
) -> None:
    """The other session of the same connection goes on, and so does the process."""
    async with connection(tidegate) as client, raw_over(client) as other, raw_over(client) as session:
        session.say(packet, length)
        answer = await session.hear()
        if answer:
            assert _status(answer)[:2] == (5, BAD_MESSAGE)
            assert "Malformed packet" in _status(answer)[2]
            assert await session.hear() == b""
        assert await other.is_alive()


@pytest.mark.parametrize("first", [b"\x11\x00\x00\x00\x05" + _string(b"."), b"\x01\x00", b"", b"\xff" * 9])
async def test_what_comes_before_init_ends_its_session(
    tidegate: LocalGateway, connection: Callable[..., Any], first: bytes
) -> None:
    """A request too early is no request."""
    async with (
        connection(tidegate) as client,
        raw_over(client) as other,
        raw_over(client, begin=False) as session,
    ):
        session.say(first)
        assert await session.hear() == b""
        assert await other.is_alive()


async def test_a_malformed_packet_publishes_nothing(
    partner_safe: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """Nobody can tell which file the broken bytes were for: the upload is given up, though CLOSE follows."""
    async with packets(partner_safe) as session:
        handle = await session.open("report.bin")
        assert [answer.status for answer in await session.write(handle, 0, b"whole until here")] == [OK]
        session.writer.write(b"\x00\x00\x00\x0a\x06\x00\x00\x00\x63" + b"\x00\x00\x00\x04\x00")
        session.ask(4, handle)
        await asyncio.to_thread(partner_safe.wait_for_transfer, "report.bin", status="ABANDONED")
    assert stored(partner_safe).keys() == []


# --- odd, and answered --------------------------------------------------------------------------


async def test_odd_requests_are_refused_and_the_session_goes_on(
    gateway: LocalGateway, packets: Callable[..., Any]
) -> None:
    """Names that are no UTF-8, handles nobody gave, offsets beyond all files: each an answer of its own."""
    async with packets(gateway) as session:
        for kind in (7, 11, 13, 15, 16, 17):
            for name in (b"\xff\xfe", b"nul\0byte", b"x" * 5000):
                answer = await session.answer(session.ask(kind, name))
                if kind == 11 and answer.kind == 102:
                    answer = await session.answer(session.ask(12, answer.string))
                assert kind == 16 or answer.status in {2, 3, FAILURE}, (kind, name)
        for kind, *rest in ((4,), (5, 0, 0, 1), (6, 0, 0, b"x"), (8,), (10, 0), (12,)):
            for handle in (b"", b"none", bytes(300)):
                assert (await session.answer(session.ask(kind, handle, *rest))).status == FAILURE
        handle = await session.open("far.bin")
        far = await session.answer(session.ask_write(handle, 2**63, b"x"))
        assert far.status == FAILURE
        assert (await session.close(handle)).status == FAILURE
    assert "COMPLETED" not in {each["Status"] for each in await asyncio.to_thread(gateway.transfers)}


async def test_reading_beyond_all_files_is_the_end(
    tidegate: LocalGateway, packets: Callable[..., Any]
) -> None:
    """An offset of 2**63, and of 2**64 - 1: end of file."""
    tidegate.client("s3").put_object(Bucket=tidegate.landing_bucket, Key="acme/x", Body=b"x")
    async with packets(tidegate) as session:
        handle = await session.open("x", 0x01)
        for offset in (1, 2**63, 2**64 - 1):
            assert (await session.answer(session.ask_read(handle, offset, 100))).status == 1


async def test_what_follows_the_last_field_is_ignored(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """Flags after RENAME, as some clients send them, and bytes after any other request."""
    async with packets(gateway) as session:
        handle = await session.open("a")
        assert (await session.answer(session.ask(6, handle, 0, 0, b"body", 7, 7))).status == OK
        assert (await session.answer(session.ask(4, handle, 7))).status == OK
        assert (await session.answer(session.ask(18, b"a", b"b", 3))).status == OK
        assert (await session.answer(session.ask(17, b"b", 0x8000000F))).kind == 105
    assert stored(gateway).content("acme/b") == b"body"


async def test_a_packet_of_the_largest_size_is_taken(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """A WRITE of 4 MiB in one packet: the most there may be, under either preset."""
    body = bytes(range(256)) * 16384
    async with packets(gateway) as session:
        handle = await session.open("large")
        assert (await session.answer(session.ask_write(handle, 0, body))).status == OK
        assert (await session.close(handle)).status == OK
    assert stored(gateway).content("acme/large") == body


# --- any bytes ------------------------------------------------------------------------------

_NAMES = [b"/", b"/a", b"/a/b", b"\xff", b"x" * 2000]
_FOUND = {
    "h": st.sampled_from([bytes(4), b"\0\0\0\1", b"none"]).map(_string),
    "p": st.sampled_from(_NAMES).map(_string),
    "s": st.sampled_from([*EXTENSIONS, b"check-file-name", b"bytes", b""]).map(_string),
    "u": st.sampled_from([0, 1, 0x1A, 2**32 - 1]).map(lambda number: struct.pack(">I", number)),
    "q": st.sampled_from([0, 1, 2**63, 2**64 - 1]).map(lambda number: struct.pack(">Q", number)),
    "a": st.sampled_from([bytes(4), struct.pack(">IQ", 1, 2**63), b"\x80\0\0\0\xff\xff\xff\xff"]),
}


@st.composite
def _packets(draw: st.DrawFn) -> bytes:
    """Whole requests mostly; some followed by more, some cut short, some no requests at all."""
    kind = draw(st.sampled_from([3, 3, 4, 6, *PACKETS, 0, 21, 255]))
    packet = struct.pack(">BI", kind, 9)
    packet += b"".join(draw(_FOUND[letter]) for letter in packet_of(kind).shape.fields)
    rest = draw(st.one_of(st.just(b""), st.just(b""), st.binary(max_size=30)))
    return packet[: draw(st.sampled_from([None, None, None, None, -1, 4]))] + rest


async def test_no_bytes_harm_anybody_else(partner_safe: LocalGateway, connection: Callable[..., Any]) -> None:
    """Whatever a session is sent, it ends when its client does; others go on, and no record stays open."""
    tried: list[list[bytes]] = []

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(_packets(), max_size=10), st.binary(max_size=12))
    def collect(sent: list[bytes], rest: bytes) -> None:
        tried.append([*(struct.pack(">I", len(each)) + each for each in sent), rest])

    collect()
    async with connection(partner_safe) as client, raw_over(client) as other:
        for sent in tried:
            async with raw_over(client) as session:
                session._writer.write(b"".join(sent))
                await session.end()
        assert await other.is_alive()
    await asyncio.to_thread(_nothing_stays_open, partner_safe)


def _nothing_stays_open(gateway: LocalGateway) -> None:
    # Endings go on behind a session that has ended: each look asks the gateway anew.
    deadline = time.monotonic() + PATIENCE_SECONDS
    while {each["Status"] for each in gateway.transfers()} & {"STARTED", "FINISHING"}:
        assert time.monotonic() < deadline, gateway.transfers()


# --- a real program ---------------------------------------------------------------------------


@pytest.mark.client("psftp")
@pytest.mark.client("puttygen")
def test_psftp_works(gateway: LocalGateway, openssh: Callable[..., OpenSsh], stored: type[Stored]) -> None:
    """PuTTY's own client, which is FileZilla's inside: up, away, down."""
    client = openssh(gateway)
    (client.folder / "a").write_bytes(b"body")
    assert client.run("puttygen", str(client.key), "-o", "key.ppk").returncode == 0
    known = client.run("ssh-keygen", "-lf", str(gateway.known_hosts_path)).stdout.split()[1]
    (client.folder / "batch").write_text("put a\nmv a b\nls\nget b back\n")
    where = ("-P", str(client.port), "-i", "key.ppk", "-hostkey", known)
    done = client.run("psftp", "-batch", "-b", "batch", *where, client.destination)
    assert done.returncode == 0, done.stderr + done.stdout
    assert (client.folder / "back").read_bytes() == b"body"
    assert stored(gateway).content("acme/b") == b"body"
