"""Appending to files and going on with dropped uploads, by real clients against a partner-safe gateway."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import asyncssh
import paramiko
import pytest

from support.relay import Cut
from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh, Packets, Stored

MIB = 1024 * 1024
PART = 8 * MIB
WRITE, APPEND, CREATE = 0x02, 0x04, 0x08


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


class Report:
    """/report.bin of one gateway, and the questions asked of it."""

    def __init__(self, gateway: LocalGateway, stored: type[Stored], content: bytes) -> None:
        self.gateway = gateway
        self.stored = stored(gateway)
        self.content = content

    def is_kept(self, size: int) -> str:
        """Wait until it is; return its LogID."""
        record = self.gateway.wait_for_transfer("report.bin", status="KEPT")
        assert record["Bytes"] == size
        assert self.stored.keys() == []
        assert self.stored.unfinished() == ["acme/report.bin"]
        return str(record["LogID"])

    def is_whole(self, log_id: str | None = None) -> None:
        record = self.gateway.wait_for_transfer("report.bin", status="COMPLETED")
        assert log_id in (None, record["LogID"])
        assert self.stored.content("acme/report.bin") == self.content
        assert record["Sha256"] == hashlib.sha256(self.content).hexdigest()
        assert self.stored.unfinished() == []


@pytest.fixture
def report(partner_safe: LocalGateway, stored: type[Stored]) -> Callable[[bytes], Report]:
    return lambda content: Report(partner_safe, stored, content)


async def dropped(session: Packets, content: bytes) -> None:
    """Send the beginning of a file, see it acknowledged, and lose the connection."""
    handle = await session.open("/report.bin")
    assert {answer.status for answer in await session.write(handle, 0, content)} == {0}
    session.connection.abort()


async def run(client: OpenSsh, *lines: str) -> Any:
    return await asyncio.to_thread(client.sftp, *lines)


# --- going on with a dropped upload ------------------------------------------------------------


@pytest.mark.client("sftp")
async def test_openssh_goes_on(
    partner_safe: LocalGateway, openssh: Callable[..., OpenSsh], report: Callable[[bytes], Report]
) -> None:
    """The wire breaks in the second part; `reput` sends the rest, and no byte of the first part again."""
    client, file = openssh(partner_safe), report(content_of(20 * MIB))
    (client.folder / "report.bin").write_bytes(file.content)
    async with Cut(partner_safe.sftp_port, 10 * MIB) as wire:
        client.port = wire.port
        assert (await run(client, "put report.bin")).returncode != 0
    log_id = await asyncio.to_thread(file.is_kept, PART)
    async with Cut(partner_safe.sftp_port, 100 * MIB) as wire:
        client.port = wire.port
        done = await run(client, "reput report.bin")
        assert done.returncode == 0, done.stderr
        assert 12 * MIB < wire.sent_bytes < 13 * MIB
    await asyncio.to_thread(file.is_whole, log_id)


@pytest.mark.client("sftp")
@pytest.mark.parametrize("cut_after", [2 * MIB, 11 * MIB], ids=["of which nothing is kept", "kept"])
async def test_going_on_where_another_file_is_there(
    partner_safe: LocalGateway,
    openssh: Callable[..., OpenSsh],
    report: Callable[[bytes], Report],
    cut_after: int,
) -> None:
    """A replacement breaks off: `reput` would add its end to the old file, and is refused; `put` sends it."""
    client, file = openssh(partner_safe), report(content_of(20 * MIB))
    local, old = client.folder / "report.bin", content_of(6 * MIB)
    local.write_bytes(old)
    assert (await run(client, "put report.bin")).returncode == 0
    local.write_bytes(file.content)
    async with Cut(partner_safe.sftp_port, cut_after) as wire:
        client.port = wire.port
        assert (await run(client, "put report.bin")).returncode != 0
    client.port = partner_safe.sftp_port
    ended = "KEPT" if cut_after > PART else "ABANDONED"
    await asyncio.to_thread(partner_safe.wait_for_transfer, "report.bin", status=ended)
    done = await run(client, "reput report.bin")
    assert done.returncode != 0
    assert "close remote" in done.stderr
    assert file.stored.content("acme/report.bin") == old
    assert (await run(client, "put report.bin")).returncode == 0
    await asyncio.to_thread(file.is_whole)


@pytest.mark.lengthy
@pytest.mark.client("lftp")
async def test_lftp_goes_on(
    partner_safe: LocalGateway,
    packets: Callable[..., Any],
    report: Callable[[bytes], Report],
    openssh: Callable[..., OpenSsh],
) -> None:
    """`put -c` asks how much is there, and sends the rest."""
    file = report(content_of(12 * MIB))
    client = openssh(partner_safe)
    (client.folder / "report.bin").write_bytes(file.content)
    async with packets(partner_safe) as session:
        await dropped(session, file.content[: 9 * MIB])
    log_id = await asyncio.to_thread(file.is_kept, PART)
    done = await asyncio.to_thread(client.lftp, "put -c report.bin")
    assert done.returncode == 0, done.stderr
    await asyncio.to_thread(file.is_whole, log_id)


@pytest.mark.parametrize("flags", [WRITE, WRITE | CREATE, WRITE | CREATE | APPEND])
async def test_clients_that_ask_for_the_size_go_on(
    partner_safe: LocalGateway, packets: Callable[..., Any], report: Callable[[bytes], Report], flags: int
) -> None:
    """WinSCP, JSch and OpenSSH open with other flags, none with TRUNCATE, and write from STAT's size."""
    file = report(content_of(10 * MIB))
    async with packets(partner_safe) as session:
        await dropped(session, file.content[: 9 * MIB])
    log_id = await asyncio.to_thread(file.is_kept, PART)
    async with packets(partner_safe) as session:
        stat = await session.answer(session.ask(17, b"/report.bin"))
        size = int.from_bytes(stat.body[4:12], "big")
        assert (stat.kind, size) == (105, PART)
        handle = await session.open("/report.bin", flags)
        answers = await session.write(handle, size, file.content[size:])
        assert {answer.status for answer in answers} == {0}
        assert (await session.close(handle)).status == 0
    await asyncio.to_thread(file.is_whole, log_id)


