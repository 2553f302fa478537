"""SIGKILL of the gateway at every step of an upload's life: what the client was told holds."""

from __future__ import annotations

import asyncio

import pytest

from support.fault_house import Gateway, House

SMALL = b"date;amount\n" * 1000
LARGE = bytes(range(256)) * 4096 * 11  # 11 MiB: two parts and a rest

STEPS_OF_A_SMALL_FILE = [
    pytest.param("start.before", marks=pytest.mark.lengthy),
    "start.after",
    pytest.param("put.before", marks=pytest.mark.lengthy),
    "put.after",
    "complete.before",
    "complete.after",
]
STEPS_OF_A_LARGE_FILE = [
    pytest.param("create_multipart.before", marks=pytest.mark.lengthy),
    pytest.param("create_multipart.after", marks=pytest.mark.lengthy),
    pytest.param("set_upload_id.after", marks=pytest.mark.lengthy),
    pytest.param("upload_part.before", marks=pytest.mark.lengthy),
    pytest.param("upload_part.after", marks=pytest.mark.lengthy),
    pytest.param("finishing.before", marks=pytest.mark.lengthy),
    pytest.param("finishing.after", marks=pytest.mark.lengthy),
    pytest.param("complete_multipart.before", marks=pytest.mark.lengthy),
    "complete_multipart.after",
    pytest.param("complete.before", marks=pytest.mark.lengthy),
    "complete.after",
]


@pytest.fixture(scope="module")
def survivor(built: House) -> Gateway:
    """Another gateway over the same bucket and tables, which nobody kills."""
    return built.gateway()


async def kill_at(house: House, step: str, path: str, body: bytes) -> None:
    """Kill a gateway that is exactly at `step` of an upload."""
    victim = house.gateway()
    trap = house.steps.trap(step)
    client = asyncio.create_task(house.put(victim, path, body))
    await asyncio.to_thread(trap.wait)
    await asyncio.to_thread(victim.kill)
    told = await client
    trap.release()
    assert not told.acknowledged, "nobody was there to answer"


@pytest.mark.lengthy
@pytest.mark.parametrize("step", STEPS_OF_A_SMALL_FILE)
async def test_killed_at_a_step_of_a_small_file(house: House, survivor: Gateway, step: str) -> None:
    """Another gateway ends what was left, and the client's next try arrives."""
    await kill_at(house, step, f"/small-{step}.csv", SMALL)
    await house.put(survivor, f"/small-{step}.csv", SMALL)
    await asyncio.to_thread(house.check)


@pytest.mark.parametrize("step", STEPS_OF_A_LARGE_FILE)
async def test_killed_at_a_step_of_a_large_file(house: House, survivor: Gateway, step: str) -> None:
    """The same for a file of several parts; no part stays behind."""
    await kill_at(house, step, f"/large-{step}.csv", LARGE)
    await asyncio.to_thread(house.check)


async def test_nothing_goes_wrong_when_nothing_goes_wrong(house: House, survivor: Gateway) -> None:
    """The house itself: two files, acknowledged, recorded, delivered."""
    assert (await house.put(survivor, "/well.csv", SMALL)).acknowledged
    assert (await house.put(survivor, "/well-large.csv", LARGE)).acknowledged
    await asyncio.to_thread(house.check)
