"""Reading a stored file again and comparing it with its record."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tidegate.core.errors import ChangedMeanwhile, NotFound
from tidegate.core.ids import LogId
from tidegate.core.limits import MIB
from tidegate.core.objects import Location, StoredObject
from tidegate.core.transfers import Direction, TransferRecord
from tidegate.ports.objects import ObjectReader
from tidegate.ports.transfer_log import TransferLog

_BLOCK_BYTES = 8 * MIB


@dataclass(frozen=True, slots=True)
class Comparison:
    """One fact: what the record says, and what the store says."""

    what: str
    recorded: str | None
    found: str | None

    @property
    def agrees(self) -> bool:
        return self.recorded == self.found


async def verify(store: ObjectReader, log: TransferLog, log_id: LogId) -> list[Comparison]:
    """
    Compare the recorded version with its record: size, SHA-256 of all its bytes, KMS key.

    Memory: one block of 8 MiB, whatever the size.

    Raises:
        NotFound: There is no such record, it names no stored object, or the version is gone.
    """
    record = (await log.story(log_id)).transfer
    if record.etag is None:
        raise NotFound(f"{log_id} is {record.status} and has no object to compare")
    stored = await store.head(Location(record.bucket, record.object_key), record.version_id)
    if stored.etag != record.etag:
        raise ChangedMeanwhile(f"{stored.location} is another object than the record's: ETag {stored.etag}")
    facts = [
        Comparison("Bytes", _text(record.size), str(stored.size)),
        Comparison("Sha256", record.sha256, await _sha256(store, stored)),
        Comparison("KmsKeyId", record.kms_key_id, stored.kms_key_id),
        # What was imported carries no id of ours; its bytes are still those of the record's ETag.
        Comparison("transfer id", None if _is_import(record) else record.log_id, stored.transfer_id),
    ]
    # What a sweep recorded of a dropped upload has no size and digest, and what was imported no digest:
    # nobody had counted or read the bytes.
    return [fact for fact in facts if fact.recorded is not None]


async def _sha256(store: ObjectReader, stored: StoredObject) -> str:
    digest = hashlib.sha256()
    for start in range(0, stored.size, _BLOCK_BYTES):
        digest.update(await store.read(stored, start, _BLOCK_BYTES))
    return digest.hexdigest()


def _is_import(record: TransferRecord) -> bool:
    return record.direction is Direction.IMPORT


def _text(size: int | None) -> str | None:
    return None if size is None else str(size)
