"""
What S3 checks of parts, and of the object that is made of them, on servers that really compare.

Run by `make test-real-s3` twice: against versitygw and against LocalStack core, two implementations that
share nothing but AWS's documentation. Skipped without a server.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from support.checksums import crc32, whole
from support.fault_proxy import FaultProxy, Forward, Reply, Request
from support.real_s3 import SESSION, URL, clients_at, needs_real_s3, upload_path, write_all
from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.s3 import S3ObjectStore
from tidegate.core.errors import ChangedMeanwhile, GatewayError, NotFound, StoreUnavailable
from tidegate.core.ids import UploadId
from tidegate.core.limits import MIB
from tidegate.core.objects import Location, NewObject, PartReceipt, WholeObject
from tidegate.core.open_modes import OpenIntent
from tidegate.core.transfers import TransferStatus
from tidegate.services.verifying import verify

pytestmark = needs_real_s3

PART = os.urandom(5 * MIB)
BODIES = (PART, PART[::-1], b"the rest")
RIGHT = whole(*BODIES)
ON = OpenIntent(is_write=True, must_exist=False, must_be_new=False, continues=True)


@pytest.fixture
def there(bucket: str) -> Location:
    return Location(bucket, "report.bin")


async def sent(
    store: S3ObjectStore, there: Location, bodies: Sequence[bytes] = BODIES
) -> tuple[UploadId, list[PartReceipt]]:
    """Start an upload and send these parts."""
    upload_id = await store.create_multipart(NewObject(there, None, {}))
    receipts = [
        await store.upload_part(there, upload_id, number, body, crc32(body))
        for number, body in enumerate(bodies, start=1)
    ]
    return upload_id, receipts


def kept(clients: AwsClients, there: Location) -> WholeObject:
    """Return what the server itself says of the object, as long as that is a sum of the whole."""
    answer = clients.s3.head_object(Bucket=there.bucket, Key=there.key, ChecksumMode="ENABLED")
    assert answer["ChecksumType"] == "FULL_OBJECT"
    return WholeObject(answer["ContentLength"], answer["ChecksumCRC32"])


async def test_a_wrong_part_is_refused(store: S3ObjectStore, there: Location, clients: AwsClients) -> None:
    """It stands in nobody's way: sent again with the right CRC32 the upload is completed."""
    upload_id, receipts = await sent(store, there, BODIES[:1])
    # Not over a part that is there: LocalStack 2026.3.0 refuses it too, but has emptied the other by then.
    with pytest.raises(StoreUnavailable, match="BadDigest"):
        await store.upload_part(there, upload_id, 2, BODIES[0], crc32(BODIES[1]))
    for number in (2, 3):
        body = BODIES[number - 1]
        receipts.append(await store.upload_part(there, upload_id, number, body, crc32(body)))
    stored = await store.complete_multipart(there, upload_id, receipts, RIGHT)
    assert kept(clients, there) == RIGHT
    assert await store.read(stored, 0, stored.size) == b"".join(BODIES)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (replace(RIGHT, crc32=crc32(b"something else")), "BadDigest"),
        (replace(RIGHT, size=RIGHT.size + 1), "InvalidRequest"),
    ],
    ids=["CRC32", "size"],
)
async def test_a_wrong_whole_is_refused(
    store: S3ObjectStore, there: Location, clients: AwsClients, wrong: WholeObject, code: str
) -> None:
    """Nothing is published; and the right sums are accepted, and kept with the object."""
    upload_id, receipts = await sent(store, there)
    with pytest.raises(StoreUnavailable, match=code):
        await store.complete_multipart(there, upload_id, receipts, wrong)
    with pytest.raises(NotFound):
        await store.head(there)
    stored = await store.complete_multipart(there, upload_id, receipts, RIGHT)
    assert kept(clients, there) == RIGHT
    assert await store.read(stored, 0, stored.size) == b"".join(BODIES)


async def test_a_part_left_out_is_refused(store: S3ObjectStore, there: Location) -> None:
    """A receipt that got lost is no smaller file."""
    upload_id, receipts = await sent(store, there)
    for fewer in (receipts[:-1], receipts[1:], receipts[::2]):
        with pytest.raises(StoreUnavailable, match=r"BadDigest|InvalidRequest"):
            await store.complete_multipart(there, upload_id, fewer, RIGHT)
    await store.abort_multipart(there, upload_id)
    assert await store.versions(there) == []


async def test_what_the_parts_alone_do_not_show(store: S3ObjectStore, bucket: str) -> None:
    """Parts that changed places: each has its CRC32, none is missing, the size fits. Only the whole tells."""
    swapped = (BODIES[1], BODIES[0], BODIES[2])
    there, elsewhere = Location(bucket, "full"), Location(bucket, "parts")
    upload_id, receipts = await sent(store, there, swapped)
    with pytest.raises(StoreUnavailable, match="BadDigest"):
        await store.complete_multipart(there, upload_id, receipts, RIGHT)
    await store.abort_multipart(there, upload_id)
    clients = clients_at(URL, full_object_checksums=False)
    trusting = S3ObjectStore(clients)
    upload_id, receipts = await sent(trusting, elsewhere, swapped)
    stored = await trusting.complete_multipart(elsewhere, upload_id, receipts, RIGHT)
    assert await trusting.read(stored, 0, stored.size) == b"".join(swapped)
    clients.close()


