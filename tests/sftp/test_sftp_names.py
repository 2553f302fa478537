"""Names of every kind on their way from a packet to a key, and homes of several entries."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import Packets, Stored

OK, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE = 0, 2, 3, 4
OPEN, OPENDIR, READDIR, REMOVE, MKDIR, REALPATH, STAT, RENAME = 3, 11, 12, 13, 14, 16, 17, 18
NEW = 0x1A

# What a client says, and the key below the partner's home. The emulator does not answer for control
# characters; with those, names go as far as the wire in tests/contract/test_keys_on_the_wire.py.
NAMES = {
    b"a/../b": "b",
    b"/./x//y/": "x/y",
    b"../../up": "up",
    b"...": "...",
    b"%2e%2e/z": "%2e%2e/z",
    b"%2E%2E%2Fz": "%2E%2E%2Fz",
    b"%00": "%00",
    b"100%": "100%",
    b"plus+plus": "plus+plus",
    b"plus plus": "plus plus",
    b"what?versionId=null": "what?versionId=null",
    b"hash#tag": "hash#tag",
    b"back\\slash": "back\\slash",
    b"..\\..\\up": "..\\..\\up",
    b"dot.": "dot.",
    b"blank ": "blank ",
    b" blank": " blank",
    b"~/home": "~/home",
    b"<a>&amp;'\"": "<a>&amp;'\"",
    b"[a]{b}|^`;:@=,$!*()": "[a]{b}|^`;:@=,$!*()",
    "caf\u00e9".encode(): "caf\u00e9",
    "cafe\u0301".encode(): "cafe\u0301",
    "日本/😀".encode(): "日本/😀",
    b"${transfer:UserName}": "${transfer:UserName}",
    b"x" * 1019: "x" * 1019,  # with "acme/" as long as a key can be
}
REFUSED = [
    b"nul\0",
    b"\xff",
    b"latin-\xe9",
    b"\xc0\xae\xc0\xae/up",
    b"\xed\xa0\x80",
    b"x" * 1020,
    b"y/" + b"x" * 1018,
]


async def _sent(session: Packets, path: bytes, content: bytes) -> None:
    opened = await session.answer(session.ask(OPEN, path, NEW, 0))
    assert {each.status for each in await session.write(opened.string, 0, content)} == {OK}, path
    assert (await session.close(opened.string)).status == OK, path


async def _read(session: Packets, path: bytes) -> bytes:
    handle = (await session.answer(session.ask(OPEN, path, 1, 0))).string
    content = (await session.answer(session.ask_read(handle, 0, 2000))).string
    assert (await session.close(handle)).status == OK
    return content


async def _listed(session: Packets, path: bytes) -> dict[bytes, int]:
    """Return the names in a directory that has few, each with its mode."""
    handle = (await session.answer(session.ask(OPENDIR, path))).string
    found = {}
    while (answer := await session.answer(session.ask(READDIR, handle))).kind == 104:
        at = 4
        for _ in range(int.from_bytes(answer.body[:4], "big")):
            names = []
            for _ in range(2):
                size = int.from_bytes(answer.body[at : at + 4], "big")
                names.append(answer.body[at + 4 : at + 4 + size])
                at += 4 + size
            found[names[0]] = struct.unpack_from(">I", answer.body, at + 12)[0]
            at += 24
    await session.close(handle)
    return found


@pytest.mark.lengthy
async def test_the_key_is_the_name_byte_for_byte(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """Dots and slashes are followed, within the home; nothing else of a name is ever another."""
    async with packets(gateway) as session:
        for path in NAMES:
            await _sent(session, path, path)
        for path in NAMES:
            assert await _read(session, path) == path
    keys = await asyncio.to_thread(stored(gateway).keys)
    assert sorted(keys) == sorted(f"acme/{key}" for key in NAMES.values())


async def test_what_can_be_no_name_is_refused(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """NUL, bytes that are not UTF-8 and keys longer than S3's are answered, and leave nothing."""
    async with packets(gateway) as session:
        for path in REFUSED:
            for number in (
                session.ask(OPEN, path, NEW, 0),
                session.ask(STAT, path),
                session.ask(MKDIR, path, 0),
            ):
                assert (await session.answer(number)).status in {FAILURE, NO_SUCH_FILE}, path
    assert await asyncio.to_thread(stored(gateway).keys) == []


