"""
The two worlds each contract suite runs in: the memory fakes, and the AWS adapters on moto.

Every test asks for its port by name and gets it twice. Buckets and tables are new for each test, which
costs milliseconds; boto3's clients are shared, as making them costs more than most tests.
A fact that moto gets wrong is checked in memory alone: the test says so, with the reason, and carries
`memory_only`, which each suite makes for itself from the `backend` fixture.
"""

from __future__ import annotations

import base64
import secrets
import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.transfer_as_given import CANNOT_HOLD, AsGiven
from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.adapters.aws.directory import DynamoUserDirectory
from tidegate.adapters.aws.provision import Provisioner
from tidegate.adapters.aws.s3 import S3ObjectStore
from tidegate.adapters.aws.tables import directory_table, transfers_table
from tidegate.adapters.aws.transfer_directory import TransferUserDirectory
from tidegate.adapters.aws.transfer_log import DynamoTransferLog
from tidegate.adapters.aws.workflows import DynamoWorkflows
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.adapters.memory.objects import MemoryObjectStore
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.adapters.memory.workflows import MemoryWorkflows
from tidegate.core.ids import GatewayId, UploadId, new_log_id
from tidegate.core.objects import Location, NewObject, PartReceipt, StoredObject
from tidegate.core.transfers import Direction, TransferRecord, TransferStatus
from tidegate.local.endpoint import EmbeddedAws
from tidegate.ports.directory import UserDirectory
from tidegate.ports.objects import ObjectStore
from tidegate.ports.transfer_log import TransferLog
from tidegate.ports.workflows import WorkflowDirectory


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    # moto as local mode has it: its DynamoDB takes one request at a time there, as conditions are
    # none otherwise, and a refused transaction undoes what others wrote meanwhile.
    aws = EmbeddedAws(0, lambda: None)
    aws.start()
    yield aws.url
    aws.stop()


@pytest.fixture(params=["memory", "aws-on-moto"])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def aws_clients(moto_url: str) -> Iterator[AwsClients]:
    made = AwsClients(
        AwsEndpoint(
            region="us-east-1",
            endpoint_url=moto_url,
            access_key_id="test",
            secret_access_key="test",
        )
    )
    yield made
    made.close()


@pytest.fixture
def clients(backend: str, request: pytest.FixtureRequest) -> AwsClients | None:
    """The clients of the AWS adapters; None where there is only memory, and then no server starts."""
    return None if backend in ("memory", "transfer") else request.getfixturevalue("aws_clients")


@pytest.fixture
def now() -> datetime:
    """A moment a few hours ago, in whole milliseconds; searches by day start from the real today."""
    return datetime.now(UTC).replace(microsecond=123_000) - timedelta(hours=3)


@pytest.fixture
async def kms_key(clients: AwsClients | None) -> str:
    if clients is None:
        return "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    return await Provisioner(clients).ensure_key("alias/contract")


@pytest.fixture
def store(clients: AwsClients | None) -> ObjectStore:
    return MemoryObjectStore() if clients is None else S3ObjectStore(clients)


@pytest.fixture
def make_bucket(
    store: ObjectStore, clients: AwsClients | None, kms_key: str
) -> Callable[..., Awaitable[str]]:
    async def made(*, versioned: bool = True) -> str:
        name = f"contract-{secrets.token_hex(8)}"
        if isinstance(store, MemoryObjectStore):
            store.add_bucket(name, versioned=versioned)
        else:
            await Provisioner(clients).ensure_bucket(name, kms_key, versioned=versioned)
        return name

    return made


@pytest.fixture
async def bucket(make_bucket: Callable[..., Awaitable[str]]) -> str:
    return await make_bucket()


@pytest.fixture
async def unversioned_bucket(make_bucket: Callable[..., Awaitable[str]]) -> str:
    return await make_bucket(versioned=False)


