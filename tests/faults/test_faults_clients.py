"""Clients that die, vanish, fall silent, ignore errors or press Ctrl-C: half a file is never a whole one."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from support.fault_house import LANDING, Gateway, House, Told, wait_until
from support.fault_proxy import refuse
from support.relay import relay_to

pytestmark = pytest.mark.lengthy

MIB = 1024 * 1024
BODY = bytes(range(256)) * 4096 * 24  # 24 MiB, none of which is ever sent whole
PIECE = 256 * 1024


@pytest.fixture(scope="module")
def partner_safe(built: House) -> Gateway:
    return built.gateway()


@pytest.fixture(scope="module")
def transfer_family(built: House) -> Gateway:
    return built.gateway(preset="transfer-family")


@pytest.fixture(params=["partner-safe", "transfer-family"])
def gateway(request: pytest.FixtureRequest) -> Gateway:
    """Either preset: what a dropped upload comes to is where they differ."""
    found: Gateway = request.getfixturevalue(request.param.replace("-", "_"))
    return found


async def is_true(holds: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_until, holds, what)


def only_record(house: House, path: str) -> dict[str, Any]:
    [record] = house.uploads(path)
    return record


async def has_status(house: House, path: str, status: str) -> None:
    await is_true(lambda: only_record(house, path)["Status"] == status, f"{path} is {status}")


def assert_dropped(house: House, gateway: Gateway, path: str) -> None:
    """A dropped upload: nothing to be read, or, as AWS does, the beginning of the file; never delivered."""
    record = only_record(house, path)
    assert house.deliveries(record["LogID"]) == []
    if gateway.preset == "partner-safe":
        # Of one part and not a byte more nothing is kept.
        assert record["Status"] in ("KEPT", "ABANDONED")
        assert record["ObjectKey"] not in house.keys(LANDING)
        return
    assert record["Status"] == "PARTIAL"
    kept = house.body(LANDING, record["ObjectKey"], record["VersionId"])
    assert len(kept) == record["Bytes"] > 0
    assert BODY.startswith(kept)


# --- OpenSSH's sftp -------------------------------------------------------------------------


@contextmanager
def openssh(gateway: Gateway, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run `sftp` as somebody at a terminal, 4 MB/s; give the process and what it reads its commands from."""
    terminal, its_end = pty.openpty()
    command = ["sftp", "-q", "-l", "32000", "-i", str(gateway.key), "-P", str(gateway.port), "-F", "none"]
    command += [
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "LogLevel=ERROR",
    ]
    with (folder / "sftp.out").open("wb") as said:
        process = subprocess.Popen(
            [*command, "-o", "IdentitiesOnly=yes", "acme@127.0.0.1"],
            stdin=its_end,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={"PATH": os.environ["PATH"], "TERM": "dumb"},
        )
    os.close(its_end)
    try:
        yield process, terminal
    finally:
        process.kill()
        process.wait(10)
        os.close(terminal)


@pytest.mark.client("sftp")
async def test_a_client_is_killed_in_the_middle(house: House, gateway: Gateway, tmp_path: Path) -> None:
    """SIGKILL of a real client, the file half sent."""
    path = f"/killed-{gateway.preset}.bin"
    (tmp_path / "file.bin").write_bytes(BODY)
    trap = house.steps.trap("upload_part.after", pid=gateway.process.pid)
    with openssh(gateway, tmp_path) as (client, terminal):
        os.write(terminal, f"put {tmp_path}/file.bin {path}\n".encode())
        await asyncio.to_thread(trap.wait)
        os.killpg(client.pid, signal.SIGKILL)
    trap.release()
    await asyncio.to_thread(house.check)
    assert_dropped(house, gateway, path)


@pytest.mark.client("sftp")
async def test_ctrl_c_is_a_close(house: House, gateway: Gateway, tmp_path: Path) -> None:
    """Ctrl-C in OpenSSH is a normal CLOSE: COMPLETED, with exactly the bytes it had sent. Documented."""
    path = f"/interrupted-{gateway.preset}.bin"
    (tmp_path / "file.bin").write_bytes(BODY)
    trap = house.steps.trap("upload_part.after", pid=gateway.process.pid)
    with openssh(gateway, tmp_path) as (client, terminal):
        os.write(terminal, f"put {tmp_path}/file.bin {path}\n".encode())
        await asyncio.to_thread(trap.wait)
        client.send_signal(signal.SIGINT)
        trap.release()
        await has_status(house, path, "COMPLETED")
    record = only_record(house, path)
    assert 5 * MIB <= record["Bytes"] < len(BODY)
    sent = BODY[: int(record["Bytes"])]
    house.told.append(Told(path, sent, acknowledged=True))
    await asyncio.to_thread(house.check)


# --- the network ----------------------------------------------------------------------------


