"""
The S3 adapter against a server that checks what emulators let through: signatures, checksums, part sizes.

Run by `make test-real-s3`, which builds and starts such a server; skipped without one.
"""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

from support.checksums import crc32, whole
from support.fault_proxy import FaultProxy, Forward, Reply, Request
from support.real_s3 import URL, clients_at, needs_real_s3, upload_path, write_all
from tidegate.adapters.aws import s3_copy
from tidegate.adapters.aws.s3 import S3ObjectStore
from tidegate.core.errors import AccessDenied, ChangedMeanwhile, NotFound, StoreUnavailable
from tidegate.core.limits import MIB
from tidegate.core.objects import Location, NewObject, StoredObject
from tidegate.core.transfers import TransferStatus
from tidegate.ports.objects import NOTHING

pytestmark = needs_real_s3

PART = os.urandom(5 * MIB)


async def put(store: S3ObjectStore, bucket: str, key: str, body: bytes) -> StoredObject:
    return await store.put(NewObject(Location(bucket, key), None, {}), body, crc32(body))


async def test_a_signed_request_is_taken_and_a_wrong_secret_is_not(store: S3ObjectStore, bucket: str) -> None:
    """Our signatures are right, unsigned payload and all: this server refuses others."""
    stored = await put(store, bucket, "a", b"whole")
    assert await store.read(stored, 0, 5) == b"whole"
    stranger = clients_at(URL, "another-secret")
    with pytest.raises(AccessDenied):
        await S3ObjectStore(stranger).head(stored.location)
    stranger.close()


@pytest.mark.parametrize(
    "key", ["two  blanks", "a+b", "100%41", "why?", "#1", "ü/結果.csv", "back\\slash", "a=b&c"]
)
async def test_odd_keys_are_signed_and_stored_byte_for_byte(
    store: S3ObjectStore, bucket: str, key: str
) -> None:
    """What was decided is what is signed, and what is listed."""
    await put(store, bucket, key, b"x")
    prefix = key.rpartition("/")[0]
    page = await store.list_page(bucket, f"{prefix}/" if prefix else "")
    assert [listed.key for listed in page.keys] == [key]


async def test_a_wrong_checksum_stores_nothing(store: S3ObjectStore, bucket: str) -> None:
    """Of an object and of a part: S3 compares the bytes with the CRC32 we computed before sending."""
    there = Location(bucket, "wrong")
    with pytest.raises(StoreUnavailable, match="BadDigest"):
        await store.put(NewObject(there, None, {}), b"hello", crc32(b"hellO"))
    with pytest.raises(NotFound):
        await store.head(there)
    upload_id = await store.create_multipart(NewObject(there, None, {}))
    with pytest.raises(StoreUnavailable, match="BadDigest"):
        await store.upload_part(there, upload_id, 1, b"hello", crc32(b"hellO"))
    await store.abort_multipart(there, upload_id)


async def test_a_refused_part_leaves_the_one_before_it(store: S3ObjectStore, bucket: str) -> None:
    """Under the same number: a retry that is damaged costs nothing that has arrived."""
    there = Location(bucket, "again")
    upload_id = await store.create_multipart(NewObject(there, None, {}))
    receipt = await store.upload_part(there, upload_id, 1, b"hello", crc32(b"hello"))
    with pytest.raises(StoreUnavailable, match="BadDigest"):
        await store.upload_part(there, upload_id, 1, b"hellO", crc32(b"hello"))
    stored = await store.complete_multipart(there, upload_id, [receipt], whole(b"hello"))
    assert await store.read(stored, 0, stored.size) == b"hello"


async def test_bytes_changed_on_the_way_are_noticed(bucket: str) -> None:
    """The payload is not signed; the checksum is, and it tells."""

    def flip(request: Request, forward: Forward) -> Reply:
        request.body = bytes([request.body[0] ^ 1]) + request.body[1:]
        return forward(request)

    with FaultProxy(URL) as proxy:
        proxy.on("s3.PutObject", flip)
        # The proxy hands on the Host that was signed.
        through = clients_at(proxy.url)
        with pytest.raises((StoreUnavailable, AccessDenied)):
            await put(S3ObjectStore(through), bucket, "flipped", b"hello")
        through.close()


