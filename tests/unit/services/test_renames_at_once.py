"""Renames of the same names by several sessions and gateways at once: every file has one name afterwards."""

from __future__ import annotations

import asyncio

import pytest

from tidegate.adapters.memory import objects
from tidegate.core.errors import ChangedMeanwhile, GatewayError, NotFound, StoreUnavailable, TooManyFiles
from tidegate.core.ids import GatewayId
from tidegate.core.objects import Location, Storage
from tidegate.core.paths import HomeTree
from tidegate.core.renames import RenameStatus
from tidegate.core.routes import Routes
from tidegate.core.users import Home
from tidegate.services import directory_renames
from tidegate.services.browsing import Browsing
from tidegate.services.moves import DirectoryMove
from tidegate.services.renames import Renames
from unit.services.faults import AFTER, BEFORE
from unit.services.test_directory_renames import FILES, Killed, Yard
from unit.services.world import GATEWAY, SESSION, World, turns

S = RenameStatus
OTHER = GatewayId("gw-other")


def browsing(yard: Yard, renames: Renames) -> Browsing:
    tree = HomeTree(Home.chroot("/landing/acme"), "acme")
    return Browsing(tree, SESSION, yard.world.store, renames, Routes((), Storage()))


async def renamed(yard: Yard, old: str, new: str, renames: Renames) -> Exception | None:
    """Return what the client was told."""
    try:
        await browsing(yard, renames).rename(old, new, overwrite=False)
    except GatewayError as error:
        return error
    return None


@pytest.fixture(params=[True, False], ids=["versioned", "unversioned"])
def yard(request: pytest.FixtureRequest) -> Yard:
    return Yard(World(versioned=request.param))


async def names(yard: Yard, body: bytes) -> list[str]:
    return [name for name, found in (await yard.below("acme/")).items() if found == body]


class TestOneFile:
    """Renamed by two gateways, to two names."""

    async def test_while_the_first_copies(self, yard):
        """The second is refused, and its record says why; OK is told of what happened."""
        await yard.put("acme/a", b"a")
        gate = yard.world.store.hold("copy")
        first = asyncio.create_task(renamed(yard, "/a", "/b", yard.renames()))
        await gate.reached.wait()
        refused = await renamed(yard, "/a", "/c", yard.renames(OTHER))
        assert isinstance(refused, ChangedMeanwhile)
        assert "is being renamed to s3://landing/acme/b" in refused.detail
        gate.go.set()
        assert await first is None
        assert await names(yard, b"a") == ["b"]

    @pytest.mark.parametrize("moment", [BEFORE, AFTER])
    async def test_whoever_looked_before(self, yard, moment):
        """Two that looked at the file at the same moment: not both succeed."""
        await yard.put("acme/a", b"a")
        gate = yard.world.log.hold("intend", moment=moment)
        first = asyncio.create_task(renamed(yard, "/a", "/b", yard.renames()))
        await gate.reached.wait()
        second = await renamed(yard, "/a", "/c", yard.renames(OTHER))
        gate.go.set()
        told = [await first, second]
        assert told.count(None) == 1
        assert len(await names(yard, b"a")) == 1

    async def test_it_went_while_the_record_was_read(self, yard):
        """What another has renamed meanwhile is not copied, though its version is still there."""
        await yard.put("acme/a", b"a")
        gate = yard.world.log.hold("story")
        first = asyncio.create_task(renamed(yard, "/a", "/b", yard.renames()))
        await gate.reached.wait()
        log = yard.world.log.inner
        # As if the other had been settled before the first wrote its intent.
        [(key, intent)] = log._renames.items()
        del log._renames[key]
        assert await renamed(yard, "/a", "/c", yard.renames(OTHER)) is None
        log._renames[key] = intent
        gate.go.set()
        assert isinstance(await first, NotFound)
        assert await names(yard, b"a") == ["c"]

    async def test_left_by_a_dead_gateway(self, yard):
        """What it had copied is not renamed to elsewhere: the sweep finishes it."""
        await yard.put("acme/a", b"a")
        yard.world.store.fail("copy", Killed(), moment=AFTER)
        with pytest.raises(Killed):
            await browsing(yard, yard.renames()).rename("/a", "/b", overwrite=False)
        yard.world.store.heal()
        assert isinstance(await renamed(yard, "/a", "/c", yard.renames(OTHER)), ChangedMeanwhile)
        assert await yard.sweep() == [S.DONE]
        assert await names(yard, b"a") == ["b"]

    async def test_swept_while_another_copies(self, yard):
        """A rename that had not copied is given up for one that is under way."""
        await yard.put("acme/a", b"a")
        gate = yard.world.store.hold("copy")
        second = asyncio.create_task(renamed(yard, "/a", "/c", yard.renames(OTHER)))
        await gate.reached.wait()
        yard.world.log.fail("intend", Killed(), moment=AFTER)
        with pytest.raises(Killed):
            await browsing(yard, yard.renames()).rename("/a", "/b", overwrite=False)
        yard.world.log.heal()
        log = yard.world.log.inner
        left = next(each for each in log._renames.values() if each.gateway_id == GATEWAY)
        taken = await log.take_over_rename(left, OTHER, yard.world.clock.now())
        assert await yard.renames(OTHER).resume(taken) is S.FAILED
        gate.go.set()
        assert await second is None
        assert await names(yard, b"a") == ["c"]

    async def test_asked_again_without_an_answer(self, yard):
        """The same rename once more is no other: a client that repeats it is not refused for the first."""
        await yard.put("acme/a", b"a")
        yard.world.store.fail("copy", StoreUnavailable("no answer"), moment=BEFORE)
        assert isinstance(await renamed(yard, "/a", "/b", yard.renames()), StoreUnavailable)
        assert await renamed(yard, "/a", "/b", yard.renames()) is None
        await yard.sweep()
        assert await names(yard, b"a") == ["b"]


