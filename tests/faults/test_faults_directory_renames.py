"""Renames of directories whose gateway is killed: another finishes them; no file is ever without a name."""

from __future__ import annotations

import asyncio

import pytest

from support.fault_house import LANDING, Gateway, House
from support.renaming import rename

NAMES = [f"{n:02}.csv" for n in range(16)] + ["deep/a.csv", "deep/er/b.csv"]


def fill(house: House, prefix: str) -> None:
    for name in NAMES:
        house.aws_client("s3").put_object(Bucket=LANDING, Key=f"{prefix}{name}", Body=name.encode())


def below(house: House, prefix: str) -> dict[str, bytes]:
    keys = [key for key in house.keys(LANDING) if key.startswith(prefix)]
    return {key.removeprefix(prefix): house.body(LANDING, key) for key in keys}


@pytest.fixture
def victim(house: House) -> Gateway:
    """The one gateway there is."""
    for gateway in house.gateways:
        gateway.stop()
    return house.gateway()


def of_directories(house: House) -> dict[str, str]:
    return {row["Path"]: row["Status"] for row in house.items() if "AsOf" in row}


@pytest.mark.parametrize(
    ("step", "skip"),
    [("intend.after", 0), ("copy.after", 3), ("delete.after", 9), ("settle_rename.before", 18)],
)
@pytest.mark.lengthy
async def test_killed_in_the_middle(house: House, victim: Gateway, step: str, skip: int) -> None:
    """Whatever was done by then, the rest is done by another gateway, and each file once."""
    name = f"{step}-{skip}"
    fill(house, f"acme/{name}/")
    trap = house.steps.trap(step, skip=skip, pid=victim.process.pid)
    client = asyncio.create_task(rename(victim, f"/{name}", f"/{name}-new"))
    await asyncio.to_thread(trap.wait)
    await asyncio.to_thread(victim.kill)
    assert await client, "nobody was there to answer"
    trap.release()
    seen = below(house, f"acme/{name}/") | below(house, f"acme/{name}-new/")
    assert seen == {each: each.encode() for each in NAMES}, "a file has no name"
    house.gateway()
    await asyncio.to_thread(house.settle)
    assert of_directories(house)[f"/{name}"] == "DONE"
    assert below(house, f"acme/{name}-new/") == {each: each.encode() for each in NAMES}
    assert below(house, f"acme/{name}/") == {}


@pytest.mark.lengthy
async def test_what_was_sent_again_is_not_taken_along(house: House, victim: Gateway) -> None:
    """A client that reads nothing, and sends a file to the old name again, finds it there afterwards."""
    fill(house, "acme/again/")
    trap = house.steps.trap("copy.before", skip=3, pid=victim.process.pid)
    client = asyncio.create_task(rename(victim, "/again", "/again-new"))
    await asyncio.to_thread(trap.wait)
    await asyncio.to_thread(victim.kill)
    assert await client
    trap.release()
    survivor = house.gateway()
    assert (await house.put(survivor, "/again/later.csv", b"later")).acknowledged
    await asyncio.to_thread(house.settle)
    assert below(house, "acme/again/") == {"later.csv": b"later"}
    assert below(house, "acme/again-new/") == {each: each.encode() for each in NAMES}
