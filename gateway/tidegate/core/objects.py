"""Values that name and describe S3 objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tidegate.core.ids import UploadId

# Object metadata the gateway writes. Copies drop the transfer id, so that a delivered object
# is never taken for a landed one.
META_TRANSFER_ID = "tidegate-transfer-id"
META_OUTCOME = "tidegate-outcome"
META_BYTES = "tidegate-bytes"
META_SHA256 = "tidegate-sha256"
META_DELIVERED_FROM = "tidegate-delivered-from"
# Written by Transfer Family on every object it stores; partners' scripts look for them.
META_USER_AGENT = "user-agent"
META_USER_AGENT_ID = "user-agent-id"


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

    @property
    def transfer_id(self) -> str | None:
        """The LogID of the upload that wrote it, if one of ours did."""
        return self.metadata.get(META_TRANSFER_ID)


@dataclass(frozen=True, slots=True)
class NewObject:
    """What an object to be written shall be."""

    location: Location
    kms_key_id: str | None
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True)
class PartReceipt:
    """S3's answer to one stored part."""

    number: int
    etag: str
    crc32: str


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """One multipart upload that is neither complete nor aborted; its age by the store's own clock."""

    upload_id: UploadId
    age_seconds: float


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One row of a version listing."""

    version_id: str | None
    is_latest: bool
    is_delete_marker: bool


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
