"""Which rights each call of the store takes, and what is done where one is missing."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.objects import MemoryObjectStore
from tidegate.core.errors import AccessDenied, ChangedMeanwhile, NotFound
from tidegate.core.iam.documents import policy_of
from tidegate.core.iam.evaluation import Entitlement, Layer
from tidegate.core.ids import UploadId
from tidegate.core.objects import Location, NewObject, StoredObject, WholeObject
from tidegate.services.authorised_store import AuthorisedStore
from tidegate.services.foresight import foreseeing

BODY = b"a,b\n"
KEY_ARN, OTHER_KEY = "arn:aws:kms:us-east-1:123456789012:key/1", "arn:aws:kms:us-east-1:123456789012:key/2"
HERE, THERE = Location("landing", "acme/in/a.csv"), Location("landing", "acme/out/b.csv")
ARN, OTHER_ARN, BUCKET = (
    "arn:aws:s3:::landing/acme/in/a.csv",
    "arn:aws:s3:::landing/acme/out/b.csv",
    "arn:aws:s3:::landing",
)
PREFIX, SLASH = {"s3:prefix": "acme/in/"}, {"s3:delimiter": "/"}
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
WHOLE = WholeObject(len(BODY), CRC32)


def grant(action: str, resource: str, **equals: str) -> dict[str, Any]:
    condition = {"Condition": {"StringEquals": equals}} if equals else {}
    return {"Effect": "Allow", "Action": action, "Resource": resource, **condition}


def entitled(*statements: Any) -> Entitlement:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return Entitlement((Layer("the policy", (policy_of("the policy", document),)),))


def new(at: Location = HERE, *, tags: Any = (), storage_class: str = "STANDARD") -> NewObject:
    return NewObject(at, KEY_ARN, {}, storage_class, tags)


class Shelf:
    """One stored object with a tag and a key, one multipart upload, and stores over them."""

    def __init__(self) -> None:
        clock = ManualClock(datetime(2026, 3, 9, tzinfo=UTC))
        self.inner = MemoryObjectStore(["landing"], min_part_bytes=1, clock=clock)

    async def fill(self) -> None:
        self.stored = await self.inner.put(new(tags=(("a", "b"),)), BODY, CRC32)
        self.stored = await self.inner.head(HERE)
        self.upload_id = await self.inner.create_multipart(new(THERE))
        self.receipt = await self.inner.upload_part(THERE, self.upload_id, 1, BODY, CRC32)

    def store(self, *statements: Any) -> AuthorisedStore:
        return AuthorisedStore(self.inner, entitled(*statements))


@pytest.fixture
async def shelf() -> Shelf:
    made = Shelf()
    await made.fill()
    return made


PUT, GET, GET_VERSION = (
    grant("s3:PutObject", OTHER_ARN),
    grant("s3:GetObject", ARN),
    grant("s3:GetObjectVersion", ARN),
)
LIST = grant("s3:ListBucket", BUCKET)
DECRYPT, ENCRYPT = grant("kms:Decrypt", KEY_ARN), grant("kms:GenerateDataKey", KEY_ARN)
TAG_NEW = grant("s3:PutObjectTagging", OTHER_ARN)

Call = Callable[[AuthorisedStore, Shelf], Awaitable[Any]]
CALLS: dict[str, tuple[Call, list[Any]]] = {
    "put": (lambda s, _: s.put(new(THERE), BODY, CRC32), [PUT, ENCRYPT]),
    "put with tags": (
        lambda s, _: s.put(new(THERE, tags=(("a", "b"),)), BODY, CRC32),
        [PUT, TAG_NEW, ENCRYPT],
    ),
    "begin parts": (lambda s, _: s.create_multipart(new(THERE)), [PUT, ENCRYPT, DECRYPT]),
    "part": (lambda s, w: s.upload_part(THERE, w.upload_id, 1, BODY, CRC32), [PUT]),
    "copied part": (
        lambda s, w: s.copy_part(THERE, w.upload_id, 1, w.stored, 0, 4),
        [PUT, GET_VERSION, DECRYPT],
    ),
    "parts": (lambda s, w: s.parts(THERE, w.upload_id), [grant("s3:ListMultipartUploadParts", OTHER_ARN)]),
    "complete": (lambda s, w: s.complete_multipart(THERE, w.upload_id, [w.receipt], WHOLE), [PUT]),
    "abort": (
        lambda s, w: s.abort_multipart(THERE, w.upload_id),
        [grant("s3:AbortMultipartUpload", OTHER_ARN)],
    ),
    "head": (lambda s, _: s.head(HERE), [GET]),
    "head of a version": (lambda s, w: s.head(HERE, w.stored.version_id), [GET_VERSION]),
    "read": (lambda s, w: s.read(w.stored, 0, 4), [GET_VERSION, DECRYPT]),
    "list": (
        lambda s, _: s.list_page("landing", "acme/in/"),
        [grant("s3:ListBucket", BUCKET, **PREFIX, **SLASH)],
    ),
    "versions": (lambda s, _: s.versions(HERE), [grant("s3:ListBucketVersions", BUCKET)]),
    "unfinished": (lambda s, _: s.unfinished(THERE), [grant("s3:ListBucketMultipartUploads", BUCKET)]),
    "copy": (
        lambda s, w: s.copy(w.stored, new(THERE)),
        [GET_VERSION, DECRYPT, grant("s3:GetObjectVersionTagging", ARN), TAG_NEW, PUT, ENCRYPT],
    ),
    "copy with tags of its own": (
        lambda s, w: s.copy(w.stored, new(THERE, tags=(("c", "d"),))),
        [GET_VERSION, DECRYPT, PUT, TAG_NEW, ENCRYPT],
    ),
    "delete": (lambda s, _: s.delete(HERE), [grant("s3:DeleteObject", ARN)]),
    "tags": (lambda s, w: s.tags(w.stored), [grant("s3:GetObjectVersionTagging", ARN)]),
    "set tags": (lambda s, w: s.set_tags(w.stored, ()), [grant("s3:PutObjectVersionTagging", ARN)]),
}  # fmt: skip


@pytest.mark.parametrize(("call", "needs"), CALLS.values(), ids=CALLS.keys())
async def test_each_call_takes_just_its_rights(shelf: Shelf, call: Call, needs: list[Any]) -> None:
    """With all of them it is made; without any one of them it is denied, and nothing has changed."""
    before = await shelf.inner.versions(HERE), await shelf.inner.versions(THERE)
    for missing in needs:
        with pytest.raises(AccessDenied) as denied:
            await call(shelf.store(*(each for each in needs if each is not missing)), shelf)
        assert "is allowed by no statement of the policy" in denied.value.detail
    assert (await shelf.inner.versions(HERE), await shelf.inner.versions(THERE)) == before
    assert len(shelf.inner.open_uploads) == 1
    await call(shelf.store(*needs), shelf)


async def test_headers_that_policies_ask_for(shelf: Shelf) -> None:
    """Encryption, its key and the storage class; parts of an upload are put with those it was begun with."""
    asked = grant(
        "s3:PutObject",
        OTHER_ARN,
        **{
            "s3:x-amz-server-side-encryption": "aws:kms",
            "s3:x-amz-server-side-encryption-aws-kms-key-id": KEY_ARN,
            "s3:x-amz-storage-class": "STANDARD_IA",
            "aws:SecureTransport": "true",
        },
    )
    store = shelf.store(asked, ENCRYPT, DECRYPT)
    wanted = new(THERE, storage_class="STANDARD_IA")
    await store.put(wanted, BODY, CRC32)
    upload_id = await store.create_multipart(wanted)
    receipt = await store.upload_part(THERE, upload_id, 1, BODY, CRC32)
    await store.complete_multipart(THERE, upload_id, [receipt], WHOLE)
    with pytest.raises(AccessDenied):
        await store.put(new(THERE), BODY, CRC32)
    with pytest.raises(AccessDenied):
        await store.upload_part(THERE, UploadId("another"), 1, BODY, CRC32)


async def test_a_key_that_is_not_allowed(shelf: Shelf) -> None:
    """It is the object's own key that counts; what may be done with keys can be said apart."""
    other = grant("kms:*", OTHER_KEY)
    with pytest.raises(AccessDenied, match="kms:GenerateDataKey"):
        await shelf.store(PUT, other).put(new(THERE), BODY, CRC32)
    apart = AuthorisedStore(shelf.inner, entitled(PUT), kms=Entitlement())
    await apart.put(new(THERE), BODY, CRC32)


