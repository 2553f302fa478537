"""Gateways that die while uploads are kept and continued: what comes of it is the whole file, or goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncssh
import pytest

from support.fault_house import LANDING, Gateway, House, Told, wait_until

pytestmark = pytest.mark.lengthy

MIB = 1024 * 1024
PART = 5 * MIB
BODY = bytes(range(256)) * (4096 * 13) + b"the last line"  # two parts of 5 MiB, and a rest
PIECE = 256 * 1024
ON = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT


@pytest.fixture(autouse=True)
def gateways(house: House) -> None:
    house.living(2)


async def left(house: House, victim: Gateway, path: str, step: str = "") -> None:
    """Send more than two parts; then kill the gateway, or drop the connection and kill it after that."""
    trap = house.steps.trap(step, pid=victim.process.pid) if step else None
    async with victim.client() as connection:
        sftp = await connection.start_sftp_client()
        file = await sftp.open(path, "wb", block_size=PIECE)
        for start in range(0, 2 * PART + MIB, PIECE):
            await file.write(BODY[start : start + PIECE])
        await asyncio.to_thread(wait_until, lambda: parts_of(house, path) == 2, "both parts are in S3")
        if trap is not None:
            connection.abort()
            await asyncio.to_thread(trap.wait)
        await asyncio.to_thread(victim.kill)
        if trap is not None:
            trap.release()
        await connection.wait_closed()


def parts_of(house: House, path: str) -> int:
    record = house.uploads(path)[-1]
    if "UploadId" not in record:
        return 0
    where = {"Bucket": LANDING, "Key": record["ObjectKey"], "UploadId": record["UploadId"]}
    return len(house.aws_client("s3").list_parts(**where).get("Parts", []))


async def has_status(house: House, path: str, *statuses: str) -> dict[str, Any]:
    def holds() -> bool:
        return house.uploads(path)[-1]["Status"] in statuses

    try:
        await asyncio.to_thread(wait_until, holds, f"{path} is one of {statuses}")
    except TimeoutError as error:
        error.add_note(f"it is {house.uploads(path)[-1]}")
        error.add_note("\n".join(gateway.log.read_text()[-2000:] for gateway in house.gateways))
        raise
    return house.uploads(path)[-1]


async def go_on(house: House, gateway: Gateway, path: str) -> Told:
    """Do as `reput` does: ask for the size, send what follows, close."""
    told = Told(path, BODY, acknowledged=False)
    house.told.append(told)
    try:
        async with gateway.client() as connection, connection.start_sftp_client() as sftp:
            size = (await sftp.stat(path)).size
            assert size is not None
            file = await sftp.open(path, ON, encoding=None, block_size=PIECE)
            for start in range(size, len(BODY), PIECE):
                await file.write(BODY[start : start + PIECE], start)
            await file.close()
            told.acknowledged = True
    except (asyncssh.Error, OSError) as error:
        told.refusal = str(error)
    return told


async def killed_while_it_goes_on(house: House, path: str, step: str) -> None:
    """Go on at a gateway that is killed at a step of that; the client is told nothing good."""
    victim = await asyncio.to_thread(house.gateway)
    trap = house.steps.trap(step, pid=victim.process.pid)
    client = asyncio.create_task(go_on(house, victim, path))
    await asyncio.to_thread(trap.wait)
    await asyncio.to_thread(victim.kill)
    trap.release()
    assert not (await client).acknowledged


async def ends_whole(house: House, path: str) -> None:
    told = await go_on(house, (await asyncio.to_thread(house.living, 1))[0], path)
    assert told.acknowledged, told.refusal
    await asyncio.to_thread(house.check)
    [record] = house.uploads(path)
    assert record["Status"] == "COMPLETED"
    assert house.body(LANDING, record["ObjectKey"], record["VersionId"]) == BODY


async def test_the_gateway_is_killed_and_another_goes_on(house: House) -> None:
    """The sweep keeps what the dead gateway had sent, and its partner sends the rest to another one."""
    victim = await asyncio.to_thread(house.gateway)
    await left(house, victim, "/killed.bin")
    record = await has_status(house, "/killed.bin", "KEPT")
    assert record["Bytes"] == PART
    await ends_whole(house, "/killed.bin")


@pytest.mark.parametrize("step", ["keep.before", "keep.after"])
async def test_killed_while_keeping(house: House, step: str) -> None:
    """Before the record says KEPT the sweep keeps it; after it there is nothing to do."""
    path = f"/{step}.bin"
    victim = await asyncio.to_thread(house.gateway)
    await left(house, victim, path, step)
    await has_status(house, path, "KEPT")
    await ends_whole(house, path)


@pytest.mark.parametrize(
    "step", ["continue_kept.before", "continue_kept.after", "upload_part.after", "complete_multipart.before"]
)
async def test_killed_while_it_is_continued(house: House, step: str) -> None:
    """It is kept again, or, once it was closed, ended; then the file comes whole, or is sent anew."""
    path = f"/on-{step}.bin"
    dropper = await asyncio.to_thread(house.gateway)
    await left(house, dropper, path)
    await has_status(house, path, "KEPT")
    await killed_while_it_goes_on(house, path, step)
    record = await has_status(house, path, "KEPT", "ABANDONED")
    if record["Status"] == "KEPT":
        await ends_whole(house, path)
        return
    assert step == "complete_multipart.before"
    again = (await asyncio.to_thread(house.living, 1))[0]
    assert (await house.put(again, path, BODY)).acknowledged
    await asyncio.to_thread(house.check)


@pytest.mark.parametrize("step", ["complete_multipart.after", "complete.before", "complete.after"])
async def test_killed_when_it_is_whole(house: House, step: str) -> None:
    """The object is there, of parts that two gateways sent: the sweep reads its digest, and completes it."""
    path = f"/whole-{step}.bin"
    dropper = await asyncio.to_thread(house.gateway)
    await left(house, dropper, path)
    await has_status(house, path, "KEPT")
    await killed_while_it_goes_on(house, path, step)
    await has_status(house, path, "COMPLETED")
    await asyncio.to_thread(house.check)
    [record] = house.uploads(path)
    assert house.body(LANDING, record["ObjectKey"], record["VersionId"]) == BODY


async def test_what_nobody_goes_on_with_is_ended(house: House) -> None:
    """When its time is over it is ABANDONED, S3 has nothing of it, and STAT finds nothing."""
    short = await asyncio.to_thread(lambda: house.gateway(uploads={"keep_dropped_seconds": 1}))
    async with short.client() as connection:
        sftp = await connection.start_sftp_client()
        file = await sftp.open("/expired.bin", "wb", block_size=PIECE)
        for start in range(0, 2 * PART + MIB, PIECE):
            await file.write(BODY[start : start + PIECE])
        connection.abort()
    record = await has_status(house, "/expired.bin", "ABANDONED")
    assert record["Error"] == "it was dropped, and not continued in time"
    told = await go_on(house, short, "/expired.bin")
    assert told.refusal
    await asyncio.to_thread(house.check)


@pytest.mark.parametrize(
    ("size", "step"),
    [
        (1000, "create_multipart.after"),
        (1000, "complete_multipart.after"),
        (PART + 1000, "create_multipart.after"),
        (PART + 1000, "copy_part.after"),
        (PART + 1000, "complete_multipart.after"),
    ],
)
async def test_killed_while_a_file_is_added_to(house: House, size: int, step: str) -> None:
    """The file is the old one or the new one, never a mixture; sending it again adds it."""
    path = f"/added-{size}-{step}.bin"
    (living, _), old = await asyncio.to_thread(house.living, 2), BODY[:size]
    assert (await house.put(living, path, old)).acknowledged
    await killed_while_it_goes_on(house, path, step)
    await has_status(house, path, "COMPLETED", "ABANDONED", "KEPT")
    newest = house.uploads(path)[-1]
    assert house.body(LANDING, newest["ObjectKey"]) in (BODY, old)
    # What was there may not be added to, as a gateway took with it what the attempt was.
    if not (await go_on(house, living, path)).acknowledged:
        assert (await house.put(living, path, BODY)).acknowledged
    await asyncio.to_thread(house.check)
    assert house.body(LANDING, newest["ObjectKey"]) == BODY
