"""A name is a file or a directory: who makes the second of the two is refused."""

from __future__ import annotations

import pytest

from tidegate.core.errors import WrongKind
from tidegate.core.paths import HomeTree
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType
from tidegate.services.kinds import Kinds
from unit.services.test_browsing import CHROOT, put
from unit.services.world import World


def kinds(world: World, home: Home = CHROOT, *, one_kind: bool = True) -> Kinds:
    return Kinds(HomeTree(home, "acme"), world.store, one_kind=one_kind)


@pytest.mark.parametrize("key", ["acme/d/", "acme/d/x", "acme/d/x/y"])
async def test_no_file_of_a_directorys_name(world, key):
    """Be it a marker or keys that make the directory."""
    await put(world, key)
    with pytest.raises(WrongKind, match="/d is a directory") as caught:
        await kinds(world).check_new_file("/d")
    assert caught.value.hint


@pytest.mark.parametrize("path", ["/a/b", "/a/b/c", "/a/b/c/d"])
async def test_nothing_below_a_file(world, path):
    """Neither a file nor a directory, also where the directories between are not there yet."""
    await put(world, "acme/a")
    for check in (kinds(world).check_new_file, kinds(world).check_above):
        with pytest.raises(WrongKind, match="/a is a file"):
            await check(path)


@pytest.mark.parametrize(
    "path", ["/a", "/b", "/d/x", "/d/y", "/d.csv", "/dd/x", "/new/er/est", "/" + "x" * 1019]
)
async def test_everything_else_may_be_made(world, path):
    """Files are replaced, and put beside others, into directories and into those that come with them."""
    await put(world, "acme/a")
    await put(world, "acme/d/x")
    await kinds(world).check_new_file(path)


async def test_where_it_may_be_both_nothing_is_asked(world):
    """As in S3, and as Transfer Family was before anybody told us otherwise."""
    await put(world, "acme/d/x")
    await put(world, "acme/a")
    world.calls.clear()
    await kinds(world, one_kind=False).check_new_file("/d")
    await kinds(world, one_kind=False).check_above("/a/b")
    assert world.calls == []


async def test_what_it_asks(world):
    """One listing, and one HEAD for each directory that the file is in below its mapping; at most sixteen."""
    await kinds(world).check_new_file("/a/b/c")
    assert sorted(world.calls) == ["head", "head", "list_page"]
    world.calls.clear()
    await kinds(world).check_new_file("/a" * 100)
    assert world.calls.count("head") == 16


async def test_entries_of_the_home_are_what_the_home_says(world):
    """Above a mapping there are no files; of an entry that is a file, keys below its own say nothing."""
    home = Home(
        HomeDirectoryType.LOGICAL,
        "/",
        (Mapping("/in", "/landing/acme/in"), Mapping("/docs/f", "/landing/acme/f", MappingType.FILE)),
    )
    await put(world, "acme/in")
    await put(world, "acme/f/below")
    await kinds(world, home).check_new_file("/in/x")
    await kinds(world, home).check_new_file("/docs/f")
