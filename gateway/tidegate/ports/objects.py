"""
The object store, in four doors: writing, reading, copying, tagging.

Errors every method may raise: `StoreUnavailable` (no answer, or a fault of the store; the effect
of a write is then unknown), `AccessDenied` (refused by the store or by KMS), `NotFound` (bucket,
object, version). Methods may be called from several tasks at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from tidegate.core.ids import UploadId
from tidegate.core.objects import (
    KeptPart,
    ListingPage,
    Location,
    NewObject,
    ObjectVersion,
    PartReceipt,
    StoredObject,
    Tags,
    UnfinishedUpload,
    WholeObject,
)

Body: TypeAlias = bytes | bytearray | memoryview

# In place of an ETag: nothing may be there.
NOTHING = "*"


class ObjectWriter(Protocol):
    """Writes whole objects, in one call or by multipart upload."""

    async def put(
        self, new: NewObject, body: Body, crc32: str, *, replacing: str | None = None
    ) -> StoredObject:
        """
        Store the object in one call. The store checks `crc32` (base64, big-endian). Atomic.

        Args:
            replacing: As `copy` has it.

        Raises:
            ChangedMeanwhile: What is there is not as `replacing` says; or it is what this very call stored,
                and its answer was lost.
        """
        ...

    async def create_multipart(self, new: NewObject) -> UploadId:
        """
        Start a multipart upload. Not idempotent, so never repeated by itself, but after `Throttled`.

        After any other `StoreUnavailable` one may have been started unseen: `unfinished` finds it.

        Raises:
            InvalidSettings: The store says that it will not check the whole object. Nothing was left started.
        """
        ...

    async def upload_part(
        self, location: Location, upload_id: UploadId, number: int, body: Body, crc32: str
    ) -> PartReceipt:
        """Store part `number` (from 1). Idempotent: a repeated number replaces. The store checks `crc32`."""
        ...

    async def copy_part(
        self, location: Location, upload_id: UploadId, number: int, of: StoredObject, start: int, length: int
    ) -> PartReceipt:
        """
        Store these bytes of exactly this version as part `number`, inside the store. Idempotent.

        Raises:
            ChangedMeanwhile: The object has another ETag now.
            NotFound: The version is gone, or the upload id is unknown.
        """
        ...

    async def parts(self, location: Location, upload_id: UploadId) -> list[KeptPart]:
        """Return the parts the store has of this upload, by number. Raises `NotFound`: unknown upload id."""
        ...

    async def complete_multipart(
        self,
        location: Location,
        upload_id: UploadId,
        receipts: Sequence[PartReceipt],
        whole: WholeObject,
        *,
        replacing: str | None = None,
    ) -> StoredObject:
        """
        Make the object of its parts, in the order of `receipts`. Atomic; may take minutes.

        The store refuses parts that do not come to `whole`, unless it was made for endpoints that cannot.

        Args:
            replacing: As `copy` has it.

        Raises:
            ChangedMeanwhile: As `put`.
            NotFound: The upload id is unknown. It may have been completed by a call whose answer
                was lost: decide by `versions` and `head`.
        """
        ...

    async def abort_multipart(self, location: Location, upload_id: UploadId) -> None:
        """Drop the upload and its parts. Idempotent: an unknown upload id is no error."""
        ...


class ObjectReader(Protocol):
    """Looks at and reads objects; always strongly consistent."""

    async def head(self, location: Location, version_id: str | None = None) -> StoredObject:
        """Describe the current or the named version. Raises `NotFound`, never returns None."""
        ...

    async def read(self, of: StoredObject, start: int, length: int) -> bytes:
        """
        Return up to `length` bytes from `start` of exactly this version (shorter only at the end).

        Raises:
            ChangedMeanwhile: The object is another one now.
        """
        ...

    async def list_page(
        self, bucket: str, prefix: str, *, token: str | None = None, limit: int = 1000
    ) -> ListingPage:
        """Return one page of the level under `prefix`, delimiter `/`, keys in byte order."""
        ...

    async def versions(
        self,
        location: Location,
        *,
        back_to: str | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[ObjectVersion]:
        """
        Return the versions of exactly this key, newest first, delete markers included.

        A key may have any number of them. So what is older than the version `back_to`, and what was stored
        before `since` by the store's clock, may be left out.

        Args:
            limit: Only so many of the newest (1 to 1000), in one call.
        """
        ...

    async def unfinished(self, location: Location) -> list[UnfinishedUpload]:
        """Return the multipart uploads under way to exactly this key."""
        ...


class ObjectCopier(Protocol):
    """Copies between locations of one store, and deletes."""

    async def copy(
        self, source: StoredObject, new: NewObject, *, replacing: str | None = None
    ) -> StoredObject:
        """
        Copy exactly the version and ETag `source` names to `new`, with new metadata and key.

        Any size: above 5 GiB in parts. The destination is written atomically. Idempotent without
        `replacing`; with it, a repetition may find the copy it repeats in its way.

        Args:
            replacing: The ETag that must be current at the destination, or `NOTHING` if nothing may be
                there (a delete marker is nothing). None: no matter what is there.

        Raises:
            NotFound: The source version is gone; or nothing is there, where an ETag should be.
            ChangedMeanwhile: The source has another ETag; or the destination is not as `replacing` says.
        """
        ...

    async def delete(self, location: Location) -> None:
        """Delete the object (a delete marker on a versioned bucket). Idempotent."""
        ...


class ObjectTagger(Protocol):
    """What can be said of an object that is written already."""

    async def tags(self, of: StoredObject) -> Tags:
        """Return the tags of exactly this version, in the order of their keys."""
        ...

    async def set_tags(self, of: StoredObject, tags: Tags) -> None:
        """Let exactly this version have these tags and no others. Idempotent; at most 10 on S3."""
        ...


class ObjectStore(ObjectWriter, ObjectReader, ObjectCopier, ObjectTagger, Protocol):
    """All four doors, as adapters offer them."""
