"""Entries of a home that are single files: seen, read and written, and nothing else."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from tidegate.core.errors import AccessDenied, NotFound, StoreUnavailable, WrongKind
from tidegate.core.objects import Location
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType
from unit.services.test_browsing import browsing, file, listed, put
from unit.services.world import turns

FILE = MappingType.FILE
HOME = Home(
    HomeDirectoryType.LOGICAL,
    "/",
    (
        Mapping("/in", "/landing/acme/in"),
        Mapping("/readme", "/lake/notes/readme.txt", FILE),
        Mapping("/docs/b", "/lake/b", FILE),
        Mapping("/docs/a", "/lake/a", FILE),
    ),
)


async def test_stat(world):
    """It is a file with the size and time of its object, also where there are keys below its key."""
    stored = await put(world, "notes/readme.txt", b"12345", bucket="lake")
    await put(world, "notes/readme.txt/below", bucket="lake")
    at = (await world.store.inner.head(stored.location)).modified_at
    assert await browsing(world, HOME).stat("/readme") == file("readme", 5, at)


async def test_the_parent_lists_it(world):
    """As a file, beside the directories; names come from the home, and not from the key."""
    await put(world, "notes/readme.txt", bucket="lake")
    assert await listed(browsing(world, HOME)) == ["docs/", "in/", "readme"]


async def test_what_is_not_there_is_not_listed(world):
    """No object, no file: neither in a listing nor to STAT; its parent is there all the same."""
    browse = browsing(world, HOME)
    assert await listed(browse) == ["docs/", "in/"]
    assert await listed(browse, "/docs") == []
    assert (await browse.stat("/docs")).is_directory
    with pytest.raises(NotFound):
        await browse.stat("/readme")


async def test_several_in_one_directory(world):
    """In order of their names, those that are there."""
    for key in ("a", "b"):
        await put(world, key, bucket="lake")
    assert await listed(browsing(world, HOME), "/docs") == ["a", "b"]
    await world.store.inner.delete(Location("lake", "a"))
    assert await listed(browsing(world, HOME), "/docs") == ["b"]


async def test_thousands_are_asked_a_few_at_a_time(world):
    """The directory is shown as its files are found."""
    mappings = tuple(Mapping(f"/f{n:04}", f"/lake/{n}", FILE) for n in range(100))
    await put(world, "0", bucket="lake")
    entries = browsing(world, Home(HomeDirectoryType.LOGICAL, "/", mappings)).list("/")
    assert (await anext(entries)).name == "f0000"
    assert world.calls.count("head") == 16
    assert [entry async for entry in entries] == []
    assert world.calls.count("head") == 100


async def test_a_store_that_does_not_answer_is_no_missing_file(world):
    """A listing that leaves out what is there would be worse than none."""
    await put(world, "notes/readme.txt", bucket="lake")
    world.store.fail("head", StoreUnavailable("no answer"))
    with pytest.raises(StoreUnavailable):
        await listed(browsing(world, HOME))


async def test_what_may_not_be_seen_is_left_out(world):
    """S3 denies what is not there to whoever may not list: the others are shown, and one line says so."""
    mappings = tuple(Mapping(f"/f{n:04}", f"/lake/{n}", FILE) for n in range(40))
    for n in range(40):
        await put(world, str(n), bucket="lake")
    world.store.fail("head", AccessDenied("403"), call=None, when=lambda at, *_: at.key in {"3", "4", "39"})
    with structlog.testing.capture_logs() as lines:
        names = await listed(browsing(world, Home(HomeDirectoryType.LOGICAL, "/", mappings)))
    assert names == [f"f{n:04}" for n in range(40) if n not in {3, 4, 39}]
    said = [line for line in lines if line["event"] == "files left out of a listing"]
    assert [(line["count"], line["first"]) for line in said] == [(3, "s3://lake/3")]


async def test_nothing_is_asked_behind_the_answer(world):
    """A listing that fails has no question under way any more."""
    for key in ("a", "b"):
        await put(world, key, bucket="lake")
    gate = world.store.hold("head", when=lambda at, *_: at.key == "a")
    world.store.fail("head", StoreUnavailable("no answer"), when=lambda at, *_: at.key == "b")
    listing = asyncio.create_task(listed(browsing(world, HOME), "/docs"))
    await gate.reached.wait()
    await turns()
    assert not listing.done()
    gate.go.set()
    with pytest.raises(StoreUnavailable):
        await listing


@pytest.mark.parametrize("path", ["/readme", "/readme/x"])
async def test_it_is_no_directory(world, path):
    """It cannot be listed, and nothing lies below it."""
    await put(world, "notes/readme.txt", bucket="lake")
    with pytest.raises((WrongKind, NotFound)):
        await listed(browsing(world, HOME), path)


@pytest.mark.parametrize("is_there", [True, False])
async def test_its_name_stays(world, is_there):
    """It is the home's: not removed, renamed, replaced by renaming, nor made a directory, there or not."""
    if is_there:
        await put(world, "notes/readme.txt", bucket="lake")
    await put(world, "acme/in/x")
    browse = browsing(world, HOME)
    for refused in (
        browse.remove("/readme"),
        browse.rename("/readme", "/in/y", overwrite=False),
        browse.rename("/in/x", "/readme", overwrite=True),
        browse.make_directory("/readme"),
        browse.remove_directory("/readme"),
    ):
        with pytest.raises(AccessDenied) as caught:
            await refused
        assert "read and written" in caught.value.hint
    with pytest.raises(NotFound):
        await browse.remove("/readme/x")
