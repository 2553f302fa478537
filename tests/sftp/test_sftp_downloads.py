"""Downloads by OpenSSH's sftp, and the record each leaves."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh

pytestmark = pytest.mark.client("sftp")

MIB = 1024 * 1024
EOF, FAILURE = 1, 4
OLD = random.Random(7).randbytes(3 * MIB)


@pytest.mark.parametrize("size", [0, 1, 20 * MIB + 1], ids=["empty", "one byte", "of three blocks"])
def test_a_file_comes_back_as_it_was(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh], size: int
) -> None:
    """What was put is got again, byte for byte."""
    client, content = openssh(tidegate), random.Random(size).randbytes(size)
    (client.folder / "there").write_bytes(content)
    client.put("put there report.bin", "get report.bin back")
    assert (client.folder / "back").read_bytes() == content


def test_a_download_leaves_a_record(tidegate: LocalGateway, openssh: Callable[..., OpenSsh]) -> None:
    """It names version and bytes of what was read, and owes nothing."""
    client = openssh(tidegate)
    (client.folder / "there").write_bytes(b"four")
    client.put("put there report.bin", "get report.bin back")
    record = tidegate.wait_for_transfer("report.bin", direction="DOWNLOAD")
    upload = tidegate.wait_for_transfer("report.bin")
    assert record["Bytes"] == 4
    assert record["VersionId"] == upload["VersionId"]
    assert record["UserName"] == "acme"
    assert record["KeyFingerprint"] == upload["KeyFingerprint"]
    assert not record.get("DeliveryTargets")
    assert len(tidegate.transfers()) == 2


def test_an_object_of_another_tool_can_be_downloaded(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh]
) -> None:
    """The home shows what is in the bucket, whoever put it there."""
    tidegate.client("s3").put_object(Bucket=tidegate.landing_bucket, Key="acme/out/answer.csv", Body=b"42")
    client = openssh(tidegate)
    client.put("get out/answer.csv")
    assert (client.folder / "answer.csv").read_bytes() == b"42"


def test_a_missing_file_is_said_to_be_missing(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh]
) -> None:
    """In the words every client knows, and without a record."""
    done = openssh(tidegate).sftp("get nothing.csv")
    assert done.returncode == 1
    assert 'File "/nothing.csv" not found.' in done.stderr
    assert tidegate.transfers() == []


def test_a_tree_comes_back_as_it_was(gateway: LocalGateway, openssh: Callable[..., OpenSsh]) -> None:
    """`put -r` and `get -r` carry directories, empty ones too."""
    client = openssh(gateway)
    for name in ("tree/a.csv", "tree/deep/er/b c.csv"):
        (client.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (client.folder / name).write_text(name)
    (client.folder / "tree" / "empty").mkdir()
    client.put("put -r tree", "get -r tree back")
    back = client.folder / "back"
    found = {each.relative_to(back).as_posix() for each in back.rglob("*")}
    assert found == {"a.csv", "deep", "deep/er", "deep/er/b c.csv", "empty"}
    assert (back / "deep/er/b c.csv").read_text() == "tree/deep/er/b c.csv"
    assert {each["Status"] for each in gateway.transfers()} == {"COMPLETED"}


# --- single packets -------------------------------------------------------------------------


def put(gateway: LocalGateway, content: bytes, bucket: str | None = None) -> None:
    where = {"Bucket": bucket or gateway.landing_bucket, "Key": "acme/r.bin"}
    gateway.client("s3").put_object(Body=content, **where)


async def test_reads_are_answered_in_the_order_they_were_asked(
    tidegate: LocalGateway, packets: Callable[..., Any]
) -> None:
    """Some clients break off otherwise: in order, whether from what was read ahead or from anywhere else."""
    put(tidegate, OLD)
    offsets = [*range(0, MIB, 65536), 2 * MIB, 5, *range(MIB, 2 * MIB, 65536), 3 * MIB]
    async with packets(tidegate) as session:
        handle = await session.open("r.bin", 0x1)
        asked = [session.ask_read(handle, offset, 65536) for offset in offsets]
        last = await session.answer(asked[-1])
        assert list(session._came) == asked[:-1]
        answers = [(await session.answer(number)).string for number in asked[:-1]]
        assert last.status == EOF
    assert answers == [OLD[offset : offset + 65536] for offset in offsets[:-1]]


async def test_reads_beyond_the_end(tidegate: LocalGateway, packets: Callable[..., Any]) -> None:
    """End of file, at the end and at the largest offset there is; and at once for a file of no bytes."""
    put(tidegate, b"12345")
    async with packets(tidegate) as session:
        handle = await session.open("r.bin", 0x1)
        for offset in (5, 6, 2**63, 2**64 - 1):
            assert (await session.answer(session.ask_read(handle, offset, 10))).status == EOF
        assert (await session.answer(session.ask_read(handle, 4, 2**32 - 1))).string == b"5"
        put(tidegate, b"")
        empty = await session.open("r.bin", 0x1)
        assert (await session.answer(session.ask_read(empty, 0, 10))).status == EOF


@pytest.mark.parametrize("change", ["replaced", "removed"])
async def test_one_version_throughout(
    tidegate: LocalGateway, packets: Callable[..., Any], change: str
) -> None:
    """Who has a file open reads it to its end, though it was replaced or removed meanwhile."""
    put(tidegate, OLD)
    async with packets(tidegate) as session:
        handle = await session.open("r.bin", 0x1)
        found = [(await session.answer(session.ask_read(handle, 0, 65536))).string]
        if change == "replaced":
            put(tidegate, bytes(len(OLD)))
        else:
            assert (await session.answer(session.ask(13, b"r.bin"))).status == 0  # REMOVE
        asked = [session.ask_read(handle, offset, 65536) for offset in range(65536, len(OLD), 65536)]
        found += [(await session.answer(number)).string for number in asked]
        assert (await session.close(handle)).status == 0
    assert b"".join(found) == OLD
