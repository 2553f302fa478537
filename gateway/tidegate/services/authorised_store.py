"""
An object store that asks policies before it asks S3: what S3 itself does with a role's credentials.

Which actions a call needs is what S3's own authorisation reference says. Two things are kinder than S3, and
so they are where the role's own credentials are used (`tidegate.adapters.aws.assumed`): whoever may read an
object but none of its versions reads the current one, until it is replaced; and whoever may list what lies
under a key is told that nothing is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tidegate.core.errors import AccessDenied, NotFound
from tidegate.core.iam import conditions
from tidegate.core.iam.evaluation import Entitlement, Request
from tidegate.core.ids import UploadId
from tidegate.core.objects import (
    STANDARD,
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
from tidegate.ports.objects import Body, ObjectStore

_SSE_KMS = "aws:kms"


class AuthorisedStore:
    """
    The `ObjectStore` port, and `Foreseeing`.

    Args:
        kms: What is allowed with KMS keys, where that is not the same.
        partition: The first word after `arn:`.
    """

    def __init__(
        self,
        inner: ObjectStore,
        rights: Entitlement,
        *,
        kms: Entitlement | None = None,
        partition: str = "aws",
    ) -> None:
        self._inner = inner
        self._rights = rights
        self._kms = kms or rights
        self._partition = partition
        # S3 remembers with which headers an upload of several parts was begun, and so do its policies.
        self._begun: dict[UploadId, dict[str, str]] = {}

    # --- what can be told beforehand --------------------------------------------------------

    def foresee_put(self, new: NewObject) -> None:
        self._check_put(new)

    def foresee_delete(self, location: Location) -> None:
        self._check("s3:DeleteObject", self._object(location))

    # --- writing ----------------------------------------------------------------------------

    async def put(
        self, new: NewObject, body: Body, crc32: str, *, replacing: str | None = None
    ) -> StoredObject:
        self._check_put(new)
        return await self._inner.put(new, body, crc32, replacing=replacing)

    async def create_multipart(self, new: NewObject) -> UploadId:
        self._check_put(new)
        if new.kms_key_id:  # S3 opens each part again to make one object of them
            self._check_key("kms:Decrypt", new.kms_key_id)
        upload_id = await self._inner.create_multipart(new)
        self._begun[upload_id] = _headers(new)
        return upload_id

    async def upload_part(
        self, location: Location, upload_id: UploadId, number: int, body: Body, crc32: str
    ) -> PartReceipt:
        self._check_part(location, upload_id)
        return await self._inner.upload_part(location, upload_id, number, body, crc32)

    async def copy_part(
        self, location: Location, upload_id: UploadId, number: int, of: StoredObject, start: int, length: int
    ) -> PartReceipt:
        self._check_part(location, upload_id)
        return await self._inner.copy_part(location, upload_id, number, self._readable(of), start, length)

    async def parts(self, location: Location, upload_id: UploadId) -> list[KeptPart]:
        self._check("s3:ListMultipartUploadParts", self._object(location))
        return await self._inner.parts(location, upload_id)

    async def complete_multipart(
        self,
        location: Location,
        upload_id: UploadId,
        receipts: Sequence[PartReceipt],
        whole: WholeObject,
        *,
        replacing: str | None = None,
    ) -> StoredObject:
        self._check_part(location, upload_id)
        stored = await self._inner.complete_multipart(
            location, upload_id, receipts, whole, replacing=replacing
        )
        self._begun.pop(upload_id, None)
        return stored

    async def abort_multipart(self, location: Location, upload_id: UploadId) -> None:
        self._check("s3:AbortMultipartUpload", self._object(location))
        await self._inner.abort_multipart(location, upload_id)
        self._begun.pop(upload_id, None)

    # --- reading ----------------------------------------------------------------------------

    async def head(self, location: Location, version_id: str | None = None) -> StoredObject:
        denied = self._refusal(_read_action(version_id), self._object(location))
        unseen = self._list_refusal(location.bucket, location.key)
        if denied:
            if version_id is None and not unseen:
                await self._inner.head(location)  # it may not be there, and that may be told
            raise AccessDenied(denied)
        try:
            return await self._inner.head(location, version_id)
        except NotFound:
            if unseen:
                raise AccessDenied(f"{location} is not there, and that may not be told: {unseen}") from None
            raise

    async def read(self, of: StoredObject, start: int, length: int) -> bytes:
        return await self._inner.read(self._readable(of), start, length)

    async def list_page(
        self, bucket: str, prefix: str, *, token: str | None = None, limit: int = 1000
    ) -> ListingPage:
        if refusal := self._list_refusal(bucket, prefix):
            raise AccessDenied(refusal)
        return await self._inner.list_page(bucket, prefix, token=token, limit=limit)

    async def versions(
        self,
        location: Location,
        *,
        back_to: str | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[ObjectVersion]:
        about = {conditions.S3_PREFIX: location.key}
        self._check("s3:ListBucketVersions", self._bucket(location.bucket), about)
        return await self._inner.versions(location, back_to=back_to, since=since, limit=limit)

    async def unfinished(self, location: Location) -> list[UnfinishedUpload]:
        self._check("s3:ListBucketMultipartUploads", self._bucket(location.bucket))
        return await self._inner.unfinished(location)

    # --- copying, removing, tagging ---------------------------------------------------------

    async def copy(
        self, source: StoredObject, new: NewObject, *, replacing: str | None = None
    ) -> StoredObject:
        readable = self._readable(source)
        if source.tag_count and not new.tags:  # S3 copies them, and asks both sides about it
            self._check(_tag_action("Get", readable), self._object(source.location))
            self._check("s3:PutObjectTagging", self._object(new.location), _headers(new))
        self._check_put(new)
        return await self._inner.copy(readable, new, replacing=replacing)

    async def delete(self, location: Location) -> None:
        self._check("s3:DeleteObject", self._object(location))
        await self._inner.delete(location)

    async def tags(self, of: StoredObject) -> Tags:
        self._check(_tag_action("Get", of), self._object(of.location))
        return await self._inner.tags(of)

    async def set_tags(self, of: StoredObject, tags: Tags) -> None:
        self._check(_tag_action("Put", of), self._object(of.location))
        await self._inner.set_tags(of, tags)

    # --- the questions ----------------------------------------------------------------------

    def _check_put(self, new: NewObject) -> None:
        headers, arn = _headers(new), self._object(new.location)
        self._check("s3:PutObject", arn, headers)
        if new.tags:
            self._check("s3:PutObjectTagging", arn, headers)
        if new.kms_key_id:
            self._check_key("kms:GenerateDataKey", new.kms_key_id)

    def _check_part(self, location: Location, upload_id: UploadId) -> None:
        self._check("s3:PutObject", self._object(location), self._begun.get(upload_id))

    def _readable(self, of: StoredObject) -> StoredObject:
        """Return what may be read: this version; or, where none may be named, the object by its ETag."""
        arn = self._object(of.location)
        may_name = of.version_id is not None and not self._refusal("s3:GetObjectVersion", arn)
        if not may_name:
            self._check("s3:GetObject", arn)
        if of.kms_key_id:
            self._check_key("kms:Decrypt", of.kms_key_id)
        return of if may_name else replace(of, version_id=None)

    def _list_refusal(self, bucket: str, prefix: str) -> str | None:
        about = {conditions.S3_PREFIX: prefix, conditions.S3_DELIMITER: "/"}
        return self._refusal("s3:ListBucket", self._bucket(bucket), about)

    def _check(self, action: str, arn: str, facts: dict[str, str] | None = None) -> None:
        if refusal := self._refusal(action, arn, facts):
            raise AccessDenied(refusal)

    def _refusal(self, action: str, arn: str, facts: dict[str, str] | None = None) -> str | None:
        return self._rights.refusal(Request(action, arn, _with_transport(facts)))

    def _check_key(self, action: str, key: str) -> None:
        if refusal := self._kms.refusal(Request(action, key, _with_transport(None))):
            raise AccessDenied(refusal)

    def _bucket(self, bucket: str) -> str:
        return f"arn:{self._partition}:s3:::{bucket}"

    def _object(self, location: Location) -> str:
        return f"{self._bucket(location.bucket)}/{location.key}"


def _read_action(version_id: str | None) -> str:
    return "s3:GetObject" if version_id is None else "s3:GetObjectVersion"


def _tag_action(verb: str, of: StoredObject) -> str:
    return f"s3:{verb}Object{'' if of.version_id is None else 'Version'}Tagging"


def _with_transport(facts: dict[str, str] | None) -> dict[str, str]:
    # Transfer Family speaks TLS to S3; whatever a local endpoint is reached by, that is what is imitated.
    return {conditions.SECURE_TRANSPORT: "true", **(facts or {})}


def _headers(new: NewObject) -> dict[str, str]:
    """Return the condition keys of the headers that the object is put with."""
    headers: dict[str, str] = {}
    if new.kms_key_id:
        headers |= {conditions.S3_ENCRYPTION: _SSE_KMS, conditions.S3_ENCRYPTION_KEY: new.kms_key_id}
    if new.storage_class != STANDARD:
        headers[conditions.S3_STORAGE_CLASS] = new.storage_class
    return headers
