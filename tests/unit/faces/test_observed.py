"""What is told of files whose requests were never answered."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tidegate.core.activities import Activity, Closed, Visitor
from tidegate.core.activity_lines import type_of
from tidegate.core.paths import HomeTree
from tidegate.core.servers import Server
from tidegate.core.users import Home
from tidegate.faces.sftp.observed import ObservedSession
from tidegate.services.activities import Activities
from tidegate.services.uploads import Upload
from unit.services.world import HERE, PATH, SESSION, World

AT = datetime(2026, 1, 2, tzinfo=UTC)
VISITOR = Visitor(Server("s-0123456789abcdef0"), "acme", "0123456789abcdef", "192.0.2.7")


class Session:
    """A session that is observed, with one upload open."""

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self.told: list[Activity] = []
        self.files = 0
        context: Any = SimpleNamespace(activities=Activities(meters=[self]), end_later=asyncio.create_task)
        tree = HomeTree(Home.chroot("/landing/acme"), "acme")
        self.observed = ObservedSession(context, VISITOR, tree, self.count)
        self.observed.done("OPEN", (PATH.encode(), 0x1A), upload, AT)

    def note(self, activity: Activity) -> None:
        self.told.append(activity)

    def count(self, more: int) -> None:
        self.files += more


@pytest.fixture
async def session() -> Session:
    return Session(await World(budget_bytes=2**24).uploads().begin(SESSION, PATH, HERE))


async def test_a_close_that_nobody_waits_for_any_more(session: Session) -> None:
    """Its request was cancelled: the file is told of when it has ended, as what it became."""
    await session.upload.write(0, b"abc")
    finishing = asyncio.create_task(session.upload.finish())
    await asyncio.sleep(0)
    (ending,) = session.observed.left()
    assert (len(session.told), session.files) == (1, 1)
    await asyncio.gather(finishing, ending)
    assert [type_of(each) for each in session.told] == ["OPEN", "CLOSE"]
    closed = session.told[-1]
    assert isinstance(closed, Closed)
    assert (closed.path, closed.size, bool(closed.etag)) == ("/landing/acme/in/report.csv", 3, True)
    assert session.files == 0


async def test_an_upload_that_is_dropped_is_told_of_once(session: Session) -> None:
    """However often its end is met."""
    await session.upload.write(0, b"abc")
    ending = session.observed.dropping(session.upload, session.upload.abandon("gone"))
    assert session.observed.left() == []
    await ending
    session.observed.dropped(session.upload)  # type: ignore[arg-type]
    assert [type_of(each) for each in session.told] == ["OPEN", "PARTIAL_CLOSE"]
    assert session.files == 0