async def test_it_cannot_be_read_or_renamed(
    partner_safe: LocalGateway, packets: Callable[..., Any], report: Callable[[bytes], Report]
) -> None:
    """What is kept is no file: only its own partner sees its size, and nobody its bytes."""
    file = report(content_of(9 * MIB))
    async with packets(partner_safe) as session:
        await dropped(session, file.content)
    await asyncio.to_thread(file.is_kept, PART)
    async with packets(partner_safe) as session:
        opened = await session.answer(session.ask(3, b"/report.bin", 0x01, 0))
        renamed = await session.answer(session.ask(18, b"/report.bin", b"/final.bin"))
        assert (opened.status, renamed.status) == (2, 2)
        handle = (await session.answer(session.ask(11, b"/"))).string
        assert (await session.answer(session.ask(12, handle))).status == 1, "a listing shows files"
    async with packets(partner_safe, "bank") as session:
        assert (await session.answer(session.ask(17, b"/report.bin"))).status == 2


async def test_remove_gives_it_up(
    partner_safe: LocalGateway, packets: Callable[..., Any], report: Callable[[bytes], Report]
) -> None:
    """REMOVE answers OK, the parts are gone from S3, and then there is nothing of that name."""
    file = report(content_of(9 * MIB))
    async with packets(partner_safe) as session:
        await dropped(session, file.content)
    await asyncio.to_thread(file.is_kept, PART)
    async with packets(partner_safe) as session:
        assert (await session.answer(session.ask(13, b"/report.bin"))).status == 0
        assert (await session.answer(session.ask(17, b"/report.bin"))).status == 2
        assert (await session.answer(session.ask(13, b"/report.bin"))).status == 2
    await asyncio.to_thread(partner_safe.wait_for_transfer, "report.bin", status="ABANDONED")
    assert file.stored.unfinished() == []


