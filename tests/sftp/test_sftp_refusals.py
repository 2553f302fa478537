"""What a client is told when something behind the gateway fails: a status, a fixed text and an id."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh

# Whatever the far side is called, and whoever speaks through its errors.
TELLTALE = re.compile(
    r"arn:|s3:|bucket|tidegate-|boto|NoSuch|Error Code|Traceback|Exception|127\.0\.0\.1:", re.IGNORECASE
)


@pytest.fixture
def broken(tidegate: LocalGateway) -> LocalGateway:
    """A gateway whose landing bucket is gone."""
    tidegate.partner("acme")
    s3 = tidegate.client("s3")
    s3.delete_bucket(Bucket=tidegate.landing_bucket)
    return tidegate


@pytest.mark.client("sftp")
def test_a_client_that_fails_learns_nothing_of_the_inside(
    broken: LocalGateway, openssh: Callable[..., OpenSsh]
) -> None:
    """OpenSSH's sftp and scp fail, and print nothing that names a bucket, a key or a program."""
    client = openssh(broken)
    (client.folder / "small").write_bytes(b"x")
    (client.folder / "large").write_bytes(bytes(9 * 1024 * 1024))
    for file in ("small", "large"):
        done = client.sftp(f"put {file}")
        assert done.returncode != 0
        assert not TELLTALE.search(done.stderr), done.stderr
        assert client.scp(file, "REMOTE:/").returncode != 0
    assert not TELLTALE.search(client.sftp("-ls", "-get x", "-mkdir y", "-rename x y").stderr)
    assert "COMPLETED" not in {each["Status"] for each in broken.transfers()}


async def test_a_status_carries_an_id_that_leads_to_the_log(
    broken: LocalGateway, packets: Callable[..., Any]
) -> None:
    """The administrator finds under it what the client was not told."""
    async with packets(broken) as session:
        handle = await session.open("r.bin")
        await session.write(handle, 0, b"x")
        closed = await session.close(handle)
    assert closed.status == 4
    assert not TELLTALE.search(closed.text)
    found = re.fullmatch(r"[A-Z][A-Za-z, ]+ \(error ([0-9a-z]+)\)", closed.text)
    assert found, closed.text
    lines = [json.loads(line) for line in broken.log_path.read_text().splitlines() if line.startswith("{")]
    (told,) = [line for line in lines if line.get("error_id") == found[1]]
    assert told["operation"] == "CLOSE"
    assert "NoSuchBucket" in told["detail"]
