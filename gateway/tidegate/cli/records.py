"""Records as commands print them."""

from __future__ import annotations

from typing import Any

from tidegate.cli.output import at
from tidegate.core.transfers import TransferRecord


def transfer_members(record: TransferRecord) -> dict[str, Any]:
    """Return the record by its attribute names."""
    return {
        "LogID": record.log_id,
        "Direction": record.direction.value,
        "Status": record.status.value,
        "UserName": record.user_name,
        "Path": record.path,
        "Bytes": record.size,
        "Sha256": record.sha256,
        "StartedAt": at(record.started_at),
        "Timestamp": at(record.timestamp),
        "ClientIp": record.client_ip,
        "ClientVersion": record.client_version,
        "KeyFingerprint": record.key_fingerprint,
        "SessionId": record.session_id,
        "ServerId": record.server_id,
        "Bucket": record.bucket,
        "ObjectKey": record.object_key,
        "VersionId": record.version_id,
        "ETag": record.etag,
        "KmsKeyId": record.kms_key_id,
        "Superseded": record.superseded,
        "DeliveryTargets": list(record.delivery_targets),
        "GatewayId": record.gateway_id,
        "Error": record.error,
        "DecidedBy": record.decided_by,
        "Decision": record.decision,
    }
