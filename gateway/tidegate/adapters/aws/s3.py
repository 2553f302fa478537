"""S3 over boto3: the object store the gateway runs on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from tidegate.adapters.aws.part_body import body_of
from tidegate.adapters.aws.s3_copy import condition, kept, told, version_of
from tidegate.adapters.aws.s3_parts import S3Parts, answered_at
from tidegate.adapters.aws.whole_checksums import HINT, asking, explained, is_declined, stating
from tidegate.core.errors import GatewayError, InvalidSettings, NotFound, StoreUnavailable, Throttled
from tidegate.core.ids import UploadId
from tidegate.core.objects import (
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
from tidegate.ports.objects import Body

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef


class S3ObjectStore(S3Parts):
    """The `ObjectStore` port over any S3 API."""

    async def put(
        self, new: NewObject, body: Body, crc32: str, *, replacing: str | None = None
    ) -> StoredObject:
        answer = await self._clients.run_s3(
            self._clients.s3.put_object,
            Bucket=new.location.bucket,
            Key=new.location.key,
            Body=body_of(body),
            ContentLength=len(body),
            ContentType="application/octet-stream",
            Metadata=new.metadata,
            ChecksumCRC32=crc32,
            **kept(new),
            **condition(replacing),
        )
        return StoredObject(
            new.location,
            len(body),
            told(answer, "ETag", f"putting {new.location}"),
            version_of(answer),
            kms_key_id=answer.get("SSEKMSKeyId"),
            metadata=new.metadata,
        )

    async def create_multipart(self, new: NewObject) -> UploadId:
        attempt = 1
        while True:
            try:
                return await self._create_multipart(new)
            except Throttled:  # the one failure after which surely nothing was begun
                if attempt >= self._clients.endpoint.max_attempts:
                    raise
            # Jitter spreads load; nothing secret depends on it.
            await asyncio.sleep(random.random() * min(2.0 ** (attempt - 1), 20))  # noqa: S311
            attempt += 1

    async def _create_multipart(self, new: NewObject) -> UploadId:
        full = self._clients.endpoint.full_object_checksums
        with explained(full):
            answer = await self._clients.run_s3(
                self._clients.s3_once.create_multipart_upload,
                Bucket=new.location.bucket,
                Key=new.location.key,
                ContentType="application/octet-stream",
                Metadata=new.metadata,
                **asking(full),
                **kept(new),
            )
        upload_id = UploadId(told(answer, "UploadId", f"starting {new.location}"))
        if is_declined(full, answer):
            await self._decline(new.location, upload_id, str(answer.get("ChecksumType")))
        return upload_id

    async def _decline(self, location: Location, upload_id: UploadId, kind: str) -> None:
        """Refuse before the first part what CompleteMultipartUpload would refuse after the last."""
        detail = f"starting {location}: the endpoint offers {kind} checksums, not those of whole objects"
        try:
            await self.abort_multipart(location, upload_id)
        except GatewayError as error:
            # Not as what it is: after some errors a start is tried again, and this one was begun.
            raise StoreUnavailable(f"{detail}; then aborting: {error}", hint=HINT) from error
        raise InvalidSettings(detail, hint="set aws.object_checksums: parts")

    async def upload_part(
        self, location: Location, upload_id: UploadId, number: int, body: Body, crc32: str
    ) -> PartReceipt:
        answer = await self._clients.run_s3(
            self._clients.s3.upload_part,
            Bucket=location.bucket,
            Key=location.key,
            UploadId=upload_id,
            PartNumber=number,
            Body=body_of(body),
            ContentLength=len(body),
            ChecksumCRC32=crc32,
        )
        return PartReceipt(number, told(answer, "ETag", f"part {number} of {location}"), crc32)

    async def complete_multipart(
        self,
        location: Location,
        upload_id: UploadId,
        receipts: Sequence[PartReceipt],
        whole: WholeObject,
        *,
        replacing: str | None = None,
    ) -> StoredObject:
        full = self._clients.endpoint.full_object_checksums
        parts: Any = [
            {"PartNumber": r.number, "ETag": r.etag, **given(ChecksumCRC32=r.crc32)}
            for r in sorted(receipts, key=lambda r: r.number)
        ]
        with explained(full):
            answer = await self._clients.run_s3(
                self._clients.s3_patient.complete_multipart_upload,
                Bucket=location.bucket,
                Key=location.key,
                UploadId=upload_id,
                MultipartUpload={"Parts": parts},
                **stating(full, whole),
                **condition(replacing),
            )
        told(answer, "ETag", f"completing {location}")
        return await self._completed(location, version_of(answer))

    async def _completed(self, location: Location, version_id: str | None) -> StoredObject:
        return await self.head(location, version_id)

    async def abort_multipart(self, location: Location, upload_id: UploadId) -> None:
        with suppress(NotFound):
            await self._clients.run_s3(
                self._clients.s3.abort_multipart_upload,
                Bucket=location.bucket,
                Key=location.key,
                UploadId=upload_id,
            )

    async def head(self, location: Location, version_id: str | None = None) -> StoredObject:
        answer = await self._clients.run_s3(
            self._clients.s3.head_object,
            Bucket=location.bucket,
            Key=location.key,
            **given(VersionId=version_id),
        )
        return described(location, answer)

    async def read(self, of: StoredObject, start: int, length: int) -> bytes:
        if start >= of.size or length <= 0:
            return b""
        return await self._clients.run_s3(self._read_range, of, start, min(start + length, of.size))

    def _read_range(self, of: StoredObject, start: int, end: int) -> bytes:
        answer = self._clients.s3.get_object(
            Bucket=of.location.bucket,
            Key=of.location.key,
            Range=f"bytes={start}-{end - 1}",
            IfMatch=of.etag,
            **given(VersionId=of.version_id),
        )
        # Not `with`: that gives the stream below, which neither translates errors nor counts bytes.
        with closing(answer["Body"]) as body:
            if answer["ContentLength"] != end - start:
                raise StoreUnavailable(
                    f"reading {of.location}: {answer['ContentLength']} bytes came for {end - start}"
                )
            return body.read()

    async def tags(self, of: StoredObject) -> Tags:
        return await self._tags_of(of)

    async def set_tags(self, of: StoredObject, tags: Tags) -> None:
        await self._clients.run_s3(
            self._clients.s3.put_object_tagging,
            Bucket=of.location.bucket,
            Key=of.location.key,
            Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags]},
            **given(VersionId=of.version_id),
        )

    async def list_page(
        self, bucket: str, prefix: str, *, token: str | None = None, limit: int = 1000
    ) -> ListingPage:
        answer = await self._clients.run_s3(
            self._clients.s3.list_objects_v2,
            Bucket=bucket,
            Prefix=prefix,
            Delimiter="/",
            MaxKeys=limit,
            **given(ContinuationToken=token),
        )
        return ListingPage(
            keys=[ListedKey(o["Key"], o["Size"], o["LastModified"]) for o in answer.get("Contents", [])],
            prefixes=[p["Prefix"] for p in answer.get("CommonPrefixes", [])],
            next_token=answer.get("NextContinuationToken"),
        )

    async def unfinished(self, location: Location) -> list[UnfinishedUpload]:
        return await self._clients.run_s3(self._unfinished, location)

    def _unfinished(self, location: Location) -> list[UnfinishedUpload]:
        found: list[UnfinishedUpload] = []
        # Encoded: a client may choose a key with characters that XML cannot say.
        request: dict[str, Any] = {
            "Bucket": location.bucket,
            "Prefix": location.key,
            "EncodingType": "url",
        }
        while True:
            page = self._clients.s3.list_multipart_uploads(**request)
            now = answered_at(page)
            decoded = unquote_plus if page.get("EncodingType") == "url" else str
            found += [
                # Both times are S3's: no clock of ours is compared with it.
                UnfinishedUpload(UploadId(row["UploadId"]), (now - row["Initiated"]).total_seconds())
                for row in page.get("Uploads", [])
                if decoded(row["Key"]) == location.key
            ]
            if not page.get("IsTruncated"):
                return found
            request["KeyMarker"] = decoded(page["NextKeyMarker"])
            request["UploadIdMarker"] = page["NextUploadIdMarker"]

    async def versions(
        self,
        location: Location,
        *,
        back_to: str | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[ObjectVersion]:
        return await self._clients.run_s3(self._versions, location, back_to, since, limit)

    def _versions(
        self, location: Location, back_to: str | None, since: datetime | None, limit: int | None
    ) -> list[ObjectVersion]:
        pages = self._clients.s3.get_paginator("list_object_versions").paginate(
            Bucket=location.bucket,
            Prefix=location.key,
            PaginationConfig={"PageSize": limit} if limit else {},
        )
        rows = []
        for page in pages:
            found = [(v, False) for v in page.get("Versions", [])]
            markers: list[Any] = [(m, True) for m in page.get("DeleteMarkers", [])]
            ours = [row for row in [*found, *markers] if row[0]["Key"] == location.key]
            recent = [row for row in ours if since is None or row[0]["LastModified"] >= since]
            now = answered_at(page)
            rows.extend(recent)
            if len(recent) < len(ours) or any(row[0]["VersionId"] == back_to for row in ours):
                break  # of one key the newest come first
            if not ours and (found or markers):
                break  # keys come in order, and ours is the first of its prefix
            if limit and len(rows) >= limit:
                break
        # Versions and delete markers arrive as two lists. Only the latest is told apart by a flag;
        # below it, time orders them, and a stable sort keeps S3's own order within one second.
        rows.sort(key=lambda row: (row[0]["IsLatest"], row[0]["LastModified"]), reverse=True)
        return [
            ObjectVersion(
                version_of(row), row["IsLatest"], marker, (now - row["LastModified"]).total_seconds()
            )
            for row, marker in rows[:limit]
        ]


def given(**members: str | None) -> Any:
    """Return the members that have a value: boto3 takes no None for "not given"."""
    return {name: value for name, value in members.items() if value is not None}


def described(location: Location, answer: HeadObjectOutputTypeDef) -> StoredObject:
    """Return what HeadObject says, in our words."""
    return StoredObject(
        location,
        answer["ContentLength"],
        answer["ETag"],
        version_of(answer),
        answer["LastModified"],
        answer.get("SSEKMSKeyId"),
        answer["Metadata"],
        tag_count=answer.get("TagCount", 0),
    )
