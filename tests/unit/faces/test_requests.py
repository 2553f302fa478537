"""One session's request loop without a network: who is answered when, and what any bytes come to."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest
from asyncssh import SFTPAttrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.core.behaviour import PRESETS
from tidegate.core.sessions import Session
from tidegate.core.sftp_requests import PACKETS, packet_of
from tidegate.faces.sftp.requests import Requests
from tidegate.services.uploads import Upload

INIT = b"\x01\x00\x00\x00\x03"
STATUS, HANDLE, DATA, ATTRS = 101, 102, 103, 105


def string(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


class FakeFiles(asyncssh.SFTPServer):
    """Files whose steps take as long as a test wants: `hold` a name, then `release` it."""

    max_handles = 128

    def __init__(self) -> None:
        self.session = Session("0123456789abcdef", "s-0", "acme", "192.0.2.7", "SSH-2.0-x", "SHA256:k")
        self.events: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    def hold(self, name: str) -> None:
        self.gates[name] = asyncio.Event()

    def release(self, name: str) -> None:
        self.gates.pop(name).set()

    def named(self, paths: list[bytes]) -> list[str]:
        return [path.decode("latin-1") for path in paths]

    async def step(self, name: str) -> None:
        if gate := self.gates.get(name):
            await gate.wait()
        self.events.append(name)

    async def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:
        if pflags == 1:
            return SimpleNamespace(path=path.decode("latin-1"))
        upload: Any = Upload.__new__(Upload)
        upload.record = SimpleNamespace(path=path.decode("latin-1"), log_id="x")
        return upload

    async def close(self, file_obj: Any) -> None:
        is_upload = isinstance(file_obj, Upload)
        await self.step(f"close {file_obj.record.path if is_upload else file_obj.path}")

    async def read(self, file_obj: Any, offset: int, size: int) -> bytes:
        await self.step(f"read {file_obj.path}" if not isinstance(file_obj, Upload) else "read")
        return b"bytes"

    async def stat(self, path: bytes) -> SFTPAttrs:
        await self.step(f"stat {path.decode('latin-1')}")
        return SFTPAttrs(size=1)

    def exit(self) -> None:
        self.events.append("exit")

    def __getattribute__(self, name: str) -> Any:
        # Whatever else the library would ask of local files, a test must not reach.
        if name in _ELSE:
            return _refuse
        return super().__getattribute__(name)


async def _refuse(*_: object) -> None:
    raise asyncssh.SFTPFailure("not in this test")


_ELSE = frozenset(
    {
        *("write", "fstat", "lstat", "setstat", "fsetstat", "lsetstat", "mkdir", "rmdir", "remove"),
        *("rename", "posix_rename", "realpath", "readlink", "symlink", "link"),
        *("statvfs", "fstatvfs", "fsync", "check_file"),
    }
)


class Silent:
    """A logger of the library's kind."""

    def get_child(self, _name: str) -> Silent:
        return self

    def __getattr__(self, _level: str) -> Any:
        return lambda *_, **__: None


class Wire:
    """Both ends of a session's bytes."""

    def __init__(self) -> None:
        self.reader: Any = asyncio.StreamReader()
        self.reader.logger = Silent()
        self.reader.get_extra_info = lambda _name, default=None: default
        self.channel = SimpleNamespace(is_closing=lambda: False)
        self.sent = b""
        self.is_read = asyncio.Event()
        self.is_read.set()

    def write(self, data: bytes) -> None:
        self.sent += data

    async def drain(self) -> None:
        await self.is_read.wait()

    def close(self) -> None: ...

    def answers(self) -> list[tuple[int, int]]:
        """Return type and id of each answer after VERSION."""
        found, left = [], self.sent
        while left:
            length = int.from_bytes(left[:4], "big")
            found.append(struct.unpack_from(">BI", left, 4))
            left = left[4 + length :]
        return found[1:]