async def half_sent(connection: asyncssh.SSHClientConnection, path: str) -> None:
    """Open a file and send 6 MiB of it, all of it answered."""
    sftp = await connection.start_sftp_client()
    file = await sftp.open(path, "wb", block_size=PIECE)
    for start in range(0, 6 * MIB, PIECE):
        await file.write(BODY[start : start + PIECE])


def through(port: int, gateway: Gateway) -> Any:
    return asyncssh.connect(
        "127.0.0.1", port, username="acme", client_keys=[str(gateway.key)], known_hosts=None, config=None
    )


async def test_the_connection_is_reset(house: House, gateway: Gateway) -> None:
    """An RST in the middle of a file ends the upload at once."""
    path = f"/reset-{gateway.preset}.bin"
    async with relay_to(gateway.port) as relay, through(relay.port, gateway) as connection:
        await half_sent(connection, path)
        relay.reset()
        await connection.wait_closed()
    await asyncio.to_thread(house.check)
    assert_dropped(house, gateway, path)
    kept = only_record(house, path)["Bytes"]
    assert kept == (5 if gateway.preset == "partner-safe" else 6) * MIB


async def test_a_connection_falls_silent(house: House, partner_safe: Gateway) -> None:
    """Half open, it is waited for and publishes nothing; when the gateway stops, the upload is dropped."""
    path = "/silent.bin"
    stopping = await asyncio.to_thread(house.gateway)
    async with relay_to(stopping.port) as relay, through(relay.port, stopping) as connection:
        await half_sent(connection, path)
        relay.fall_silent()
        sweeps = len(house.proxy.requests("dynamodb.Query"))
        # Longer than a lease of either gateway: nobody takes it for lost while its gateway lives.
        await asyncio.to_thread(house.proxy.wait_for, "dynamodb.Query", sweeps + 200)
        assert only_record(house, path)["Status"] == "STARTED"
        await asyncio.to_thread(stopping.stop)
        assert stopping.process.returncode == 0
        connection.abort()
    assert_dropped(house, stopping, path)
    await asyncio.to_thread(house.check)


# --- clients that do not care ---------------------------------------------------------------


async def test_close_after_a_failed_write(house: House, gateway: Gateway) -> None:
    """A client that goes on after a failed WRITE reads a failure at CLOSE too; the record is FAILED."""
    path = f"/failed-{gateway.preset}.bin"
    house.proxy.on("s3.UploadPart", refuse(403, "AccessDenied"))
    async with gateway.client() as connection, connection.start_sftp_client() as sftp:
        file = await sftp.open(path, "wb", block_size=PIECE)
        failed, seen = False, len(house.proxy.requests("s3.UploadPart"))
        for start in range(0, len(BODY), PIECE):
            if start == 5 * MIB + PIECE:  # the first part is on its way, and what follows meets its refusal
                await asyncio.to_thread(house.proxy.wait_for, "s3.UploadPart", seen + 1)
            try:
                await file.write(BODY[start : start + PIECE])
            except asyncssh.SFTPError:
                failed = True
                break
        assert failed
        house.proxy.clear()  # what comes now would succeed, and must not
        with pytest.raises(asyncssh.SFTPError):
            await file.close()
    assert only_record(house, path)["Status"] == "FAILED"
    await asyncio.to_thread(house.check)


async def test_client_and_gateway_are_killed_together(house: House, transfer_family: Gateway) -> None:
    """Nobody is left to tell or to ask: the sweep ends it, and publishes nothing that was not asked for."""
    path = "/together.bin"
    victim = await asyncio.to_thread(lambda: house.gateway(preset="transfer-family"))
    trap = house.steps.trap("upload_part.after", pid=victim.process.pid)
    async with victim.client() as connection:
        sending = asyncio.create_task(half_sent(connection, path))
        await asyncio.to_thread(trap.wait)
        connection.abort()
        await asyncio.to_thread(victim.kill)
        await asyncio.gather(sending, return_exceptions=True)
    trap.release()
    await asyncio.to_thread(house.check)
    # Whoever sweeps decides by its own preset.
    assert only_record(house, path)["Status"] in ("ABANDONED", "KEPT")


async def test_many_connections_come_and_vanish(house: House, partner_safe: Gateway) -> None:
    """Connections that drop at once, each with an open file, leave the gateway as it was."""
    for number in range(10):
        async with partner_safe.client() as connection:
            sftp = await connection.start_sftp_client()
            await sftp.open(f"/vanished-{number}.bin", "wb")
            connection.abort()
    await asyncio.to_thread(house.check)
    found = {only_record(house, f"/vanished-{number}.bin")["Status"] for number in range(10)}
    assert found == {"ABANDONED"}
    assert (await house.put(partner_safe, "/after-all-that.bin", b"well")).acknowledged
    await asyncio.to_thread(house.check)
