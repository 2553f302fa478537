"""No partner leaves its home, whatever it writes as a path."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh, Stored

pytestmark = pytest.mark.client("sftp")

# What would lead to the bank's file if a `..`, a bucket or an encoded form were followed.
WAYS_OUT = [
    "../bank/secret",
    "../../bank/secret",
    "/../bank/secret",
    "/./../../bank/secret",
    "in/../../bank/secret",
    "//bank/secret",
    "/tidegate-landing/bank/secret",
    "../../tidegate-landing/bank/secret",
    "%2e%2e/bank/secret",
    "..\\bank\\secret",
    "s3://tidegate-landing/bank/secret",
]


@pytest.fixture
def secret(tidegate: LocalGateway) -> str:
    """A file of another partner; its key."""
    tidegate.client("s3").put_object(Bucket=tidegate.landing_bucket, Key="bank/secret", Body=b"42")
    return "bank/secret"


def test_sftp_gets_nothing_from_outside(
    tidegate: LocalGateway, openssh: Callable[..., OpenSsh], secret: str
) -> None:
    """`get` and `ls` of a way out find nothing, and `cd ..` stays at the top."""
    client = openssh(tidegate)
    done = client.sftp("cd ..", "pwd", "-get ../../bank/secret", "-get /bank/secret", "-ls ../bank", "ls -a")
    assert done.returncode == 0
    assert "Remote working directory: /\n" in done.stdout
    assert "bank" not in done.stdout.split("ls -a\n")[-1]
    assert list(client.folder.iterdir()) == []


@pytest.mark.parametrize("path", WAYS_OUT)
async def test_no_path_leads_outside(
    tidegate: LocalGateway, packets: Callable[..., Any], stored: type[Stored], secret: str, path: str
) -> None:
    """Reading, looking, writing, removing and renaming by such a path never touch the other's file."""
    async with packets(tidegate) as session:
        for number in (
            session.ask(3, path.encode(), 0x01, 0),  # OPEN to read
            session.ask(17, path.encode()),  # STAT
            session.ask(13, path.encode()),  # REMOVE
            session.ask(18, path.encode(), b"mine"),  # RENAME
        ):
            assert (await session.answer(number)).status == 2, "no such file"
        opened = await session.answer(session.ask(3, path.encode(), 0x1A, 0))
        if opened.kind == 102:
            await session.write(opened.string, 0, b"mine")
            assert (await session.close(opened.string)).status == 0
    there = stored(tidegate)
    assert there.content(secret) == b"42"
    keys = there.keys()
    assert {key for key in keys if not key.startswith("acme/")} == {secret}


async def test_links_cannot_be_made_or_read(tidegate: LocalGateway, packets: Callable[..., Any]) -> None:
    """SYMLINK and READLINK are no operations here, so no link can lead out."""
    async with packets(tidegate) as session:
        for number in (session.ask(20, b"/bank/secret", b"link"), session.ask(19, b"link")):
            assert (await session.answer(number)).status == 8
