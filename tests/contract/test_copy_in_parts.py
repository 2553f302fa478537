"""
Copies of objects too large for one CopyObject, with small objects: the limits are lowered.

On S3 alone: memory copies any size in one step.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tidegate.adapters.aws import s3_copy
from tidegate.core.errors import GatewayError, NotFound, StoreUnavailable
from tidegate.core.limits import S3_MIN_PART_BYTES
from tidegate.core.objects import Location, NewObject

pytestmark = pytest.mark.parametrize("backend", ["aws-on-moto"], indirect=True)

BODY = bytes(range(256)) * (S3_MIN_PART_BYTES // 256) * 2 + b"tail"


@pytest.fixture(autouse=True)
def lowered(monkeypatch):
    monkeypatch.setattr(s3_copy, "S3_MAX_COPY_BYTES", S3_MIN_PART_BYTES)
    monkeypatch.setattr(s3_copy, "_COPY_PART_BYTES", S3_MIN_PART_BYTES)


@pytest.fixture
def open_uploads(clients):
    return lambda bucket: clients.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])


async def test_exact_old_version(store, put, content, bucket, make_bucket, kms_key):
    """A large copy is of the version named, whole, with the new key and metadata."""
    other = await make_bucket()
    old = await put(bucket, "key", BODY, metadata={"transfer-id": "1"})
    await put(bucket, "key", BODY[::-1])
    new = NewObject(Location(other, "in/key"), kms_key, {"delivered-from": "1"})
    copied = await store.copy(old, new)
    assert copied.etag.endswith('-3"')
    head = await store.head(new.location)
    assert replace(head, modified_at=None) == replace(copied, modified_at=None)
    assert (head.kms_key_id, head.metadata) == (kms_key, {"delivered-from": "1"})
    assert await content(copied) == BODY


async def test_tags(store, put, bucket):
    """A large copy has the tags of its source as a small one has; unless it is to have others."""
    source = await put(bucket, "key", BODY)
    await store.set_tags(source, (("team", "a b"), ("x", "1+1=2")))
    source = await store.head(source.location)
    copied = await store.copy(source, NewObject(Location(bucket, "same"), None, {}))
    assert await store.tags(copied) == (("team", "a b"), ("x", "1+1=2"))
    copied = await store.copy(source, NewObject(Location(bucket, "other"), None, {}, tags=(("y", "2"),)))
    assert await store.tags(copied) == (("y", "2"),)


async def test_source_gone(store, put, bucket, unversioned_bucket, open_uploads):
    """A large source that is gone is NotFound as such, and no upload is left open."""
    gone = await put(unversioned_bucket, "key", BODY)
    await store.delete(gone.location)
    with pytest.raises(NotFound):
        await store.copy(gone, NewObject(Location(bucket, "copy"), None, {}))
    assert await store.versions(Location(bucket, "copy")) == []
    assert open_uploads(bucket) == []


async def test_failed_part(store, put, bucket, clients, open_uploads):
    """Of parts that fail the first error is raised as it is, and no upload is left open."""
    source = await put(bucket, "key", BODY)

    def refuse(**_: object) -> None:
        raise StoreUnavailable("refused")

    clients.s3_patient.meta.events.register_first("before-call.s3.UploadPartCopy", refuse)
    try:
        with pytest.raises(GatewayError, match="refused"):
            await store.copy(source, NewObject(Location(bucket, "copy"), None, {}))
    finally:
        clients.s3_patient.meta.events.unregister("before-call.s3.UploadPartCopy", refuse)
    assert open_uploads(bucket) == []


async def test_leaves_threads_to_others(store, put, bucket, clients, monkeypatch):
    """A large copy never takes more than a few threads of the pool that uploads use too."""
    source = await put(bucket, "key", BODY)
    monkeypatch.setattr(s3_copy, "_COPY_PARTS_AT_ONCE", 2)
    monkeypatch.setattr(s3_copy, "_COPY_PART_BYTES", S3_MIN_PART_BYTES // 4)
    lock, under_way, most = threading.Lock(), 0, 0

    def began(**_: object) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)

    def ended(**_: object) -> None:
        nonlocal under_way
        with lock:
            under_way -= 1

    events = clients.s3_patient.meta.events
    events.register_first("before-call.s3.UploadPartCopy", began)
    events.register_first("after-call.s3.UploadPartCopy", ended)
    try:
        with pytest.raises(GatewayError):  # such small parts make no object
            await store.copy(source, NewObject(Location(bucket, "copy"), None, {}))
    finally:
        events.unregister("before-call.s3.UploadPartCopy", began)
        events.unregister("after-call.s3.UploadPartCopy", ended)
    assert most == 2
