"""Temporary names as clients use them: one delivery, under the final name, and nobody is alarmed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shlex
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.adapters.aws import items
from tidegate.testing.gateway import LocalGateway
from tidegate.testing.records import deliveries_of

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh, Packets, Stored

KIB, MIB = 1024, 1024 * 1024
THEN = 1_600_000_000
OK, NO_SUCH_FILE, ATTRS = 0, 2, 105
STAT, SETSTAT, REMOVE, RENAME = 17, 9, 13, 18
# Above 100 KB WinSCP uses a temporary name; the last is a file of several parts.
SIZES = {"one part": 150 * KIB, "several parts": 9 * MIB}


class Log:
    """What a gateway logs from now on."""

    def __init__(self, gateway: LocalGateway) -> None:
        self._path = gateway.log_path
        self._from = self._path.stat().st_size

    def alarms(self) -> list[str]:
        """
        Return the events of lines at warning or above, and whatever is no line of ours.

        To be asked while the session is open: the way these tests leave is told as a lost connection.
        """
        with self._path.open() as file:
            file.seek(self._from)
            lines = file.read().splitlines()
        told = [json.loads(line) if line.startswith("{") else {"level": "?", "event": line} for line in lines]
        return [line["event"] for line in told if line["level"] not in ("debug", "info")]


@pytest.fixture
def log(partner_safe: LocalGateway) -> Log:
    return Log(partner_safe)


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def owed(gateway: LocalGateway, path: str) -> list[tuple[str, str]]:
    """Return state and destination of everything owed for a file that was uploaded as `path`, ever."""
    found = gateway.client("dynamodb").scan(TableName=gateway.transfers_table, ConsistentRead=True)["Items"]
    rows = [items.plain(row) for row in found]
    stories = [row["LogID"] for row in rows if row["Item"] == "transfer" and row["Path"] == path]
    return [
        (each["Status"], each["DestinationKey"])
        for story in stories
        for each in deliveries_of(rows, story).values()
    ]


async def asked(session: Packets, kind: int, *fields: bytes | int) -> int:
    """Ask, and return the status; 0 also for an answer that is none."""
    answer = await session.answer(session.ask(kind, *fields))
    return OK if answer.kind == ATTRS else answer.status


async def winscp(session: Packets, name: str, content: bytes) -> None:
    """
    Send a file of more than 100 KB as WinSCP does.

    It looks for the target and for what an earlier attempt has left; sends under the temporary name, all
    WRITEs and the CLOSE on their way at once; removes a target that is there; renames; sets the time.
    """
    final, temporary = name.encode(), f"{name}.filepart".encode()
    is_there = await asked(session, STAT, final) == OK
    assert await asked(session, STAT, temporary) == NO_SUCH_FILE
    handle = await session.open(f"{name}.filepart")
    pieces = range(0, len(content), 32 * KIB)
    sent = [session.ask_write(handle, at, content[at : at + 32 * KIB]) for at in pieces]
    closing = session.ask(4, handle)
    assert {(await session.answer(number)).status for number in [*sent, closing]} == {OK}
    if is_there:
        assert await asked(session, REMOVE, final) == OK
    assert await asked(session, RENAME, temporary, final) == OK
    assert await asked(session, SETSTAT, final, 0x8, THEN, THEN) == OK


async def winscp_small(session: Packets, name: str, content: bytes) -> None:
    """Send a small file as WinSCP does: under its own name, SETSTAT not waiting for CLOSE."""
    handle = await session.open(name)
    numbers = [session.ask_write(handle, 0, content), session.ask(4, handle)]
    numbers.append(session.ask(SETSTAT, name.encode(), 0x8, THEN, THEN))
    assert {(await session.answer(number)).status for number in numbers} == {OK}


async def mtime_of(session: Packets, name: str) -> int:
    told = await session.answer(session.ask(STAT, name.encode()))
    return int(struct.unpack(">IQIII", told.body)[4])


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_winscp(
    partner_safe: LocalGateway,
    packets: Callable[..., Any],
    stored: type[Stored],
    log: Log,
    size: int,
) -> None:
    """A new file: one delivery, under the final name, with its bytes; its time is kept; no alarm."""
    content = content_of(size)
    async with packets(partner_safe) as session:
        await winscp(session, "june.csv", content)
        assert await mtime_of(session, "june.csv") == THEN
        await asyncio.to_thread(partner_safe.wait_for_delivery, "/june.csv.filepart")
        assert log.alarms() == []
    assert owed(partner_safe, "/june.csv.filepart") == [("DELIVERED", "acme/june.csv")]
    there = stored(partner_safe)
    assert there.keys(partner_safe.private_bucket) == ["acme/june.csv"]
    assert there.content("acme/june.csv", partner_safe.private_bucket) == content
    assert there.content("acme/june.csv") == content


async def test_winscp_again(
    partner_safe: LocalGateway, packets: Callable[..., Any], stored: type[Stored], log: Log
) -> None:
    """Over a file that is there: each is delivered once, the newer on top, also while the name is free."""
    async with packets(partner_safe) as session:
        for size in (120 * KIB, 130 * KIB):
            await winscp(session, "june.csv", content_of(size))
            await asyncio.to_thread(partner_safe.wait_for_delivery, "/june.csv.filepart")
        assert log.alarms() == []
    assert owed(partner_safe, "/june.csv.filepart") == [("DELIVERED", "acme/june.csv")] * 2
    there = stored(partner_safe)
    assert set(there.keys(partner_safe.private_bucket)) == {"acme/june.csv"}
    assert there.content("acme/june.csv", partner_safe.private_bucket) == content_of(130 * KIB)


async def test_winscp_small(
    partner_safe: LocalGateway, packets: Callable[..., Any], stored: type[Stored], log: Log
) -> None:
    """A small file has no other name."""
    async with packets(partner_safe) as session:
        await winscp_small(session, "small.csv", b"date;amount\n")
        assert await mtime_of(session, "small.csv") == THEN
        await asyncio.to_thread(partner_safe.wait_for_delivery, "/small.csv")
        assert log.alarms() == []
    assert owed(partner_safe, "/small.csv") == [("DELIVERED", "acme/small.csv")]
    there = stored(partner_safe)
    assert there.content("acme/small.csv", partner_safe.private_bucket) == b"date;amount\n"


async def test_winscp_cancelled(
    partner_safe: LocalGateway, packets: Callable[..., Any], stored: type[Stored], log: Log
) -> None:
    """CLOSE, then REMOVE of the temporary name: nothing is owed, and nothing was delivered."""
    async with packets(partner_safe) as session:
        handle = await session.open("june.csv.filepart")
        await session.write(handle, 0, content_of(150 * KIB))
        assert (await session.close(handle)).status == OK
        assert owed(partner_safe, "/june.csv.filepart") == [("HELD", "acme/june.csv.filepart")]
        assert await asked(session, REMOVE, b"june.csv.filepart") == OK
        assert log.alarms() == []
    assert owed(partner_safe, "/june.csv.filepart") == [("DISCARDED", "acme/june.csv.filepart")]
    assert stored(partner_safe).keys(partner_safe.private_bucket) == []


async def test_posix_rename_over_a_file(
    partner_safe: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """As clients publish that know the extension: the file is replaced, and delivered once more."""
    async with packets(partner_safe) as session:
        for content in (b"first", b"second"):
            handle = await session.open("x.tmp")
            await session.write(handle, 0, content)
            assert (await session.close(handle)).status == OK
            assert await asked(session, 200, b"posix-rename@openssh.com", b"x.tmp", b"x") == OK
            await asyncio.to_thread(partner_safe.wait_for_delivery, "/x.tmp")
    assert owed(partner_safe, "/x.tmp") == [("DELIVERED", "acme/x")] * 2
    assert stored(partner_safe).content("acme/x", partner_safe.private_bucket) == b"second"


@pytest.mark.client("lftp")
def test_lftp_with_temporary_files(
    partner_safe: LocalGateway, openssh: Callable[..., OpenSsh], stored: type[Stored], log: Log
) -> None:
    """`xfer:use-temp-file` sends `.in.NAME`: one delivery under NAME, with its bytes and its time."""
    client = openssh(partner_safe)
    content = content_of(200 * KIB)
    (client.folder / "june.csv").write_bytes(content)
    os.utime(client.folder / "june.csv", (THEN, THEN))
    commands = (
        "set xfer:use-temp-file yes",
        f'set sftp:connect-program "{shlex.join(["ssh", "-a", "-x", *client.options])}"',
        f"open -u acme, -p {client.port} sftp://{partner_safe.sftp_host}",
        "put june.csv",
    )
    done = client.run("lftp", "--norc", "-c", "; ".join(("set cmd:fail-exit yes", *commands)))
    assert done.returncode == 0, done.stderr
    partner_safe.wait_for_delivery("/.in.june.csv")
    assert owed(partner_safe, "/.in.june.csv") == [("DELIVERED", "acme/june.csv")]
    there = stored(partner_safe)
    assert there.keys(partner_safe.private_bucket) == ["acme/june.csv"]
    assert there.content("acme/june.csv", partner_safe.private_bucket) == content
    for bucket in (partner_safe.landing_bucket, partner_safe.private_bucket):
        assert there.head("acme/june.csv", bucket)["Metadata"]["tidegate-mtime"] == str(THEN)
    assert log.alarms() == []


# --- settings ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def impatient_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    config = (
        "behaviour: {temporary_names: ['*.upload', '~*']}\n"
        "deliveries: {hold_seconds: 2, poll_interval_seconds: 0.2}\n"
    )
    directory = tmp_path_factory.mktemp("impatient")
    with LocalGateway("transfer-family", config, directory) as server:
        yield server


@pytest.mark.lengthy
async def test_names_and_time_are_settings(
    impatient_server: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """In any preset: other names are held, for another time; then delivered as they are, once."""
    async with packets(impatient_server) as session:
        for name in ("june.upload", "~july", "august.filepart"):
            handle = await session.open(name)
            await session.write(handle, 0, name.encode())
            assert (await session.close(handle)).status == OK
            if name == "june.upload":
                assert owed(impatient_server, "/june.upload") == [("HELD", "acme/june.upload")]
                assert await asked(session, RENAME, b"june.upload", b"june.csv") == OK
    finals = {"june.upload": "june.csv", "~july": "~july", "august.filepart": "august.filepart"}
    for name, final in finals.items():
        await asyncio.to_thread(impatient_server.wait_for_delivery, f"/{name}")
        assert owed(impatient_server, f"/{name}") == [("DELIVERED", f"acme/{final}")]
    keys = stored(impatient_server).keys(impatient_server.private_bucket)
    assert sorted(keys) == ["acme/august.filepart", "acme/june.csv", "acme/~july"]


async def test_transfer_family_delivers_at_once(tidegate: LocalGateway, packets: Callable[..., Any]) -> None:
    """As AWS: a temporary name is a name."""
    async with packets(tidegate) as session:
        handle = await session.open("june.csv.filepart")
        await session.write(handle, 0, b"whole")
        assert (await session.close(handle)).status == OK
    await asyncio.to_thread(tidegate.wait_for_delivery, "/june.csv.filepart")
    assert owed(tidegate, "/june.csv.filepart") == [("DELIVERED", "acme/june.csv.filepart")]