async def test_an_upload_ends_completed(store: S3ObjectStore, there: Location, clients: AwsClients) -> None:
    """The upload path itself: S3 keeps the CRC32 of the whole, and the file verifies against its record."""
    body = os.urandom(33 * MIB + 7)
    path = upload_path(store)
    upload = await path.begin(there)
    await write_all(upload, body)
    await upload.finish()
    record = (await path.log.story(upload.record.log_id)).transfer
    assert record.status is TransferStatus.COMPLETED
    assert kept(clients, there) == whole(body)
    facts = await verify(store, path.log, upload.record.log_id)
    assert {fact.what for fact in facts} >= {"Bytes", "Sha256"}
    assert all(fact.agrees for fact in facts)
    assert await store.unfinished(there) == []


async def test_a_dropped_upload_is_continued_elsewhere(
    store: S3ObjectStore, there: Location, clients: AwsClients
) -> None:
    """Nobody here saw all bytes: S3 tells the CRC32 of the parts, and compares what they come to."""
    body = os.urandom(33 * MIB + 7)
    first = upload_path(store)
    dropped = await first.begin(there)
    await write_all(dropped, body[: 20 * MIB])
    await dropped.abandon("lost")
    second = upload_path(store, beside=first)
    found = await second.uploads.kept_at(SESSION, there)
    assert found is not None
    assert found.size == 16 * MIB
    assert all(part.receipt.crc32 for part in found.parts)
    upload = await second.begin(there, ON)
    await write_all(upload, body, begin=found.size)
    await upload.finish()
    assert upload.record.log_id == dropped.record.log_id
    assert kept(clients, there) == whole(body)
    facts = await verify(store, second.log, upload.record.log_id)
    assert {fact.what for fact in facts} >= {"Bytes", "Sha256"}
    assert all(fact.agrees for fact in facts)
    assert await store.unfinished(there) == []


async def test_a_part_changed_after_it_was_kept(store: S3ObjectStore, there: Location) -> None:
    """Whoever goes on names the parts it was told of: S3 makes nothing of others."""
    body = os.urandom(20 * MIB)
    first = upload_path(store)
    dropped = await first.begin(there)
    await write_all(dropped, body)
    await dropped.abandon("lost")
    second = upload_path(store, beside=first)
    upload = await second.begin(there, ON)
    await write_all(upload, body, begin=16 * MIB)
    other = bytes(8 * MIB)
    assert upload.record.upload_id is not None
    await store.upload_part(there, UploadId(upload.record.upload_id), 1, other, crc32(other))
    with pytest.raises(GatewayError):
        await upload.finish()
    assert await store.versions(there) == []


async def test_a_file_is_added_to(store: S3ObjectStore, there: Location, clients: AwsClients) -> None:
    """What is there is copied as a part, and S3 compares the CRC32 of the whole."""
    body = os.urandom(19 * MIB + 7)
    path = upload_path(store)
    upload = await path.begin(there)
    await write_all(upload, body[: 9 * MIB])
    await upload.finish()
    upload = await path.begin(there, ON)
    await write_all(upload, body, begin=9 * MIB)
    await upload.finish()
    assert kept(clients, there) == whole(body)
    assert all(fact.agrees for fact in await verify(store, path.log, upload.record.log_id))


@pytest.mark.parametrize("size", [1000, 9 * MIB], ids=["in one call", "in parts"])
async def test_of_two_that_add_at_once_one_is_told_no(
    store: S3ObjectStore, there: Location, size: int
) -> None:
    """S3 itself compares what is there with what was added to, whoever looked when."""
    body = os.urandom(size)
    first = upload_path(store)
    upload = await first.begin(there)
    await write_all(upload, body)
    await upload.finish()
    second = upload_path(store, beside=first)
    one, other = await first.begin(there, ON), await second.begin(there, ON)
    await one.write(size, b"one")
    await other.write(size, b"other")
    await one.finish()
    with pytest.raises(ChangedMeanwhile):
        await other.finish()
    stored = await store.head(there)
    assert await store.read(stored, 0, stored.size) == body + b"one"


async def test_a_part_damaged_on_the_way(store: S3ObjectStore, there: Location) -> None:
    """The upload fails at once or at its CLOSE, and nothing is published."""

    def flip(request: Request, forward: Forward) -> Reply:
        request.body = request.body[:-1] + bytes([request.body[-1] ^ 1])
        return forward(request)

    with FaultProxy(URL) as proxy:
        proxy.on("s3.UploadPart", flip, skip=1, times=1)
        clients = clients_at(proxy.url)
        path = upload_path(S3ObjectStore(clients))
        upload = await path.begin(there)
        with suppress(GatewayError):
            await write_all(upload, os.urandom(33 * MIB))
        with pytest.raises(GatewayError, match="BadDigest"):
            await upload.finish()
        clients.close()
    record = (await path.log.story(upload.record.log_id)).transfer
    assert record.status is not TransferStatus.COMPLETED
    assert await store.versions(there) == []
    assert await store.unfinished(there) == []
