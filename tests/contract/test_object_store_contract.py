"""What every `ObjectStore` promises, whoever offers it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import replace

import pytest

from support.checksums import crc32, whole
from tidegate.core.errors import ChangedMeanwhile, GatewayError, InvalidName, NotFound, StoreUnavailable
from tidegate.core.ids import UploadId
from tidegate.core.limits import S3_MIN_PART_BYTES
from tidegate.core.objects import Location, NewObject, ObjectVersion
from tidegate.ports.objects import NOTHING

memory_only = pytest.mark.parametrize("backend", ["memory"], indirect=True)

FULL_PART = bytes(range(256)) * (S3_MIN_PART_BYTES // 256)
UNKNOWN_UPLOAD = UploadId("0" * 32)


class TestPut:
    async def test_comes_back_as_it_was_stored(self, store, put, content, bucket, kms_key):
        """Bytes, KMS key and metadata of a put object are what head and read answer."""
        metadata = {"tidegate-transfer-id": "01abc", "user-agent": "AWSTransfer"}
        stored = await put(bucket, "in/a.csv", b"a,b\n1,2\n", kms_key=kms_key, metadata=metadata)
        head = await store.head(Location(bucket, "in/a.csv"))
        assert replace(head, modified_at=None) == replace(stored, modified_at=None)
        assert (head.size, head.kms_key_id, head.metadata) == (8, kms_key, metadata)
        assert head.modified_at.tzinfo is not None
        assert await content(head) == b"a,b\n1,2\n"

    async def test_empty_object(self, store, put, content, bucket):
        """An object of no bytes is an object."""
        stored = await put(bucket, "empty")
        assert (stored.size, await content(stored)) == (0, b"")
        assert (await store.head(Location(bucket, "empty"))).size == 0

    @pytest.mark.parametrize("kind", [bytes, bytearray, lambda body: memoryview(bytearray(body))])
    async def test_takes_any_buffer(self, store, content, bucket, kind):
        """A buffer may be used again as soon as put returns."""
        buffer = kind(b"first")
        new = NewObject(Location(bucket, "key"), None, {})
        stored = await store.put(new, buffer, crc32(b"first"))
        if not isinstance(buffer, bytes):
            buffer[:] = b"later"
        assert await content(stored) == b"first"

    @memory_only
    async def test_wrong_checksum_stores_nothing(self, store, bucket):
        """Bytes damaged on the way are refused. Memory only: moto verifies no checksums."""
        new = NewObject(Location(bucket, "key"), None, {})
        with pytest.raises(StoreUnavailable):
            await store.put(new, b"damaged", crc32(b"sent"))
        with pytest.raises(NotFound):
            await store.head(new.location)

    async def test_etag_is_quoted(self, put, bucket):
        """The ETag is kept as S3 writes it, quotes included."""
        stored = await put(bucket, "key", b"body")
        assert stored.etag == f'"{hashlib.md5(b"body").hexdigest()}"'

    @memory_only
    async def test_overlong_key(self, put, bucket):
        """A key of more than 1024 bytes, not characters, is InvalidName. Memory only: moto takes any."""
        await put(bucket, "ä" * 512)
        with pytest.raises(InvalidName):
            await put(bucket, "ä" * 512 + "x")

    async def test_racing_writers_each_get_a_version(self, store, put, content, bucket):
        """Of puts at once on one key none is lost, and the current one is one of them."""
        bodies = [f"writer {n}".encode() for n in range(8)]
        stored = await asyncio.gather(*(put(bucket, "key", body) for body in bodies))
        assert len({one.version_id for one in stored}) == 8
        assert [await content(one) for one in stored] == bodies
        assert (await store.head(Location(bucket, "key"))).version_id in {one.version_id for one in stored}


class TestMultipart:
    async def test_parts_in_order(self, store, upload, content, bucket, kms_key):
        """The object is its parts in order of their numbers, whatever order they were sent in."""
        location, upload_id, receipts = await upload(
            bucket, "big", [FULL_PART], kms_key=kms_key, metadata={"outcome": "whole"}
        )
        third = await store.upload_part(location, upload_id, 3, b"third", crc32(b"third"))
        second = await store.upload_part(location, upload_id, 2, FULL_PART[::-1], crc32(FULL_PART[::-1]))
        stored = await store.complete_multipart(
            location, upload_id, [*receipts, second, third], whole(FULL_PART, FULL_PART[::-1], b"third")
        )
        assert await content(stored) == FULL_PART + FULL_PART[::-1] + b"third"
        assert stored.etag.endswith('-3"')
        head = await store.head(location)
        assert replace(head, modified_at=None) == replace(stored, modified_at=None)
        assert (head.kms_key_id, head.metadata) == (kms_key, {"outcome": "whole"})

    async def test_is_not_seen_before_it_is_complete(self, store, put, upload, content, bucket):
        """Neither head nor a listing nor versions show an upload under way; the older object stays."""
        await put(bucket, "key", b"older")
        location, upload_id, receipts = await upload(bucket, "key", [b"newer"])
        await upload(bucket, "other", [b"never"])
        assert (await store.head(location)).size == 5
        assert len(await store.versions(location)) == 1
        assert [row.key for row in (await store.list_page(bucket, "")).keys] == ["key"]
        stored = await store.complete_multipart(location, upload_id, receipts, whole(b"newer"))
        assert await content(await store.head(location)) == b"newer"
        assert len(await store.versions(location)) == 2
        assert stored.version_id == (await store.head(location)).version_id

    async def test_replaced_part(self, store, upload, bucket):
        """A part sent again under its number replaces the one before."""
        location, upload_id, receipts = await upload(bucket, "key", [FULL_PART, b"wrong"])
        again = await store.upload_part(location, upload_id, 2, b"right!", crc32(b"right!"))
        stored = await store.complete_multipart(
            location, upload_id, [receipts[0], again], whole(FULL_PART, b"right!")
        )
        assert await store.read(stored, len(FULL_PART), 100) == b"right!"
        assert stored.size == len(FULL_PART) + 6

    async def test_only_receipted_parts_count(self, store, upload, bucket):
        """A part whose receipt is not given is no part of the object."""
        location, upload_id, receipts = await upload(bucket, "key", [FULL_PART, b"dropped"])
        stored = await store.complete_multipart(location, upload_id, receipts[:1], whole(FULL_PART))
        assert stored.size == len(FULL_PART)

    async def test_one_empty_part(self, store, upload, bucket):
        """An upload of a single empty part is an empty object."""
        location, upload_id, receipts = await upload(bucket, "key", [b""])
        assert (await store.complete_multipart(location, upload_id, receipts, whole(b""))).size == 0

    async def test_unfinished(self, store, upload, bucket, clients):
        """
        Uploads to exactly this key are found, with their age, until they are completed or aborted.

        How old is checked in memory alone: moto has begun every upload in 2010.
        """
        location, first, receipts = await upload(bucket, "key", [b"part"])
        _, second, _ = await upload(bucket, "key", [b"part"])
        for other in ("key.old", "key/below", "ke"):
            await upload(bucket, other, [b"part"])
        rows = await store.unfinished(location)
        assert {row.upload_id for row in rows} == {first, second}
        assert all(row.age_seconds > -2 for row in rows)  # S3 dates to the second
        assert all(row.age_seconds < 600 for row in rows) or clients
        await store.complete_multipart(location, first, receipts, whole(b"part"))
        assert [row.upload_id for row in await store.unfinished(location)] == [second]
        await store.abort_multipart(location, second)
        assert await store.unfinished(location) == []

    async def test_parts(self, store, upload, bucket):
        """The parts of an upload by number, with their sizes and young; replaced ones as they are now."""
        location, upload_id, receipts = await upload(bucket, "key", [FULL_PART, b"last"])
        parts = await store.parts(location, upload_id)
        assert [(part.receipt.number, part.receipt.etag, part.size) for part in parts] == [
            (1, receipts[0].etag, len(FULL_PART)),
            (2, receipts[1].etag, 4),
        ]
        assert all(-2 < part.age_seconds < 600 for part in parts)
        # What is not said of them is left out, and otherwise true: moto does not say it.
        assert {part.receipt.crc32 for part in parts} <= {None, crc32(FULL_PART), crc32(b"last")}
        again = await store.upload_part(location, upload_id, 2, b"changed", crc32(b"changed"))
        assert (await store.parts(location, upload_id))[1].receipt.etag == again.etag

    async def test_no_parts(self, store, bucket):
        """An upload that was begun and no more has none."""
        location = Location(bucket, "key")
        upload_id = await store.create_multipart(NewObject(location, None, {}))
        assert await store.parts(location, upload_id) == []

    @memory_only
    async def test_parts_of_an_unknown_upload(self, store, bucket):
        """They are NotFound, not none. Memory only: moto answers 500."""
        with pytest.raises(NotFound):
            await store.parts(Location(bucket, "key"), UNKNOWN_UPLOAD)

    async def test_a_copied_part(self, store, put, bucket):
        """A range of a stored version becomes a part, and the object is made of it and of what was sent."""
        body = bytes(range(256)) * (len(FULL_PART) // 256 + 2)
        source = await put(bucket, "source", body)
        location = Location(bucket, "key")
        upload_id = await store.create_multipart(NewObject(location, None, {}))
        copied = await store.copy_part(location, upload_id, 1, source, 3, len(FULL_PART))
        sent = await store.upload_part(location, upload_id, 2, b"more", crc32(b"more"))
        wanted = body[3 : 3 + len(FULL_PART)] + b"more"
        known = replace(copied, crc32=crc32(wanted[:-4]))
        await store.complete_multipart(location, upload_id, [known, sent], whole(wanted))
        stored = await store.head(location)
        assert await store.read(stored, 0, stored.size) == wanted

    async def test_a_part_copied_of_a_missing_version(self, store, put, bucket):
        """What is not there is NotFound, and no part comes of it."""
        source = await put(bucket, "source", FULL_PART)
        location = Location(bucket, "key")
        upload_id = await store.create_multipart(NewObject(location, None, {}))
        nowhere = replace(source, location=Location(bucket, "nowhere"), version_id=None)
        with pytest.raises(NotFound):
            await store.copy_part(location, upload_id, 1, nowhere, 0, len(FULL_PART))
        assert await store.parts(location, upload_id) == []

    async def test_abort_twice(self, store, upload, bucket):
        """An aborted upload leaves nothing, and aborting it again is no error."""
        location, upload_id, _ = await upload(bucket, "key", [b"part"])
        await store.abort_multipart(location, upload_id)
        await store.abort_multipart(location, upload_id)
        await store.abort_multipart(location, UNKNOWN_UPLOAD)
        assert await store.versions(location) == []

    @memory_only
    async def test_unknown_upload(self, store, upload, bucket):
        """An upload never started, aborted, or of another key, is NotFound. Memory only: moto answers 500."""
        location, aborted, receipts = await upload(bucket, "key", [b"part"])
        await store.abort_multipart(location, aborted)
        _, other, _ = await upload(bucket, "other", [b"part"])
        for unknown in (aborted, UNKNOWN_UPLOAD, other):
            with pytest.raises(NotFound):
                await store.upload_part(location, unknown, 1, b"part", crc32(b"part"))
            with pytest.raises(NotFound):
                await store.complete_multipart(location, unknown, receipts, whole(b"part"))

    async def test_complete_again(self, store, upload, bucket):
        """Completing twice is NotFound or says the same again, and makes no second version."""
        location, upload_id, receipts = await upload(bucket, "key", [b"part"])
        stored = await store.complete_multipart(location, upload_id, receipts, whole(b"part"))
        with contextlib.suppress(NotFound):
            assert await store.complete_multipart(location, upload_id, receipts, whole(b"part")) == stored
        assert [row.version_id for row in await store.versions(location)] == [stored.version_id]

    async def test_refused_parts_leave_the_upload_open(self, store, upload, bucket):
        """A part with another ETag, or too small a part before the last, completes nothing."""
        location, upload_id, (first, second) = await upload(bucket, "key", [b"small", b"last"])
        for receipts in ([replace(first, etag='"00"')], [first, second]):
            with pytest.raises(GatewayError):
                await store.complete_multipart(location, upload_id, receipts, whole(b"small", b"last"))
            assert await store.versions(location) == []
        assert (await store.complete_multipart(location, upload_id, [second], whole(b"last"))).size == 4

    @memory_only
    async def test_misordered_receipts(self, store, upload, bucket):
        """Receipts must rise by number. Memory only: moto takes any order."""
        location, upload_id, receipts = await upload(bucket, "key", [FULL_PART, b"last"])
        for wrong in (receipts[::-1], [*receipts, receipts[1]], []):
            with pytest.raises(StoreUnavailable):
                await store.complete_multipart(location, upload_id, wrong, whole(FULL_PART, b"last"))

    @memory_only
    async def test_wrong_part_checksum(self, store, upload, bucket):
        """A damaged part is refused, and the one before it stays. Memory only: moto verifies none."""
        location, upload_id, receipts = await upload(bucket, "key", [b"good"])
        with pytest.raises(StoreUnavailable):
            await store.upload_part(location, upload_id, 1, b"damaged", crc32(b"sent"))
        assert (await store.complete_multipart(location, upload_id, receipts, whole(b"good"))).size == 4

    @memory_only
    async def test_what_the_parts_must_come_to(self, store, upload, bucket):
        """A part left out, another size or CRC32 completes nothing. Memory only: moto verifies none."""
        location, upload_id, receipts = await upload(bucket, "key", [FULL_PART, FULL_PART[::-1], b"last"])
        bodies = [FULL_PART, FULL_PART[::-1], b"last"]
        right = whole(*bodies)
        for wrong in (replace(right, size=right.size + 1), replace(right, crc32=crc32(b"else"))):
            with pytest.raises(StoreUnavailable):
                await store.complete_multipart(location, upload_id, receipts, wrong)
        for fewer in (receipts[1:], receipts[::2], receipts[:-1]):
            with pytest.raises(StoreUnavailable):
                await store.complete_multipart(location, upload_id, fewer, right)
        assert await store.versions(location) == []
        assert (await store.complete_multipart(location, upload_id, receipts, right)).size == right.size


class TestRead:
    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [(0, 3, b"012"), (4, 3, b"456"), (8, 100, b"89"), (10, 1, b""), (99, 1, b""), (3, 0, b"")],
    )
    async def test_ranges(self, store, put, bucket, start, length, expected):
        """A read gives what there is of the range, and nothing past the end."""
        stored = await put(bucket, "key", b"0123456789")
        assert await store.read(stored, start, length) == expected

    async def test_reads_exactly_the_named_version(self, store, put, content, bucket):
        """An object overwritten or deleted meanwhile is still read in the version that was opened."""
        old = await put(bucket, "key", b"old")
        await put(bucket, "key", b"new")
        await store.delete(old.location)
        assert await content(old) == b"old"

    async def test_overwritten_without_versions(self, store, put, unversioned_bucket):
        """Where no versions are kept, reading an overwritten object is ChangedMeanwhile, never a mixture."""
        old = await put(unversioned_bucket, "key", b"old")
        await put(unversioned_bucket, "key", b"new")
        with pytest.raises(ChangedMeanwhile):
            await store.read(old, 0, 3)

    async def test_deleted_without_versions(self, store, put, unversioned_bucket):
        """Where no versions are kept, a deleted object cannot be read."""
        old = await put(unversioned_bucket, "key", b"old")
        await store.delete(old.location)
        with pytest.raises(NotFound):
            await store.read(old, 0, 3)


class TestVersions:
    async def test_newest_first_with_delete_marker(self, store, put, bucket):
        """Versions are listed newest first; a delete marker is the latest and hides the key."""
        first = await put(bucket, "key", b"1")
        second = await put(bucket, "key", b"22")
        await store.delete(first.location)
        marker, *rest = await store.versions(first.location)
        assert (marker.is_latest, marker.is_delete_marker) == (True, True)
        assert [(v.version_id, v.is_latest, v.is_delete_marker) for v in rest] == [
            (second.version_id, False, False),
            (first.version_id, False, False),
        ]
        with pytest.raises(NotFound):
            await store.head(first.location)
        assert (await store.head(first.location, first.version_id)).size == 1

    async def test_delete_marker_is_no_object(self, store, put, bucket):
        """Asking for the version a delete marker is, is NotFound."""
        stored = await put(bucket, "key", b"1")
        await store.delete(stored.location)
        marker = (await store.versions(stored.location))[0]
        with pytest.raises(NotFound):
            await store.head(stored.location, marker.version_id)

    async def test_put_over_a_delete_marker(self, store, put, content, bucket):
        """A deleted key can be written again, and is then the latest; the marker stays in its history."""
        stored = await put(bucket, "key", b"1")
        await store.delete(stored.location)
        again = await put(bucket, "key", b"2")
        latest, *older = await store.versions(stored.location)
        assert latest == ObjectVersion(again.version_id, is_latest=True, is_delete_marker=False)
        assert {(row.is_latest, row.is_delete_marker) for row in older} == {(False, True), (False, False)}
        assert await content(await store.head(stored.location)) == b"2"

    @memory_only
    async def test_markers_between_versions(self, store, put, bucket):
        """
        A delete marker stands where it belongs in time.

        Memory only: boto3 gives versions and markers as two lists, dated to the second, so those of
        one second cannot be told apart there.
        """
        await put(bucket, "key", b"1")
        await store.delete(Location(bucket, "key"))
        await put(bucket, "key", b"2")
        rows = await store.versions(Location(bucket, "key"))
        assert [row.is_delete_marker for row in rows] == [False, True, False]

    async def test_of_exactly_this_key(self, store, put, bucket):
        """Versions of keys that merely begin the same are not shown; a key never written has none."""
        await put(bucket, "key.old")
        await put(bucket, "key/below")
        stored = await put(bucket, "key")
        assert [v.version_id for v in await store.versions(stored.location)] == [stored.version_id]
        assert await store.versions(Location(bucket, "ke")) == []

    async def test_only_the_newest(self, store, put, bucket):
        """Of many versions, with markers and keys that begin the same, only so many as were asked for."""
        await put(bucket, "key.old")
        stored = [await put(bucket, "key", b"%d" % n) for n in range(5)]
        here = stored[0].location
        names = [each.version_id for each in reversed(stored)]
        assert [each.version_id for each in await store.versions(here, limit=2)] == names[:2]
        assert [each.version_id for each in await store.versions(here, limit=1000)] == names
        await store.delete(here)
        (marker,) = await store.versions(here, limit=1)
        assert (marker.is_latest, marker.is_delete_marker) == (True, True)

    async def test_without_versioning(self, store, put, unversioned_bucket):
        """Where no versions are kept there is one row, named as put and head name it."""
        await put(unversioned_bucket, "key", b"1")
        stored = await put(unversioned_bucket, "key", b"2")
        (row,) = await store.versions(stored.location)
        assert (row.is_latest, row.is_delete_marker) == (True, False)
        assert row.version_id == stored.version_id == (await store.head(stored.location)).version_id is None


class TestCopy:
    async def test_exact_old_version(self, store, put, content, bucket, make_bucket, kms_key):
        """A copy is of the version named, not of the current one, with the new metadata and key."""
        other = await make_bucket()
        old = await put(bucket, "key", b"old", metadata={"transfer-id": "1"})
        await put(bucket, "key", b"newer")
        new = NewObject(Location(other, "in/key"), kms_key, {"delivered-from": "1"})
        copied = await store.copy(old, new)
        head = await store.head(new.location)
        assert replace(head, modified_at=None) == replace(copied, modified_at=None)
        assert (head.kms_key_id, head.metadata) == (kms_key, {"delivered-from": "1"})
        assert await content(copied) == b"old"

    async def test_again(self, store, put, content, bucket):
        """A copy made twice leaves the same bytes; the source is untouched."""
        source = await put(bucket, "from", b"body", metadata={"kept": "yes"})
        new = NewObject(Location(bucket, "to"), None, {})
        await store.copy(source, new)
        await store.copy(source, new)
        assert await content(await store.head(new.location)) == b"body"
        assert (await store.head(source.location)).metadata == {"kept": "yes"}

    async def test_of_an_object_made_of_parts(self, store, upload, bucket):
        """An object made of parts is copied whole."""
        location, upload_id, receipts = await upload(bucket, "key", [FULL_PART, b"tail"])
        source = await store.complete_multipart(location, upload_id, receipts, whole(FULL_PART, b"tail"))
        copied = await store.copy(source, NewObject(Location(bucket, "copy"), None, {}))
        assert copied.size == source.size
        assert await store.read(copied, len(FULL_PART) - 1, 10) == FULL_PART[-1:] + b"tail"

    async def test_source_gone(self, store, put, bucket, unversioned_bucket):
        """Copying a version or an object that is gone is NotFound, and writes nothing."""
        gone = await put(unversioned_bucket, "key", b"1")
        await store.delete(gone.location)
        never = replace(gone, location=Location(bucket, "never"))
        new = NewObject(Location(bucket, "copy"), None, {})
        for source in (gone, never):
            with pytest.raises(NotFound):
                await store.copy(source, new)
        assert await store.versions(new.location) == []

    @memory_only
    async def test_source_with_another_etag(self, store, put, unversioned_bucket):
        """A source overwritten meanwhile is not copied. Memory only: moto ignores CopySourceIfMatch."""
        source = await put(unversioned_bucket, "key", b"old")
        await put(unversioned_bucket, "key", b"new")
        new = NewObject(Location(unversioned_bucket, "copy"), None, {})
        with pytest.raises(ChangedMeanwhile):
            await store.copy(source, new)
        with pytest.raises(NotFound):
            await store.head(new.location)


class TestConditionOfCopy:
    async def test_as_it_should_be(self, store, put, content, bucket):
        """A copy goes where nothing is, where a delete marker is, and onto the ETag it was told of."""
        source = await put(bucket, "from", b"new")
        new = NewObject(Location(bucket, "to"), None, {})
        first = await store.copy(source, new, replacing=NOTHING)
        await store.copy(source, new, replacing=first.etag)
        await store.delete(new.location)
        await store.copy(source, new, replacing=NOTHING)
        assert await content(await store.head(new.location)) == b"new"

    @memory_only
    async def test_something_else_is_there(self, store, put, content, bucket, unversioned_bucket):
        """
        Onto something that should not be there nothing is copied, and what is there stays.

        Memory only: moto reads neither If-Match nor If-None-Match of a copy. tests/real_s3 asks a server
        that is nearer to S3.
        """
        for name in (bucket, unversioned_bucket):
            source = await put(name, "from", b"new")
            there = await put(name, "to", b"there")
            new = NewObject(there.location, None, {})
            for replacing in (NOTHING, source.etag):
                with pytest.raises(ChangedMeanwhile):
                    await store.copy(source, new, replacing=replacing)
            assert await content(await store.head(there.location)) == b"there"

    @memory_only
    async def test_nothing_is_there_to_replace(self, store, put, bucket):
        """Where an ETag should be and nothing is, that is NotFound, as S3 says it. Memory only, as above."""
        source = await put(bucket, "from", b"new")
        with pytest.raises(NotFound):
            await store.copy(source, NewObject(Location(bucket, "to"), None, {}), replacing=source.etag)


class TestDelete:
    async def test_is_idempotent(self, store, put, bucket, unversioned_bucket):
        """Deleting what is deleted, or never was, is no error."""
        for name in (bucket, unversioned_bucket):
            stored = await put(name, "key", b"1")
            await store.delete(stored.location)
            await store.delete(stored.location)
            await store.delete(Location(name, "never"))
            assert (await store.list_page(name, "")).keys == []
            with pytest.raises(NotFound):
                await store.head(stored.location)


async def test_missing_bucket(store, put, bucket):
    """Everything that names a missing bucket is NotFound."""
    source = await put(bucket, "key", b"1")
    nowhere = Location("contract-no-such-bucket", "key")
    new = NewObject(nowhere, None, {})
    for attempt in (
        lambda: store.put(new, b"", crc32(b"")),
        lambda: store.create_multipart(new),
        lambda: store.head(nowhere),
        lambda: store.read(replace(source, location=nowhere), 0, 1),
        lambda: store.list_page(nowhere.bucket, ""),
        lambda: store.versions(nowhere),
        lambda: store.unfinished(nowhere),
        lambda: store.copy(source, new),
        lambda: store.copy(replace(source, location=nowhere), NewObject(source.location, None, {})),
        lambda: store.delete(nowhere),
    ):
        with pytest.raises(NotFound):
            await attempt()


async def test_missing_key(store, bucket):
    """A key that is not there is NotFound, never None."""
    with pytest.raises(NotFound):
        await store.head(Location(bucket, "missing"))
