"""OpenSSH's scp, which speaks SFTP: its exit code is all that most scripts look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh, Stored

pytestmark = pytest.mark.client("sftp")


def test_scp_carries_files_both_ways(gateway: LocalGateway, openssh: Callable[..., OpenSsh]) -> None:
    """Exit code 0, up and down."""
    client = openssh(gateway)
    (client.folder / "there").write_bytes(b"content")
    up = client.scp("there", "REMOTE:/in.csv")
    down = client.scp("REMOTE:/in.csv", "back")
    assert (up.returncode, down.returncode) == (0, 0)
    assert (client.folder / "back").read_bytes() == b"content"
    assert gateway.wait_for_transfer("in.csv")["Bytes"] == 7


def test_scp_complains_only_of_transfer_family(
    gateway: LocalGateway, preset: str, openssh: Callable[..., OpenSsh]
) -> None:
    """scp sets the size before it closes, which Transfer Family refuses in words and partner-safe accepts."""
    client = openssh(gateway)
    (client.folder / "there").write_bytes(b"content")
    complaint = "" if preset == "partner-safe" else "scp: remote fsetstat: Operation unsupported\n"
    assert client.scp("there", "REMOTE:/in.csv").stderr == complaint


def test_scp_of_a_shorter_file_leaves_nothing_of_a_longer_one(
    gateway: LocalGateway, openssh: Callable[..., OpenSsh], stored: type[Stored]
) -> None:
    """scp opens without TRUNCATE: the new content is what was sent, and no byte more."""
    client = openssh(gateway)
    (client.folder / "long").write_bytes(b"x" * 100_000)
    (client.folder / "short").write_bytes(b"y" * 10)
    assert client.scp("long", "REMOTE:/in.csv").returncode == 0
    assert client.scp("short", "REMOTE:/in.csv").returncode == 0
    assert stored(gateway).content("acme/in.csv") == b"y" * 10


def test_scp_carries_a_tree(tidegate: LocalGateway, openssh: Callable[..., OpenSsh]) -> None:
    """`scp -r` makes the directories it needs."""
    client = openssh(tidegate)
    (client.folder / "tree" / "deep").mkdir(parents=True)
    (client.folder / "tree" / "deep" / "a.csv").write_text("a")
    assert client.scp("tree", "REMOTE:/", options=("-r",)).returncode == 0
    assert client.scp("REMOTE:/tree", "back", options=("-r",)).returncode == 0
    assert (client.folder / "back" / "deep" / "a.csv").read_text() == "a"


def test_scp_of_a_missing_file_fails(tidegate: LocalGateway, openssh: Callable[..., OpenSsh]) -> None:
    """With an exit code and the file's name."""
    done = openssh(tidegate).scp("REMOTE:/nothing.csv", "back")
    assert done.returncode == 1
    assert "nothing.csv" in done.stderr


def test_the_old_protocol_of_scp_is_refused(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh], stored: type[Stored]
) -> None:
    """`scp -O` runs a command on the server, and there are none."""
    client = openssh(tidegate)
    (client.folder / "there").write_bytes(b"content")
    assert client.scp("there", "REMOTE:/in.csv", options=("-O",)).returncode != 0
    assert stored(tidegate).keys() == []
