"""Emptying buckets and tables. Only local mode's reset does this."""

from __future__ import annotations

from typing import Any

from tidegate.adapters.aws.clients import AwsClients


class Emptying:
    """Removes everything, every version and every unfinished upload."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    async def bucket(self, name: str) -> None:
        await self._clients.run_s3(self._bucket, name)

    async def table(self, name: str, *keys: str) -> None:
        await self._clients.run(self._table, name, keys)

    def _bucket(self, name: str) -> None:
        s3: Any = self._clients.s3
        for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=name):
            for upload in page.get("Uploads", []):
                s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            for row in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                s3.delete_object(Bucket=name, Key=row["Key"], VersionId=row["VersionId"])

    def _table(self, name: str, keys: tuple[str, ...]) -> None:
        dynamodb: Any = self._clients.dynamodb
        for page in dynamodb.get_paginator("scan").paginate(TableName=name, ConsistentRead=True):
            for row in page["Items"]:
                dynamodb.delete_item(TableName=name, Key={key: row[key] for key in keys})
