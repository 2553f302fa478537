"""Rules of routes, as partners and administrators meet them: held back, released, decided by hand."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import pytest
import structlog

from tidegate.cli.main import run
from tidegate.logs import configure_logging
from tidegate.testing.gateway import LocalGateway

pytestmark = pytest.mark.lengthy

CONFIG = r"""
partners: [{name: acme}]
sweep: {interval_seconds: 2}
deliveries:
  targets: [{name: archive, bucket: ruled-archive}]
routes:
  - name: reports
    path: /reports
    accept: {minimum_bytes: 10, last_line: 'TRL;\d+'}
  - name: signed
    path: /signed
    accept: {sidecar: .sha256}
  - name: triggered
    path: /triggered
    accept: {sidecar: .ok}
  - name: listed
    path: /listed
    accept: {sidecar: manifest, manifest: 'manifest-*.txt'}
  - name: once
    path: /once
    accept: {duplicates: reject}
  - name: flagged
    path: /flagged
    accept: {duplicates: flag, duplicate_days: 7}
"""
BODY = b"name;amount\nann;1\nTRL;1\n"
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    directory = tmp_path_factory.mktemp("ruled")
    with LocalGateway("partner-safe", config=CONFIG, directory=directory) as gateway:
        yield gateway


@pytest.fixture
def session(connection: Callable[..., Any], ruled: LocalGateway) -> Callable[..., Any]:
    @asynccontextmanager
    async def begin() -> AsyncIterator[asyncssh.SFTPClient]:
        async with connection(ruled, "acme") as connected, connected.start_sftp_client() as sftp:
            yield sftp

    return begin


@pytest.fixture
def put(session: Callable[..., Any]) -> Callable[..., Any]:
    """Send files in one session, in order; each CLOSE is answered OK."""

    async def put(**files: bytes) -> None:
        async with session() as sftp:
            for path, body in files.items():
                async with sftp.open(path, "wb") as file:
                    await file.write(body)

    return put


@pytest.fixture
def tidegate(ruled: LocalGateway, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command about the gateway; return its exit code, output and errors."""

    async def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        configure_logging("auto", "warning")
        # A command has an event loop of its own.
        code = await asyncio.to_thread(run, ["transfers", *words, "--state-dir", str(ruled.state_dir)])
        # What is configured is the stream of this test.
        structlog.reset_defaults()
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def is_delivered(gateway: LocalGateway, path: str) -> bool:
    keys = gateway.client("s3").list_objects_v2(Bucket="ruled-archive").get("Contents", [])
    return f"acme{path}" in {each["Key"] for each in keys}


async def test_half_a_file_is_held_back(
    put: Callable[..., Any], ruled: LocalGateway, session: Callable[..., Any]
) -> None:
    """The client reads OK, and its bytes are there to be read; they are SUSPECT, and nobody is owed them."""
    await put(**{"/reports/half.csv": BODY[:-8], "/reports/whole.csv": BODY})
    record = ruled.wait_for_transfer("/reports/half.csv", status="SUSPECT")
    assert record["Error"] == r"its last line is not as 'TRL;\\d+' asks"
    assert (record["Bytes"], record["DeliveryTargets"]) == (len(BODY) - 8, ["archive"])
    async with session() as sftp, sftp.open("/reports/half.csv", "rb") as file:
        assert await file.read() == BODY[:-8]
    ruled.wait_for_delivery("/reports/whole.csv")
    assert not is_delivered(ruled, "/reports/half.csv")


@pytest.mark.parametrize(
    ("directory", "sidecar", "text"),
    [
        ("/signed", "a.csv.sha256", f"{DIGEST}  a.csv\n"),
        ("/triggered", "a.csv.ok", ""),
        ("/listed", "manifest-1.txt", f"SHA256 (a.csv) = {DIGEST}\n"),
    ],
)
async def test_the_sidecar_releases_its_file(
    put: Callable[..., Any], ruled: LocalGateway, directory: str, sidecar: str, text: str
) -> None:
    """Held back until it comes; then COMPLETED and delivered by itself, and so is the sidecar."""
    path = f"{directory}/a.csv"
    await put(**{path: BODY})
    record = ruled.wait_for_transfer(path, status="SUSPECT")
    assert record["Error"].startswith("it waits for its sidecar")
    await put(**{f"{directory}/{sidecar}": text.encode()})
    released = ruled.wait_for_transfer(path)
    assert released["LogID"] == record["LogID"]
    assert released["DecidedBy"] == released["GatewayId"]
    ruled.wait_for_delivery(path)
    ruled.wait_for_delivery(f"{directory}/{sidecar}")


async def test_a_sidecar_under_a_temporary_name(
    put: Callable[..., Any], ruled: LocalGateway, session: Callable[..., Any]
) -> None:
    """A client that renames both file and sidecar when they are whole is served as well."""
    await put(**{"/signed/b.csv.filepart": BODY})
    async with session() as sftp:
        await sftp.rename("/signed/b.csv.filepart", "/signed/b.csv")
    await put(**{"/signed/b.csv.sha256.filepart": DIGEST.encode()})
    async with session() as sftp:
        await sftp.rename("/signed/b.csv.sha256.filepart", "/signed/b.csv.sha256")
    released = ruled.wait_for_transfer("/signed/b.csv.filepart")
    assert released["DecidedBy"] == released["GatewayId"]
    ruled.wait_for_delivery("/signed/b.csv.filepart")
    assert is_delivered(ruled, "/signed/b.csv")


