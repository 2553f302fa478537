"""Copying and deleting inside S3, of any size."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.errors import NotFound
from tidegate.core.limits import MIB, S3_MAX_COPY_BYTES
from tidegate.core.objects import Location, NewObject, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

# 10,000 parts of this size are more than 5 TiB.
_COPY_PART_BYTES = 560 * MIB


class S3Copier:
    """The copying door of the object store."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    async def copy(self, source: StoredObject, new: NewObject) -> StoredObject:
        if source.size > S3_MAX_COPY_BYTES:
            return await self._copy_in_parts(source, new)
        answer = await self._clients.run_s3(
            self._clients.s3_patient.copy_object,
            Bucket=new.location.bucket,
            Key=new.location.key,
            MetadataDirective="REPLACE",
            ContentType="application/octet-stream",
            Metadata=new.metadata,
            **_source(source),
            **encryption(new.kms_key_id),
        )
        return StoredObject(
            new.location,
            source.size,
            answer["CopyObjectResult"]["ETag"],
            answer.get("VersionId"),
            kms_key_id=answer.get("SSEKMSKeyId"),
            metadata=new.metadata,
        )

    async def delete(self, location: Location) -> None:
        await self._clients.run_s3(self._clients.s3.delete_object, Bucket=location.bucket, Key=location.key)

    async def _copy_in_parts(self, source: StoredObject, new: NewObject) -> StoredObject:
        where: dict[str, Any] = {"Bucket": new.location.bucket, "Key": new.location.key}
        s3 = self._clients.s3_patient
        created = await self._clients.run_s3(
            s3.create_multipart_upload,
            ContentType="application/octet-stream",
            Metadata=new.metadata,
            **where,
            **encryption(new.kms_key_id),
        )
        where["UploadId"] = created["UploadId"]
        try:
            parts = await self._copied_parts(source, where)
            answer = await self._clients.run_s3(
                s3.complete_multipart_upload, MultipartUpload={"Parts": parts}, **where
            )
        except BaseException:
            # The abort must go out even when this task is being cancelled.
            await asyncio.shield(self._abort(where))
            raise
        return StoredObject(
            new.location,
            source.size,
            answer["ETag"],
            answer.get("VersionId"),
            kms_key_id=answer.get("SSEKMSKeyId"),
            metadata=new.metadata,
        )

    async def _copied_parts(self, source: StoredObject, where: dict[str, Any]) -> list[CompletedPartTypeDef]:
        """Copy all ranges; the S3 pool bounds how many are under way at once."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._copy_part(source, where, number, start))
                for number, start in enumerate(range(0, source.size, _COPY_PART_BYTES), start=1)
            ]
        return [task.result() for task in tasks]

    async def _copy_part(
        self, source: StoredObject, where: dict[str, Any], number: int, start: int
    ) -> CompletedPartTypeDef:
        last = min(start + _COPY_PART_BYTES, source.size) - 1
        answer = await self._clients.run_s3(
            self._clients.s3_patient.upload_part_copy,
            PartNumber=number,
            CopySourceRange=f"bytes={start}-{last}",
            **_source(source),
            **where,
        )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    async def _abort(self, where: dict[str, Any]) -> None:
        with suppress(NotFound):
            await self._clients.run_s3(self._clients.s3.abort_multipart_upload, **where)


def _source(source: StoredObject) -> dict[str, Any]:
    """Return the members that name exactly this version, and refuse any other content."""
    copy_source = {"Bucket": source.location.bucket, "Key": source.location.key}
    if source.version_id:
        copy_source["VersionId"] = source.version_id
    return {"CopySource": copy_source, "CopySourceIfMatch": source.etag}


def encryption(kms_key_id: str | None) -> Any:
    """Return the members that ask for SSE-KMS under this key; without one the bucket's default holds."""
    if kms_key_id is None:
        return {}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id, "BucketKeyEnabled": True}
