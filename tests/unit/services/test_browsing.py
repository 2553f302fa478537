"""Directories where there are none: what S3's keys look like to a client."""

from __future__ import annotations

import pytest

from tidegate.core.errors import (
    AlreadyExists,
    GatewayError,
    InvalidName,
    NotEmpty,
    NotFound,
    StoreUnavailable,
    Unsupported,
    WrongKind,
)
from tidegate.core.listing import Entry
from tidegate.core.objects import Location, NewObject, Storage
from tidegate.core.paths import HomeTree
from tidegate.core.routes import Routes
from tidegate.core.users import Home, HomeDirectoryType, Mapping
from tidegate.services.browsing import Browsing
from tidegate.services.intake import Backends
from tidegate.services.part_sender import Digest
from tidegate.services.renames import Renames
from unit.services.world import GATEWAY, SESSION, World

CHROOT = Home.chroot("/landing/acme")
MAPPED = Home(
    HomeDirectoryType.LOGICAL,
    "/",
    (Mapping("/in", "/landing/acme/in"), Mapping("/docs/out", "/lake/out"), Mapping("/docs/all", "/lake")),
)


def browsing(world: World, home: Home = CHROOT) -> Browsing:
    backends = Backends(world.store, world.log, world.clock, GATEWAY, lambda: world.is_fresh)
    routes = Routes((), Storage("key-landing"))
    renames = Renames(backends, world.log, routes, world.held())
    return Browsing(HomeTree(home, "acme"), SESSION, world.store, renames, routes)


async def put(world: World, key: str, body: bytes = b"content", bucket: str = "landing", **new: object):
    crc32 = await Digest().take(body)
    described = NewObject(Location(bucket, key), new.pop("kms_key_id", None), new.pop("metadata", {}))
    return await world.store.inner.put(described, body, crc32)


async def listed(browse: Browsing, path: str = "/") -> list[str]:
    return [f"{entry.name}/" if entry.is_directory else entry.name async for entry in browse.list(path)]


def file(name: str, size: int, at: object) -> Entry:
    return Entry(name, False, size, at)


def directory(name: str) -> Entry:
    return Entry(name, True, 0, None)


class TestStat:
    async def test_file(self, world):
        """A file has its size and S3's time."""
        await put(world, "acme/a.csv", b"12345")
        at = (await world.store.inner.head(Location("landing", "acme/a.csv"))).modified_at
        assert await browsing(world).stat("/a.csv") == file("a.csv", 5, at)

    @pytest.mark.parametrize("key", ["acme/d/", "acme/d/x", "acme/d/x/y"])
    async def test_directory(self, world, key):
        """What is a marker, or has keys below it, is a directory."""
        await put(world, key)
        assert await browsing(world).stat("/d") == directory("d")

    async def test_file_and_directory_of_one_name(self, world):
        """A name that is both is a directory, or what lies in it could not be reached."""
        await put(world, "acme/d")
        await put(world, "acme/d/x")
        assert (await browsing(world).stat("/d")).is_directory

    async def test_nothing(self, world):
        """What only begins alike is not there."""
        await put(world, "acme/a.csv.old")
        with pytest.raises(NotFound):
            await browsing(world).stat("/a.csv")

    @pytest.mark.parametrize("path", ["/", "/in", "/docs", "/docs/out", "/docs/all"])
    async def test_of_the_home_itself(self, world, path):
        """Roots of mappings and the directories above them are there, whatever the buckets hold."""
        assert (await browsing(world, MAPPED).stat(path)).is_directory

    async def test_outside_the_home(self, world):
        """What no mapping covers is not there."""
        with pytest.raises(NotFound):
            await browsing(world, MAPPED).stat("/landing/acme/in")

    async def test_the_longest_name(self, world):
        """A file whose key has S3's whole length, too long for a directory, is seen and can be removed."""
        name = "x" * (1024 - len("acme/"))
        await put(world, f"acme/{name}")
        browse = browsing(world)
        assert not (await browse.stat(f"/{name}")).is_directory
        await browse.rename(f"/{name}", "/y", overwrite=False)
        await browse.rename("/y", f"/{name}", overwrite=False)
        await browse.remove(f"/{name}")
        with pytest.raises(NotFound):
            await browse.stat(f"/{name}")
        with pytest.raises(InvalidName):
            await browse.stat(f"/{name}x")