async def test_who_may_name_no_version_reads_what_is_current(shelf: Shelf) -> None:
    """By its ETag: once it is replaced, nothing else is read or copied in its place."""
    store = shelf.store(GET, DECRYPT, PUT, ENCRYPT, TAG_NEW, grant("s3:GetObjectTagging", ARN))
    assert await store.read(shelf.stored, 0, 4) == BODY
    await store.copy(shelf.stored, new(THERE))
    await store.copy_part(THERE, shelf.upload_id, 1, shelf.stored, 0, 4)
    await shelf.inner.put(new(), b"", base64.b64encode(bytes(4)).decode())
    for later in (
        store.read(shelf.stored, 0, 4),
        store.copy(shelf.stored, new(THERE)),
        store.copy_part(THERE, shelf.upload_id, 1, shelf.stored, 0, 4),
    ):
        with pytest.raises(ChangedMeanwhile):
            await later


@pytest.mark.parametrize(
    ("statements", "there", "missing"),
    [
        ([GET, LIST], StoredObject, NotFound),
        ([GET, grant("s3:ListBucket", BUCKET, **{"s3:prefix": HERE.key})], StoredObject, NotFound),
        ([GET], StoredObject, AccessDenied),
        ([LIST], AccessDenied, NotFound),
        ([], AccessDenied, AccessDenied),
    ],
)
async def test_what_is_not_there(shelf: Shelf, statements: list[Any], there: Any, missing: Any) -> None:
    """Only who may list what begins with a key is told that it is not there; others are denied."""
    store = shelf.store(*statements)
    for expected in (there, missing):
        if expected is StoredObject:
            assert await store.head(HERE) == shelf.stored
        else:
            with pytest.raises(expected):
                await store.head(HERE)
        await shelf.inner.delete(HERE)


async def test_what_can_be_told_beforehand(shelf: Shelf) -> None:
    """Putting and removing, without doing either."""
    knowing = foreseeing(shelf.store(PUT, ENCRYPT, grant("s3:DeleteObject", OTHER_ARN)))
    assert knowing is not None
    knowing.foresee_put(new(THERE))
    knowing.foresee_delete(THERE)
    for denied in (lambda: knowing.foresee_put(new()), lambda: knowing.foresee_delete(HERE)):
        with pytest.raises(AccessDenied):
            denied()
    assert foreseeing(shelf.inner) is None
    assert foreseeing(None) is None
