"""What partners do, by every client that partners have: there and back, look, rename, tidy up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sftp.client_journeys import CLIENTS, Client, NodeSsh2, Rclone
from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh, Stored

pytestmark = pytest.mark.lengthy

MIB = 1024 * 1024
# More than a client has in flight, and no multiple of what it sends at once.
CONTENT = bytes(range(251)) * 1000


def _each() -> list[object]:
    return [
        pytest.param(client, id=client.__name__, marks=[pytest.mark.client(name) for name in client.needs])
        for client in CLIENTS
    ]


@pytest.mark.parametrize("kind", _each())
def test_all_that_partners_do(
    partner_safe: LocalGateway, openssh: Callable[..., OpenSsh], stored: type[Stored], kind: type[Client]
) -> None:
    """In partner-safe, as the client comes: a directory, a file there and back, listed, renamed, removed."""
    ssh = openssh(partner_safe)
    client = kind(ssh, safe=True)
    (ssh.folder / "report.csv").write_bytes(CONTENT)

    client.mkdir("inbox")
    client.put("report.csv", "inbox/report.csv")
    assert partner_safe.wait_for_transfer("inbox/report.csv")["Bytes"] == len(CONTENT)
    assert stored(partner_safe).content("acme/inbox/report.csv") == CONTENT

    client.get("inbox/report.csv", "back.csv")
    assert (ssh.folder / "back.csv").read_bytes() == CONTENT
    client.rename("inbox/report.csv", "inbox/done.csv")
    assert client.names("inbox") == ["done.csv"]
    client.remove("inbox/done.csv")
    client.rmdir("inbox")
    assert partner_safe.client("s3").list_objects_v2(Bucket=partner_safe.landing_bucket)["KeyCount"] == 0


@pytest.fixture
def transfer_family(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., LocalGateway]]:
    """Return a clean gateway that behaves as Transfer Family; one of its own, if it is configured so."""
    with ExitStack() as own:

        def make(config: str) -> LocalGateway:
            if config:
                folder = tmp_path / "own"
                folder.mkdir()
                return own.enter_context(LocalGateway("transfer-family", config, folder))
            shared: LocalGateway = request.getfixturevalue("tidegate")
            return shared

        yield make


@pytest.mark.parametrize("kind", _each())
def test_there_and_back_as_with_transfer_family(
    transfer_family: Callable[..., LocalGateway],
    openssh: Callable[..., OpenSsh],
    stored: type[Stored],
    kind: type[Client],
) -> None:
    """Under transfer-family, with the options that the client needs with AWS: there, listed, and back."""
    tidegate = transfer_family(kind.transfer_family_config)
    ssh = openssh(tidegate)
    client = kind(ssh, safe=False)
    (ssh.folder / "report.csv").write_bytes(CONTENT)
    tidegate.client("s3").put_object(Bucket=tidegate.landing_bucket, Key="acme/inbox/other.csv", Body=b"x")

    client.put("report.csv", "inbox/report.csv")
    assert tidegate.wait_for_transfer("inbox/report.csv")["Bytes"] == len(CONTENT)
    assert stored(tidegate).content("acme/inbox/report.csv") == CONTENT
    assert client.names("inbox") == ["other.csv", "report.csv"]
    client.get("inbox/report.csv", "back.csv")
    assert (ssh.folder / "back.csv").read_bytes() == CONTENT


# --- clients that write in disorder -----------------------------------------------------------


@pytest.mark.client("node")
@pytest.mark.client("node-ssh2")
@pytest.mark.parametrize("how", ["fastPut", "stream"])
def test_node_sends_chunks_as_they_are_read(
    gateway: LocalGateway, openssh: Callable[..., OpenSsh], stored: type[Stored], how: str
) -> None:
    """64 WRITEs in flight, in whatever order the disk gives them: the file is whole, in parts, COMPLETED."""
    ssh = openssh(gateway)
    # As a stream it has one WRITE under way at a time, so that each waits for the network's acknowledgements.
    content = os.urandom((20 if how == "fastPut" else 1) * MIB + 12345)
    (ssh.folder / "large").write_bytes(content)
    NodeSsh2(ssh, safe=True).do(how, "large", "large")
    record = gateway.wait_for_transfer("large")
    assert (record["Status"], record["Bytes"]) == ("COMPLETED", len(content))
    assert stored(gateway).content("acme/large") == content


@pytest.mark.client("rclone")
def test_rclone_writes_concurrently(
    gateway: LocalGateway, preset: str, openssh: Callable[..., OpenSsh], stored: type[Stored]
) -> None:
    """Several files at once, each with 64 WRITEs in flight from as many of Go's threads: all whole."""
    ssh = openssh(gateway)
    (ssh.folder / "out").mkdir()
    contents = {f"{number}.bin": os.urandom(6 * MIB + number) for number in range(4)}
    for name, content in contents.items():
        (ssh.folder / "out" / name).write_bytes(content)
    client = Rclone(ssh, safe=preset == "partner-safe")
    options = ("--transfers", "4", "--sftp-concurrency", "64", "--multi-thread-streams", "4")
    client._do("copy", *options, "out", client.remote("in"))
    for name, content in contents.items():
        assert gateway.wait_for_transfer(f"in/{name}")["Bytes"] == len(content)
        assert stored(gateway).content(f"acme/in/{name}") == content