class TestList:
    async def test_files_and_directories(self, world):
        """Each name once, the marker of the directory itself not at all."""
        for key in ("acme/d/", "acme/d/a", "acme/d/b/c", "acme/d/b/e", "acme/d/z/", "acme/e", "other"):
            await put(world, key)
        assert await listed(browsing(world), "/d") == ["a", "b/", "z/"]

    async def test_many_pages(self, world):
        """More names than fit on a page are all shown, each once."""
        names = [f"{n:04}" for n in range(25)]
        for name in names:
            await put(world, f"acme/{name}")
        inner = world.store.inner.list_page

        async def short(bucket, prefix, *, token=None, limit=1000):
            return await inner(bucket, prefix, token=token, limit=min(limit, 4))

        world.store.inner.list_page = short
        assert await listed(browsing(world)) == names

    async def test_a_directory_beats_a_file_of_its_name(self, world):
        """Of a file and a directory of one name only the directory is shown."""
        await put(world, "acme/d")
        await put(world, "acme/d/x")
        assert await listed(browsing(world)) == ["d/"]

    async def test_empty(self, world):
        """A directory of nothing but its marker, and an empty home, have no entries."""
        await put(world, "acme/d/")
        assert await listed(browsing(world), "/d") == []
        await world.store.inner.delete(Location("landing", "acme/d/"))
        assert await listed(browsing(world)) == []

    async def test_nothing(self, world):
        """What is not there cannot be listed."""
        with pytest.raises(NotFound):
            await listed(browsing(world), "/nowhere")

    async def test_file(self, world):
        """A file cannot be listed."""
        await put(world, "acme/a.csv")
        with pytest.raises(WrongKind):
            await listed(browsing(world), "/a.csv")

    @pytest.mark.parametrize(
        ("path", "names"),
        [("/", ["docs/", "in/"]), ("/docs", ["all/", "out/"]), ("/docs/out", []), ("/docs/all", [])],
    )
    async def test_of_the_home_itself(self, world, path, names):
        """Synthetic directories show their mappings; roots of mappings may be empty."""
        assert await listed(browsing(world, MAPPED), path) == names

    async def test_root_of_a_bucket(self, world):
        """A mapping to a whole bucket shows its first level."""
        await put(world, "a", bucket="lake")
        await put(world, "b/c", bucket="lake")
        assert await listed(browsing(world, MAPPED), "/docs/all") == ["a", "b/"]


class TestMakeDirectory:
    async def test_marker(self, world):
        """A new directory is an empty object of its name and a slash, under the landing key."""
        await browsing(world).make_directory("/d")
        stored = await world.store.inner.head(Location("landing", "acme/d/"))
        assert (stored.size, stored.kms_key_id, stored.metadata) == (0, "key-landing", {})
        assert await listed(browsing(world)) == ["d/"]

    @pytest.mark.parametrize("key", ["acme/d", "acme/d/", "acme/d/x"])
    async def test_something_is_there(self, world, key):
        """Neither a file nor a directory, with a marker or without, is made again."""
        await put(world, key)
        with pytest.raises(AlreadyExists):
            await browsing(world).make_directory("/d")

    @pytest.mark.parametrize("path", ["/", "/in", "/docs", "/docs/out"])
    async def test_of_the_home_itself(self, world, path):
        """What the home is made of cannot be made."""
        with pytest.raises(WrongKind):
            await browsing(world, MAPPED).make_directory(path)

    async def test_beside_the_mappings(self, world):
        """Nothing can be made in a synthetic directory."""
        with pytest.raises(NotFound):
            await browsing(world, MAPPED).make_directory("/docs/new")