async def test_a_mismatch_is_told(put: Callable[..., Any], ruled: LocalGateway) -> None:
    """A sidecar that came first, with other bytes in mind, holds the file back with both digests."""
    await put(**{"/signed/c.csv.sha256": b"0" * 64, "/signed/c.csv": BODY})
    record = ruled.wait_for_transfer("/signed/c.csv", status="SUSPECT")
    assert record["Error"] == f"its SHA-256 is {DIGEST}, and its sidecar c.csv.sha256 says {'0' * 64}"


async def test_the_same_file_again_is_refused(put: Callable[..., Any], ruled: LocalGateway) -> None:
    """CLOSE fails in words, and what is there stays as it was."""
    await put(**{"/once/a.csv": BODY})
    first = ruled.wait_for_transfer("/once/a.csv")
    with pytest.raises(asyncssh.SFTPFailure, match=r"^The same file was sent before \(error [0-9a-f]{8}\)$"):
        await put(**{"/once/a.csv": BODY})
    assert ruled.wait_for_transfer("/once/a.csv", status="FAILED")["Error"].startswith(
        f"/once/a.csv has the same content as /once/a.csv of {first['StartedAt'][:10]}"
    )
    head = ruled.client("s3").head_object(Bucket=ruled.landing_bucket, Key="acme/once/a.csv")
    assert head["VersionId"] == first["VersionId"]
    await put(**{"/once/a.csv": BODY + b"more"})


async def test_the_same_content_under_another_name(put: Callable[..., Any], ruled: LocalGateway) -> None:
    """Flagged with the name it had."""
    await put(**{"/flagged/a.csv": BODY + b"flagged"})
    first = ruled.wait_for_transfer("/flagged/a.csv")
    await put(**{"/flagged/b.csv": BODY + b"flagged"})
    record = ruled.wait_for_transfer("/flagged/b.csv", status="SUSPECT")
    assert first["LogID"] in record["Error"]


async def test_released_by_hand(
    put: Callable[..., Any], ruled: LocalGateway, tidegate: Callable[..., Any]
) -> None:
    """Listed with its reason, released with what it owes and by whom; a second time changes nothing."""
    await put(**{"/reports/d.csv": b"short"})
    log_id = ruled.wait_for_transfer("/reports/d.csv", status="SUSPECT")["LogID"]
    code, out, _ = await tidegate("list", "--status", "SUSPECT", "--path", "/reports/d.csv")
    assert code == 0
    assert "it has 5 bytes, fewer than the 10 asked for; its last line is not as" in out
    code, out, err = await tidegate("release", log_id, "--reason", "a quiet month", "--output", "json")
    assert code == 0
    (row,) = json.loads(out)
    assert (row["Status"], row["Decision"], row["DeliveryTargets"]) == (
        "COMPLETED",
        "a quiet month",
        ["archive"],
    )
    assert "@" in row["DecidedBy"]
    assert "target: the local gateway" in err
    assert "released: a copy is owed to archive" in err
    ruled.wait_for_delivery("/reports/d.csv")
    again = await tidegate("release", log_id, "--output", "json")
    assert again[:2] == (0, out)
    code, _, err = await tidegate("discard", log_id, "--reason", "x")
    assert code == 1
    assert f"{log_id} is COMPLETED, and not held back" in err


async def test_discarded_by_hand(
    put: Callable[..., Any], ruled: LocalGateway, tidegate: Callable[..., Any]
) -> None:
    """FAILED for good, with the reason; the object stays, and the command says so."""
    await put(**{"/reports/e.csv": b"short"})
    record = ruled.wait_for_transfer("/reports/e.csv", status="SUSPECT")
    code, out, err = await tidegate("discard", record["LogID"], "--reason", "sent by mistake")
    assert code == 0
    assert "sent by mistake" in out
    assert f"acme/reports/e.csv, version {record['VersionId']}, stays in the bucket" in err
    found = ruled.wait_for_transfer("/reports/e.csv", status="FAILED")
    assert (found["Decision"], found["DeliveryTargets"]) == ("sent by mistake", [])
    where = {"Bucket": ruled.landing_bucket, "Key": "acme/reports/e.csv"}
    assert ruled.client("s3").head_object(**where)["VersionId"] == record["VersionId"]
    code, _, err = await tidegate("release", record["LogID"])
    assert code == 1
    assert "is FAILED, and not held back" in err


async def test_released_after_its_version_was_removed(
    put: Callable[..., Any], ruled: LocalGateway, tidegate: Callable[..., Any]
) -> None:
    """There is nothing to release: the command says that it can only be discarded."""
    await put(**{"/reports/f.csv": b"short"})
    record = ruled.wait_for_transfer("/reports/f.csv", status="SUSPECT")
    where = {"Bucket": ruled.landing_bucket, "Key": "acme/reports/f.csv", "VersionId": record["VersionId"]}
    ruled.client("s3").delete_object(**where)
    code, _, err = await tidegate("release", record["LogID"])
    assert code == 1
    assert "has nothing to release" in err
    assert "to mend it: its version was removed: it can only be discarded" in err


async def test_a_release_needs_to_know_the_targets(
    ruled: LocalGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bare endpoint does not say what is delivered where: that is wrong usage."""
    assert run(["transfers", "release", "0" * 26, "--endpoint-url", ruled.endpoint_url]) == 2
    assert "an endpoint does not say what is delivered where" in capsys.readouterr().err
