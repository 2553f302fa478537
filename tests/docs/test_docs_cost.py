"""docs/cost.md against a gateway: the calls it counts are those that go over the wire, and its items fit."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import pytest_asyncio
from costs import (
    CALLS,
    DELIVERIES_DUE,
    LARGE_RECORD_KIB,
    LEASES,
    LOGIN,
    SERVERS,
    SHARDS,
    SMALL_BYTES,
    SMALL_RECORD_KIB,
    SWEEPS,
    WRITES,
    Idle,
)

from support.fault_proxy import FaultProxy, Request
from tidegate.assembly import Gateway
from tidegate.backend import Backend
from tidegate.core.homes import home_from_target
from tidegate.fleet import POLL_SECONDS
from tidegate.local.endpoint import EmbeddedAws
from tidegate.local.key_files import ensure_key_pair
from tidegate.local.provisioned import provisioned_fleet
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS
from tidegate.services.users import WantedUser
from tidegate.settings.model import Settings
from tidegate.settings.sections import DeliverySettings, SweepSettings

pytestmark = pytest.mark.lengthy

in_one_loop = pytest.mark.asyncio(loop_scope="module")
PART_BYTES, PARTS = 5 * 1024**2, 3
SERVER = "s-0123456789abcdef0"
# S3 gives upload ids about this long; the emulator's are shorter.
UPLOAD_ID_BYTES = 200


@dataclass(frozen=True)
class Counted:
    """A gateway whose calls are counted. It does nothing by itself: the test says when it works."""

    gateway: Gateway
    proxy: FaultProxy
    key: Path

    async def calls_of(self, work: Callable[[], Awaitable[Any]]) -> Counter[str]:
        """Return the calls of a piece of work, by the names they have on the page."""
        before = len(self.proxy.requests())
        await work()
        return Counter(map(name_of_call, self.proxy.requests()[before:]))

    async def uploaded(self, name: str, size: int) -> None:
        """Send a file by a connection of its own, and deliver it."""
        async with (
            self.connected() as connection,
            connection.start_sftp_client() as sftp,
            sftp.open(name, "wb") as file,
        ):
            await file.write(bytes(size))
        assert await self.gateway.worker.run_once() == 1

    async def downloaded(self, name: str) -> None:
        """Read a file by a connection of its own, to where its record is written."""
        async with self.connected() as connection, connection.start_sftp_client() as sftp:
            await sftp.get(name, "/dev/null")
        await self.gateway.settled()

    def connected(self) -> Any:
        port, keys = self.gateway.listener.port, [str(self.key)]
        return asyncssh.connect(
            "127.0.0.1", port, username="acme", client_keys=keys, known_hosts=None, config=None
        )


def name_of_call(request: Request) -> str:
    """Return the operation, and for DynamoDB the table or the index."""
    if not request.operation.startswith("dynamodb."):
        return request.operation
    asked = json.loads(request.body)
    table = "transfers" if "TransactItems" in asked else asked["TableName"].removeprefix("costs-")
    return f"{request.operation} {asked.get('IndexName', table)}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def counted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Counted]:
    aws = EmbeddedAws(0, lambda: None)
    aws.start()
    try:
        with FaultProxy(aws.url) as proxy:
            backend = Backend(settings_for(proxy))
            try:
                ready = await started(backend, proxy, tmp_path_factory.mktemp("costs"))
                yield ready
                await ready.gateway.stop(hurry())
            finally:
                backend.close()
    finally:
        aws.stop()


def hurry() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def settings_for(proxy: FaultProxy) -> Settings:
    return Settings.model_validate(
        {
            "name_prefix": "costs",
            "aws": {"endpoint_url": proxy.url, "access_key_id": "x", "secret_access_key": "x"},
            "sftp": {"port": 0},
            "uploads": {"part_size_bytes": PART_BYTES},
        }
    )


async def started(backend: Backend, proxy: FaultProxy, folder: Path) -> Counted:
    key, host_key = folder / "acme", folder / "host"
    public = ensure_key_pair(key, "acme")
    ensure_key_pair(host_key, "host")
    fleet = await provisioned_fleet(backend, SERVER, "partner-safe", host_key)
    gateway = fleet.first
    home = home_from_target(f"/{backend.settings.landing.bucket}/acme")
    await backend.users(SERVER).bring_to([WantedUser("acme", home, (public,))], exact=False)
    await gateway.start()
    # Before anything of it has run: what a gateway does of its own accord is counted apart.
    await gateway.pause_background()
    return Counted(gateway, proxy, key)


@in_one_loop
@pytest.mark.parametrize(("parts", "size"), [(1, SMALL_BYTES), (PARTS, PARTS * PART_BYTES)])
async def test_the_calls_of_a_file_are_those_on_the_page(counted: Counted, parts: int, size: int) -> None:
    """A small file, and one of three parts: login, upload and delivery, on the way to AWS."""
    calls = await counted.calls_of(lambda: counted.uploaded(f"/of-{parts}", size))
    on_the_page = {call.name: call.count(parts) for call in (*CALLS, LOGIN)}
    assert calls == {name: number for name, number in on_the_page.items() if number}


@in_one_loop
async def test_the_calls_of_a_download_are_those_on_the_page(counted: Counted) -> None:
    """Of a file that one block of reading ahead holds, by a client that asks for its size first."""
    await counted.uploaded("/read.csv", SMALL_BYTES)
    calls = await counted.calls_of(lambda: counted.downloaded("/read.csv"))
    del calls[LOGIN.name]
    asked_first = {"s3.HeadObject": 2, "s3.ListObjectsV2": 1}
    assert calls == {**asked_first, "s3.GetObject": 1, "dynamodb.PutItem transfers": 1}


@in_one_loop
@pytest.mark.parametrize(
    ("work", "idle"),
    [
        (lambda gateway: gateway.worker.run_once(), DELIVERIES_DUE),
        (lambda gateway: gateway.sweeper._sweep.run_once(), SWEEPS),
        (lambda gateway: gateway.lease.tick(), LEASES),
        (lambda gateway: gateway.backend.directory.servers(), SERVERS),
    ],
    ids=["deliveries", "sweep", "lease", "servers"],
)
async def test_the_calls_of_waiting_are_those_on_the_page(
    counted: Counted, work: Callable[[Gateway], Awaitable[Any]], idle: Idle
) -> None:
    """One look for deliveries, one sweep and one renewal, with nothing to be done."""
    await work(counted.gateway)  # the first sweep also looks whether anything waits for a rule of before
    calls = await counted.calls_of(lambda: work(counted.gateway))
    assert calls.total() == idle.queries + idle.writes
    assert sum(number for name, number in calls.items() if "Query" in name) == idle.queries


def test_each_write_on_the_page_is_one_of_its_calls() -> None:
    """A transaction writes two items; every other call of the table that writes, one."""
    calls = {call.name: call for call in CALLS}
    alone = [calls["dynamodb.PutItem transfers"], calls["dynamodb.UpdateItem transfers"]]
    assert sum(not write.in_transaction for write in WRITES) == sum(call.large for call in alone)
    assert sum(not (write.in_transaction or write.only_large) for write in WRITES) == sum(
        call.small for call in alone
    )
    assert sum(write.in_transaction for write in WRITES) == 2


def test_waiting_is_counted_at_the_default_pace() -> None:
    """Seconds and shards on the page are those of the settings and of the code."""
    assert DeliverySettings().poll_interval_seconds == DELIVERIES_DUE.seconds
    assert SweepSettings().interval_seconds == SWEEPS.seconds
    assert SweepSettings().lease_seconds / 3 == LEASES.seconds
    assert SHARDS == OPEN_WORK_SHARDS
    assert SERVERS.seconds == POLL_SECONDS


def bytes_of(value: dict[str, Any]) -> int:
    """Return the size of a value as DynamoDB counts it, from its form on the wire."""
    [(kind, held)] = value.items()
    if kind == "L":
        return 3 + sum(1 + bytes_of(member) for member in held)
    if kind == "N":
        return len(held) // 2 + 2
    return len(str(held).encode())


@in_one_loop
async def test_records_are_as_large_as_the_page_says(counted: Counted) -> None:
    """Writes are counted by the KiB: with a path of 90 bytes a record fits in as many as on the page."""
    path = "/" + "statement-of-june-".ljust(85, "x") + ".csv"
    await counted.uploaded(path, SMALL_BYTES)
    await counted.uploaded(path.replace("june", "july"), PART_BYTES + 1)
    backend = counted.gateway.backend
    rows = backend.clients.dynamodb.scan(TableName=backend.settings.tables.transfers)["Items"]
    sized = [row for row in rows if "statement" in row["ObjectKey"]["S"]]
    assert len(sized) == 4
    for row in sized:
        size = sum(len(name) + bytes_of(value) for name, value in row.items())
        is_large = "UploadId" in row
        most = LARGE_RECORD_KIB if is_large else SMALL_RECORD_KIB
        assert size + (UPLOAD_ID_BYTES if is_large else 0) <= most * 1024, row