class TestRemoveDirectory:
    async def test_empty(self, world):
        """A directory of nothing but its marker is gone afterwards."""
        browse = browsing(world)
        await browse.make_directory("/d")
        await browse.remove_directory("/d")
        assert await listed(browse) == []

    @pytest.mark.parametrize("key", ["acme/d/x", "acme/d/x/", "acme/d/x/y"])
    @pytest.mark.parametrize("marker", [True, False])
    async def test_not_empty(self, world, key, marker):
        """A directory with anything in it stays."""
        if marker:
            await put(world, "acme/d/")
        await put(world, key)
        with pytest.raises(NotEmpty):
            await browsing(world).remove_directory("/d")
        assert (await browsing(world).stat("/d")).is_directory

    async def test_nothing(self, world):
        """What is not there cannot be removed."""
        with pytest.raises(NotFound):
            await browsing(world).remove_directory("/d")

    async def test_file(self, world):
        """A file is not a directory."""
        await put(world, "acme/d")
        with pytest.raises(WrongKind):
            await browsing(world).remove_directory("/d")

    @pytest.mark.parametrize("path", ["/", "/in", "/docs"])
    async def test_of_the_home_itself(self, world, path):
        """What the home is made of cannot be removed, even if it is empty."""
        with pytest.raises(WrongKind):
            await browsing(world, MAPPED).remove_directory(path)

    async def test_beside_a_file_of_its_name(self, world):
        """Removing a directory leaves the file of the same name."""
        await put(world, "acme/d")
        await put(world, "acme/d/", b"")
        await browsing(world).remove_directory("/d")
        assert await listed(browsing(world)) == ["d"]


class TestRemove:
    async def test_file(self, world):
        """A file is gone afterwards; on a versioned bucket its content is still there as a version."""
        stored = await put(world, "acme/a")
        await browsing(world).remove("/a")
        assert await listed(browsing(world)) == []
        assert await world.store.inner.head(stored.location, stored.version_id)

    async def test_nothing(self, world):
        """What is not there cannot be removed: S3 itself would say it was."""
        with pytest.raises(NotFound):
            await browsing(world).remove("/a")

    async def test_directory(self, world):
        """A directory is not a file."""
        await put(world, "acme/d/x")
        with pytest.raises(WrongKind):
            await browsing(world).remove("/d")

    async def test_beside_a_directory_of_its_name(self, world):
        """Removing a file leaves the directory of the same name."""
        await put(world, "acme/d")
        await put(world, "acme/d/x")
        await browsing(world).remove("/d")
        assert await listed(browsing(world), "/d") == ["x"]

    @pytest.mark.parametrize("path", ["/", "/in", "/docs"])
    async def test_of_the_home_itself(self, world, path):
        """What the home is made of is no file."""
        with pytest.raises(WrongKind):
            await browsing(world, MAPPED).remove(path)


