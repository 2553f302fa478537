"""
FileZilla's sequences, packet for packet: browsing, uploading, and what its menus do.

FileZilla is a window, so no test can drive it. What it sends comes from PuTTY's client inside it, in an order
of its own: a connection for browsing that stays, and others for transfers, several at once.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import Answer, Packets, Stored

OPEN, STAT, SETSTAT, OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, RENAME = (
    3,
    17,
    9,
    11,
    12,
    13,
    14,
    15,
    16,
    18,
)
OK, EOF, NO_SUCH_FILE, FAILURE, UNSUPPORTED = 0, 1, 2, 4, 8
NEW = 0x1A
# PuTTY's client sends 32 KiB at once and has up to a MiB of it unanswered.
PIECE, WINDOW = 32 * 1024, 1024 * 1024
PERMISSIONS, TIMES = 4, 8
THEN = 1_700_000_000


async def said(session: Packets, kind: int, *what: bytes | int) -> Answer:
    return await session.answer(session.ask(kind, *what))


async def listed(session: Packets, path: bytes) -> dict[bytes, tuple[int, int]]:
    """
    List as it does: REALPATH, OPENDIR, and two READDIRs in flight until EOF.

    Returns:
        Of each name its mode and time. A name that comes twice fails the test.
    """
    assert (await said(session, REALPATH, path)).kind == 104
    opened = await said(session, OPENDIR, path)
    handle, found = opened.string, dict[bytes, tuple[int, int]]()
    asked = [session.ask(READDIR, handle) for _ in range(2)]
    while asked:
        answer = await session.answer(asked.pop(0))
        if answer.kind != 104:
            assert answer.status == EOF
            continue
        asked.append(session.ask(READDIR, handle))
        at = 4
        for _ in range(int.from_bytes(answer.body[:4], "big")):
            size = int.from_bytes(answer.body[at : at + 4], "big")
            name = answer.body[at + 4 : at + 4 + size]
            at += 4 + size
            at += 4 + int.from_bytes(answer.body[at : at + 4], "big")  # the line, which it does not read
            _, _, mode, _, mtime = struct.unpack_from(">IQIII", answer.body, at)
            at += 24
            assert name not in found
            found[name] = (mode, mtime)
    assert (await session.close(handle)).status == OK
    return found


async def upload(session: Packets, path: bytes, content: bytes) -> None:
    """Send a file as its transfer connections do: a look, OPEN, up to a MiB unanswered, CLOSE."""
    await said(session, STAT, path)
    handle = (await said(session, OPEN, path, NEW, 0)).string
    asked: list[int] = []
    for at in range(0, len(content), PIECE):
        if len(asked) * PIECE >= WINDOW:
            assert (await session.answer(asked.pop(0))).status == OK
        asked.append(session.ask_write(handle, at, content[at : at + PIECE]))
    for number in asked:
        assert (await session.answer(number)).status == OK
    assert (await session.close(handle)).status == OK


async def download(session: Packets, path: bytes, size: int) -> bytes:
    """Read a file as it does: STAT, OPEN, READs in flight, CLOSE."""
    assert (await said(session, STAT, path)).body[4:12] == struct.pack(">Q", size)
    handle = (await said(session, OPEN, path, 1, 0)).string
    asked = [session.ask_read(handle, at, PIECE) for at in range(0, size, PIECE)]
    content = b"".join([(await session.answer(number)).string for number in asked])
    assert (await session.close(handle)).status == OK
    return content


@pytest.fixture
def is_safe(preset: str) -> bool:
    return preset == "partner-safe"


async def test_a_folder_dropped_into_the_window(
    gateway: LocalGateway, is_safe: bool, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """One connection looks, two others send: directories, files and their times; then it looks again."""
    content = bytes(range(256)) * 8000  # 2 MiB
    async with packets(gateway) as window, packets(gateway) as first, packets(gateway) as second:
        assert await listed(window, b".") == {}
        # Of each part of the path: a directory that is there already answers FAILURE, and it goes on.
        for path in (b"/drop", b"/drop", b"/drop/deep"):
            assert (await said(first, MKDIR, path, 0)).status in {OK, FAILURE}
        await asyncio.gather(
            upload(first, b"/drop/large.bin", content), upload(second, b"/drop/deep/small.csv", b"a,b\n")
        )
        for session, path in ((first, b"/drop/large.bin"), (second, b"/drop/deep/small.csv")):
            kept = await said(session, SETSTAT, path, TIMES, THEN, THEN)
            assert kept.status == (OK if is_safe else UNSUPPORTED)
        found = await listed(window, b"/drop")
        assert found[b"deep"] == (0o040744, 0)
        mode, listed_at = found[b"large.bin"]
        assert mode == 0o100744
        assert 0 < listed_at < 2**31, "it leaves out entries with times that Unix does not know"
        told = struct.unpack(">IQIII", (await said(window, STAT, b"/drop/large.bin")).body)[4]
        assert (told == THEN) is is_safe
        assert await download(second, b"/drop/large.bin", len(content)) == content
    for path in ("drop/large.bin", "drop/deep/small.csv"):
        assert (await asyncio.to_thread(gateway.wait_for_transfer, path))["Status"] == "COMPLETED"
    assert await asyncio.to_thread(stored(gateway).content, "acme/drop/large.bin") == content


async def test_what_its_menus_do(gateway: LocalGateway, is_safe: bool, packets: Callable[..., Any]) -> None:
    """Permissions, rename, a name that is taken, delete, and deleting a directory with what is in it."""
    async with packets(gateway) as session:
        assert (await said(session, MKDIR, b"/d", 0)).status == OK
        for name in (b"/d/a", b"/d/b"):
            await upload(session, name, b"12345")
        chmod = await said(session, SETSTAT, b"/d/a", PERMISSIONS, 0o600)
        assert chmod.status == (OK if is_safe else UNSUPPORTED)
        assert (await said(session, RENAME, b"/d/a", b"/d/c")).status == OK
        assert (await said(session, RENAME, b"/d/c", b"/d/b")).status == FAILURE
        assert sorted(await listed(session, b"/d")) == [b"b", b"c"]
        assert (await said(session, RMDIR, b"/d")).status == FAILURE
        for name in sorted(await listed(session, b"/d")):
            assert (await said(session, REMOVE, b"/d/" + name)).status == OK
        # Without its marker a directory is gone with its last file: its own, made by MKDIR, keeps it.
        assert (await said(session, RMDIR, b"/d")).status == OK
        assert (await said(session, STAT, b"/d")).status == NO_SUCH_FILE


async def test_a_file_that_is_sent_again(gateway: LocalGateway, packets: Callable[..., Any]) -> None:
    """It asks what to do with STAT's size and time, and sends the whole file anew: the new one counts."""
    async with packets(gateway) as session:
        await upload(session, b"/again.csv", b"old and longer")
        before = time.time()
        await upload(session, b"/again.csv", b"new")
        _, size, _, _, mtime = struct.unpack(">IQIII", (await said(session, STAT, b"/again.csv")).body)
        assert size == 3
        assert abs(mtime - before) < 60
        assert await download(session, b"/again.csv", 3) == b"new"


async def test_the_window_stays_open_while_others_send(
    gateway: LocalGateway, packets: Callable[..., Any]
) -> None:
    """Ten connections, its most: each transfer is whole, and the one that browses sees each name once."""
    async with AsyncExitStack() as open_ones:
        window, *others = [await open_ones.enter_async_context(packets(gateway)) for _ in range(10)]
        sent = (upload(each, b"/%d.csv" % number, bytes(100_000)) for number, each in enumerate(others))
        await asyncio.gather(listed(window, b"/"), *sent)
        assert len(await listed(window, b"/")) == 9
