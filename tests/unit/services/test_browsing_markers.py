"""Markers of directories that other tools made."""

from __future__ import annotations

import pytest

from tidegate.core.errors import NotEmpty, NotFound, WrongKind
from tidegate.core.objects import Location
from unit.services.test_browsing import browsing, directory, listed, put


@pytest.mark.parametrize("body", [b"", b"not empty"])
async def test_a_key_that_ends_in_a_slash(world, body):
    """As S3's console, s3fs or rclone make it, with or without content: a directory, itself not an entry."""
    await put(world, "acme/d/", body)
    browse = browsing(world)
    assert await browse.stat("/d") == directory("d")
    assert await listed(browse) == ["d/"]
    assert await listed(browse, "/d") == []


async def test_a_marker_with_content_stays(world):
    """No path leads to that content, so a client could not know what it takes away with the directory."""
    await put(world, "acme/d/", b"not empty")
    with pytest.raises(NotEmpty, match="marker"):
        await browsing(world).remove_directory("/d")
    assert (await world.store.inner.head(Location("landing", "acme/d/"))).size == 9
    with pytest.raises(WrongKind):
        await browsing(world).remove("/d")


async def test_a_folder_mark_of_hadoop_is_a_file(world):
    """`d_$folder$` is an object of a name like any other: hidden, it could never be taken away."""
    await put(world, "acme/d_$folder$")
    await put(world, "acme/d/x")
    browse = browsing(world)
    assert sorted(await listed(browse)) == ["d/", "d_$folder$"]
    assert not (await browse.stat("/d_$folder$")).is_directory
    await browse.remove("/d_$folder$")
    assert await listed(browse) == ["d/"]
    with pytest.raises(NotFound):
        await browse.stat("/d_$folder$")


async def test_a_directory_object_without_a_slash_is_a_file(world):
    """Old tools marked a directory by an empty object of its name: a file, until there are keys below it."""
    await put(world, "acme/d")
    browse = browsing(world)
    assert await listed(browse) == ["d"]
    await put(world, "acme/d/x")
    assert await listed(browse) == ["d/"]


async def test_markers_of_directories_on_the_way(world):
    """Each level may have one or none; a listing shows each name once."""
    for key in ("acme/a/", "acme/a/b/c/", "acme/a/b/c/x"):
        await put(world, key)
    browse = browsing(world)
    assert [await listed(browse, path) for path in ("/", "/a", "/a/b", "/a/b/c")] == [
        ["a/"],
        ["b/"],
        ["c/"],
        ["x"],
    ]
