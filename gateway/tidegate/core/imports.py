"""
Imports: objects that somebody put into a landing bucket without the gateway, and their records.

An import has no session, so what a record says of one is `-`. Its LogID follows from the object alone:
its time is the object's, the rest is a hash of bucket, key and version. So everybody who meets the
object, once more or at the same time, meets the same record.
"""

from __future__ import annotations

from datetime import datetime

from tidegate.core.ids import GatewayId, LogId, derived_log_id
from tidegate.core.objects import (
    META_DELIVERED_FROM,
    META_LOG_ID,
    META_RENAME_ID,
    META_RESTORED_FROM,
    META_TRANSFER_ID,
    StoredObject,
)
from tidegate.core.transfers import Direction, TransferRecord, TransferStatus

# In place of a user, a session, a client. No user can be called so: a name has at least three characters.
NOBODY = "-"

# Keys that begin so are tidegate's own, such as what `tidegate doctor` writes to try a bucket.
OWN_KEYS = ".tidegate-"

# What the gateways write on everything they store: uploads, copies, renamed and restored files.
_MARKS = frozenset({META_TRANSFER_ID, META_DELIVERED_FROM, META_LOG_ID, META_RENAME_ID, META_RESTORED_FROM})


def is_foreign(stored: StoredObject) -> bool:
    """Tell whether no gateway of ours wrote this object, as far as its metadata say."""
    return _MARKS.isdisjoint(stored.metadata)


def import_id(stored: StoredObject) -> LogId | None:
    """Return the LogID of the object's import, whether or not there is one; None if it cannot have one."""
    if not is_foreign(stored) or stored.modified_at is None:
        return None
    facts = (stored.location.bucket, stored.location.key, stored.version_id or stored.etag)
    return derived_log_id(int(stored.modified_at.timestamp() * 1000), *facts)


def import_record(
    log_id: LogId,
    stored: StoredObject,
    server_id: str,
    gateway_id: GatewayId,
    at: datetime,
    delivery_targets: tuple[str, ...],
    *,
    superseded: bool,
) -> TransferRecord:
    """
    Return the record of an import: COMPLETED, with what S3 tells of the object.

    Nobody has read its bytes, so there is no SHA-256.
    """
    return TransferRecord(
        log_id=log_id,
        direction=Direction.IMPORT,
        status=TransferStatus.COMPLETED,
        user_name=NOBODY,
        server_id=server_id,
        session_id=NOBODY,
        client_ip=NOBODY,
        client_version=NOBODY,
        key_fingerprint=NOBODY,
        path=stored.location.key,
        bucket=stored.location.bucket,
        object_key=stored.location.key,
        started_at=stored.modified_at or at,
        timestamp=at,
        gateway_id=gateway_id,
        version_id=stored.version_id,
        etag=stored.etag,
        size=stored.size,
        kms_key_id=stored.kms_key_id,
        delivery_targets=delivery_targets,
        superseded=superseded,
    )
