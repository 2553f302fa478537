"""Deliveries: workers that die and workers that race, a destination that is away, a source that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from support.fault_house import PRIVATE, House, wait_until
from support.fault_proxy import Gate, lose_answer
from tidegate.core.deliveries import DeliveryStatus

BODY = b"date;amount\n" * 1000
STEPS_OF_A_DELIVERY = ["claim.after", "copy.before", "copy.after", "settle.before", "settle.after"]


async def is_true(holds: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_until, holds, what)


def log_ids(house: House, path: str) -> list[str]:
    return [record["LogID"] for record in house.uploads(path)]


def states(house: House, path: str) -> list[str]:
    """Return the states of what the uploads of a path owe, oldest first."""
    return [item["Status"] for log_id in log_ids(house, path) for item in house.deliveries(log_id)]


def delivered(house: House, path: str) -> bytes:
    return house.body(PRIVATE, house.uploads(path)[0]["ObjectKey"])


@pytest.mark.lengthy
async def test_every_worker_dies_until_the_last(house: House) -> None:
    """One delivery, whose workers are killed one after another, each one step further: it is done."""
    for number, step in enumerate(STEPS_OF_A_DELIVERY):
        # Before the dead one is replaced, which takes a while: the other may be at it already.
        trap = house.steps.trap(step)
        gateways = await asyncio.to_thread(house.living, 2)
        if number == 0:
            assert (await house.put(gateways[0], "/chain.csv", BODY)).acknowledged
        await asyncio.to_thread(trap.wait)
        await asyncio.to_thread(house.with_pid(trap.pid).kill)
        trap.release()
    await asyncio.to_thread(house.living, 1)
    await asyncio.to_thread(house.check)
    [delivery] = house.deliveries(log_ids(house, "/chain.csv")[0])
    assert delivery["Status"] == "DELIVERED"
    # Nothing is left to do after `settle.after`. Whoever was killed at `claim.after` may have been refused.
    assert len(STEPS_OF_A_DELIVERY) - 1 <= delivery["Attempts"] <= len(STEPS_OF_A_DELIVERY)
    assert delivered(house, "/chain.csv") == BODY


# --- two versions of one key ----------------------------------------------------------------


@pytest.mark.lengthy
@pytest.mark.parametrize("takes_effect", ["late", pytest.param("early", marks=pytest.mark.lengthy)])
async def test_the_older_version_is_copied_last(house: House, takes_effect: str) -> None:
    """Two workers copy two versions of one key in any order: the newest is what stays."""
    path = f"/race-{takes_effect}.csv"
    first, second = await asyncio.to_thread(house.living, 2)
    gate = Gate(after=takes_effect == "early")  # done before version 2, and answered after it
    house.proxy.on("s3.CopyObject", gate, times=1)
    assert (await house.put(first, path, b"version 1")).acknowledged
    await asyncio.to_thread(gate.wait_for_arrival)
    assert (await house.put(second, path, b"version 2")).acknowledged
    await is_true(lambda: states(house, path)[1:] == ["DELIVERED"], "version 2 was delivered")
    gate.open()
    await asyncio.to_thread(house.check)
    assert delivered(house, path) == b"version 2"
    assert states(house, path) == ["SUPERSEDED", "DELIVERED"]


@pytest.mark.lengthy
async def test_a_worker_frozen_between_copy_and_settling(house: House) -> None:
    """A worker that sleeps through its lease settles nothing that another has settled."""
    first, second = await asyncio.to_thread(house.living, 2)
    second.freeze()  # so that the first is the one that claims
    trap = house.steps.trap("settle.before")
    assert (await house.put(first, "/frozen.csv", b"version 1")).acknowledged
    await asyncio.to_thread(trap.wait)
    first.freeze()
    trap.release()
    second.thaw()
    assert (await house.put(second, "/frozen.csv", b"version 2")).acknowledged
    await is_true(lambda: "PENDING" not in states(house, "/frozen.csv"), "the other worker did it")
    before = states(house, "/frozen.csv")
    first.thaw()
    await asyncio.to_thread(house.check)
    assert delivered(house, "/frozen.csv") == b"version 2"
    assert states(house, "/frozen.csv") == before


# --- what is there and what is not ----------------------------------------------------------


@pytest.mark.lengthy
async def test_the_destination_is_away_for_a_while(house: House) -> None:
    """What a missing bucket was owed is delivered once it is there again; the client never noticed."""
    [gateway] = await asyncio.to_thread(house.living, 1)
    kept = {key: house.body(PRIVATE, key) for key in house.keys(PRIVATE)}
    s3 = house.aws_client("s3")
    remove_bucket(s3)
    assert (await house.put(gateway, "/away.csv", BODY)).acknowledged
    [log_id] = log_ids(house, "/away.csv")
    await is_true(lambda: bool(house.deliveries(log_id)[0].get("Error")), "an attempt failed, in words")
    assert states(house, "/away.csv") == [DeliveryStatus.PENDING]
    s3.create_bucket(Bucket=PRIVATE)
    for key, body in kept.items():
        s3.put_object(Bucket=PRIVATE, Key=key, Body=body)
    await asyncio.to_thread(house.check)
    [delivery] = house.deliveries(log_id)
    assert delivery["Attempts"] > 1
    assert "Error" not in delivery
    assert delivered(house, "/away.csv") == BODY


def remove_bucket(s3: Any) -> None:
    listed = s3.list_object_versions(Bucket=PRIVATE)
    for version in listed.get("Versions", []) + listed.get("DeleteMarkers", []):
        s3.delete_object(Bucket=PRIVATE, Key=version["Key"], VersionId=version["VersionId"])
    s3.delete_bucket(Bucket=PRIVATE)


async def test_the_client_removes_what_is_not_delivered_yet(house: House) -> None:
    """What was acknowledged is delivered, even if the partner removes the file before that."""
    [gateway] = await asyncio.to_thread(house.living, 1)
    trap = house.steps.trap("copy.before")
    assert (await house.put(gateway, "/removed.csv", BODY)).acknowledged
    await asyncio.to_thread(trap.wait)
    async with gateway.client() as connection, connection.start_sftp_client() as sftp:
        await sftp.remove("/removed.csv")
    trap.release()
    await asyncio.to_thread(house.check)
    assert states(house, "/removed.csv") == ["DELIVERED"]
    assert delivered(house, "/removed.csv") == BODY


async def test_the_client_replaces_what_is_not_delivered_yet(house: House) -> None:
    """Of two versions that are owed at once, the destination ends with the newer."""
    [gateway] = await asyncio.to_thread(house.living, 1)
    trap = house.steps.trap("copy.before")
    assert (await house.put(gateway, "/replaced.csv", b"version 1")).acknowledged
    await asyncio.to_thread(trap.wait)
    assert (await house.put(gateway, "/replaced.csv", b"version 2")).acknowledged
    trap.release()
    await asyncio.to_thread(house.check)
    assert delivered(house, "/replaced.csv") == b"version 2"


@pytest.mark.lengthy
async def test_a_lost_answer_to_a_copy(house: House) -> None:
    """A copy whose answer was lost is copied again, and settled once."""
    [gateway] = await asyncio.to_thread(house.living, 1)
    house.proxy.on("s3.CopyObject", lose_answer, times=2)
    assert (await house.put(gateway, "/unheard.csv", BODY)).acknowledged
    await asyncio.to_thread(house.check)
    assert states(house, "/unheard.csv") == ["DELIVERED"]
