"""Who waits for whom among the requests of one session; every fact by events, none by time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tidegate.faces.sftp import lanes as module
from tidegate.faces.sftp.lanes import Lanes


class Held:
    """Requests that begin when their turn comes, and end when they are let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.done: list[str] = []
        self.idle = 0
        self._gates: dict[str, asyncio.Event] = {}
        self.lanes = Lanes(self._on_idle)

    def _on_idle(self) -> None:
        self.idle += 1

    def request(self, name: str) -> Callable[[], Awaitable[None]]:
        gate = self._gates[name] = asyncio.Event()

        async def answer() -> None:
            self.begun.append(name)
            await gate.wait()
            self.done.append(name)

        return answer

    def put(self, handle: bytes, name: str, size: int = 1, ends: str | None = None) -> None:
        self.lanes.put(handle, size, self.request(name), ends)

    async def release(self, *names: str) -> None:
        for name in names:
            self._gates[name].set()
        await turns()


async def turns() -> None:
    """Let everything go as far as it can without anybody from outside."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def held() -> Held:
    return Held()


async def test_requests_of_one_handle_keep_their_order(held: Held) -> None:
    """The second begins when the first has been answered."""
    held.put(b"a", "one")
    held.put(b"a", "two")
    await turns()
    assert held.begun == ["one"]
    await held.release("two")
    assert held.done == []
    await held.release("one")
    assert held.done == ["one", "two"]


async def test_handles_do_not_wait_for_each_other(held: Held) -> None:
    """One that S3 holds up holds up no other, and all are answered before the lanes are idle."""
    held.put(b"slow", "slow")
    held.put(b"quick", "quick")
    await turns()
    await held.release("quick")
    assert held.done == ["quick"]
    assert (held.idle, held.lanes.is_idle) == (0, False)
    await held.release("slow")
    assert (held.idle, held.lanes.is_idle) == (1, True)


@pytest.mark.parametrize("path", ["/in/a", "/in", "/", "/in/a/b"])
async def test_whoever_names_a_file_waits_for_its_close(held: Held, path: str) -> None:
    """Its own name, a directory above it, or a name below it: the CLOSE comes first."""
    held.put(b"a", "close", ends="/in/a")
    waiting = asyncio.create_task(held.lanes.ended([path]))
    await turns()
    assert not waiting.done()
    await held.release("close")
    assert waiting.done()


async def test_other_names_wait_for_no_close(held: Held) -> None:
    """A name that only begins alike is another file."""
    held.put(b"a", "close", ends="/in/a")
    held.put(b"b", "write")
    await held.lanes.ended(["/in/ab", "/out", "/in/b"])
    await held.release("close", "write")


async def test_two_closes_of_one_file_keep_their_order(held: Held) -> None:
    """The later CLOSE makes the current version, whatever its handle."""
    held.put(b"a", "first", ends="/x")
    held.put(b"b", "second", ends="/x")
    held.put(b"c", "other", ends="/y")
    await turns()
    assert held.begun == ["first", "other"]
    await held.release("second", "first")
    assert held.done == ["first", "second"]
    await held.release("other")


@pytest.mark.parametrize("limit", ["MAX_WAITING_BYTES", "MAX_WAITING_REQUESTS", "MAX_WAITING_ENDINGS"])
async def test_what_waits_is_bounded(held: Held, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two waiting that are all there may be, nothing more is taken up until one is answered."""
    monkeypatch.setattr(module, limit, 2)
    await held.lanes.room()
    held.put(b"a", "one", ends="/a")
    await held.lanes.room()
    held.put(b"b", "two", ends="/b")
    room = asyncio.create_task(held.lanes.room())
    await turns()
    assert not room.done()
    await held.release("two")
    assert room.done()
    await held.release("one")


async def test_settling_waits_for_all(held: Held) -> None:
    """A client that leaves after its CLOSE has still sent a CLOSE."""
    held.put(b"a", "one")
    held.put(b"a", "two")
    settled = asyncio.create_task(held.lanes.settle())
    await held.release("one")
    assert not settled.done()
    await held.release("two")
    await turns()
    assert settled.done()


async def test_cancelled_lanes_answer_nothing_more(held: Held) -> None:
    """What has not begun never begins, and nobody waits for it any longer."""
    held.put(b"a", "one", ends="/a")
    held.put(b"a", "two")
    waiting = asyncio.create_task(held.lanes.ended(["/a"]))
    await turns()
    held.lanes.cancel()
    await held.lanes.settle()
    await turns()
    assert (held.begun, held.done) == (["one"], [])
    assert waiting.done()
    assert held.lanes.is_idle


async def test_a_lane_that_breaks_stops_the_session() -> None:
    """An error nobody foresaw is raised to whoever takes up the next request, and hangs nobody."""
    lanes = Lanes(lambda: None)

    async def breaks() -> None:
        raise RuntimeError("unforeseen")

    lanes.put(b"a", 1, breaks)
    lanes.put(b"a", 1, breaks)
    await lanes.settle()
    with pytest.raises(RuntimeError, match="unforeseen"):
        await lanes.room()
