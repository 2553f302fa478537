"""STAT and SETSTAT as clients use them: while a file is sent, right after CLOSE, and for its time."""

from __future__ import annotations

import asyncio
import io
import os
import shlex
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import paramiko
import pytest

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import Answer, OpenSsh, Packets, Stored

MIB = 1024 * 1024
THEN = 1_600_000_000
ATTRS, NO_SUCH_FILE, UNSUPPORTED = 105, 2, 8
STAT, SETSTAT, FSTAT, FSETSTAT = 17, 9, 8, 10
SIZE_AND_MODE_AND_TIMES = 0x1 | 0x4 | 0x8


def told(answer: Answer) -> tuple[int, int]:
    """Return size and time of an ATTRS reply."""
    assert answer.kind == ATTRS, f"no ATTRS but status {answer.status}: {answer.text}"
    flags, size, _, _, mtime = struct.unpack(">IQIII", answer.body)
    assert flags == SIZE_AND_MODE_AND_TIMES
    return size, mtime


async def set_time(session: Packets, kind: int, of: bytes, mtime: int) -> int:
    """Set access and modification time; return the status."""
    status: int = (await session.answer(session.ask(kind, of, 0x8, mtime, mtime))).status
    return status


# --- while a file is sent -------------------------------------------------------------------


async def test_stat_of_a_file_that_is_being_uploaded(
    gateway: LocalGateway, preset: str, packets: Callable[..., Any]
) -> None:
    """partner-safe tells the bytes received so far, Transfer Family nothing; after CLOSE it is all there."""
    async with packets(gateway) as session:
        handle = await session.open("r.bin")
        await session.write(handle, 0, b"12345")
        amid = await session.answer(session.ask(STAT, b"r.bin"))
        if preset == "partner-safe":
            assert told(amid)[0] == 5
        else:
            assert amid.status == NO_SUCH_FILE
        assert told(await session.answer(session.ask(FSTAT, handle)))[0] == 5
        closing, after = session.ask(4, handle), session.ask(STAT, b"r.bin")
        assert (await session.answer(closing)).status == 0
        assert told(await session.answer(after))[0] == 5


