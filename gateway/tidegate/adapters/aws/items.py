"""Records to DynamoDB items and back: attribute names as documented in docs/records.md."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from tidegate.core.deliveries import WAITING_STATUSES, Delivery, DeliveryStatus
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import Location
from tidegate.core.shards import shard_of
from tidegate.core.transfers import Direction, TransferRecord, TransferStatus
from tidegate.core.users import RefusedLogin

TRANSFER_ITEM = "transfer"
DELIVERY_PREFIX = "delivery#"
LOGIN_ITEM = "login"
# Leads from a name to the last attempt that did not complete; tells nothing itself.
ATTEMPT_ITEM = "attempt"
_WAITING = "WAIT#"

_to_wire = TypeSerializer().serialize
_from_wire = TypeDeserializer().deserialize

Item = dict[str, Any]


def wire(item: Item) -> Item:
    """Return the item in DynamoDB's typed form; None is left out, never stored as NULL."""
    return {name: _to_wire(value) for name, value in item.items() if value is not None}


def plain(item: Item) -> Item:
    """Return a typed item as plain values; whole numbers as int."""
    return {name: _unwrapped(_from_wire(value)) for name, value in item.items()}


def _unwrapped(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, list):
        return [_unwrapped(member) for member in value]
    if isinstance(value, dict):
        return {name: _unwrapped(member) for name, member in value.items()}
    return value


def stamp(moment: datetime) -> str:
    """Return ISO 8601 in UTC with milliseconds: it sorts as text the way it passes in time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def expiry(at: datetime, days: int) -> int:
    """Return the TTL attribute: epoch seconds."""
    return int((at + timedelta(days=days)).timestamp())


def open_shard(log_id: str) -> str:
    """Return the open-work partition this LogID's items go to."""
    return f"OPEN#{shard_of(log_id)}"


def waiting_rows(log_id: str, due_at: datetime) -> Item:
    """Return what puts a SUSPECT transfer that waits into the index, where no sweep takes it for open."""
    return {"OpenWork": f"{_WAITING}{shard_of(log_id)}", "DueAt": stamp(due_at)}


def dead_shard(log_id: str) -> str:
    """Return the partition of the same index for deliveries given up: there no worker looks."""
    return f"DEAD#{shard_of(log_id)}"


def kept_shard(log_id: str) -> str:
    """Return the partition of the same index for uploads that are kept: they are due when that ends."""
    return f"KEPT#{shard_of(log_id)}"


