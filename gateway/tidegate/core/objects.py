"""Values that name and describe S3 objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from tidegate.core.ids import UploadId

# Object metadata the gateway writes. Copies drop the transfer id, so that a delivered object
# is never taken for a landed one.
META_TRANSFER_ID = "tidegate-transfer-id"
META_OUTCOME = "tidegate-outcome"
META_BYTES = "tidegate-bytes"
META_SHA256 = "tidegate-sha256"
# The time the client gave the file: seconds since 1970. Where it came too late, a tag of this name says it.
META_MTIME = "tidegate-mtime"
META_DELIVERED_FROM = "tidegate-delivered-from"
META_DELIVERED_VERSION = "tidegate-delivered-version"
# On copies made inside a home: the LogID that tells the file's story, and what made the copy.
META_LOG_ID = "tidegate-log-id"
META_RENAME_ID = "tidegate-rename-id"
META_RESTORED_FROM = "tidegate-restored-from"
# Written by Transfer Family on every object it stores; partners' scripts look for them.
META_USER_AGENT = "user-agent"
META_USER_AGENT_ID = "user-agent-id"

STANDARD = "STANDARD"


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A bucket and a key: the S3 side of a path."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object as S3 describes it."""

    location: Location
    size: int
    etag: str
    version_id: str | None
    modified_at: datetime | None = None
    kms_key_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    # When it was described; 0 also where the store did not say. Tags can change while the version does not.
    tag_count: int = field(default=0, compare=False)

    @property
    def transfer_id(self) -> str | None:
        """The LogID of the upload that wrote it, if one of ours did."""
        return self.metadata.get(META_TRANSFER_ID)


Tags: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NewObject:
    """What an object to be written shall be; the storage class in S3's words."""

    location: Location
    kms_key_id: str | None
    metadata: dict[str, str]
    storage_class: str = STANDARD
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class Storage:
    """
    How objects are kept.

    Args:
        kms_key_id: ARN of their KMS key; None leaves encryption to the bucket's default.
        storage_class: In S3's words.
        tags: Keys and values.
    """

    kms_key_id: str | None = None
    storage_class: str = STANDARD
    tags: Tags = ()

    def new(self, location: Location, metadata: dict[str, str]) -> NewObject:
        return NewObject(location, self.kms_key_id, metadata, self.storage_class, self.tags)

    def as_of(self, stored: StoredObject) -> Storage:
        """Return this storage for a copy of an object that was kept so: its key stays, and so do its tags."""
        return Storage(stored.kms_key_id or self.kms_key_id, self.storage_class)


@dataclass(frozen=True, slots=True)
class PartReceipt:
    """S3's answer to one stored part. No CRC32: the store does not say those of parts sent before."""

    number: int
    etag: str
    crc32: str | None


@dataclass(frozen=True, slots=True)
class KeptPart:
    """One part that the store has of an upload that is not complete; its age by the store's own clock."""

    receipt: PartReceipt
    size: int
    age_seconds: float


@dataclass(frozen=True, slots=True)
class WholeObject:
    """
    What the parts of an upload must come to, as counted before they were sent, and not from their receipts.

    Args:
        size: Bytes.
        crc32: Of all bytes, in order; base64, big-endian. None where that of a part is not known.
    """

    size: int
    crc32: str | None


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """One multipart upload that is neither complete nor aborted; its age by the store's own clock."""

    upload_id: UploadId
    age_seconds: float


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One row of a version listing; its age by the store's own clock."""

    version_id: str | None
    is_latest: bool
    is_delete_marker: bool
    age_seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class ListedKey:
    """One object of a listing."""

    key: str
    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class ListingPage:
    """One page of ListObjectsV2: objects and common prefixes, and where the next page starts."""

    keys: list[ListedKey]
    prefixes: list[str]
    next_token: str | None