async def test_stat_of_a_file_that_is_being_replaced(
    gateway: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """The old version, to everybody, until CLOSE; and after a CLOSE that fails, as if nothing had been."""
    async with packets(gateway) as session:
        first = await session.open("r.bin")
        await session.write(first, 0, b"old")
        assert (await session.close(first)).status == 0
        second = await session.open("r.bin")
        await session.write(second, 0, b"longer")
        assert told(await session.answer(session.ask(STAT, b"r.bin")))[0] == 3
        await session.write(second, 3 * MIB, b"far ahead")  # fails, and its CLOSE with it
        closing, after = session.ask(4, second), session.ask(STAT, b"r.bin")
        assert (await session.answer(closing)).status != 0
        assert told(await session.answer(after))[0] == 3
    assert stored(gateway).content("acme/r.bin") == b"old"


async def test_stat_after_the_client_left(partner_safe: LocalGateway, packets: Callable[..., Any]) -> None:
    """An upload that was given up is not there any more, for no other session either."""
    async with packets(partner_safe) as session:
        handle = await session.open("r.bin")
        await session.write(handle, 0, b"12345")
    await asyncio.to_thread(partner_safe.wait_for_transfer, "r.bin", status="ABANDONED")
    async with packets(partner_safe) as session:
        assert (await session.answer(session.ask(STAT, b"r.bin"))).status == NO_SUCH_FILE


# --- times ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 9 * MIB], ids=["one call", "in parts"])
async def test_a_time_set_before_close_is_kept(
    partner_safe: LocalGateway, packets: Callable[..., Any], stored: type[Stored], size: int
) -> None:
    """Shown by STAT, also under a new name, and written without storing the object again."""
    async with packets(partner_safe) as session:
        handle = await session.open("r.bin")
        await session.write(handle, 0, bytes(size))
        assert await set_time(session, FSETSTAT, handle, THEN) == 0
        assert told(await session.answer(session.ask(FSTAT, handle))) == (size, THEN)
        assert (await session.close(handle)).status == 0
        assert told(await session.answer(session.ask(STAT, b"r.bin"))) == (size, THEN)
        assert len(stored(partner_safe).keys()) == 1
        assert (await session.answer(session.ask(18, b"r.bin", b"new.bin"))).status == 0  # RENAME
        assert told(await session.answer(session.ask(STAT, b"new.bin"))) == (size, THEN)
    assert stored(partner_safe).head("acme/new.bin")["Metadata"]["tidegate-mtime"] == str(THEN)


async def test_a_time_set_after_close_is_a_tag(
    partner_safe: LocalGateway, packets: Callable[..., Any], stored: type[Stored]
) -> None:
    """As WinSCP and others set it: pipelined behind CLOSE, by path. The handle of a reader shows it, too."""
    async with packets(partner_safe) as session:
        handle = await session.open("r.bin")
        await session.write(handle, 0, b"12345")
        closing, setting = session.ask(4, handle), session.ask(SETSTAT, b"r.bin", 0x8, THEN, THEN)
        assert [(await session.answer(each)).status for each in (closing, setting)] == [0, 0]
        assert told(await session.answer(session.ask(STAT, b"r.bin"))) == (5, THEN)
        reader = await session.open("r.bin", 0x1)
        assert told(await session.answer(session.ask(FSTAT, reader))) == (5, THEN)
    s3 = partner_safe.client("s3")
    tags = s3.get_object_tagging(Bucket=partner_safe.landing_bucket, Key="acme/r.bin")["TagSet"]
    assert tags == [{"Key": "tidegate-mtime", "Value": str(THEN)}]
    assert len(stored(partner_safe).keys()) == 1


async def test_transfer_family_keeps_no_time(tidegate: LocalGateway, packets: Callable[..., Any]) -> None:
    """Refused in AWS's words, by handle and by name."""
    async with packets(tidegate) as session:
        handle = await session.open("r.bin")
        assert await set_time(session, FSETSTAT, handle, THEN) == UNSUPPORTED
        assert (await session.close(handle)).status == 0
        refused = await session.answer(session.ask(SETSTAT, b"r.bin", 0x8, THEN, THEN))
        assert (refused.status, refused.text) == (UNSUPPORTED, "SETSTAT unsupported")
        assert told(await session.answer(session.ask(STAT, b"r.bin")))[1] > THEN


async def test_modes_and_owners_are_accepted_and_forgotten(
    partner_safe: LocalGateway, packets: Callable[..., Any]
) -> None:
    """A chmod after an upload must not fail it, and changes nothing; of what is not there it fails."""
    async with packets(partner_safe) as session:
        handle = await session.open("r.bin")
        assert (await session.answer(session.ask(FSETSTAT, handle, 0x4, 0o600))).status == 0
        assert (await session.close(handle)).status == 0
        assert (await session.answer(session.ask(SETSTAT, b"r.bin", 0x2, 0, 0))).status == 0
        mode = (await session.answer(session.ask(STAT, b"r.bin"))).body[12:16]
        assert int.from_bytes(mode, "big") == 0o100744
        assert (await session.answer(session.ask(SETSTAT, b"no.bin", 0x4, 0o600))).status == NO_SUCH_FILE


# --- real clients ---------------------------------------------------------------------------


def source(client: OpenSsh) -> None:
    """Make the file `there`, last changed then."""
    (client.folder / "there").write_bytes(b"content")
    os.utime(client.folder / "there", (THEN, THEN))


@pytest.mark.client("sftp")
def test_openssh_keeps_times(partner_safe: LocalGateway, openssh: Callable[..., OpenSsh]) -> None:
    """`put -p` and `get -p`, `scp -p` both ways: the file that comes back is as old as what was sent."""
    client = openssh(partner_safe)
    source(client)
    client.put("put -p there a", "get -p a a")
    up = client.scp("there", "REMOTE:/b", options=("-p",))
    down = client.scp("REMOTE:/b", "b", options=("-p",))
    assert (up.returncode, up.stderr, down.returncode) == (0, "", 0)
    assert [int((client.folder / name).stat().st_mtime) for name in "ab"] == [THEN, THEN]


@pytest.mark.client("sftp")
def test_a_tree_with_its_times(partner_safe: LocalGateway, openssh: Callable[..., OpenSsh]) -> None:
    """`put -rp` sets times of directories, which nothing keeps, and succeeds; those of files are kept."""
    client = openssh(partner_safe)
    (client.folder / "tree").mkdir()
    (client.folder / "tree" / "a").write_text("a")
    os.utime(client.folder / "tree" / "a", (THEN, THEN))
    client.put("put -rp tree", "get -p tree/a back")
    assert int((client.folder / "back").stat().st_mtime) == THEN


@pytest.mark.client("lftp")
@pytest.mark.parametrize("temp_file", ["no", "yes"])
def test_lftp_keeps_times(
    partner_safe: LocalGateway, openssh: Callable[..., OpenSsh], temp_file: str
) -> None:
    """It says size and time before CLOSE; or uploads under another name first, and renames."""
    client = openssh(partner_safe)
    source(client)
    commands = (
        f"set xfer:use-temp-file {temp_file}",
        f'set sftp:connect-program "{shlex.join(["ssh", "-a", "-x", *client.options])}"',
        f"open -u acme, -p {client.port} sftp://{partner_safe.sftp_host}",
        "put there -o a",
        "get a -o back",
    )
    done = client.run("lftp", "--norc", "-c", "; ".join(("set cmd:fail-exit yes", *commands)))
    assert done.returncode == 0, done.stderr
    assert int((client.folder / "back").stat().st_mtime) == THEN


@pytest.mark.client("rclone")
def test_rclone_keeps_times(partner_safe: LocalGateway, openssh: Callable[..., OpenSsh]) -> None:
    """It sets the time after CLOSE, and compares size and time: a second copy finds nothing to do."""
    client = openssh(partner_safe)
    source(client)
    remote = (
        f":sftp,host={partner_safe.sftp_host},port={client.port},user=acme,shell_type=none,"
        f"key_file='{client.key}',known_hosts_file='{partner_safe.known_hosts_path}':a"
    )
    for _ in range(2):
        done = client.run("rclone", "--config", os.devnull, "copyto", "there", remote)
        assert done.returncode == 0, done.stderr
    assert len(partner_safe.transfers()) == 1


@pytest.mark.parametrize("size", [0, 100_000])
def test_paramiko_confirms_what_it_put(gateway: LocalGateway, size: int) -> None:
    """It sends CLOSE without reading the answer, and compares the size STAT tells right after it."""
    partner = gateway.partner("acme")
    with paramiko.SSHClient() as ssh:
        ssh.load_host_keys(str(gateway.known_hosts_path))
        ssh.connect(
            gateway.sftp_host,
            gateway.sftp_port,
            username=partner.user_name,
            key_filename=str(partner.private_key_path),
            allow_agent=False,
            look_for_keys=False,
        )
        with ssh.open_sftp() as sftp:
            assert sftp.putfo(io.BytesIO(bytes(size)), "r.bin", confirm=True).st_size == size
