"""Temporary names whose gateway is killed at any step: one delivery, under the final name, afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.fault_house import LANDING, PRIVATE, Gateway, House, wait_until
from support.renaming import about, rename

pytestmark = pytest.mark.lengthy

BODY = b"date;amount\n" * 1000
STEPS = [
    pytest.param("intend.after", marks=pytest.mark.lengthy),
    pytest.param("copy.before", marks=pytest.mark.lengthy),
    pytest.param("copy.after", marks=pytest.mark.lengthy),
    pytest.param("delete.before", marks=pytest.mark.lengthy),
    pytest.param("delete.after", marks=pytest.mark.lengthy),
    pytest.param("move_held.before", marks=pytest.mark.lengthy),
    "move_held.after",
    pytest.param("settle_rename.before", marks=pytest.mark.lengthy),
    pytest.param("settle_rename.after", marks=pytest.mark.lengthy),
]


@pytest.fixture(scope="module")
def survivor(built: House) -> Gateway:
    """Another gateway over the same bucket and tables, which nobody kills."""
    return built.gateway()


def owed(house: House, path: str) -> dict[str, Any]:
    (record,) = house.uploads(path)
    (delivery,) = house.deliveries(record["LogID"])
    return delivery


def arrived(house: House, name: str) -> list[tuple[str, bytes]]:
    """Return every version at the destination whose key begins so."""
    found = [each for each in house.versions(PRIVATE) if each["Key"].startswith(f"acme/{name}")]
    return [(each["Key"], house.body(PRIVATE, each["Key"], each["VersionId"])) for each in found]


def delivered(house: House, name: str) -> None:
    """Wait for the end of everything, and assert that the file was delivered once under its final name."""
    house.settle()
    wait_until(lambda: owed(house, f"/{name}.filepart")["Status"] == "DELIVERED", "it is delivered")
    assert arrived(house, name) == [(f"acme/{name}", BODY)]
    keys = [key for key in house.keys(LANDING) if key.startswith(f"acme/{name}")]
    assert keys == [f"acme/{name}"]


@pytest.mark.parametrize("step", STEPS)
async def test_killed_while_it_renames(house: House, survivor: Gateway, step: str) -> None:
    """Another gateway finishes the rename, and with it what is owed."""
    victim, name = house.gateway(), f"{step}.csv"
    assert (await house.put(victim, f"/{name}.filepart", BODY)).acknowledged
    assert owed(house, f"/{name}.filepart")["Status"] == "HELD"
    trap = house.steps.trap(step, pid=victim.process.pid, about=about(step))
    client = asyncio.create_task(rename(victim, f"/{name}.filepart", f"/{name}"))
    await asyncio.to_thread(trap.wait)
    await asyncio.to_thread(victim.kill)
    assert await client, "nobody was there to answer"
    trap.release()
    await asyncio.to_thread(delivered, house, name)


async def test_killed_while_it_closes(house: House, survivor: Gateway) -> None:
    """What the sweep completes is HELD, too: its name is on record as temporary."""
    victim = house.gateway()
    trap = house.steps.trap("put.after", pid=victim.process.pid)
    client = asyncio.create_task(house.put(victim, "/closing.csv.filepart", BODY))
    await asyncio.to_thread(trap.wait)
    await asyncio.to_thread(victim.kill)
    assert not (await client).acknowledged
    trap.release()
    await asyncio.to_thread(house.settle)
    assert owed(house, "/closing.csv.filepart")["Status"] == "HELD"
    assert arrived(house, "closing.csv") == []
    assert not await rename(survivor, "/closing.csv.filepart", "/closing.csv")
    await asyncio.to_thread(delivered, house, "closing.csv")


async def test_killed_while_it_decides(house: House) -> None:
    """A worker that dies over what was held for long enough leaves it to the next: it is delivered once."""
    for gateway in house.gateways:
        await asyncio.to_thread(gateway.stop)
    victim = house.gateway(deliveries={"hold_seconds": 1})
    trap = house.steps.trap("move_held.after", pid=victim.process.pid)
    assert (await house.put(victim, "/left.filepart", BODY)).acknowledged
    await asyncio.to_thread(trap.wait)
    await asyncio.to_thread(victim.kill)
    trap.release()
    house.gateway()
    await asyncio.to_thread(
        wait_until, lambda: owed(house, "/left.filepart")["Status"] == "DELIVERED", "it is delivered"
    )
    assert arrived(house, "left") == [("acme/left.filepart", BODY)]
