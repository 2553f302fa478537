"""Copying and deleting inside S3, of any size."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.errors import GatewayError, StoreUnavailable
from tidegate.core.limits import MIB, S3_MAX_COPY_BYTES
from tidegate.core.objects import STANDARD, Location, NewObject, StoredObject, Tags
from tidegate.ports.objects import NOTHING

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

# 10,000 parts of this size are more than 5 TiB.
_COPY_PART_BYTES = 560 * MIB
_COPY_PARTS_AT_ONCE = 4


class S3Copier:
    """The copying door of the object store."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    async def copy(
        self, source: StoredObject, new: NewObject, *, replacing: str | None = None
    ) -> StoredObject:
        if source.size > S3_MAX_COPY_BYTES:
            return await self._copy_in_parts(source, new, replacing)
        answer = await self._clients.run_s3(
            self._clients.s3_patient.copy_object,
            Bucket=new.location.bucket,
            Key=new.location.key,
            MetadataDirective="REPLACE",
            ContentType="application/octet-stream",
            Metadata=new.metadata,
            **source_of(source),
            **condition(replacing),
            **kept(new),
            **_own_tags(new),
        )
        return StoredObject(
            new.location,
            source.size,
            told(answer["CopyObjectResult"], "ETag", f"copying to {new.location}"),
            version_of(answer),
            kms_key_id=answer.get("SSEKMSKeyId"),
            metadata=new.metadata,
        )

    async def delete(self, location: Location) -> None:
        await self._clients.run_s3(self._clients.s3.delete_object, Bucket=location.bucket, Key=location.key)

    async def _copy_in_parts(
        self, source: StoredObject, new: NewObject, replacing: str | None
    ) -> StoredObject:
        where: dict[str, Any] = {"Bucket": new.location.bucket, "Key": new.location.key}
        s3 = self._clients.s3_patient
        if source.tag_count and not new.tags:
            # What is made of parts is a new object to S3, which gives it no tags of another's.
            new = replace(new, tags=await self._tags_of(source))
        created = await self._clients.run_s3(
            self._clients.s3_once.create_multipart_upload,
            ContentType="application/octet-stream",
            Metadata=new.metadata,
            **where,
            **kept(new),
        )
        where["UploadId"] = told(created, "UploadId", f"copying to {new.location}")
        try:
            parts = await self._copied_parts(source, where)
            answer = await self._clients.run_s3(
                s3.complete_multipart_upload,
                MultipartUpload={"Parts": parts},
                **where,
                **condition(replacing),
            )
            etag = told(answer, "ETag", f"copying to {new.location}")
        except BaseException:
            # The abort must go out even when this task is being cancelled.
            await asyncio.shield(self._abort(where))
            raise
        return StoredObject(
            new.location,
            source.size,
            etag,
            version_of(answer),
            kms_key_id=answer.get("SSEKMSKeyId"),
            metadata=new.metadata,
        )

    async def _tags_of(self, source: StoredObject) -> Tags:
        version: Any = {"VersionId": source.version_id} if source.version_id else {}
        answer = await self._clients.run_s3(
            self._clients.s3.get_object_tagging,
            Bucket=source.location.bucket,
            Key=source.location.key,
            **version,
        )
        return tuple(sorted((tag["Key"], tag["Value"]) for tag in answer["TagSet"]))

    async def _copied_parts(self, source: StoredObject, where: dict[str, Any]) -> list[CompletedPartTypeDef]:
        """Copy all ranges, a few at once: a large object must not keep uploads out of the S3 pool."""
        at_once = asyncio.Semaphore(_COPY_PARTS_AT_ONCE)

        async def copied(number: int, start: int) -> CompletedPartTypeDef:
            async with at_once:
                return await self._copy_part(source, where, number, start)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(copied(number, start))
                    for number, start in enumerate(range(0, source.size, _COPY_PART_BYTES), start=1)
                ]
        except* GatewayError as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _copy_part(
        self, source: StoredObject, where: dict[str, Any], number: int, start: int
    ) -> CompletedPartTypeDef:
        last = min(start + _COPY_PART_BYTES, source.size) - 1
        answer = await self._clients.run_s3(
            self._clients.s3_patient.upload_part_copy,
            PartNumber=number,
            CopySourceRange=f"bytes={start}-{last}",
            **source_of(source),
            **where,
        )
        return {"PartNumber": number, "ETag": told(answer["CopyPartResult"], "ETag", f"part {number}")}

    async def _abort(self, where: dict[str, Any]) -> None:
        # What failed before says more; the bucket's lifecycle rule is the net below.
        with suppress(GatewayError):
            await self._clients.run_s3(self._clients.s3.abort_multipart_upload, **where)


def source_of(source: StoredObject) -> dict[str, Any]:
    """Return the members that name exactly this version, and refuse any other content."""
    copy_source = {"Bucket": source.location.bucket, "Key": source.location.key}
    if source.version_id:
        copy_source["VersionId"] = source.version_id
    return {"CopySource": copy_source, "CopySourceIfMatch": source.etag}


def condition(replacing: str | None) -> Any:
    """Return the members that say what the destination must be. Look-alikes of S3 may not read them."""
    if replacing is None:
        return {}
    return {"IfNoneMatch": "*"} if replacing == NOTHING else {"IfMatch": replacing}


def kept(new: NewObject) -> Any:
    """Return the members that say how the object is kept: key, class and tags, as far as they are stated."""
    members: dict[str, Any] = {}
    if new.kms_key_id:  # without one the bucket's default holds
        members |= {
            "ServerSideEncryption": "aws:kms",
            "SSEKMSKeyId": new.kms_key_id,
            "BucketKeyEnabled": True,
        }
    if new.storage_class != STANDARD:
        members["StorageClass"] = new.storage_class
    if new.tags:
        # A blank as %20: whether S3 reads a plus as one is not written down.
        members["Tagging"] = urlencode(new.tags, quote_via=quote)
    return members


def _own_tags(new: NewObject) -> Any:
    """Without tags of its own a copy has those of its source."""
    return {"TaggingDirective": "REPLACE"} if new.tags else {}


def version_of(answer: Any) -> str | None:
    """
    Return the version an answer names; None for "null".

    So S3 calls what was stored while a bucket was not versioned, or not any more. It names no version: the
    next object stored so replaces it, and is "null" again. Some answers leave it out, so ours all do.
    """
    version = answer.get("VersionId")
    return None if version == "null" else version


def told(answer: Any, member: str, doing: str) -> str:
    """
    Return what the answer must say if the call succeeded.

    S3 may answer 200 and put an error in the body. botocore knows this of S3 itself; of look-alikes,
    an answer that does not hold what it is for is no success. Raises `StoreUnavailable`.
    """
    if not answer.get(member):
        raise StoreUnavailable(f"{doing}: the answer holds no {member}")
    return str(answer[member])
