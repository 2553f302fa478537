"""Asking a gateway the questions of the table of behaviour, and writing answers down as the table does."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tidegate.core.errors import SftpStatus
from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import Answer, Packets, Stored

MIB = 1024 * 1024
READ, WRITE, APPEND, CREATE, TRUNCATE, EXCLUSIVE = 1, 2, 4, 8, 0x10, 0x20
NEW = WRITE | CREATE | TRUNCATE
TIMES = (8, 1_700_000_000, 1_700_000_000)  # flags, atime, mtime
OLD = b"old"  # a file that is there from the start, of five bytes
FULL = b"full"  # a directory that holds a file, and has no marker


@dataclass(frozen=True)
class Asked:
    """Where a question is asked."""

    gateway: LocalGateway
    session: Packets
    stored: Stored

    async def answer(self, kind: int, *what: bytes | int) -> Answer:
        return await self.session.answer(self.session.ask(kind, *what))

    async def said(self, kind: int, *what: bytes | int) -> str:
        return words(await self.answer(kind, *what))

    async def opened(self, path: bytes, pflags: int) -> str:
        answer = await self.answer(3, path, pflags, 0)
        if answer.kind == 102:
            await self.session.close(answer.string)
        return words(answer)

    async def put(self, path: str, content: bytes = b"12345") -> None:
        handle = await self.session.open(path)
        assert {each.status for each in await self.session.write(handle, 0, content)} == {0}
        assert (await self.session.close(handle)).status == 0


def words(answer: Answer) -> str:
    """Return an answer as the table writes it."""
    if answer.kind == 102:
        return "opened"
    name = SftpStatus(answer.status).name
    text = re.sub(r"\(error [0-9a-z]+\)", "(error id)", answer.text)
    return name if name == "OK" else f"{name}: {text}"


Probe: TypeAlias = Callable[[Asked], Awaitable[str]]
PROBES: dict[str, Probe] = {}


def asks(what: str) -> Callable[[Probe], Probe]:
    def keep(probe: Probe) -> Probe:
        PROBES[what] = probe
        return probe

    return keep


def simple(what: str, kind: int, *fields_of_it: bytes | int) -> None:
    """A question that is one packet, and is answered by a status or a handle."""
    PROBES[what] = lambda asked: asked.said(kind, *fields_of_it)


def opening(what: str, path: bytes, pflags: int) -> None:
    PROBES[what] = lambda asked: asked.opened(path, pflags)
