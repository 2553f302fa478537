"""Renames whose gateway is killed, frozen or not answered at any step: one name holds the file afterwards."""

from __future__ import annotations

import asyncio

import pytest
from botocore.exceptions import ClientError

from support.fault_house import LANDING, Gateway, House
from support.fault_proxy import lose_answer
from support.renaming import about, rename

pytestmark = pytest.mark.lengthy

BODY = b"date;amount\n" * 1000
THEIRS = b"date;amount;currency\n" * 500
STEPS_OF_A_RENAME = [
    pytest.param("intend.before", marks=pytest.mark.lengthy),
    pytest.param("intend.after", marks=pytest.mark.lengthy),
    pytest.param("copy.before", marks=pytest.mark.lengthy),
    "copy.after",
    pytest.param("delete.before", marks=pytest.mark.lengthy),
    pytest.param("delete.after", marks=pytest.mark.lengthy),
    pytest.param("settle_rename.before", marks=pytest.mark.lengthy),
    pytest.param("settle_rename.after", marks=pytest.mark.lengthy),
]


@pytest.fixture(scope="module")
def survivor(built: House) -> Gateway:
    """Another gateway over the same bucket and tables, which nobody kills."""
    return built.gateway()


def under(house: House, path: str) -> bytes | None:
    try:
        return house.body(LANDING, f"acme{path}")
    except ClientError:
        return None


def states(house: House) -> dict[str, str]:
    """Return the states of all renames by their old paths."""
    return {row["Path"]: row["Status"] for row in house.items() if row["Item"].startswith("rename#")}


async def killed_at(house: House, step: str, old: str, new: str, body: bytes = b"") -> None:
    """Kill a gateway that is exactly at `step` of a rename; a body lands at the old name before."""
    victim = house.gateway()
    assert (await house.put(victim, old, BODY)).acknowledged
    last = "delete.before" if body else step
    trap = house.steps.trap(last, pid=victim.process.pid, about=about(last))
    client = asyncio.create_task(rename(victim, old, new))
    await asyncio.to_thread(trap.wait)
    if body:
        [survivor] = await asyncio.to_thread(house.living, 1)
        assert (await house.put(survivor, old, body)).acknowledged
        then = house.steps.trap(step, pid=victim.process.pid, about=about(step))
        trap.release()
        trap = then
        await asyncio.to_thread(trap.wait)
    await asyncio.to_thread(victim.kill)
    assert await client, "nobody was there to answer"
    trap.release()


@pytest.mark.parametrize("step", STEPS_OF_A_RENAME)
async def test_killed_at_a_step_of_a_rename(house: House, survivor: Gateway, step: str) -> None:
    """What was intended is finished by another gateway: the file has its new name and no other."""
    old, new = f"/{step}.raw", f"/{step}.csv"
    await killed_at(house, step, old, new)
    await asyncio.to_thread(house.check)
    if step == "intend.before":
        assert (under(house, old), under(house, new)) == (BODY, None)
    else:
        assert (under(house, old), under(house, new)) == (None, BODY)
        assert states(house)[old] == "DONE"


@pytest.mark.parametrize(
    "step",
    ["delete.after", pytest.param("settle_rename.before", marks=pytest.mark.lengthy)],
)
async def test_killed_over_an_upload(house: House, survivor: Gateway, step: str) -> None:
    """An upload that a removal has hidden is there again after the sweep, and was delivered all the same."""
    old, new = f"/over-{step}.raw", f"/over-{step}.csv"
    await killed_at(house, step, old, new, THEIRS)
    await asyncio.to_thread(house.check)
    assert (under(house, old), under(house, new)) == (THEIRS, BODY)


async def test_an_upload_in_between(house: House, survivor: Gateway) -> None:
    """The same while the gateway lives: the rename succeeds, and so does the upload."""
    assert (await house.put(survivor, "/between.raw", BODY)).acknowledged
    trap = house.steps.trap("delete.before", about=LANDING)
    client = asyncio.create_task(rename(survivor, "/between.raw", "/between.csv"))
    await asyncio.to_thread(trap.wait)
    assert (await house.put(survivor, "/between.raw", THEIRS)).acknowledged
    trap.release()
    assert not await client
    await asyncio.to_thread(house.check)
    assert (under(house, "/between.raw"), under(house, "/between.csv")) == (THEIRS, BODY)


async def test_frozen_past_its_lease(house: House, survivor: Gateway) -> None:
    """A gateway that wakes up when its rename was finished by another writes nothing over what came then."""
    sleeper = house.gateway()
    assert (await house.put(sleeper, "/frozen.raw", BODY)).acknowledged
    trap = house.steps.trap("intend.after", pid=sleeper.process.pid)
    client = asyncio.create_task(rename(sleeper, "/frozen.raw", "/frozen.csv"))
    await asyncio.to_thread(trap.wait)
    sleeper.freeze()
    trap.release()
    await asyncio.to_thread(house.settle)
    assert states(house)["/frozen.raw"] == "DONE"
    assert (await house.put(survivor, "/frozen.csv", THEIRS)).acknowledged
    sleeper.thaw()
    assert "unknown" in await client
    await asyncio.to_thread(house.check)
    assert (under(house, "/frozen.raw"), under(house, "/frozen.csv")) == (None, THEIRS)


@pytest.mark.parametrize("call", ["s3.CopyObject", "s3.DeleteObject", "dynamodb.UpdateItem"])
async def test_lost_answers(house: House, survivor: Gateway, call: str) -> None:
    """A call whose answers are all lost: whatever the client was told, its gateway finishes it soon after."""
    old, new = f"/lost-{call}.raw", f"/lost-{call}.csv"
    assert (await house.put(survivor, old, BODY)).acknowledged
    await asyncio.to_thread(house.check)
    house.proxy.on(call, lose_answer, times=2)
    await rename(survivor, old, new)
    await asyncio.to_thread(house.check)
    assert (under(house, old), under(house, new)) == (None, BODY)


async def test_sweepers_die_too(house: House, survivor: Gateway) -> None:
    """A sweeper killed in the middle of a rename leaves it to the next one."""
    house.gateway()
    survivor.freeze()
    trap = house.steps.trap("take_over_rename.after")
    await killed_at(house, "copy.after", "/twice.raw", "/twice.csv")
    await asyncio.to_thread(trap.wait)
    await asyncio.to_thread(house.with_pid(trap.pid).kill)
    trap.release()
    survivor.thaw()
    await asyncio.to_thread(house.check)
    assert (under(house, "/twice.raw"), under(house, "/twice.csv")) == (None, BODY)
