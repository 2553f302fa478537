"""Downloads by OpenSSH's sftp, and the record each leaves."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh

pytestmark = pytest.mark.client("sftp")

MIB = 1024 * 1024


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