class TestRename:
    async def test_content_and_key(self, world):
        """The content, its KMS key and its metadata move; the transfer id does not."""
        metadata = {"tidegate-transfer-id": "01", "tidegate-sha256": "00", "mine": "yes"}
        await put(world, "acme/a", b"12345", kms_key_id="key-other", metadata=metadata)
        await browsing(world).rename("/a", "/d/b", overwrite=False)
        moved = await world.store.inner.head(Location("landing", "acme/d/b"))
        assert await world.store.inner.read(moved, 0, 9) == b"12345"
        assert moved.kms_key_id == "key-other"
        marks = {"tidegate-log-id", "tidegate-rename-id"}
        assert {name: value for name, value in moved.metadata.items() if name not in marks} == {
            "tidegate-sha256": "00",
            "mine": "yes",
        }
        assert marks <= moved.metadata.keys()
        assert await listed(browsing(world)) == ["d/"]

    async def test_without_a_key_of_its_own(self, world):
        """What was stored without KMS moves under the landing key."""
        await put(world, "acme/a")
        await browsing(world).rename("/a", "/b", overwrite=False)
        assert (await world.store.inner.head(Location("landing", "acme/b"))).kms_key_id == "key-landing"

    async def test_between_buckets(self, world):
        """A file may move from one mapping to another."""
        await put(world, "acme/in/a", b"12345")
        await browsing(world, MAPPED).rename("/in/a", "/docs/out/a", overwrite=False)
        moved = await world.store.inner.head(Location("lake", "out/a"))
        assert moved.size == 5
        with pytest.raises(NotFound):
            await world.store.inner.head(Location("landing", "acme/in/a"))

    async def test_onto_a_file(self, world):
        """An existing file is replaced only where overwriting was asked for."""
        await put(world, "acme/a", b"new")
        await put(world, "acme/b", b"old")
        with pytest.raises(AlreadyExists):
            await browsing(world).rename("/a", "/b", overwrite=False)
        assert await listed(browsing(world)) == ["a", "b"]
        await browsing(world).rename("/a", "/b", overwrite=True)
        moved = await world.store.inner.head(Location("landing", "acme/b"))
        assert await world.store.inner.read(moved, 0, 9) == b"new"
        assert await listed(browsing(world)) == ["b"]

    @pytest.mark.parametrize("overwrite", [False, True])
    @pytest.mark.parametrize("key", ["acme/b/", "acme/b/x"])
    async def test_onto_a_directory(self, world, overwrite, key):
        """A directory is never replaced by a file."""
        await put(world, "acme/a")
        await put(world, key)
        with pytest.raises(AlreadyExists):
            await browsing(world).rename("/a", "/b", overwrite=overwrite)
        assert await listed(browsing(world)) == ["a", "b/"]

    @pytest.mark.parametrize("overwrite", [False, True])
    async def test_onto_itself(self, world, overwrite):
        """A file renamed to its own name stays."""
        stored = await put(world, "acme/a")
        await browsing(world).rename("/a", "/a", overwrite=overwrite)
        assert (await world.store.inner.head(stored.location)).version_id == stored.version_id

    async def test_directory(self, world):
        """Directories are not renamed, with a file of the same name or without."""
        await put(world, "acme/d/x")
        with pytest.raises(Unsupported):
            await browsing(world).rename("/d", "/e", overwrite=True)
        await put(world, "acme/d")
        with pytest.raises(Unsupported):
            await browsing(world).rename("/d", "/e", overwrite=True)

    async def test_nothing(self, world):
        """What is not there cannot be renamed, not even to itself."""
        for new in ("/b", "/a"):
            with pytest.raises(NotFound):
                await browsing(world).rename("/a", new, overwrite=True)

    @pytest.mark.parametrize("path", ["/", "/in", "/docs"])
    async def test_of_the_home_itself(self, world, path):
        """What the home is made of is neither renamed nor replaced."""
        await put(world, "acme/in/a")
        browse = browsing(world, MAPPED)
        with pytest.raises(WrongKind):
            await browse.rename(path, "/in/b", overwrite=True)
        with pytest.raises(WrongKind):
            await browse.rename("/in/a", path, overwrite=True)
        assert await listed(browse, "/in") == ["a"]

    async def test_copy_fails(self, world):
        """If the copy fails the file is where it was."""
        await put(world, "acme/a")
        world.store.fail("copy", StoreUnavailable("slow down"))
        with pytest.raises(StoreUnavailable):
            await browsing(world).rename("/a", "/b", overwrite=False)
        assert await listed(browsing(world)) == ["a"]

    async def test_delete_fails(self, world):
        """If the original cannot be removed both are there: never neither."""
        await put(world, "acme/a")
        world.store.fail("delete", StoreUnavailable("slow down"))
        with pytest.raises(StoreUnavailable):
            await browsing(world).rename("/a", "/b", overwrite=False)
        assert await listed(browsing(world)) == ["a", "b"]


@pytest.mark.parametrize("change", ["make_directory", "remove_directory", "remove"])
async def test_outside_the_home_nothing_is_touched(world, change):
    """No change reaches a key the home does not lead to."""
    await put(world, "other/a")
    for path in ("/landing/other/a", "/other", "/in/../../other"):
        with pytest.raises(GatewayError):
            await getattr(browsing(world, MAPPED), change)(path)
    assert not {"put", "delete"} & set(world.calls)


@pytest.mark.parametrize(
    ("act", "event", "facts"),
    [
        (lambda browse: browse.make_directory("/new"), "directory made", {"path": "/new"}),
        (lambda browse: browse.remove_directory("/d"), "directory removed", {"path": "/d"}),
        (lambda browse: browse.remove("/a"), "file removed", {"path": "/a", "log_id": "0" * 26}),
    ],
)
async def test_a_change_of_names_leaves_one_line(world, told, act, event, facts):
    """Who changed which name, from where, in which session; of a file, its LogID."""
    await put(world, "acme/a", metadata={"tidegate-transfer-id": "0" * 26})
    await put(world, "acme/d/", b"")
    await act(browsing(world))
    [line] = told
    assert line["event"] == event
    assert (line["user"], line["session"], line["client_ip"]) == ("acme", SESSION.session_id, "192.0.2.7")
    assert line.items() >= facts.items()