async def test_a_name_is_one_thing(
    partner_safe: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """What would hide a file, or be hidden by a directory, is refused; the log says what is in the way."""
    async with packets(partner_safe) as session:
        await _sent(session, b"file", b"x")
        await _sent(session, b"other", b"x")
        await _sent(session, b"d/x", b"x")
        for number in (
            session.ask(OPEN, b"d", NEW, 0),
            session.ask(OPEN, b"file/x", NEW, 0),
            session.ask(OPEN, b"file/x/y", NEW, 0),
            session.ask(MKDIR, b"file/x", 0),
            session.ask(RENAME, b"other", b"file/x"),
            session.ask(RENAME, b"other", b"d"),
        ):
            assert (await session.answer(number)).status == FAILURE
        assert sorted(await _listed(session, b"/")) == [b"d", b"file", b"other"]
    log = await asyncio.to_thread(partner_safe.log_path.read_text)
    assert "/d is a directory: there are keys below acme/d/" in log
    assert "/file is a file, s3://tidegate-landing/acme/file: nothing can be made below it" in log
    assert sorted(await asyncio.to_thread(stored(partner_safe).keys)) == [
        "acme/d/x",
        "acme/file",
        "acme/other",
    ]
    assert len(await asyncio.to_thread(partner_safe.transfers)) == 3, "a refused OPEN leaves no record"


async def test_a_home_of_several_entries(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored], command: Callable[..., str]
) -> None:
    """Sessions start in its directory; a FILE is read and written under its key, and cannot be taken away."""
    bucket = gateway.landing_bucket
    said = await asyncio.to_thread(
        command,
        gateway,
        *("partners", "add", "mapped", "--directory", "/in"),
        *("--map", f"/in=/{bucket}/mapped/in", "--map-file", f"/docs/readme.txt=/{bucket}/shared/notes.txt"),
    )
    assert said.startswith(
        f"added mapped, home /in = /{bucket}/mapped/in, "
        f"/docs/readme.txt = /{bucket}/shared/notes.txt (FILE), starting in /in, 0 keys"
    )
    there = stored(gateway)
    async with packets(gateway, "mapped") as session:
        assert b"/in" in (await session.answer(session.ask(REALPATH, b"."))).body
        await _sent(session, b"x.csv", b"relative")
        assert await asyncio.to_thread(there.content, "mapped/in/x.csv") == b"relative"

        assert await _listed(session, b"/docs") == {}
        assert (await session.answer(session.ask(STAT, b"/docs/readme.txt"))).status == NO_SUCH_FILE
        await _sent(session, b"/docs/readme.txt", b"12345")
        assert await asyncio.to_thread(there.content, "shared/notes.txt") == b"12345"
        assert await _listed(session, b"/") == {b"in": 0o040744, b"docs": 0o040744}
        assert await _listed(session, b"/docs") == {b"readme.txt": 0o100744}
        assert (await session.answer(session.ask(STAT, b"/docs/readme.txt"))).body[4:12] == struct.pack(
            ">Q", 5
        )
        assert await _read(session, b"/docs/readme.txt") == b"12345"
        for number in (
            session.ask(REMOVE, b"/docs/readme.txt"),
            session.ask(RENAME, b"/docs/readme.txt", b"/in/y"),
            session.ask(RENAME, b"/in/x.csv", b"/docs/readme.txt"),
            session.ask(MKDIR, b"/docs/readme.txt", 0),
        ):
            assert (await session.answer(number)).status == PERMISSION_DENIED
        for path in (b"/docs/readme.txt/x", b"/docs/x", b"/x", b"/shared/notes.txt"):
            assert (await session.answer(session.ask(OPEN, path, NEW, 0))).status == NO_SUCH_FILE
    keys = await asyncio.to_thread(there.keys)
    assert sorted(keys) == ["mapped/in/x.csv", "shared/notes.txt"]
