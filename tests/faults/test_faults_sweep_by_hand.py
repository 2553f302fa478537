"""`tidegate transfers sweep` by hand: no gateway runs any more, and the command ends what was left."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import Any

import pytest

from support.fault_house import LANDING, PRIVATE, Gateway, House, Told
from support.fault_proxy import Request, refuse

pytestmark = pytest.mark.lengthy

SMALL = b"date;amount\n" * 1000
LARGE = bytes(range(256)) * 256 * 81  # 5 MiB and a little: a part and a rest

# Where a gateway dies, what it leaves behind, and what becomes of it.
LEFT: dict[str, tuple[str, bytes, str, str]] = {
    "/unsent.csv": ("put.before", SMALL, "STARTED", "ABANDONED"),
    "/stored.csv": ("put.after", SMALL, "STARTED", "COMPLETED"),
    "/parts.csv": ("upload_part.after", LARGE, "STARTED", "ABANDONED"),
    "/whole.csv": ("complete_multipart.after", LARGE, "FINISHING", "COMPLETED"),
    "/unseen.csv": ("put.after", SMALL, "STARTED", "COMPLETED"),
}


async def leave(house: House, victim: Gateway) -> None:
    """Hold each file at its step, and kill the gateway there."""
    traps, clients = [], []
    for path, (step, body, _, _) in LEFT.items():
        trap = house.steps.trap(step, pid=victim.process.pid)
        clients.append(asyncio.create_task(house.put(victim, path, body)))
        await asyncio.to_thread(trap.wait)
        traps.append(trap)
    await asyncio.to_thread(victim.kill)
    for trap in traps:
        trap.release()
    assert [told.acknowledged for told in await asyncio.gather(*clients)] == [False] * len(LEFT)


def sweep(house: House, gateway: Gateway, *words: str) -> subprocess.CompletedProcess[str]:
    said = house.command(gateway, "transfers", "sweep", *words)
    assert said.returncode == 0, said.stderr
    return said


def everything(house: House) -> tuple[Any, ...]:
    """Return all that a sweep could change: records, versions, uploads and leases."""
    leases = house.aws_client("dynamodb").scan(TableName="tidegate-directory", ConsistentRead=True)["Items"]
    return (
        sorted(house.items(), key=lambda row: (row["LogID"], row["Item"])),
        [(row["Key"], row["VersionId"]) for bucket in (LANDING, PRIVATE) for row in house.versions(bucket)],
        [row["UploadId"] for row in house.unfinished_uploads()],
        sorted((row for row in leases if "LeaseCounter" in row), key=str),
    )


def statuses(house: House) -> dict[str, str]:
    return {record["Path"]: record["Status"] for path in LEFT for record in house.uploads(path)}


def is_about_unseen(request: Request) -> bool:
    return "unseen.csv" in request.target


async def test_what_a_living_gateway_has_open(house: House) -> None:
    """The command watches, sees the lease move, and leaves the upload alone, which is then acknowledged."""
    living = await asyncio.to_thread(house.gateway)
    told = Told("/living.csv", SMALL, acknowledged=False)
    house.told.append(told)
    async with living.client() as connection, connection.start_sftp_client() as sftp:
        file = await sftp.open(told.path, "wb")
        await file.write(SMALL)
        said = await asyncio.to_thread(sweep, house, living)
        assert said.stdout.startswith("1 open, none swept: their gateways live")
        await file.close()
        told.acknowledged = True
    await asyncio.to_thread(house.check)
    [record] = house.uploads(told.path)
    assert (record["Status"], record["Fence"]) == ("COMPLETED", 1), "nobody took it over"
    await asyncio.to_thread(living.stop)


async def test_what_the_last_gateway_left(house: House) -> None:
    """A dry run changes nothing, a real one ends what it can see, the next the rest; copies wait."""
    victim = await asyncio.to_thread(house.gateway)
    await leave(house, victim)
    before = everything(house)

    said = await asyncio.to_thread(sweep, house, victim, "--dry-run", "--output", "json")
    named = {row["Path"]: (row["Status"], row["NewStatus"]) for row in json.loads(said.stdout)}
    assert named == {path: (status, None) for path, (_, _, status, _) in LEFT.items()}
    assert "dry run: nothing was changed" in said.stderr
    assert everything(house) == before, "the command's own lease is gone, too"

    ends = {path: end for path, (_, _, _, end) in LEFT.items()}
    house.proxy.on("s3.ListObjectVersions", refuse(403, "AccessDenied"), only=is_about_unseen)
    said = await asyncio.to_thread(sweep, house, victim)
    assert "watching the gateways' leases" in said.stderr
    assert statuses(house) == ends | {"/unseen.csv": "SWEEPING"}, "what cannot be decided stays open"
    house.proxy.clear()
    said = await asyncio.to_thread(sweep, house, victim, "--output", "json")
    assert [row["Path"] for row in json.loads(said.stdout)] == ["/unseen.csv"]
    assert "swept" in said.stderr, "the log goes where it does not spoil the JSON"
    assert statuses(house) == ends
    assert house.unfinished_uploads() == []
    records = [record for path in LEFT for record in house.uploads(path)]
    owed = [item["Status"] for record in records for item in house.deliveries(record["LogID"])]
    assert owed == ["PENDING"] * 3

    again = await asyncio.to_thread(lambda: house.gateway(again=victim))
    assert (await house.put(again, "/parts.csv", LARGE)).acknowledged
    await asyncio.to_thread(house.check)
