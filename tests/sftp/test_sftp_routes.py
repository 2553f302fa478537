"""Routes, as a partner meets them: a directory that leads elsewhere, and files kept in another way there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import pytest

from tidegate.testing.gateway import LocalGateway

CONFIG = """
partners: [{name: acme}, {name: globex}]
deliveries:
  targets:
    - {name: archive, bucket: routed-archive}
    - {name: lake, bucket: routed-lake}
routes:
  - name: payroll
    partners: [acme]
    path: /hr/payroll
    bucket: routed-payroll
    prefix: ${transfer:UserName}/
    kms_key: alias/payroll
    storage_class: STANDARD_IA
    tags: {kind: payroll, "keep for": 7 years}
    deliver_to: [archive]
  - name: drafts
    path: /drafts
    deliver_to: []
"""
BODY = b"name;amount\nann;1\n"


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    directory = tmp_path_factory.mktemp("routed")
    with LocalGateway("partner-safe", config=CONFIG, directory=directory) as gateway:
        yield gateway


@pytest.fixture
def s3(routed: LocalGateway) -> Any:
    return routed.client("s3")


@pytest.fixture
def session(connection: Callable[..., Any], routed: LocalGateway) -> Callable[..., Any]:
    """An SFTP session of a partner."""

    @asynccontextmanager
    async def begin(partner: str = "acme") -> AsyncIterator[asyncssh.SFTPClient]:
        async with connection(routed, partner) as connected, connected.start_sftp_client() as sftp:
            yield sftp

    return begin


@pytest.fixture
def put(session: Callable[..., Any], routed: LocalGateway) -> Callable[..., Any]:
    """Send a file and return its record."""

    async def put(path: str, partner: str = "acme") -> Any:
        async with session(partner) as sftp, sftp.open(path, "wb") as file:
            await file.write(BODY)
        return routed.wait_for_transfer(path, partner=partner)

    return put


async def test_a_file_lands_where_its_route_leads(
    put: Callable[..., Any], routed: LocalGateway, s3: Any
) -> None:
    """Bucket, prefix, key, class and tags are the route's, and the record names them."""
    record = await put("/hr/payroll/june.csv")
    assert (record["Bucket"], record["ObjectKey"]) == ("routed-payroll", "acme/june.csv")
    where = {"Bucket": "routed-payroll", "Key": "acme/june.csv"}
    head = s3.head_object(**where)
    assert head["StorageClass"] == "STANDARD_IA"
    assert head["SSEKMSKeyId"] == record["KmsKeyId"]
    aliases = routed.client("kms").list_aliases()["Aliases"]
    key = next(each["TargetKeyId"] for each in aliases if each["AliasName"] == "alias/payroll")
    assert record["KmsKeyId"].endswith(key)
    tags = s3.get_object_tagging(**where)["TagSet"]
    assert {each["Key"]: each["Value"] for each in tags} == {"kind": "payroll", "keep for": "7 years"}


async def test_a_file_is_owed_to_the_targets_of_its_route(
    put: Callable[..., Any], routed: LocalGateway, s3: Any
) -> None:
    """It comes to the target the route names, and the record owes no other."""
    record = await put("/hr/payroll/july.csv")
    assert record["DeliveryTargets"] == ["archive"]
    routed.wait_for_delivery("/hr/payroll/july.csv", target="archive")
    assert s3.get_object(Bucket="routed-archive", Key="acme/july.csv")["Body"].read() == BODY
    assert "Contents" not in s3.list_objects_v2(Bucket="routed-lake", Prefix="acme/july.csv")


async def test_a_route_without_targets_keeps_files_where_they_are(
    put: Callable[..., Any], session: Callable[..., Any]
) -> None:
    """`deliver_to: []` owes nothing."""
    assert (await put("/drafts/a.csv"))["DeliveryTargets"] == []


async def test_other_partners_and_directories_go_on_as_ever(
    put: Callable[..., Any], session: Callable[..., Any]
) -> None:
    """A route is for those it names: another partner's directory of that name is its own."""
    assert (await put("/june.csv"))["Bucket"] == "tidegate-landing"
    async with session("globex") as sftp:
        assert "hr" not in await sftp.listdir("/")
    elsewhere = await put("/hr/payroll/june.csv", "globex")
    assert (elsewhere["Bucket"], elsewhere["DeliveryTargets"]) == ("tidegate-landing", ["archive", "lake"])


async def test_the_directory_is_seen_and_stays(put: Callable[..., Any], session: Callable[..., Any]) -> None:
    """Each directory on the way is listed once, and can be neither removed nor renamed."""
    await put("/hr/notes.txt")
    await put("/hr/payroll/may.csv")
    async with session() as sftp:
        assert (await sftp.listdir("/")).count("hr") == 1
        assert {"notes.txt", "payroll"} == set(await sftp.listdir("/hr")) - {".", ".."}
        assert "may.csv" in await sftp.listdir("/hr/payroll")
        for refused in (sftp.rmdir("/hr/payroll"), sftp.rename("/hr", "/hr2"), sftp.mkdir("/hr")):
            with pytest.raises(asyncssh.SFTPError):
                await refused


async def test_a_rename_into_a_route_takes_on_its_storage(
    put: Callable[..., Any], session: Callable[..., Any], s3: Any
) -> None:
    """A file renamed across buckets is kept as its new directory asks, and its bytes are the same."""
    await put("/april.csv")
    async with session() as sftp:
        await sftp.rename("/april.csv", "/hr/payroll/april.csv")
        assert "april.csv" not in await sftp.listdir("/")
    got = s3.get_object(Bucket="routed-payroll", Key="acme/april.csv")
    assert (got["Body"].read(), got["StorageClass"]) == (BODY, "STANDARD_IA")