@dataclass
class Talk:
    """A session under way."""

    files: FakeFiles = field(default_factory=FakeFiles)
    wire: Wire = field(default_factory=Wire)

    def __post_init__(self) -> None:
        may_write = asyncio.Event()
        may_write.set()
        wire: Any = self.wire
        offered = PRESETS["partner-safe"].extensions
        files: Any = self.files
        self.requests = Requests(files, wire.reader, wire, offered, may_write)
        self.running = asyncio.create_task(self.requests.run())
        self.say(INIT)

    def say(self, *packets: bytes) -> None:
        for packet in packets:
            self.wire.reader.feed_data(struct.pack(">I", len(packet)) + packet)

    def ask(self, kind: int, number: int, *fields: bytes) -> None:
        self.say(struct.pack(">BI", kind, number) + b"".join(fields))

    async def turns(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    async def end(self) -> None:
        self.wire.reader.feed_eof()
        await asyncio.wait_for(self.running, 10)


def opened(number: int) -> bytes:
    return string(struct.pack(">I", number))


async def test_a_held_read_holds_up_its_handle_alone() -> None:
    """STAT and another handle are answered before it, and its own next READ after it."""
    talk = Talk()
    talk.files.hold("read slow")
    talk.ask(3, 1, string(b"slow"), struct.pack(">II", 1, 0))
    talk.ask(3, 2, string(b"quick"), struct.pack(">II", 1, 0))
    read = struct.pack(">QI", 0, 9)
    talk.ask(5, 3, opened(0), read)
    talk.ask(4, 4, opened(0))
    talk.ask(5, 5, opened(1), read)
    talk.ask(17, 6, string(b"other"))
    await talk.turns()
    assert sorted(talk.wire.answers()[2:]) == [(DATA, 5), (ATTRS, 6)]
    talk.files.release("read slow")
    await talk.turns()
    assert talk.wire.answers()[4:] == [(DATA, 3), (STATUS, 4)]
    await talk.end()


async def test_few_large_answers_are_made_for_a_client_that_does_not_read() -> None:
    """Of ten READs on ten handles four are answered; the others wait until the client reads."""
    talk = Talk()
    for number in range(10):
        talk.files.hold(f"read {number}")
        talk.ask(3, number, string(b"%d" % number), struct.pack(">II", 1, 0))
        talk.ask(5, 100 + number, opened(number), struct.pack(">QI", 0, 9))
    await talk.turns()
    talk.wire.is_read.clear()
    for number in range(10):
        talk.files.release(f"read {number}")
    await talk.turns()
    assert [kind for kind, _ in talk.wire.answers()].count(DATA) == 4
    talk.wire.is_read.set()
    await talk.turns()
    assert [kind for kind, _ in talk.wire.answers()].count(DATA) == 10
    await talk.end()


async def test_a_name_waits_for_its_close() -> None:
    """Neither STAT nor what follows it overtakes the CLOSE of that file; before, others go on."""
    talk = Talk()
    talk.files.hold("close /in/a")
    talk.ask(3, 1, string(b"/in/a"), struct.pack(">II", 0x1A, 0))
    talk.ask(4, 2, opened(0))
    talk.ask(17, 3, string(b"/out"))
    talk.ask(17, 4, string(b"/in/a"))
    await talk.turns()
    assert talk.files.events == ["stat /out"]
    talk.files.release("close /in/a")
    await talk.turns()
    assert talk.files.events == ["stat /out", "close /in/a", "stat /in/a"]
    assert talk.wire.answers() == [(HANDLE, 1), (ATTRS, 3), (STATUS, 2), (ATTRS, 4)]
    await talk.end()


@pytest.mark.parametrize("last", [b"", b"\x11\x00"], ids=["end of input", "malformed"])
async def test_a_session_ends_after_what_it_was_asked(last: bytes) -> None:
    """A CLOSE that was sent before the end, or before a malformed packet, is carried out and answered."""
    talk = Talk()
    talk.files.hold("close a")
    talk.ask(3, 1, string(b"a"), struct.pack(">II", 0x1A, 0))
    talk.ask(4, 2, opened(0))
    if last:
        talk.say(last)
    talk.wire.reader.feed_eof()
    await talk.turns()
    assert talk.files.events == []
    talk.files.release("close a")
    await asyncio.wait_for(talk.running, 10)
    assert talk.files.events == ["close a", "exit"]
    assert talk.wire.answers() == [(HANDLE, 1), (STATUS, 2)]


async def test_a_handle_left_open_is_never_closed_by_the_library() -> None:
    """The end of a session is no CLOSE: docs/decisions/0003-endings-of-uploads.md."""
    talk = Talk()
    talk.ask(3, 1, string(b"a"), struct.pack(">II", 0x1A, 0))
    await talk.turns()
    await talk.end()
    assert talk.files.events == ["exit"]


async def test_a_lost_connection_cancels_what_waits() -> None:
    """Whoever lost its client answers nothing more; a CLOSE whose turn had not come never begins."""
    talk = Talk()
    talk.files.hold("read a")
    talk.ask(3, 1, string(b"a"), struct.pack(">II", 1, 0))
    talk.ask(5, 2, opened(0), struct.pack(">QI", 0, 9))
    talk.ask(4, 3, opened(0))
    await talk.turns()
    talk.running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await talk.running
    await talk.turns()
    assert talk.files.events == []


_BYTES = st.one_of(st.binary(max_size=12), st.sampled_from([b"", b"/a", bytes(4), b"\0\0\0\1"]))
_FIELD = {
    **dict.fromkeys("hps", _BYTES.map(string)),
    "u": st.binary(min_size=4, max_size=4),
    "q": st.binary(min_size=8, max_size=8),
    "a": st.one_of(st.just(bytes(4)), st.binary(min_size=4, max_size=20)),
}


@st.composite
def _packets(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([3, 4, 5, 200, *PACKETS, 0, 21, 255]))
    fields = b"".join(draw(_FIELD[letter]) for letter in packet_of(kind).shape.fields)
    packet = struct.pack(">BI", kind, draw(st.integers(0, 2**32 - 1))) + fields + draw(_BYTES)
    return packet[: draw(st.sampled_from([None, None, None, -1, 4, 0]))]


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.booleans(), st.lists(_packets(), max_size=12), st.binary(max_size=9))
def test_any_bytes_end_in_an_ended_session(begins: bool, packets: list[bytes], rest: bytes) -> None:
    """Every request is answered at most once, and the loop returns when its input has ended."""

    async def talk_through() -> None:
        talk = Talk()
        if not begins:
            talk.wire.reader._buffer.clear()
        talk.say(*packets)
        talk.wire.reader.feed_data(rest)
        talk.wire.reader.feed_eof()
        try:
            await asyncio.wait_for(talk.running, 10)
        except EOFError:
            assert not begins
        assert len(talk.wire.answers()) <= len(packets)

    asyncio.run(talk_through())
