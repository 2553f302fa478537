"""The quota of users."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.core.errors import InvalidName
from tidegate.core.users import Home, User
from tidegate.services.user_counts import UserCounts

SERVER, OTHER = "s-0123456789abcdef0", "s-0123456789abcdef1"
AT = datetime(2026, 3, 9, tzinfo=UTC)


class Counting(MemoryUserDirectory):
    """A directory that knows how often all users were read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def users(self, server_id, after=""):
        self.reads += 1
        return super().users(server_id, after)


async def add(counts: UserCounts, directory: Counting, name: str, server_id: str = SERVER) -> None:
    await counts.make_room(server_id)
    await directory.add_user(User(server_id, name, Home.chroot("/landing/x"), AT))


async def test_no_more_than_there_can_be():
    """The last one fits, one more does not; another server has room; who goes makes room."""
    directory = Counting()
    counts = UserCounts(directory, ManualClock(AT), limit=3)
    for number in range(3):
        await add(counts, directory, f"u{number}")
    with pytest.raises(InvalidName, match="3 users"):
        await add(counts, directory, "one-more")
    await add(counts, directory, "elsewhere", OTHER)
    await directory.remove_user(SERVER, "u1")
    await add(counts, directory, "one-more")


async def test_not_all_are_read_each_time():
    """Far from the limit once, and again when five minutes have passed."""
    directory, clock = Counting(), ManualClock(AT)
    counts = UserCounts(directory, clock)
    for number in range(20):
        await add(counts, directory, f"u{number}")
    assert directory.reads == 1
    clock.advance(301)
    await add(counts, directory, "later")
    assert directory.reads == 2
