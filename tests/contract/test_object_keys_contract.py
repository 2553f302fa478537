"""What every `ObjectStore` promises of keys: how they are listed, and that they are kept byte for byte."""

from __future__ import annotations

import pytest

from support.checksums import whole
from tidegate.core.errors import NotFound
from tidegate.core.objects import ListingPage, Location, NewObject

memory_only = pytest.mark.parametrize("backend", ["memory"], indirect=True)

ODD_KEYS = [
    "with space",
    " space first and last ",
    "plus+plus",
    "percent%2Fslash",
    "percent%",
    "ümlaut/日本/😀.csv",
    "cafe\u0301 is not caf\u00e9",
    "a//b",
    "a/../b",
    "a/./b",
    "../up",
    "/slash-first",
    "slash-last/",
    "trailing.",
    "question?versionId=x&marker=y",
    "hash#fragment",
    "back\\slash",
    "quotes'\"<xml>&amp;",
    "brackets[]{}|^`~!*();:@=,$",
]


async def all_pages(store, bucket, prefix="", *, limit) -> list[ListingPage]:
    pages = [await store.list_page(bucket, prefix, limit=limit)]
    while pages[-1].next_token is not None:
        pages.append(await store.list_page(bucket, prefix, token=pages[-1].next_token, limit=limit))
    return pages


def names(page: ListingPage) -> list[str]:
    return [listed.key for listed in page.keys]


class TestList:
    async def test_level(self, store, put, bucket):
        """A page holds the objects of one level, and what lies deeper as common prefixes, in byte order."""
        for key in ("z", "Z", "a/1", "a/b/2", "a-", "ä", "a", "é/x", "\U0001f600", "\uff5e"):
            await put(bucket, key, b"12")
        page = await store.list_page(bucket, "")
        assert names(page) == ["Z", "a", "a-", "z", "ä", "\uff5e", "\U0001f600"]
        assert (page.prefixes, page.next_token) == (["a/", "é/"], None)
        assert {listed.size for listed in page.keys} == {2}
        assert all(listed.modified_at.tzinfo is not None for listed in page.keys)

    async def test_under_a_prefix(self, store, put, bucket):
        """A prefix need not end in a slash, and an object named as the prefix is listed as itself."""
        for key in ("dir/", "dir/a", "dir/sub/x", "dir/sub/y", "directory"):
            await put(bucket, key)
        page = await store.list_page(bucket, "dir/")
        assert (names(page), page.prefixes) == (["dir/", "dir/a"], ["dir/sub/"])
        page = await store.list_page(bucket, "dir")
        assert (names(page), page.prefixes) == (["directory"], ["dir/"])

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
    async def test_paging(self, store, put, bucket, limit):
        """Pages hold objects and prefixes up to the limit, together and once each, until no token is left."""
        for key in ("a", "b/1", "b/2", "b/3", "c", "d/1", "d/2", "e"):
            await put(bucket, key)
        pages = await all_pages(store, bucket, limit=limit)
        assert [key for page in pages for key in names(page)] == ["a", "c", "e"]
        assert [prefix for page in pages for prefix in page.prefixes] == ["b/", "d/"]
        sizes = [len(page.keys) + len(page.prefixes) for page in pages]
        assert sizes[:-1] == [limit] * (len(sizes) - 1)
        assert 0 < sizes[-1] <= limit

    @memory_only
    async def test_more_than_one_page_of_s3(self, store, put, bucket):
        """No page holds more than 1000, whatever the limit. Memory only: moto holds as many as asked for."""
        keys = [f"{n:04}" for n in range(1001)]
        for key in keys:
            await put(bucket, key)
        pages = await all_pages(store, bucket, limit=5000)
        assert [names(page) for page in pages] == [keys[:1000], keys[1000:]]

    async def test_nothing_there(self, store, put, bucket):
        """An empty level is an empty page; only a missing bucket is NotFound."""
        deleted = await put(bucket, "dir/deleted")
        await store.delete(deleted.location)
        assert await store.list_page(bucket, "dir/") == ListingPage([], [], None)


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_odd_keys_byte_for_byte(store, put, upload, content, bucket, key):
    """A key is kept byte for byte by put, head, list, versions, copy, multipart and delete."""
    stored = await put(bucket, key, b"odd")
    page = await store.list_page(bucket, key)
    assert (names(page), page.prefixes) == ([key], [])
    assert [v.version_id for v in await store.versions(stored.location)] == [stored.version_id]
    copied = await store.copy(stored, NewObject(Location(bucket, "copies/" + key), None, {}))
    assert await content(await store.head(copied.location)) == b"odd"
    location, upload_id, receipts = await upload(bucket, key, [b"in parts"])
    await store.complete_multipart(location, upload_id, receipts, whole(b"in parts"))
    assert await content(await store.head(location)) == b"in parts"
    await store.delete(location)
    with pytest.raises(NotFound):
        await store.head(location)


@memory_only
@pytest.mark.parametrize("key", ["tab\tline\nbreak\r", "control\x01\x1f\x7f"])
async def test_control_characters_byte_for_byte(store, put, content, bucket, key):
    """Control characters are part of a key. Memory only: moto finds no route or fails to answer."""
    stored = await put(bucket, key, b"odd")
    assert names(await store.list_page(bucket, "")) == [key]
    assert await content(await store.head(stored.location)) == b"odd"


async def test_odd_keys_across_pages(store, put, bucket):
    """Pages go on after any key or prefix, each of them byte for byte and once."""
    for key in ODD_KEYS:
        await put(bucket, key)
    pages = await all_pages(store, bucket, limit=1)
    listed = [key for page in pages for key in names(page)]
    prefixes = [prefix for page in pages for prefix in page.prefixes]
    assert listed == sorted((key for key in ODD_KEYS if "/" not in key), key=str.encode)
    assert prefixes == sorted({key.split("/")[0] + "/" for key in ODD_KEYS if "/" in key}, key=str.encode)


async def test_neighbours_of_odd_keys_are_others(store, put, content, bucket):
    """Keys that some path or URL handling would merge are different objects."""
    keys = ["a//b", "a/b", "a/./b", "a/c/../b", "a%2Fb", "x y", "x+y", "x%20y", "é", "e\u0301", "n", "n."]
    for key in keys:
        await put(bucket, key, key.encode())
    for key in keys:
        assert await content(await store.head(Location(bucket, key))) == key.encode()
