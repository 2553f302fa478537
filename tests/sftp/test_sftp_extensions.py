"""What partner-safe offers beyond version 3, and what each of it means here."""

from __future__ import annotations

import asyncio
import hashlib
import random
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import paramiko
import pytest

from tidegate.core.limits import KIB, MIB
from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import Answer, OpenSsh, Packets

UNSUPPORTED, FAILURE, NO_SUCH_FILE, OK = 8, 4, 2, 0
# One that is a single PutObject with its digest beside it, one whose digest only the record has.
SIZES = {"of one part": 300_000, "of two parts": 9 * MIB}


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


async def upload(session: Packets, path: str, content: bytes) -> None:
    handle = await session.open(path)
    assert {answer.status for answer in await session.write(handle, 0, content)} <= {OK}
    assert (await session.close(handle)).status == OK


async def check(
    session: Packets, request: bytes, subject: bytes, wanted: tuple[int, int, int] = (0, 0, 0)
) -> Answer:
    start, length, block = wanted
    asked = (0, start, 0, length, block)
    return await session.answer(session.ask(200, request, subject, b"md5,sha256", *asked))


async def test_limits_tell_what_is_taken(partner_safe: LocalGateway, packets: Callable[..., Any]) -> None:
    """Packets of 4 MiB, READs and WRITEs of 256 KiB, and the handles a session may have."""
    async with packets(partner_safe) as session:
        answer = await session.answer(session.ask(200, b"limits@openssh.com"))
    assert answer.kind == 201
    packet, read, write, handles = struct.unpack(">4Q", answer.body)
    assert (packet, read, write) == (4 * MIB + KIB, 256 * KIB, 256 * KIB)
    assert handles == 128


async def test_fsync_tells_of_errors_so_far(partner_safe: LocalGateway, packets: Callable[..., Any]) -> None:
    """OK for what was taken, the error of a WRITE that failed; nothing is in S3 by it."""
    async with packets(partner_safe) as session:
        handle = await session.open("a")
        await session.write(handle, 0, b"body")
        assert (await session.answer(session.ask(200, b"fsync@openssh.com", handle))).status == OK
        assert (await session.answer(session.ask(17, b"never.bin"))).status == NO_SUCH_FILE
        await session.answer(session.ask_write(handle, 2**40, b"far away"))
        failed = await session.answer(session.ask(200, b"fsync@openssh.com", handle))
        assert failed.status == FAILURE
        assert "random access" in failed.text
        unknown = await session.answer(session.ask(200, b"fsync@openssh.com", b"none"))
        assert unknown.status == FAILURE
    s3 = partner_safe.client("s3")
    assert "Contents" not in s3.list_objects_v2(Bucket=partner_safe.landing_bucket)


@pytest.mark.client("sftp")
def test_openssh_asks_for_free_space_and_fsync(
    partner_safe: LocalGateway, openssh: Callable[..., OpenSsh]
) -> None:
    """`df` prints a petabyte, all of it free; `put -f` works."""
    client = openssh(partner_safe)
    (client.folder / "a").write_bytes(b"body")
    done = client.sftp("df -h", "put -f a", "df -h nowhere")
    assert done.returncode == 1
    assert "1.0PB" in done.stdout
    assert "0%" in done.stdout
    assert "fsync" not in done.stderr
    assert partner_safe.wait_for_transfer("a")["Bytes"] == 4


async def test_statvfs_is_of_what_is_there(partner_safe: LocalGateway, packets: Callable[..., Any]) -> None:
    """A path that is not there, or an unknown handle, has no file system."""
    async with packets(partner_safe) as session:
        handle = await session.open("a")
        by_path = await session.answer(session.ask(200, b"statvfs@openssh.com", b"/"))
        by_handle = await session.answer(session.ask(200, b"fstatvfs@openssh.com", handle))
        assert by_path.body == by_handle.body
        numbers = struct.unpack(">11Q", by_path.body)
        assert numbers == (4096, 4096, *[2**38] * 3, *[2**31 - 1] * 3, 0, 2, 1024)
        nowhere = await session.answer(session.ask(200, b"statvfs@openssh.com", b"/nowhere"))
        assert nowhere.status == NO_SUCH_FILE
        unknown = await session.answer(session.ask(200, b"fstatvfs@openssh.com", b"none"))
        assert unknown.status == FAILURE


