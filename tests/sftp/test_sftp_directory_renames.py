"""Directories renamed by clients: partner-safe does it, up to a limit; Transfer Family does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.adapters.aws import items
from tidegate.testing.gateway import LocalGateway

if TYPE_CHECKING:
    from tests.sftp.conftest import OpenSsh, Stored

OK, FAILURE, UNSUPPORTED = 0, 4, 8
RENAME, MKDIR = 18, 14
NAMES = ("a.csv", "b.csv", "deep/c.csv", "deep/er/d.csv")


def fill(gateway: LocalGateway, prefix: str, names: tuple[str, ...] = NAMES) -> None:
    """Put files there as another program would."""
    s3 = gateway.client("s3")
    for name in names:
        s3.put_object(Bucket=gateway.landing_bucket, Key=f"{prefix}{name}", Body=name.encode())


def below(gateway: LocalGateway, prefix: str) -> dict[str, bytes]:
    s3 = gateway.client("s3")
    found = s3.list_objects_v2(Bucket=gateway.landing_bucket, Prefix=prefix).get("Contents", [])
    return {
        each["Key"].removeprefix(prefix): s3.get_object(Bucket=gateway.landing_bucket, Key=each["Key"])[
            "Body"
        ].read()
        for each in found
    }


def renames(gateway: LocalGateway) -> list[tuple[str, str, str]]:
    """Return all renames on record: state, old path, new path."""
    found = gateway.client("dynamodb").scan(TableName=gateway.transfers_table, ConsistentRead=True)["Items"]
    rows = [items.plain(row) for row in found]
    return sorted(
        (row["Status"], row["Path"], row["NewPath"]) for row in rows if row["Item"].startswith("rename#")
    )


@pytest.mark.client("sftp")
def test_openssh(partner_safe: LocalGateway, openssh: Callable[..., OpenSsh], stored: type[Stored]) -> None:
    """`rename` of a directory that was made and filled by sftp; then its files are where they should be."""
    client = openssh(partner_safe)
    (client.folder / "x").write_bytes(b"x")
    client.put("mkdir june", "put x june/a.csv", "mkdir june/deep", "put x june/deep/b.csv")
    client.put("rename june july", "ls july", "get july/deep/b.csv back")
    assert (client.folder / "back").read_bytes() == b"x"
    assert below(partner_safe, "acme/july/") == {"": b"", "a.csv": b"x", "deep/": b"", "deep/b.csv": b"x"}
    assert below(partner_safe, "acme/june/") == {}
    assert ("DONE", "/june", "/july") in renames(partner_safe)
    assert ("DONE", "/june/deep/b.csv", "/july/deep/b.csv") in renames(partner_safe)
    for name in ("june/a.csv", "june/deep/b.csv"):
        assert partner_safe.wait_for_delivery(name)["DestinationKey"] == f"acme/{name}"


async def test_what_is_held_stays_held(partner_safe: LocalGateway, packets: Callable[..., Any]) -> None:
    """A temporary name in a directory that is renamed is temporary still; then it is delivered as ever."""
    async with packets(partner_safe) as session:
        handle = await session.open("june/x.tmp")
        await session.write(handle, 0, b"whole")
        assert (await session.close(handle)).status == OK
        assert (await session.answer(session.ask(RENAME, b"june", b"july"))).status == OK
        assert (await session.answer(session.ask(RENAME, b"july/x.tmp", b"july/x"))).status == OK
    owed = await asyncio.to_thread(partner_safe.wait_for_delivery, "/june/x.tmp")
    assert owed["DestinationKey"] == "acme/july/x"


async def test_an_upload_below_refuses_it(partner_safe: LocalGateway, packets: Callable[..., Any]) -> None:
    """In words, and nothing is changed; once the file is closed the directory can be renamed."""
    fill(partner_safe, "acme/june/")
    async with packets(partner_safe) as session:
        handle = await session.open("june/new.csv")
        refused = await session.answer(session.ask(RENAME, b"june", b"july"))
        assert refused.status == FAILURE
        assert "A file in the directory is being uploaded" in refused.text
        assert below(partner_safe, "acme/june/").keys() == set(NAMES)
        assert (await session.close(handle)).status == OK
        assert (await session.answer(session.ask(RENAME, b"june", b"july"))).status == OK
    assert below(partner_safe, "acme/july/").keys() == {*NAMES, "new.csv"}


@pytest.fixture(scope="module")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    config = json.dumps({"behaviour": {"rename_directories": 3}})
    with LocalGateway("partner-safe", config, tmp_path_factory.mktemp("small")) as server:
        yield server


async def test_the_limit_is_a_setting(small_server: LocalGateway, packets: Callable[..., Any]) -> None:
    """One object more is refused in words, before anything is moved."""
    fill(small_server, "acme/june/")
    async with packets(small_server) as session:
        refused = await session.answer(session.ask(RENAME, b"june", b"july"))
        assert refused.status == FAILURE
        assert "Directory holds too many files to be renamed" in refused.text
        assert below(small_server, "acme/june/").keys() == set(NAMES)
        assert renames(small_server) == []
        assert (await session.answer(session.ask(RENAME, b"june/deep", b"deep"))).status == OK
    assert below(small_server, "acme/deep/").keys() == {"c.csv", "er/d.csv"}


async def test_posix_rename_replaces_an_empty_directory(
    partner_safe: LocalGateway, packets: Callable[..., Any]
) -> None:
    """As POSIX has it; one that holds something is not replaced, and RENAME replaces neither."""
    fill(partner_safe, "acme/june/")
    posix = b"posix-rename@openssh.com"
    async with packets(partner_safe) as session:
        assert (await session.answer(session.ask(MKDIR, b"july", 0))).status == OK
        assert (await session.answer(session.ask(RENAME, b"june", b"july"))).status == FAILURE
        assert (await session.answer(session.ask(200, posix, b"june", b"july"))).status == OK
        fill(partner_safe, "acme/june/", ("later.csv",))
        refused = await session.answer(session.ask(200, posix, b"june", b"july"))
        assert (refused.status, "Directory is not empty" in refused.text) == (FAILURE, True)
    assert below(partner_safe, "acme/july/").keys() == {*NAMES, ""}
    assert below(partner_safe, "acme/june/").keys() == {"later.csv"}


async def test_transfer_family_renames_none(tidegate: LocalGateway, packets: Callable[..., Any]) -> None:
    """Files only, as AWS."""
    fill(tidegate, "acme/june/")
    async with packets(tidegate) as session:
        refused = await session.answer(session.ask(RENAME, b"june", b"july"))
    assert refused.status == UNSUPPORTED
    assert below(tidegate, "acme/june/").keys() == set(NAMES)