def day_of(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d")


def transfer_item(record: TransferRecord) -> Item:
    """Return the whole `transfer` item; open records also appear in the open-work index."""
    return {
        "LogID": record.log_id,
        "Item": TRANSFER_ITEM,
        "Direction": record.direction.value,
        "Status": record.status.value,
        "UserName": record.user_name,
        "ServerId": record.server_id,
        "SessionId": record.session_id,
        "ClientIp": record.client_ip,
        "ClientVersion": record.client_version,
        "KeyFingerprint": record.key_fingerprint,
        "Path": record.path,
        "Bucket": record.bucket,
        "ObjectKey": record.object_key,
        "VersionId": record.version_id,
        "ETag": record.etag,
        "Bytes": record.size,
        "Sha256": record.sha256,
        "KmsKeyId": record.kms_key_id,
        "StartedAt": stamp(record.started_at),
        "Timestamp": stamp(record.timestamp),
        "GatewayId": record.gateway_id,
        "Fence": record.fence,
        "UploadId": record.upload_id,
        "DeliveryTargets": list(record.delivery_targets),
        "HoldSeconds": record.hold_seconds,
        "Superseded": record.superseded or None,
        "Error": record.error,
        "DecidedBy": record.decided_by,
        "Decision": record.decision,
        "Day": day_of(record.started_at),
        "OpenWork": open_shard(record.log_id) if record.is_open else None,
        "DueAt": stamp(record.timestamp) if record.is_open else None,
        **(waiting_rows(record.log_id, record.look_at) if record.look_at else {}),
    }


def transfer_record(item: Item) -> TransferRecord:
    return TransferRecord(
        log_id=LogId(item["LogID"]),
        direction=Direction(item["Direction"]),
        status=TransferStatus(item["Status"]),
        user_name=item["UserName"],
        server_id=item["ServerId"],
        session_id=item["SessionId"],
        client_ip=item["ClientIp"],
        client_version=item["ClientVersion"],
        key_fingerprint=item["KeyFingerprint"],
        path=item["Path"],
        bucket=item["Bucket"],
        object_key=item["ObjectKey"],
        started_at=moment(item["StartedAt"]),
        timestamp=moment(item["Timestamp"]),
        gateway_id=GatewayId(item["GatewayId"]),
        fence=item["Fence"],
        upload_id=item.get("UploadId"),
        version_id=item.get("VersionId"),
        etag=item.get("ETag"),
        size=item.get("Bytes"),
        sha256=item.get("Sha256"),
        kms_key_id=item.get("KmsKeyId"),
        delivery_targets=tuple(item.get("DeliveryTargets", ())),
        superseded=item.get("Superseded", False),
        error=item.get("Error"),
        hold_seconds=item.get("HoldSeconds"),
        look_at=moment(item["DueAt"]) if item.get("OpenWork", "").startswith(_WAITING) else None,
        decided_by=item.get("DecidedBy"),
        decision=item.get("Decision"),
    )


def delivery_item(delivery: Delivery) -> Item:
    """Return the whole `delivery#<target>` item; PENDING, HELD and DEAD ones are in the open-work index."""
    return {
        "LogID": delivery.log_id,
        "Item": DELIVERY_PREFIX + delivery.target,
        "SourceBucket": delivery.source.bucket,
        "ObjectKey": delivery.source.key,
        "DestinationBucket": delivery.destination.bucket,
        "DestinationKey": delivery.destination.key,
        "Status": delivery.status.value,
        "Timestamp": stamp(delivery.timestamp),
        "VersionId": delivery.version_id,
        "ETag": delivery.etag,
        "Attempts": delivery.attempts,
        "DueAt": stamp(delivery.due_at),
        "LeaseOwner": delivery.lease_owner,
        "LeaseFence": delivery.lease_fence,
        "Error": delivery.error,
        "OpenWork": delivery_shard(delivery.log_id, delivery.status),
    }


def delivery_shard(log_id: str, status: DeliveryStatus) -> str | None:
    """Return the partition of the open-work index for a delivery in this state; None for most."""
    if status in WAITING_STATUSES:
        return open_shard(log_id)
    return dead_shard(log_id) if status is DeliveryStatus.DEAD else None


def delivery_record(item: Item) -> Delivery:
    owner = item.get("LeaseOwner")
    return Delivery(
        log_id=LogId(item["LogID"]),
        target=item["Item"].removeprefix(DELIVERY_PREFIX),
        status=DeliveryStatus(item["Status"]),
        source=Location(item["SourceBucket"], item["ObjectKey"]),
        version_id=item.get("VersionId"),
        etag=item["ETag"],
        destination=Location(item["DestinationBucket"], item["DestinationKey"]),
        timestamp=moment(item["Timestamp"]),
        due_at=moment(item["DueAt"]),
        attempts=item["Attempts"],
        lease_owner=GatewayId(owner) if owner else None,
        lease_fence=item["LeaseFence"],
        error=item.get("Error"),
    )


def login_item(refused: RefusedLogin, retention_days: int) -> Item:
    """
    Return the `login` item of a refusal.

    The name is stored as claimed, under its own attribute: an attacker's guesses must not appear
    in a real user's transfer index.
    """
    return {
        "LogID": refused.log_id,
        "Item": LOGIN_ITEM,
        "Status": "REFUSED",
        "ClaimedUserName": refused.user_name,
        "ServerId": refused.server_id,
        "ClientIp": refused.client_ip,
        "ClientVersion": refused.client_version or None,
        "KeyFingerprint": refused.key_fingerprint or None,
        "Error": refused.reason,
        "StartedAt": stamp(refused.timestamp),
        "Timestamp": stamp(refused.timestamp),
        "Day": "LOGINS#" + day_of(refused.timestamp),
        "ExpiresAt": expiry(refused.timestamp, retention_days),
    }


def refused_login(item: Item) -> RefusedLogin:
    return RefusedLogin(
        log_id=item["LogID"],
        server_id=item["ServerId"],
        user_name=item["ClaimedUserName"],
        client_ip=item["ClientIp"],
        client_version=item.get("ClientVersion", ""),
        key_fingerprint=item.get("KeyFingerprint", ""),
        reason=item["Error"],
        timestamp=moment(item["Timestamp"]),
    )
