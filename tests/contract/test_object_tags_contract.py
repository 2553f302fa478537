"""What every `ObjectStore` promises of tags."""

from __future__ import annotations

import pytest

from tidegate.core.errors import NotFound
from tidegate.core.objects import Location, NewObject

TAGS = (("team", "x y"), ("tidegate-mtime", "1600000000"))


async def test_come_back(store, put, bucket):
    """Tags that were set are read in the order of their keys, and HEAD tells how many there are."""
    stored = await put(bucket, "key", b"body")
    assert await store.tags(stored) == ()
    assert (await store.head(stored.location)).tag_count == 0
    await store.set_tags(stored, TAGS[::-1])
    assert await store.tags(stored) == TAGS
    assert (await store.head(stored.location)).tag_count == 2


async def test_replace_all(store, put, bucket):
    """Those that were there before are gone; again is no different."""
    stored = await put(bucket, "key", b"body")
    await store.set_tags(stored, TAGS)
    for _ in range(2):
        await store.set_tags(stored, TAGS[:1])
    assert await store.tags(stored) == TAGS[:1]


async def test_belong_to_one_version(store, put, bucket):
    """The versions before and after are not touched, nor is the one they belong to written again."""
    old, new = await put(bucket, "key", b"old"), await put(bucket, "key", b"new")
    await store.set_tags(old, TAGS)
    assert (await store.tags(old), await store.tags(new)) == (TAGS, ())
    assert len(await store.versions(Location(bucket, "key"))) == 2


async def test_without_versions(store, put, unversioned_bucket):
    """Where there are no versions they belong to the object."""
    stored = await put(unversioned_bucket, "key", b"body")
    await store.set_tags(stored, TAGS)
    assert await store.tags(stored) == TAGS


async def test_go_along_with_a_copy(store, put, bucket):
    """A copy without tags of its own has those of its source; otherwise its own alone."""
    stored = await put(bucket, "key", b"body")
    await store.set_tags(stored, TAGS)
    for name, own in (("a", ()), ("b", (("team", "z"),))):
        copied = await store.copy(stored, NewObject(Location(bucket, name), None, {}, tags=own))
        assert await store.tags(copied) == (own or TAGS)


async def test_of_nothing(store, put, bucket):
    """What is not there has no tags, and can get none."""
    stored = await put(bucket, "key", b"body")
    await store.delete(stored.location)
    gone = NewObject(Location(bucket, "gone"), None, {})
    with pytest.raises(NotFound):
        await store.head(gone.location)
    nothing = type(stored)(gone.location, 1, '"e"', None)
    with pytest.raises(NotFound):
        await store.tags(nothing)
    with pytest.raises(NotFound):
        await store.set_tags(nothing, TAGS)
