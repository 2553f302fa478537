"""The object store in memory."""

from __future__ import annotations

import asyncio
import base64
import secrets
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from tidegate.adapters.clock import SystemClock
from tidegate.adapters.memory.uploads import OpenUpload, checked, etag_of, multipart_etag_of
from tidegate.core.checksums import as_s3_writes
from tidegate.core.errors import ChangedMeanwhile, InvalidName, NotFound
from tidegate.core.ids import UploadId
from tidegate.core.limits import S3_MAX_KEY_BYTES, S3_MAX_LIST_KEYS, S3_MIN_PART_BYTES
from tidegate.core.objects import (
    KeptPart,
    ListedKey,
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
from tidegate.ports.clock import Clock
from tidegate.ports.objects import NOTHING, Body


@dataclass(frozen=True, slots=True)
class _Version:
    version_id: str | None
    stored: StoredObject | None  # None: a delete marker
    stored_at: datetime
    body: bytes = b""
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Bucket:
    versioned: bool
    keys: dict[str, list[_Version]] = field(default_factory=dict)  # a key's versions, oldest first


class MemoryObjectStore:
    """
    `ObjectStore` for tests and local mode. Safe from several tasks, not from several threads.

    Every call lets other tasks run once before it acts, as a network would, and then acts at once.
    What S3 refuses as a bad request (a wrong checksum, parts that do not fit together or do not come to
    the whole) raises `StoreUnavailable`: sending the bytes again is the cure, and nothing was stored.
    ETags have S3's form, quotes included, and are MD5 sums even under a KMS key, where S3's are not:
    compare, never compute them. A bucket is as versioned as it was made; there is no suspending.

    Args:
        buckets: Names of the buckets there are at the start.
        versioned: Whether those keep versions.
        min_part_bytes: The least size of every part but the last, so that a test need not fill 5 MiB.
        clock: Dates the objects, to the second as S3 does.

    Attributes:
        open_uploads: Multipart uploads neither complete nor aborted, for tests to look at.
    """

    def __init__(
        self,
        buckets: Iterable[str] = (),
        versioned: bool = True,
        *,
        min_part_bytes: int = S3_MIN_PART_BYTES,
        clock: Clock | None = None,
    ) -> None:
        self._buckets: dict[str, _Bucket] = {}
        self._min_part_bytes = min_part_bytes
        self._clock = clock or SystemClock()
        self.open_uploads: dict[UploadId, OpenUpload] = {}
        for name in buckets:
            self.add_bucket(name, versioned=versioned)

    def add_bucket(self, name: str, *, versioned: bool = True) -> None:
        """Make the bucket; one that is there stays as it is."""
        self._buckets.setdefault(name, _Bucket(versioned))

    # --- ObjectWriter -----------------------------------------------------------------------

    async def put(
        self, new: NewObject, body: Body, crc32: str, *, replacing: str | None = None
    ) -> StoredObject:
        await asyncio.sleep(0)
        kept = checked(new.location, body, crc32)
        self._must_replace(new.location, replacing)
        return self._store(new, kept, etag_of(kept))

    async def create_multipart(self, new: NewObject) -> UploadId:
        await asyncio.sleep(0)
        self._writable(new.location)
        upload_id = UploadId(secrets.token_hex(16))
        self.open_uploads[upload_id] = OpenUpload(
            replace(new, metadata=dict(new.metadata)), self._clock.now()
        )
        return upload_id

    async def upload_part(
        self, location: Location, upload_id: UploadId, number: int, body: Body, crc32: str
    ) -> PartReceipt:
        await asyncio.sleep(0)
        return self._upload(location, upload_id).take(number, body, crc32, self._clock.now())

    async def copy_part(
        self, location: Location, upload_id: UploadId, number: int, of: StoredObject, start: int, length: int
    ) -> PartReceipt:
        await asyncio.sleep(0)
        body = self._unchanged(of)[start : start + length]
        crc32 = as_s3_writes(zlib.crc32(body))
        return self._upload(location, upload_id).take(number, body, crc32, self._clock.now())

    async def parts(self, location: Location, upload_id: UploadId) -> list[KeptPart]:
        await asyncio.sleep(0)
        stored = sorted(self._upload(location, upload_id).parts.items())
        return [KeptPart(part.receipt, len(part.body), self._age_of(part.stored_at)) for _, part in stored]

    async def complete_multipart(
        self,
        location: Location,
        upload_id: UploadId,
        receipts: Sequence[PartReceipt],
        whole: WholeObject,
        *,
        replacing: str | None = None,
    ) -> StoredObject:
        await asyncio.sleep(0)
        upload = self._upload(location, upload_id)
        bodies = upload.assembled(receipts, whole, self._min_part_bytes)
        self._must_replace(location, replacing)
        stored = self._store(upload.new, b"".join(bodies), multipart_etag_of(bodies))
        del self.open_uploads[upload_id]
        return stored

    async def abort_multipart(self, location: Location, upload_id: UploadId) -> None:
        await asyncio.sleep(0)
        if upload_id in self.open_uploads and self.open_uploads[upload_id].new.location == location:
            del self.open_uploads[upload_id]

    # --- ObjectReader -----------------------------------------------------------------------

    async def head(self, location: Location, version_id: str | None = None) -> StoredObject:
        await asyncio.sleep(0)
        found = self._version(location, version_id)
        assert found.stored is not None
        return replace(found.stored, metadata=dict(found.stored.metadata), tag_count=len(found.tags))

    async def read(self, of: StoredObject, start: int, length: int) -> bytes:
        await asyncio.sleep(0)
        return self._unchanged(of)[start : start + max(length, 0)]

    async def list_page(
        self, bucket: str, prefix: str, *, token: str | None = None, limit: int = 1000
    ) -> ListingPage:
        await asyncio.sleep(0)
        level = self._level(self._bucket(bucket), prefix)
        after = "" if token is None else base64.urlsafe_b64decode(token).decode()
        # Code point order, which str has, is the byte order of UTF-8.
        names = sorted(name for name in level if name > after)
        page = names[: min(limit, S3_MAX_LIST_KEYS)]
        more = bool(page) and len(page) < len(names)
        entries = [(name, level[name]) for name in page]
        return ListingPage(
            keys=[listed for _, listed in entries if listed is not None],
            prefixes=[name for name, listed in entries if listed is None],
            next_token=base64.urlsafe_b64encode(page[-1].encode()).decode() if more else None,
        )

    async def unfinished(self, location: Location) -> list[UnfinishedUpload]:
        await asyncio.sleep(0)
        self._bucket(location.bucket)
        now = self._clock.now()
        return [
            UnfinishedUpload(upload_id, (now - upload.begun_at).total_seconds())
            for upload_id, upload in self.open_uploads.items()
            if upload.new.location == location
        ]

    async def versions(
        self,
        location: Location,
        *,
        back_to: str | None = None,  # noqa: ARG002 - there are never too many here
        since: datetime | None = None,  # noqa: ARG002
        limit: int | None = None,
    ) -> list[ObjectVersion]:
        await asyncio.sleep(0)
        newest_first = self._bucket(location.bucket).keys.get(location.key, [])[::-1]
        return [
            ObjectVersion(
                version.version_id, place == 0, version.stored is None, self._age_of(version.stored_at)
            )
            for place, version in enumerate(newest_first[:limit])
        ]

    # --- ObjectCopier -----------------------------------------------------------------------

    async def copy(
        self, source: StoredObject, new: NewObject, *, replacing: str | None = None
    ) -> StoredObject:
        await asyncio.sleep(0)
        body = self._unchanged(source)
        self._must_replace(new.location, replacing)
        tags = self._version(source.location, source.version_id).tags
        return self._store(replace(new, tags=new.tags or tuple(tags.items())), body, etag_of(body))

    async def delete(self, location: Location) -> None:
        await asyncio.sleep(0)
        bucket = self._bucket(location.bucket)
        if bucket.versioned:
            bucket.keys.setdefault(location.key, []).append(
                _Version(_new_version_id(), None, self._clock.now())
            )
        else:
            bucket.keys.pop(location.key, None)

    # --- ObjectTagger -----------------------------------------------------------------------

    async def tags(self, of: StoredObject) -> Tags:
        await asyncio.sleep(0)
        return tuple(sorted(self._version(of.location, of.version_id).tags.items()))

    async def set_tags(self, of: StoredObject, tags: Tags) -> None:
        await asyncio.sleep(0)
        kept = self._version(of.location, of.version_id).tags
        kept.clear()
        kept.update(tags)

    # --- inside -----------------------------------------------------------------------------

    def _bucket(self, name: str) -> _Bucket:
        try:
            return self._buckets[name]
        except KeyError:
            raise NotFound(f"there is no bucket {name}") from None

    def _writable(self, location: Location) -> _Bucket:
        if not 1 <= len(location.key.encode()) <= S3_MAX_KEY_BYTES:
            raise InvalidName(f"{location}: a key has 1 to {S3_MAX_KEY_BYTES} bytes")
        return self._bucket(location.bucket)

    def _must_replace(self, location: Location, replacing: str | None) -> None:
        if replacing is None:
            return
        if replacing != NOTHING:
            stored, _ = self._found(location, None)
            if stored.etag != replacing:
                raise ChangedMeanwhile(f"{location} has the ETag {stored.etag} now, not {replacing}")
            return
        with suppress(NotFound):
            self._found(location, None)
            raise ChangedMeanwhile(f"something is at {location}")

    def _store(self, new: NewObject, body: bytes, etag: str) -> StoredObject:
        bucket = self._writable(new.location)
        version_id = _new_version_id() if bucket.versioned else None
        # S3 keeps the names of metadata in lower case.
        metadata = {name.lower(): value for name, value in new.metadata.items()}
        now = self._clock.now().replace(microsecond=0)
        stored = StoredObject(new.location, len(body), etag, version_id, now, new.kms_key_id, metadata)
        older = bucket.keys.get(new.location.key, []) if bucket.versioned else []
        bucket.keys[new.location.key] = [*older, _Version(version_id, stored, now, body, dict(new.tags))]
        # S3's answer to a write says no time: ask `head`.
        return replace(stored, modified_at=None, metadata=dict(metadata))

    def _age_of(self, stored_at: datetime) -> float:
        return (self._clock.now() - stored_at).total_seconds()

    def _found(self, location: Location, version_id: str | None) -> tuple[StoredObject, bytes]:
        version = self._version(location, version_id)
        assert version.stored is not None
        return version.stored, version.body

    def _version(self, location: Location, version_id: str | None) -> _Version:
        """Return the current or the named version; never a delete marker."""
        versions = self._bucket(location.bucket).keys.get(location.key, [])
        for version in reversed(versions):
            if version_id in (None, version.version_id):
                if version.stored is None:
                    break
                return version
        named = f" in version {version_id}" if version_id else ""
        raise NotFound(f"there is no object {location}{named}")

    def _unchanged(self, of: StoredObject) -> bytes:
        stored, body = self._found(of.location, of.version_id)
        if stored.etag != of.etag:
            raise ChangedMeanwhile(f"{of.location} has the ETag {stored.etag} now, not {of.etag}")
        return body

    def _upload(self, location: Location, upload_id: UploadId) -> OpenUpload:
        self._bucket(location.bucket)
        upload = self.open_uploads.get(upload_id)
        if upload is None or upload.new.location != location:
            raise NotFound(f"{location} has no open upload {upload_id}")
        return upload

    @staticmethod
    def _level(bucket: _Bucket, prefix: str) -> dict[str, ListedKey | None]:
        """Return the names of the level under `prefix`: keys with their row, common prefixes with None."""
        level: dict[str, ListedKey | None] = {}
        for key, versions in bucket.keys.items():
            stored = versions[-1].stored
            if stored is None or stored.modified_at is None or not key.startswith(prefix):
                continue
            name, slash, _ = key[len(prefix) :].partition("/")
            row = ListedKey(key, stored.size, stored.modified_at)
            level[prefix + name + slash] = None if slash else row
        return level


def _new_version_id() -> str:
    return secrets.token_urlsafe(24)