async def test_transfer_family_refuses(tidegate: LocalGateway, packets: Callable[..., Any]) -> None:
    """Under the other preset an OPEN with APPEND is refused, in AWS's words."""
    async with packets(tidegate) as session:
        answer = await session.answer(session.ask(3, b"/report.bin", WRITE | CREATE | APPEND, 0))
        assert (answer.status, answer.text) == (8, "Cannot open file in mode: APPEND|CREATE|WRITE")


# --- appending ----------------------------------------------------------------------------------


@pytest.mark.client("sftp")
@pytest.mark.parametrize("size", [1000, 9 * MIB], ids=["small", "large"])
def test_openssh_appends(
    partner_safe: LocalGateway, openssh: Callable[..., OpenSsh], report: Callable[[bytes], Report], size: int
) -> None:
    """`reput` of a file that has grown adds what is new."""
    client, file = openssh(partner_safe), report(content_of(size) + b"the last line\n")
    local = client.folder / "report.bin"
    local.write_bytes(file.content[:size])
    client.put("put report.bin")
    partner_safe.wait_for_transfer("report.bin", status="COMPLETED")
    local.write_bytes(file.content)
    client.put("reput report.bin")
    file.is_whole()


@contextmanager
def paramiko_session(gateway: LocalGateway) -> Iterator[paramiko.SFTPClient]:
    partner = gateway.partner("acme")
    with paramiko.SSHClient() as ssh:
        ssh.load_host_keys(str(gateway.known_hosts_path))
        ssh.connect(
            gateway.sftp_host,
            gateway.sftp_port,
            partner.user_name,
            key_filename=str(partner.private_key_path),
            allow_agent=False,
            look_for_keys=False,
        )
        with ssh.open_sftp() as sftp:
            yield sftp


@pytest.mark.parametrize("mode", ["ab", "r+b"])
def test_paramiko_appends(partner_safe: LocalGateway, report: Callable[[bytes], Report], mode: str) -> None:
    """Its append mode, and its mode for reading and writing, positioned at the end."""
    file = report(b"a,b\n1,2\n")
    with paramiko_session(partner_safe) as sftp:
        with sftp.open("/report.bin", "wb") as there:
            there.write(b"a,b\n")
        with sftp.open("/report.bin", mode) as there:
            there.seek(4)
            there.write(b"1,2\n")
    file.is_whole()


async def test_asyncssh_appends(
    partner_safe: LocalGateway, connection: Callable[..., Any], report: Callable[[bytes], Report]
) -> None:
    """Its mode `a`."""
    file = report(b"a,b\n1,2\n")
    async with connection(partner_safe) as conn, conn.start_sftp_client() as sftp:
        async with sftp.open("/report.bin", "wb") as there:
            await there.write(b"a,b\n")
        async with sftp.open("/report.bin", "ab") as there:
            await there.write(b"1,2\n")
    await asyncio.to_thread(file.is_whole)


async def test_a_file_opened_to_read_and_write_is_written(
    partner_safe: LocalGateway, connection: Callable[..., Any], report: Callable[[bytes], Report]
) -> None:
    """Go's `Create` asks for READ as well, and only writes; whoever reads from it is refused."""
    file = report(b"content")
    flags = asyncssh.FXF_READ | asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC
    async with (
        connection(partner_safe) as conn,
        conn.start_sftp_client() as sftp,
        sftp.open("/report.bin", flags, encoding=None) as there,
    ):
        await there.write(b"content")
        with pytest.raises(asyncssh.SFTPOpUnsupported):
            await there.read(4, 0)
    await asyncio.to_thread(file.is_whole)


@pytest.mark.client("sftp")
@pytest.mark.parametrize("size", [0, 10, 2000], ids=["empty", "shorter", "longer"])
def test_scp_replaces_what_is_there(
    partner_safe: LocalGateway, openssh: Callable[..., OpenSsh], report: Callable[[bytes], Report], size: int
) -> None:
    """It opens without TRUNCATE, and what is sent is all there is in the end."""
    client, file = openssh(partner_safe), report(content_of(size))
    (client.folder / "old").write_bytes(content_of(1000))
    (client.folder / "new").write_bytes(file.content)
    for name in ("old", "new"):
        assert client.scp(name, "REMOTE:/report.bin").returncode == 0
    assert file.stored.content("acme/report.bin") == file.content
