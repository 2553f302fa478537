"""Writes that do not simply follow each other: interleaved, out of order, and those that cannot be kept."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import Packets, Stored

MIB = 1024 * 1024
FAILURE = 4
UNSUPPORTED = 8
RANDOM_ACCESS = "AWS Transfer does not support random access writes to S3 objects"


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


async def failed_and_left_nothing(gateway: LocalGateway, there: Stored) -> None:
    record = await asyncio.to_thread(gateway.wait_for_transfer, "r.bin", status="FAILED")
    assert record["Error"]
    assert there.keys() == []
    assert there.unfinished() == []
    assert len(gateway.transfers()) == 1


async def test_interleaved_handles_all_complete(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """Five files written in turns over one session arrive each as if it were alone."""
    contents = {f"{number}.bin": content_of(number * 100_000 + 7) for number in range(5)}
    async with packets(gateway) as session:
        handles = {name: await session.open(name) for name in contents}
        asked = [
            session.ask_write(handles[name], offset, content[offset : offset + 32768])
            for offset in range(0, 500_000, 32768)
            for name, content in contents.items()
            if offset < len(content)
        ]
        assert {(await session.answer(number)).status for number in asked} == {0}
        closes = [session.ask(4, handle) for handle in handles.values()]
        assert [(await session.answer(number)).status for number in closes] == [0] * 5
    for name, content in contents.items():
        assert stored(gateway).content(f"acme/{name}") == content
    assert [each["Status"] for each in gateway.transfers()] == ["COMPLETED"] * 5


async def test_a_little_disorder_is_put_in_order(
    tidegate: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """Clients that read their file in parallel send pieces as they come: within 2 MiB that is no error."""
    content, piece = content_of(10 * MIB), 128 * 1024
    offsets = list(range(0, len(content), piece))
    shuffled = [offset for at in range(0, len(offsets), 8) for offset in reversed(offsets[at : at + 8])]
    async with packets(tidegate) as session:
        handle = await session.open("r.bin")
        asked = [session.ask_write(handle, offset, content[offset : offset + piece]) for offset in shuffled]
        assert {(await session.answer(number)).status for number in asked} == {0}
        assert (await session.close(handle)).status == 0
    assert stored(tidegate).content("acme/r.bin") == content


async def test_a_write_far_ahead_fails_and_so_does_its_close(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """Beyond the window there is no room to wait in: the error stays, whatever is written after it."""
    async with packets(gateway) as session:
        handle = await session.open("r.bin")
        assert (await session.write(handle, 0, b"x" * 1000))[0].status == 0
        refused = (await session.write(handle, 3 * MIB, b"x"))[0]
        assert refused.status == FAILURE
        assert refused.text.startswith(RANDOM_ACCESS)
        assert (await session.write(handle, 1000, b"x"))[0].status == FAILURE
        closed = await session.close(handle)
        assert closed.status == FAILURE
        assert closed.text.startswith(RANDOM_ACCESS)
    await failed_and_left_nothing(gateway, stored(gateway))


async def test_a_gap_that_is_never_filled_fails_the_close(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """Bytes that never came are not made up."""
    async with packets(gateway) as session:
        handle = await session.open("r.bin")
        assert (await session.write(handle, 0, b"x" * 1000))[0].status == 0
        assert (await session.write(handle, 2000, b"x" * 1000))[0].status == 0
        assert (await session.close(handle)).status == FAILURE
    await failed_and_left_nothing(gateway, stored(gateway))


async def test_bytes_that_are_in_s3_cannot_be_written_again(
    tidegate: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """A part that was sent is sent; the parts before the failure are dropped, not left to be paid for."""
    async with packets(tidegate) as session:
        handle = await session.open("r.bin")
        assert {each.status for each in await session.write(handle, 0, content_of(9 * MIB))} == {0}
        assert (await session.write(handle, 0, b"y"))[0].status == FAILURE
        assert (await session.close(handle)).status == FAILURE
    await failed_and_left_nothing(tidegate, stored(tidegate))


async def test_a_failed_upload_whose_client_leaves_has_failed(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """Without its CLOSE too: what a preset keeps of dropped uploads is for those without an error."""
    async with packets(gateway) as session:
        handle = await session.open("r.bin")
        await session.write(handle, 0, b"x" * 1000)
        assert (await session.write(handle, 3 * MIB, b"x"))[0].status == FAILURE
    await failed_and_left_nothing(gateway, stored(gateway))


async def test_two_writers_of_one_name(
    gateway: LocalGateway, preset: str, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """partner-safe refuses the second while the first is open; Transfer Family lets the last CLOSE win."""
    async with packets(gateway) as session:
        first = await session.open("r.bin")
        await session.write(first, 0, b"first")
        second = await session.answer(session.ask(3, b"r.bin", 0x1A, 0))
        if preset == "partner-safe":
            assert second.status == FAILURE
            assert second.text.startswith("File or directory already exists")
            assert (await session.close(first)).status == 0
            assert stored(gateway).content("acme/r.bin") == b"first"
            return
        await session.write(second.string, 0, b"second")
        assert (await session.close(second.string)).status == 0
        assert (await session.close(first)).status == 0
    assert stored(gateway).content("acme/r.bin") == b"first"
    assert {each["Status"] for each in gateway.transfers()} == {"COMPLETED"}


async def test_modes_that_s3_cannot_serve_are_refused_in_words(
    tidegate: LocalGateway, packets: Callable[..., Any]
) -> None:
    """Reading and writing at once, and appending: before a byte is sent, and without a record."""
    async with packets(tidegate) as session:
        for pflags, names in ((0x1B, "CREATE|READ|TRUNCATE|WRITE"), (0x0E, "APPEND|CREATE|WRITE")):
            refused = await session.answer(session.ask(3, b"r.bin", pflags, 0))
            assert refused.status == UNSUPPORTED
            assert refused.text == f"Cannot open file in mode: {names}"
    assert tidegate.transfers() == []


async def test_transfer_family_sets_no_size(tidegate: LocalGateway, packets: Callable[..., Any]) -> None:
    """Not even the right one, by handle or by name, and the file is what was written."""
    async with packets(tidegate) as session:
        handle = await session.open("r.bin")
        await session.write(handle, 0, b"12345")
        answers = [await session.answer(_set_size(session, 10, handle, size)) for size in (5, 4, 6)]
        assert (await session.close(handle)).status == 0
        answers.append(await session.answer(_set_size(session, 9, b"r.bin", 5)))
    assert {(each.status, each.text) for each in answers} == {(UNSUPPORTED, "SETSTAT unsupported")}
    assert tidegate.transfers()[0]["Bytes"] == 5


async def test_a_size_set_before_close_is_the_file_s(
    partner_safe: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """Equal: fine. Smaller: cut. By name, on what is stored: only its own size."""
    async with packets(partner_safe) as session:
        handle = await session.open("r.bin")
        await session.write(handle, 0, b"12345")
        for size in (5, 4):
            assert (await session.answer(_set_size(session, 10, handle, size))).status == 0  # FSETSTAT
        assert (await session.close(handle)).status == 0
        assert (await session.answer(_set_size(session, 9, b"r.bin", 4))).status == 0  # SETSTAT
        for size in (0, 5):
            refused = await session.answer(_set_size(session, 9, b"r.bin", size))
            assert (refused.status, refused.text) == (UNSUPPORTED, "SETSTAT unsupported")
    assert stored(partner_safe).content("acme/r.bin") == b"1234"


async def test_a_file_announced_larger_than_it_came_is_not_whole(
    partner_safe: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """The size is accepted, as more may come; when no more comes, CLOSE fails in words."""
    async with packets(partner_safe) as session:
        handle = await session.open("r.bin")
        await session.write(handle, 0, b"12345")
        assert (await session.answer(_set_size(session, 10, handle, 6))).status == 0
        closed = await session.close(handle)
        assert closed.status == FAILURE
        assert closed.text.startswith("File is incomplete")
        assert (await session.answer(session.ask(17, b"r.bin"))).status == 2  # STAT: no such file
    await failed_and_left_nothing(partner_safe, stored(partner_safe))


async def test_a_size_behind_what_s3_has_fails_the_close(
    partner_safe: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """Parts that were sent cannot be cut; clients that ignore the answer must not read OK for the file."""
    async with packets(partner_safe) as session:
        handle = await session.open("r.bin")
        assert {each.status for each in await session.write(handle, 0, content_of(9 * MIB))} == {0}
        assert (await session.answer(_set_size(session, 10, handle, MIB))).status == FAILURE
        assert (await session.close(handle)).status == FAILURE
    await failed_and_left_nothing(partner_safe, stored(partner_safe))


def _set_size(session: Packets, kind: int, of: bytes, size: int) -> int:
    return session.ask(kind, of, 1, 0, size)  # flag 1: a size follows