async def test_a_multipart_upload_is_complete_and_of_its_parts(store: S3ObjectStore, bucket: str) -> None:
    """Size, bytes, version and metadata; and completing it twice makes one version."""
    there = Location(bucket, "large")
    upload_id = await store.create_multipart(NewObject(there, None, {"tidegate-transfer-id": "log-1"}))
    [unfinished] = await store.unfinished(there)
    assert unfinished.upload_id == upload_id
    assert unfinished.age_seconds < 60
    bodies = [PART, PART[::-1], b"the rest"]
    receipts = [
        await store.upload_part(there, upload_id, number, body, crc32(body))
        for number, body in enumerate(bodies, start=1)
    ]
    stored = await store.complete_multipart(there, upload_id, receipts, whole(*bodies))
    assert stored.transfer_id == "log-1"
    assert await store.read(stored, 0, stored.size) == b"".join(bodies)
    # A repeat after a lost answer: servers say "done" or "no such upload", and we must bear both.
    with suppress(NotFound):
        await store.complete_multipart(there, upload_id, receipts, whole(*bodies))
    assert len(await store.versions(there)) == 1
    await store.abort_multipart(there, upload_id)
    assert await store.unfinished(there) == []


async def test_a_small_part_before_the_last_is_refused(store: S3ObjectStore, bucket: str) -> None:
    """So part sizes are real: an emulator that takes any would hide a schedule that is wrong."""
    there = Location(bucket, "small-parts")
    upload_id = await store.create_multipart(NewObject(there, None, {}))
    receipts = [await store.upload_part(there, upload_id, n, b"tiny", crc32(b"tiny")) for n in (1, 2)]
    with pytest.raises(StoreUnavailable, match="EntityTooSmall"):
        await store.complete_multipart(there, upload_id, receipts, whole(b"tiny", b"tiny"))
    await store.abort_multipart(there, upload_id)


async def test_exactly_the_named_version_is_copied(store: S3ObjectStore, bucket: str) -> None:
    """After an overwrite the old version still is what is copied, and another ETag is refused."""
    first = await put(store, bucket, "v", b"first")
    second = await put(store, bucket, "v", b"second")
    copied = await store.copy(first, NewObject(Location(bucket, "copy"), None, {"from": "v"}))
    assert await store.read(copied, 0, 10) == b"first"
    forged = StoredObject(first.location, first.size, second.etag, first.version_id)
    with pytest.raises(ChangedMeanwhile):
        await store.copy(forged, NewObject(Location(bucket, "forged"), None, {}))


async def test_a_copy_in_parts_may_replace_only_what_it_names(
    store: S3ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nothing where nothing may be, else that ETag.

    In parts alone: versitygw v1.8.0 reads the conditions of CompleteMultipartUpload, not those of CopyObject.
    """
    monkeypatch.setattr(s3_copy, "S3_MAX_COPY_BYTES", 1)
    source, there = await put(store, bucket, "from", PART), await put(store, bucket, "to", b"there")
    new, elsewhere = NewObject(there.location, None, {}), NewObject(Location(bucket, "new"), None, {})
    for replacing in (NOTHING, source.etag):
        with pytest.raises(ChangedMeanwhile):
            await store.copy(source, new, replacing=replacing)
    assert (await store.head(there.location)).version_id == there.version_id
    await store.copy(source, new, replacing=there.etag)
    # S3 says 404 to this, versitygw 412.
    with pytest.raises((NotFound, ChangedMeanwhile)):
        await store.copy(source, elsewhere, replacing=source.etag)
    await store.copy(source, elsewhere, replacing=NOTHING)
    assert await store.unfinished(there.location) == []


async def test_versions_come_newest_first(store: S3ObjectStore, bucket: str) -> None:
    """With the delete marker on top once the object is deleted."""
    first, second = await put(store, bucket, "v", b"1"), await put(store, bucket, "v", b"2")
    await store.delete(first.location)
    marker, *rest = await store.versions(first.location)
    assert marker.is_delete_marker
    assert [version.version_id for version in rest] == [second.version_id, first.version_id]


async def test_an_upload_arrives_whole(store: S3ObjectStore, bucket: str) -> None:
    """The upload path itself: parts under way together, the rest, the version that is recorded."""
    path = upload_path(store)
    body = os.urandom(21 * MIB + 7)
    upload = await path.begin(Location(bucket, "acme/report.bin"))
    await write_all(upload, body)
    await upload.finish()
    record = (await path.log.story(upload.record.log_id)).transfer
    assert record.status is TransferStatus.COMPLETED
    stored = await store.head(Location(bucket, "acme/report.bin"), record.version_id)
    assert await store.read(stored, 0, stored.size) == body
    assert await store.unfinished(stored.location) == []
