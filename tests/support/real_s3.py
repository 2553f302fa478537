"""A store over an S3 server that checks what it is told, and uploads over it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.core.ids import GatewayId
from tidegate.core.limits import MIB
from tidegate.core.objects import Location, Storage
from tidegate.core.open_modes import ANEW, OpenIntent
from tidegate.core.parts import PartSchedule
from tidegate.core.routes import Routes
from tidegate.core.sessions import Session
from tidegate.ports.objects import ObjectStore
from tidegate.services.buffers import BufferBudget
from tidegate.services.intake import Backends, Landing, Uploads
from tidegate.services.kept_uploads import KeptUploads
from tidegate.services.uploads import Upload, UploadSettings

URL = os.environ.get("TIDEGATE_REAL_S3_URL", "")
SESSION = Session("0" * 16, "s-00000000000000000", "acme", "127.0.0.1", "SSH-2.0-test", "SHA256:x")
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

    async def begin(self, there: Location, intent: OpenIntent = ANEW) -> Upload:
        return await self.uploads.begin(SESSION, "/report.bin", there, intent)


def upload_path(store: ObjectStore, beside: UploadPath | None = None) -> UploadPath:
    """
    Return an upload path in parts of 8 MiB, four under way at once; what is dropped is kept.

    Args:
        beside: That of another gateway, whose log it shares.
    """
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    log = beside.log if beside else MemoryTransferLog(clock)
    gateway_id = GatewayId("gw-other" if beside else "gw-real")
    kept = KeptUploads(store, log, log, clock, gateway_id, timedelta(hours=1))
    uploads = Uploads(
        Backends(store, log, clock, gateway_id, kept=kept),
        BufferBudget(64 * MIB),
        UploadSettings(PartSchedule(8 * MIB, 32 * MIB), 2 * MIB, 4, store_partial=False, resume=True),
        Landing(Routes((), Storage()), ()),
        one_writer=True,
        on_owed=lambda: None,
    )
    return UploadPath(uploads, log)


async def write_all(upload: Upload, body: bytes, begin: int = 0) -> None:
    """Send the body as a client would, without the CLOSE, and without the bytes before `begin`."""
    for start in range(begin, len(body), 256 * 1024):
        await upload.write(start, body[start : start + 256 * 1024])
