"""A store over an S3 server that checks what it is told, and uploads over it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.core.ids import GatewayId
from tidegate.core.limits import MIB
from tidegate.core.objects import Location, Storage
from tidegate.core.parts import PartSchedule
from tidegate.core.routes import Routes
from tidegate.core.sessions import Session
from tidegate.ports.objects import ObjectStore
from tidegate.services.buffers import BufferBudget
from tidegate.services.intake import Backends, Landing, Uploads
from tidegate.services.uploads import Upload, UploadSettings

URL = os.environ.get("TIDEGATE_REAL_S3_URL", "")
needs_real_s3 = pytest.mark.skipif(not URL, reason="no S3 server that checks: make test-real-s3 brings one")


def clients_at(url: str, secret: str = "real-secret", *, full_object_checksums: bool = True) -> AwsClients:
    endpoint = AwsEndpoint(
        "us-east-1", url, "real", secret, max_attempts=1, full_object_checksums=full_object_checksums
    )
    return AwsClients(endpoint)


@dataclass(frozen=True, slots=True)
class UploadPath:
    """What an upload goes through above S3, and the log it is recorded in."""

    uploads: Uploads
    log: MemoryTransferLog

    async def begin(self, there: Location) -> Upload:
        session = Session("0" * 16, "s-00000000000000000", "acme", "127.0.0.1", "SSH-2.0-test", "SHA256:x")
        return await self.uploads.begin(session, "/report.bin", there)


def upload_path(store: ObjectStore) -> UploadPath:
    """Return an upload path in parts of 8 MiB, four under way at once."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    log = MemoryTransferLog(clock)
    uploads = Uploads(
        Backends(store, log, clock, GatewayId("gw-real")),
        BufferBudget(64 * MIB),
        UploadSettings(PartSchedule(8 * MIB, 32 * MIB), 2 * MIB, 4, store_partial=False),
        Landing(Routes((), Storage()), ()),
        one_writer=True,
        on_owed=lambda: None,
    )
    return UploadPath(uploads, log)


async def write_all(upload: Upload, body: bytes) -> None:
    """Send the body as a client would, without the CLOSE."""
    for start in range(0, len(body), 256 * 1024):
        await upload.write(start, body[start : start + 256 * 1024])
