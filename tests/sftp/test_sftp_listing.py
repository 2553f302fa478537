"""Directories of any size: read page by page, whole, each name once, and in answers that clients can take."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sftp.test_sftp_leftovers import house_in
from tidegate.adapters.memory.objects import MemoryObjectStore
from tidegate.core.errors import StoreUnavailable
from tidegate.core.objects import ListedKey, ListingPage

OPENDIR, READDIR, STATUS, NAME = 11, 12, 101, 104
EOF, FAILURE = 1, 4
AT = datetime(2026, 3, 9, tzinfo=UTC)
PREFIX = "acme/"
PAGE = 1000
MIB = 1024 * 1024
# OpenSSH's client: SFTP_MAX_MSG_LENGTH.
OPENSSH_MOST = 256 * 1024


class Generated(MemoryObjectStore):
    """
    A bucket with this many files in one directory, none of which is kept anywhere.

    Args:
        name: The name of a file by its number; in byte order.
        fails_at: The page, from 1, that is not answered.
    """

    def __init__(
        self, count: int, name: Callable[[int], str] = "report-{:07}.csv".format, fails_at: int | None = None
    ) -> None:
        super().__init__(["landing"])
        self.count, self.name, self.fails_at = count, name, fails_at
        self.pages_asked = 0

    async def list_page(
        self, bucket: str, prefix: str, *, token: str | None = None, limit: int = PAGE
    ) -> ListingPage:
        if prefix != PREFIX:
            return ListingPage([], [], None)
        self.pages_asked += 1
        if self.pages_asked == self.fails_at:
            raise StoreUnavailable("no answer")
        first = int(token or 0)
        last = min(first + limit, self.count)
        keys = [ListedKey(PREFIX + self.name(number), number, AT) for number in range(first, last)]
        return ListingPage(keys, [], str(last) if last < self.count else None)


@pytest.fixture
def listing(tmp_path: Path, packets_on: Callable[..., Any]) -> Callable[..., Any]:
    """Return a session over such a bucket, and the handle of its directory."""

    @asynccontextmanager
    async def make(store: Generated) -> AsyncIterator[tuple[Any, bytes]]:
        async with (
            house_in(tmp_path, store) as house,
            house.connect() as connection,
            packets_on(connection) as session,
        ):
            yield session, (await session.answer(session.ask(OPENDIR, b"/"))).string

    return make


def names_in(body: bytes) -> Iterator[tuple[str, str]]:
    """Yield the names of an answer, each with its line."""
    at = 4
    for _ in range(int.from_bytes(body[:4], "big")):
        texts = []
        for _ in range(2):
            size = int.from_bytes(body[at : at + 4], "big")
            texts.append(body[at + 4 : at + 4 + size].decode())
            at += 4 + size
        at += 24  # flags, size, permissions, times
        yield texts[0], texts[1]
    assert at == len(body)


async def read_to_its_end(session: Any, handle: bytes, in_flight: int) -> AsyncIterator[list[str]]:
    """Yield the names of each answer, with so many READDIRs in flight; then all that were left say EOF."""
    asked = [session.ask(READDIR, handle) for _ in range(in_flight)]
    while asked:
        answer = await session.answer(asked.pop(0))
        if answer.kind == STATUS:
            assert answer.status == EOF
            for number in asked:
                assert (await session.answer(number)).status == EOF
            return
        asked.append(session.ask(READDIR, handle))
        yield [name for name, _ in names_in(answer.body)]


@pytest.mark.parametrize("in_flight", [1, 2, 64])
async def test_several_readdirs_in_flight(listing: Callable[..., Any], in_flight: int) -> None:
    """No name is missing and none comes twice, however many READDIRs a client sends before an answer."""
    store = Generated(5 * PAGE + 1)
    async with listing(store) as (session, handle):
        names = [name async for some in read_to_its_end(session, handle, in_flight) for name in some]
    assert names == [store.name(number) for number in range(store.count)]


async def test_the_first_names_come_before_the_last_page_is_asked_for(listing: Callable[..., Any]) -> None:
    """Nothing is fetched that no READDIR has asked for."""
    store = Generated(10 * PAGE)
    async with listing(store) as (session, handle):
        answer = await session.answer(session.ask(READDIR, handle))
        assert next(names_in(answer.body))[0] == store.name(0)
        assert store.pages_asked == 1
        for _ in range(10):
            await session.answer(session.ask(READDIR, handle))
        assert store.pages_asked == 2


async def test_a_page_that_fails_is_not_the_end(listing: Callable[..., Any]) -> None:
    """Every READDIR in flight is refused then, and all later ones: a client must not think it saw all."""
    async with listing(Generated(5 * PAGE, fails_at=3)) as (session, handle):
        asked = [session.ask(READDIR, handle) for _ in range(40)]
        answers = [await session.answer(number) for number in asked]
        kinds = [answer.kind for answer in answers]
        refused = answers[kinds.index(STATUS) :]
        assert len(refused) > 10
        assert {answer.status for answer in refused} == {FAILURE}
        assert (await session.answer(session.ask(READDIR, handle))).status == FAILURE


async def test_answers_that_openssh_takes(listing: Callable[..., Any]) -> None:
    """Its client gives up at an answer of 256 KiB, so the longest names come a few at a time."""
    longest = "x" * (1024 - len(PREFIX) - 7)
    store = Generated(300, lambda number: f"{longest}{number:07}")
    seen = 0
    async with listing(store) as (session, handle):
        while (answer := await session.answer(session.ask(READDIR, handle))).kind == NAME:
            assert len(answer.body) < OPENSSH_MOST / 2
            seen += len(list(names_in(answer.body)))
    assert seen == 300


async def test_lines_are_as_long_as_those_of_openssh(listing: Callable[..., Any]) -> None:
    """Permissions, links, owner, group, size and date stand in OpenSSH's columns."""
    async with listing(Generated(1)) as (session, handle):
        answer = await session.answer(session.ask(READDIR, handle))
    ((name, line),) = names_in(answer.body)
    assert name == "report-0000000.csv"
    assert line.startswith("-rwxr--r--   1 -        -               0 ")
    assert line.endswith(" report-0000000.csv")
    assert struct.unpack(">II", answer.body[-8:]) == (int(AT.timestamp()),) * 2


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.lengthy
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read where Linux shows it")
async def test_a_million_names_in_flat_memory(listing: Callable[..., Any]) -> None:
    """Server and client are in this process, and neither grows by what it has passed on."""
    store, seen, before = Generated(1_000_000), 0, 0
    async with asyncio.timeout(280), listing(store) as (session, handle):
        async for some in read_to_its_end(session, handle, 4):
            seen += len(some)
            if before == 0 and seen > 50_000:
                before = _resident_bytes()
    assert (seen, store.pages_asked) == (1_000_000, 1000)
    assert _resident_bytes() - before < 16 * MIB
