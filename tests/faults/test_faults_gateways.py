"""Several gateways over one bucket: frozen and thawed, sweeping at once, dying of it, overtaken."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import asyncssh
import pytest

from support.fault_house import LANDING, PRIVATE, Gateway, House, Told, wait_until

SMALL = b"date;amount\n" * 1000
LARGE = bytes(range(256)) * 4096 * 11  # 11 MiB: two parts and a rest


async def is_true(holds: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_until, holds, what)


def statuses(house: House, path: str) -> list[str]:
    return [record["Status"] for record in house.uploads(path)]


async def left_open(house: House, victim: Gateway, step: str, path: str, body: bytes) -> None:
    """Let a gateway die at `step`, and leave its record to whoever sweeps."""
    trap = house.steps.trap(step, pid=victim.process.pid)
    client = asyncio.create_task(house.put(victim, path, body))
    await asyncio.to_thread(trap.wait)
    await asyncio.to_thread(victim.kill)
    trap.release()
    assert not (await client).acknowledged


# --- frozen past its lease ------------------------------------------------------------------


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("step", "body", "end"),
    [
        # Its first part had not come: there is nothing to keep.
        pytest.param("upload_part.before", LARGE, "ABANDONED", marks=pytest.mark.lengthy),
        pytest.param("put.before", SMALL, "ABANDONED", marks=pytest.mark.lengthy),
        ("complete_multipart.before", LARGE, "ABANDONED"),
        pytest.param("complete.before", LARGE, "COMPLETED", marks=pytest.mark.lengthy),
    ],
)
async def test_thawed_after_it_was_swept(house: House, step: str, body: bytes, end: str) -> None:
    """A gateway that slept through its lease acknowledges nothing, and the end it was given stays."""
    sleeper, _awake = await asyncio.to_thread(house.living, 2)
    path = f"/frozen-{step}.csv"
    trap = house.steps.trap(step, pid=sleeper.process.pid)
    client = asyncio.create_task(house.put(sleeper, path, body))
    await asyncio.to_thread(trap.wait)
    sleeper.freeze()
    trap.release()
    await is_true(lambda: statuses(house, path) == [end], f"the other gateway swept it as {end}")
    sleeper.thaw()
    assert not (await client).acknowledged
    await asyncio.to_thread(house.check)
    assert statuses(house, path) == [end]


# --- sweeping at once, and dying of it ------------------------------------------------------


@pytest.mark.lengthy
async def test_two_sweepers_at_once(house: House) -> None:
    """Both find the same records at the same moment; each record ends exactly once."""
    first, second = await asyncio.to_thread(house.living, 2)
    victim = await asyncio.to_thread(house.gateway)
    await left_with_open_files(victim, [f"/both-{number}.csv" for number in range(4)])
    traps = [house.steps.trap("take_over.before", pid=each.process.pid) for each in (first, second)]
    ends_before = house.steps.count("end.after")
    for trap in traps:
        await asyncio.to_thread(trap.wait)
    for trap in traps:
        trap.release()
    await asyncio.to_thread(house.check)
    assert [statuses(house, f"/both-{number}.csv") for number in range(4)] == [["ABANDONED"]] * 4
    ended = Counter(subject for step, subject in house.steps.reached if step == "end.after")
    assert set(ended.values()) == {1}
    assert house.steps.count("end.after") - ends_before == 4


async def left_with_open_files(victim: Gateway, paths: list[str]) -> None:
    """Open files, send something of each, and kill the gateway."""
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(victim.client())
        sftp = await connection.start_sftp_client()
        for path in paths:
            file = await sftp.open(path, "wb")
            await file.write(b"not the whole of it")
        await asyncio.to_thread(victim.kill)
        await connection.wait_closed()


@pytest.mark.lengthy
async def test_every_sweeper_dies_until_the_last(house: House) -> None:
    """One file, whose sweepers are killed one after another, each one step further: it ends all the same."""
    await asyncio.to_thread(house.living, 2)
    victim = await asyncio.to_thread(house.gateway)
    await left_open(house, victim, "complete_multipart.after", "/chain.csv", LARGE)
    steps = [
        "take_over.after",
        "abort_multipart.after",
        "versions.after",
        "complete.before",
        "complete.after",
    ]
    for step in steps:
        trap = house.steps.trap(step)
        await asyncio.to_thread(house.living, 2)
        await asyncio.to_thread(trap.wait)
        await asyncio.to_thread(house.with_pid(trap.pid).kill)
        trap.release()
    await asyncio.to_thread(house.living, 1)
    await asyncio.to_thread(house.check)
    [record] = house.uploads("/chain.csv")
    assert (record["Status"], record["Fence"]) == ("COMPLETED", 1 + len(steps))


@pytest.mark.lengthy
async def test_restarted_on_the_same_state_directory(house: House) -> None:
    """A new process on the same host is another gateway, and sweeps what its predecessor left."""
    for other in house.gateways:
        if other.process.poll() is None:
            other.freeze()
    victim = await asyncio.to_thread(house.gateway)
    await left_open(house, victim, "upload_part.after", "/restarted.csv", LARGE)
    before = house.uploads("/restarted.csv")[0]["GatewayId"]
    again = await asyncio.to_thread(lambda: house.gateway(again=victim))
    # Of what is left one part is not counted: whether there is more depends on how far it had come.
    ends = (["ABANDONED"], ["KEPT"])
    await is_true(lambda: statuses(house, "/restarted.csv") in ends, "the new process swept it")
    assert house.uploads("/restarted.csv")[0]["GatewayId"] != before
    for other in house.gateways:
        if other.process.poll() is None:
            other.thaw()
    assert (await house.put(again, "/restarted.csv", LARGE)).acknowledged
    await asyncio.to_thread(house.check)


# --- two writers on one key -----------------------------------------------------------------


class Writer:
    """A small upload in two steps: its PutObject, and the transaction that ends with the answer."""

    def __init__(self, house: House, gateway: Gateway, path: str, body: bytes) -> None:
        self._house, self._pid = house, gateway.process.pid
        self._before = house.steps.trap("put.before", pid=self._pid)
        self._client = asyncio.create_task(house.put(gateway, path, body))

    async def ready(self) -> None:
        await asyncio.to_thread(self._before.wait)

    async def put(self) -> None:
        self._after = self._house.steps.trap("put.after", pid=self._pid)
        self._before.release()
        await asyncio.to_thread(self._after.wait)

    async def complete(self) -> Told:
        self._after.release()
        return await self._client


@pytest.mark.parametrize(
    ("order", "overtaken"),
    [
        pytest.param("a.put a.complete b.put b.complete", "", marks=pytest.mark.lengthy),
        pytest.param("a.put b.put a.complete b.complete", "a", marks=pytest.mark.lengthy),
        pytest.param("a.put b.put b.complete a.complete", "a", marks=pytest.mark.lengthy),
    ],
)
async def test_two_writers_on_one_key(house: House, order: str, overtaken: str) -> None:
    """Both are acknowledged and COMPLETED, the destination has the newest, the overtaken one says so."""
    path = f"/two-{order.replace(' ', '-')}.csv"
    gateways = await asyncio.to_thread(house.living, 2)
    bodies = {"a": b"of a", "b": b"of b, newer"}
    writers = {
        name: Writer(house, gateway, path, bodies[name]) for name, gateway in zip("ab", gateways, strict=True)
    }
    for writer in writers.values():
        await writer.ready()
    for name, _, step in (each.partition(".") for each in order.split()):
        action: Callable[[], Awaitable[Told | None]] = getattr(writers[name], step)
        told = await action()
        assert told is None or told.acknowledged
    await asyncio.to_thread(house.check)
    marked = {record["Bytes"] for record in house.uploads(path) if record.get("Superseded")}
    assert marked == {len(bodies[name]) for name in overtaken}
    assert house.body(PRIVATE, f"{house.uploads(path)[0]['ObjectKey']}") == bodies["b"]


async def test_overtaken_right_before_the_transaction(house: House) -> None:
    """Overtaken after the last look, a file may be unmarked, and yet the destination has the newest."""
    first, second = await asyncio.to_thread(house.living, 2)
    trap = house.steps.trap("complete.before", pid=first.process.pid)
    client = asyncio.create_task(house.put(first, "/late.csv", b"overtaken"))
    await asyncio.to_thread(trap.wait)
    assert (await house.put(second, "/late.csv", b"the newest")).acknowledged
    trap.release()
    assert (await client).acknowledged
    await asyncio.to_thread(house.check)
    assert statuses(house, "/late.csv") == ["COMPLETED", "COMPLETED"]


# --- a rename torn in two -------------------------------------------------------------------


@pytest.mark.parametrize("step", ["copy.before", "delete.before"])
@pytest.mark.lengthy
async def test_killed_in_a_rename(house: House, step: str) -> None:
    """The file is under its old name, its new one or both, with its bytes; never under none."""
    victim = (await asyncio.to_thread(house.living, 2))[1]
    old, new = f"/old-{step}.csv", f"/new-{step}.csv"
    assert (await house.put(victim, old, SMALL)).acknowledged
    await asyncio.to_thread(house.settle)  # from here on, only the rename copies
    trap = house.steps.trap(step, pid=victim.process.pid)
    renaming = asyncio.create_task(rename(victim, old, new))
    await asyncio.to_thread(trap.wait)
    await asyncio.to_thread(victim.kill)
    trap.release()
    await renaming
    there = [key for key in house.keys(LANDING) if key.endswith((old[1:], new[1:]))]
    assert there, "the file is gone"
    assert {house.body(LANDING, key) for key in there} == {SMALL}
    await asyncio.to_thread(house.check)


async def rename(gateway: Gateway, old: str, new: str) -> None:
    with pytest.raises((asyncssh.Error, OSError)):
        async with gateway.client() as connection, connection.start_sftp_client() as sftp:
            await sftp.rename(old, new)
