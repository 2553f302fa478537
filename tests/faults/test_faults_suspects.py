"""Gateways that die while a file is held back: it is not accepted by that, and does not wait for ever."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from support.fault_house import LANDING, Gateway, House, wait_until

pytestmark = pytest.mark.lengthy

SMALL = b"date;amount\n" * 100
LARGE = bytes(range(256)) * 256 * 81  # 5 MiB and a little: a part and a rest
ROUTES = [
    {"name": "reports", "path": "/reports", "accept": {"last_line": r"TRL;\d+"}},
    {"name": "signed", "path": "/signed", "accept": {"sidecar": ".sha256"}},
]


@pytest.fixture(scope="module")
def survivor(built: House) -> Gateway:
    """Another gateway of the same configuration, which nobody kills."""
    return built.gateway(routes=ROUTES)


@pytest.mark.parametrize(
    ("step", "body"),
    [("put.after", SMALL), ("end.before", SMALL), ("complete_multipart.after", LARGE), ("end.before", LARGE)],
    ids=["small stored", "small judged", "large stored", "large judged"],
)
async def test_killed_between_stored_and_recorded(
    house: House, survivor: Gateway, step: str, body: bytes
) -> None:
    """The sweep of another gateway judges by the same rules: SUSPECT, whole, and owed to nobody."""
    path = f"/reports/{step}-{len(body)}.csv"
    victim = await asyncio.to_thread(lambda: house.gateway(routes=ROUTES))
    trap = house.steps.trap(step, pid=victim.process.pid)
    client = asyncio.create_task(house.put(victim, path, body))
    await asyncio.to_thread(trap.wait)
    await asyncio.to_thread(victim.kill)
    trap.release()
    assert not (await client).acknowledged
    await asyncio.to_thread(house.check)
    [record] = house.uploads(path)
    assert record["Status"] == "SUSPECT"
    assert "its last line" in record["Error"]
    assert record["Sha256"] == hashlib.sha256(body).hexdigest()
    assert house.body(LANDING, record["ObjectKey"], record["VersionId"]) == body
    assert house.deliveries(record["LogID"]) == []
    whole = SMALL + b"TRL;100\n"
    assert (await house.put(survivor, path, whole)).acknowledged, "the partner sends it again, whole"
    await asyncio.to_thread(house.check)


async def test_killed_between_a_sidecar_and_the_release(house: House, survivor: Gateway) -> None:
    """The sidecar's CLOSE was answered OK; the file it speaks of is released by another gateway, once."""
    victim = await asyncio.to_thread(lambda: house.gateway(routes=ROUTES))
    assert (await house.put(survivor, "/signed/a.csv", SMALL)).acknowledged
    [record] = house.uploads("/signed/a.csv")
    assert record["Status"] == "SUSPECT"
    trap = house.steps.trap("release.before", pid=victim.process.pid)
    digest = hashlib.sha256(SMALL).hexdigest().encode()
    assert (await house.put(victim, "/signed/a.csv.sha256", digest)).acknowledged
    await asyncio.to_thread(trap.wait)
    await asyncio.to_thread(victim.kill)
    trap.release()

    def is_released() -> bool:
        return bool(house.uploads("/signed/a.csv")[0]["Status"] == "COMPLETED")

    await asyncio.to_thread(wait_until, is_released, "the file is released", 40)
    await asyncio.to_thread(house.check)
    [record] = house.uploads("/signed/a.csv")
    [sidecar] = house.uploads("/signed/a.csv.sha256")
    assert record["DecidedBy"] != sidecar["GatewayId"], "that one is dead"
    assert [each["Status"] for each in house.deliveries(record["LogID"])] == ["DELIVERED"]