@pytest.fixture
def put(store: ObjectStore) -> Callable[..., Awaitable[StoredObject]]:
    """Put an object with its checksum."""

    async def put(
        bucket: str,
        key: str,
        body: bytes = b"",
        *,
        kms_key: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> StoredObject:
        return await store.put(NewObject(Location(bucket, key), kms_key, metadata or {}), body, crc32(body))

    return put


@pytest.fixture
def upload(store: ObjectStore) -> Callable[..., Awaitable[tuple[Location, UploadId, list[PartReceipt]]]]:
    """Start a multipart upload and send these bodies as its parts, from 1."""

    async def upload(
        bucket: str,
        key: str,
        bodies: Sequence[bytes],
        *,
        kms_key: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> tuple[Location, UploadId, list[PartReceipt]]:
        location = Location(bucket, key)
        upload_id = await store.create_multipart(NewObject(location, kms_key, metadata or {}))
        receipts = [
            await store.upload_part(location, upload_id, number, body, crc32(body))
            for number, body in enumerate(bodies, start=1)
        ]
        return location, upload_id, receipts

    return upload


@pytest.fixture
def content(store: ObjectStore) -> Callable[[StoredObject], Awaitable[bytes]]:
    """Read a whole object."""

    async def content(of: StoredObject) -> bytes:
        return await store.read(of, 0, of.size)

    return content


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def new_table(clients: AwsClients, shape: Callable[[str], dict[str, Any]]) -> str:
    """Make an empty table of our shape; what else a `Provisioner` sees to takes four more requests."""
    name = f"contract-{secrets.token_hex(8)}"
    clients.dynamodb.create_table(**shape(name))
    return name


@pytest.fixture
async def log(clients: AwsClients | None, now: datetime) -> MemoryTransferLog | DynamoTransferLog:
    """The transfer log, which is the delivery queue and the login audit too."""
    if clients is None:
        return MemoryTransferLog(ManualClock(now))
    table = new_table(clients, transfers_table)
    return DynamoTransferLog(clients, table, retention_days=400, refused_login_retention_days=90)


@pytest.fixture
def transfer_directory(tidegate: Any) -> Iterator[UserDirectory]:
    """The Transfer endpoint of a gateway without partners."""
    made = AwsClients(
        AwsEndpoint(
            region=tidegate.region,
            endpoint_url=tidegate.endpoint_url,
            access_key_id="test",
            secret_access_key="test",
        )
    )
    for user in made.transfer.list_users(ServerId=tidegate.server_id)["Users"]:
        made.transfer.delete_user(ServerId=tidegate.server_id, UserName=user["UserName"])
    yield AsGiven(TransferUserDirectory(made), "s-0123456789abcdef0", tidegate.server_id)
    made.close()


@pytest.fixture
def directory(backend: str, clients: AwsClients | None, request: pytest.FixtureRequest) -> UserDirectory:
    if backend == "transfer":
        named = (request.node.originalname, request.cls.__name__ if request.cls else "")
        if why := next((CANNOT_HOLD[name] for name in named if name in CANNOT_HOLD), ""):
            pytest.skip(f"not by the Transfer API: {why}")
        found: UserDirectory = request.getfixturevalue("transfer_directory")
        return found
    if clients is None:
        return MemoryUserDirectory()
    return DynamoUserDirectory(clients, new_table(clients, directory_table))


@pytest.fixture
async def workflows(clients: AwsClients | None) -> WorkflowDirectory:
    if clients is None:
        return MemoryWorkflows()
    return DynamoWorkflows(clients, new_table(clients, directory_table))


@pytest.fixture
def transfer(now: datetime) -> Callable[..., TransferRecord]:
    """Make a STARTED upload of now, with the changes asked for."""

    def transfer(**changes: object) -> TransferRecord:
        started_at = changes.get("started_at", now)
        record = TransferRecord(
            log_id=new_log_id(int(started_at.timestamp() * 1000)),
            direction=Direction.UPLOAD,
            status=TransferStatus.STARTED,
            user_name="acme",
            server_id="s-0123456789abcdef0",
            session_id="0123456789abcdef",
            client_ip="192.0.2.7",
            client_version="SSH-2.0-OpenSSH_9.2",
            key_fingerprint="SHA256:abc",
            path="/in/report.csv",
            bucket="landing",
            object_key="acme/in/report.csv",
            started_at=started_at,
            timestamp=started_at,
            gateway_id=GatewayId("gw-ours"),
            kms_key_id="arn:aws:kms:us-east-1:123456789012:key/1",
        )
        return replace(record, **changes)

    return transfer


@pytest.fixture
async def started(log: TransferLog, transfer: Callable[..., TransferRecord]) -> TransferRecord:
    """A STARTED upload that is on record."""
    record = transfer()
    await log.start(record)
    return record