async def test_lsetstat_is_setstat(partner_safe: LocalGateway, packets: Callable[..., Any]) -> None:
    """S3 has no links, so there is only one thing to set; a path that is not there has none."""
    async with packets(partner_safe) as session:
        await upload(session, "a", b"body")
        done = await session.answer(session.ask(200, b"lsetstat@openssh.com", b"a", 4, 0o600))
        assert done.status == OK
        nowhere = await session.answer(session.ask(200, b"lsetstat@openssh.com", b"nowhere", 4, 0o600))
        assert nowhere.status == NO_SUCH_FILE


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_the_digest_of_a_stored_file_is_told(
    partner_safe: LocalGateway, packets: Callable[..., Any], size: int
) -> None:
    """By name and by handle, in the draft's form; also under a new name; and nothing is read for it."""
    content = content_of(size)
    told = struct.pack(">I", 6) + b"sha256" + hashlib.sha256(content).digest()
    async with packets(partner_safe) as session:
        await upload(session, "a.filepart", content)
        assert (await session.answer(session.ask(18, b"a.filepart", b"a"))).status == OK
        assert (await check(session, b"check-file-name", b"a")).body == told
        assert (await check(session, b"check-file-name", b"a", (0, size, size))).body == told
        handle = await session.open("a", 0x01)
        assert (await check(session, b"check-file-handle", handle)).body == told
    await asyncio.to_thread(partner_safe.wait_for_transfer, "a", direction="DOWNLOAD", status="ABANDONED")


async def test_what_is_not_on_record_is_refused_in_words(
    partner_safe: LocalGateway, packets: Callable[..., Any]
) -> None:
    """Other algorithms, ranges and blocks, uploads under way, and files that came in by another way."""
    partner_safe.client("s3").put_object(Bucket=partner_safe.landing_bucket, Key="acme/b", Body=b"b")
    async with packets(partner_safe) as session:
        await upload(session, "a", bytes(1000))
        name = b"check-file-name"
        refused = [
            (await check(session, name, b"b"), "The SHA-256 of this file is not on record"),
            (await check(session, name, b"a", (1, 0, 0)), "Only whole files can be checked"),
            (await check(session, name, b"a", (0, 0, 256)), "Only whole files can be checked"),
            (
                await session.answer(session.ask(200, name, b"a", b"md5,crc32", 0, 0, 0, 0, 0)),
                "Only sha256 is supported",
            ),
            (
                await check(session, b"check-file-handle", await session.open("c")),
                "The file is still open for writing",
            ),
        ]
        for answer, text in refused:
            assert (answer.status, answer.text) == (UNSUPPORTED, text)
        assert (await check(session, name, b"nowhere")).status == NO_SUCH_FILE
        assert (await check(session, b"check-file-handle", b"none")).status == FAILURE


def test_paramiko_reads_the_digest(partner_safe: LocalGateway) -> None:
    """`SFTPFile.check`, which sends another name and reads another form than the draft's."""
    partner = partner_safe.partner("acme")
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(partner_safe.known_hosts_path))
        client.connect(
            partner_safe.sftp_host,
            partner_safe.sftp_port,
            partner.user_name,
            key_filename=str(partner.private_key_path),
            allow_agent=False,
            look_for_keys=False,
        )
        with client.open_sftp() as sftp:
            with sftp.open("a", "wb") as file:
                file.write(b"body")
            with sftp.open("a", "rb") as file:
                assert file.check("sha256") == hashlib.sha256(b"body").digest()