class TestOneDirectory:
    async def test_by_two_gateways(self, yard):
        """To two names: each file has one of them, and nobody reads OK of what happened half."""
        for n in range(9):
            await yard.put(f"acme/old/{n}", bytes([n]))
        told = await asyncio.gather(
            renamed(yard, "/old", "/new", yard.renames()),
            renamed(yard, "/old", "/other", yard.renames(OTHER)),
        )
        for _ in range(3):
            await yard.sweep()
        below = await yard.below("acme/")
        assert sorted(below.values()) == [bytes([n]) for n in range(9)]
        for name, error in zip(("new/", "other/"), told, strict=True):
            assert error is not None or all(key.startswith(name) for key in below)

    async def test_by_two_sessions(self, yard):
        """Of one gateway, while both look at what is in it: the second is refused, and leaves no record."""
        await yard.fill()
        renames = yard.renames()
        gate = yard.world.store.hold("list_page", call=None)
        moves = [
            DirectoryMove("/old", name, Location("landing", "acme/old/"), Location("landing", key), "*")
            for name, key in (("/new", "acme/new/"), ("/other", "acme/other/"))
        ]
        asked = [asyncio.create_task(renames.rename_directory(SESSION, move)) for move in moves]
        await gate.reached.wait()
        await turns()
        gate.go.set()
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(each) for each in told] == [type(None), ChangedMeanwhile]
        assert [each.new_path for each in await yard.recorded()] == ["/new"]
        assert await yard.below("acme/new/") == FILES

    async def test_gone_before_it_was_looked_at(self, yard):
        """Then there is nothing to rename, and nothing on record."""
        move = DirectoryMove(
            "/old", "/new", Location("landing", "acme/old/"), Location("landing", "acme/new/"), "*"
        )
        with pytest.raises(NotFound):
            await yard.renames().rename_directory(SESSION, move)
        assert await yard.recorded() == []

    async def test_files_that_change_all_the_time(self, yard):
        """It is not gone on with for ever: the client reads that it changed."""
        await yard.fill()
        yard.world.store.fail("head", NotFound("gone"), call=None, when=lambda at, *_: "/a.csv" in at.key)
        assert isinstance(await yard.rename(), ChangedMeanwhile)
        [recorded] = await yard.recorded()
        assert recorded.status is S.FAILED
        yard.world.store.heal()
        await yard.everything_has_one_name()

    async def test_one_is_removed_at_the_last_moment(self, yard):
        """A file that goes between two looks is no failure, and is not seen again."""
        await yard.fill()
        yard.world.store.fail("head", NotFound("gone"), when=lambda at, *_: at.key == "acme/old/a.csv")
        assert await yard.rename() is None
        assert await yard.below("acme/new/") == FILES


@pytest.mark.parametrize("moment", [BEFORE, AFTER])
@pytest.mark.parametrize("method", ["intend", "copy", "delete", "settle_rename"])
@pytest.mark.parametrize("call", [1, 2, 3])
async def test_most_is_left(yard, monkeypatch, method, moment, call):
    """A gateway that is killed near the beginning: what it had not begun is renamed by others, too."""
    monkeypatch.setattr(directory_renames, "_LANES", 2)
    await yard.fill()
    for port in (yard.world.store, yard.world.log):
        port.fail(method, Killed(), moment=moment, call=call)
    with pytest.raises(Killed):
        await yard.browsing().rename("/old", "/new", overwrite=False)
    for _ in range(3):
        await yard.sweep()
    recorded = await yard.recorded()
    if not recorded:
        assert await yard.below("acme/old/") == FILES
        return
    assert [each.status for each in recorded] == [S.DONE]
    assert (await yard.below("acme/new/"), await yard.below("acme/old/")) == (FILES, {})


async def test_names_that_only_look_alike(yard):
    """Upper and lower case, a prefix that is a prefix of another, markers of other tools, empty names."""
    keys = ["Old/x", "old2/x", "old$folder$", "old_$folder$", "old.csv"]
    below = ["x", "old/x", "X", "/x", "deep//x", "deep/", "deep", "deep_$folder$"]
    for key in keys:
        await yard.put(f"acme/{key}", key.encode())
    for key in below:
        await yard.put(f"acme/old/{key}", key.encode())
    assert await yard.rename("/old", "/OLD") is None
    assert await yard.below("acme/OLD/") == {key: key.encode() for key in below}
    assert await yard.below("acme/old/") == {}
    assert {key: key.encode() for key in keys}.items() <= (await yard.below("acme/")).items()


async def test_more_than_a_page(yard, monkeypatch):
    """S3 lists a thousand at a time, here three: all of them are renamed, and counted before."""
    monkeypatch.setattr(objects, "S3_MAX_LIST_KEYS", 3)
    for n in range(10):
        await yard.put(f"acme/old/{n}", b"")
    yard.most = 9
    assert isinstance(await yard.rename(), TooManyFiles)
    yard.most = 10
    assert await yard.rename() is None
    monkeypatch.undo()
    assert len(await yard.below("acme/new/")) == 10
    assert await yard.below("acme/old/") == {}
