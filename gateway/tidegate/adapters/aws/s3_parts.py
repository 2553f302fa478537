"""Parts that were not sent by whoever completes the upload: copied inside S3, or sent before."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tidegate.adapters.aws.s3_copy import S3Copier, source_of, told
from tidegate.core.ids import UploadId
from tidegate.core.objects import KeptPart, Location, PartReceipt, StoredObject


class S3Parts(S3Copier):
    """Copies parts and lists them."""

    async def copy_part(
        self, location: Location, upload_id: UploadId, number: int, of: StoredObject, start: int, length: int
    ) -> PartReceipt:
        answer = await self._clients.run_s3(
            self._clients.s3_patient.upload_part_copy,
            Bucket=location.bucket,
            Key=location.key,
            UploadId=upload_id,
            PartNumber=number,
            CopySourceRange=f"bytes={start}-{start + length - 1}",
            **source_of(of),
        )
        result = answer["CopyPartResult"]
        return PartReceipt(number, told(result, "ETag", f"part {number}"), result.get("ChecksumCRC32"))

    async def parts(self, location: Location, upload_id: UploadId) -> list[KeptPart]:
        return await self._clients.run_s3(self._parts, location, upload_id)

    def _parts(self, location: Location, upload_id: UploadId) -> list[KeptPart]:
        pages = self._clients.s3.get_paginator("list_parts").paginate(
            Bucket=location.bucket, Key=location.key, UploadId=upload_id
        )
        found = [_kept(row, answered_at(page)) for page in pages for row in page.get("Parts", [])]
        return sorted(found, key=lambda part: part.receipt.number)


def _kept(row: Any, now: datetime) -> KeptPart:
    receipt = PartReceipt(row["PartNumber"], row["ETag"], row.get("ChecksumCRC32"))
    return KeptPart(receipt, row["Size"], (now - row["LastModified"]).total_seconds())


def answered_at(answer: Any) -> datetime:
    """Return when S3 answered, by its own clock."""
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    return parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
