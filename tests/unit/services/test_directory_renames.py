"""Renames of directories: each file has one name at every moment, and all have the new one at the end."""

from __future__ import annotations

import asyncio

import pytest

from tidegate.core.errors import (
    AccessDenied,
    AlreadyExists,
    ChangedMeanwhile,
    GatewayError,
    InUse,
    InvalidName,
    NotEmpty,
    NotFound,
    StoreUnavailable,
    TooManyFiles,
    Unsupported,
)
from tidegate.core.ids import GatewayId, new_log_id
from tidegate.core.objects import META_TRANSFER_ID, Location, NewObject, Storage
from tidegate.core.paths import HomeTree
from tidegate.core.renames import Rename, RenameStatus
from tidegate.core.routes import Routes
from tidegate.core.users import Home, HomeDirectoryType, Mapping
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS
from tidegate.services.browsing import Browsing
from tidegate.services.directory_renames import DirectoryRules
from tidegate.services.intake import Backends
from tidegate.services.part_sender import Digest
from tidegate.services.renames import Renames
from unit.services.faults import AFTER, BEFORE
from unit.services.world import GATEWAY, SESSION, World

S = RenameStatus
SWEEPER = GatewayId("gw-sweeper")
FILES = {"": b"", "a.csv": b"a", "b.csv": b"b", "deep/": b"", "deep/c.csv": b"c", "deep/er/d.csv": b"d"}
MOST = 20


class Killed(BaseException):
    """Stands for SIGKILL: no handler of errors may catch it."""


class Yard:
    """A home with directories, gateways that rename them, and what is where."""

    def __init__(self, world: World, *, most: int = MOST) -> None:
        self.world = world
        self.most = most
        self.open: set[str] = set()

    def renames(self, gateway_id: GatewayId = GATEWAY) -> Renames:
        world = self.world
        return Renames(
            Backends(world.store, world.log, world.clock, gateway_id, lambda: world.is_fresh),
            world.log,
            Routes((), Storage("key")),
            world.held(),
            directories=DirectoryRules(self.most, lambda prefix: prefix.key in self.open),
        )

    def browsing(self, home: Home | None = None) -> Browsing:
        tree = HomeTree(home or Home.chroot("/landing/acme"), "acme")
        return Browsing(tree, SESSION, self.world.store, self.renames(), Routes((), Storage()))

    async def put(self, key: str, body: bytes = b"x", *, ours: bool = True) -> None:
        metadata = {META_TRANSFER_ID: new_log_id()} if ours and not key.endswith("/") else {}
        new = NewObject(Location("landing", key), None, metadata)
        await self.world.store.inner.put(new, body, await Digest().take(body))

    async def fill(self, prefix: str = "acme/old/") -> None:
        for name, body in FILES.items():
            await self.put(prefix + name, body, ours=not name.startswith("deep"))

    async def rename(
        self, old: str = "/old", new: str = "/new", *, overwrite: bool = False
    ) -> Exception | None:
        """Return what the client was told."""
        try:
            await self.browsing().rename(old, new, overwrite=overwrite)
        except GatewayError as error:
            return error
        return None

    async def below(self, prefix: str) -> dict[str, bytes]:
        """Return what is under a prefix, by what follows it."""
        found, left = {}, [prefix]
        while left:
            page = await self.world.store.inner.list_page("landing", left.pop())
            left += page.prefixes
            for listed in page.keys:
                body = await self.world.content(Location("landing", listed.key))
                assert body is not None
                found[listed.key.removeprefix(prefix)] = body
        return found

    async def recorded(self) -> list[Rename]:
        """Return the renames of directories on record."""
        kept = self.world.log.inner._renames.values()
        return [each for each in kept if each.is_directory]

    async def sweep(self) -> list[RenameStatus]:
        """Take over and finish what is PENDING as the sweep does, a file's renames as they come."""
        self.world.store.heal()
        self.world.log.heal()
        log, ended = self.world.log.inner, []
        for shard in range(OPEN_WORK_SHARDS):
            for row in await log.pending_renames(shard):
                found = (await log.story(row.log_id)).renames
                (rename,) = [each for each in found if each.rename_id == row.rename_id]
                taken = await log.take_over_rename(rename, SWEEPER, self.world.clock.now())
                try:
                    ended.append(await self.renames(SWEEPER).resume(taken))
                except GatewayError:
                    continue  # left for the next sweep
        return ended

    async def everything_has_one_name(self) -> None:
        old, new = await self.below("acme/old/"), await self.below("acme/new/")
        assert not {name for name in old.keys() & new.keys() if name}, "a file has two names"
        assert old | new == FILES


@pytest.fixture(params=[True, False], ids=["versioned", "unversioned"])
def yard(request: pytest.FixtureRequest) -> Yard:
    return Yard(World(versioned=request.param))


async def test_everything_below_is_renamed(yard):
    """Files, markers, and what lies deeper; nothing of it is under the old name any more."""
    await yard.fill()
    await yard.put("acme/older/x.csv")
    assert await yard.rename() is None
    assert await yard.below("acme/new/") == FILES
    assert await yard.below("acme/old/") == {}
    assert await yard.below("acme/older/") == {"x.csv": b"x"}
    [recorded] = await yard.recorded()
    assert (recorded.status, recorded.path, recorded.new_path) == (S.DONE, "/old", "/new")


async def test_what_is_held_stays_held(yard):
    """Whoever carries it out, and whatever names it takes for temporary: the file's own name is the same."""
    await yard.fill()
    assert await yard.rename() is None
    kept = yard.world.log.inner._renames.values()
    assert {each.holds for each in kept if not each.is_directory} == {True}


async def test_without_a_marker(yard):
    """A directory that is there only because files are below it."""
    await yard.put("acme/old/a.csv", b"a")
    assert await yard.rename() is None
    assert await yard.below("acme/new/") == {"a.csv": b"a"}


async def test_an_empty_directory(yard):
    """The marker alone."""
    await yard.put("acme/old/", b"")
    assert await yard.rename() is None
    assert (await yard.below("acme/new/"), await yard.below("acme/old/")) == ({"": b""}, {})


async def test_the_intent_comes_first(yard):
    """It is durable before anything in S3 changes, and settled when everything has changed."""
    await yard.fill()
    yard.world.calls.clear()
    assert await yard.rename() is None
    changes = [call for call in yard.world.calls if call in {"intend", "copy", "delete", "settle_rename"}]
    assert (changes[0], changes[-1]) == ("intend", "settle_rename")
    assert changes.count("copy") == len(FILES)


class TestRefused:
    """Before anything is changed."""

    async def test_by_the_preset(self, yard):
        """Where no directory may be renamed."""
        yard.most = 0
        await yard.fill()
        assert isinstance(await yard.rename(), Unsupported)
        assert (await yard.below("acme/old/"), await yard.recorded()) == (FILES, [])

    async def test_too_many(self, yard):
        """One more than the limit; as many as that are renamed."""
        await yard.fill()
        yard.most = len(FILES) - 1
        refused = await yard.rename()
        assert isinstance(refused, TooManyFiles)
        assert (await yard.below("acme/old/"), await yard.recorded()) == (FILES, [])
        yard.most = len(FILES)
        assert await yard.rename() is None

    @pytest.mark.parametrize("overwrite", [True, False])
    @pytest.mark.parametrize("there", ["acme/new", "acme/new/x.csv", "acme/new/deep/"])
    async def test_something_is_there(self, yard, there, overwrite):
        """A file, or a directory that holds something."""
        await yard.fill()
        await yard.put(there, b"")
        refused = await yard.rename(overwrite=overwrite)
        assert isinstance(refused, AlreadyExists | NotEmpty)
        assert (await yard.below("acme/old/"), await yard.recorded()) == (FILES, [])

    async def test_an_empty_directory_is_there(self, yard):
        """Replaced by posix-rename, as POSIX has it; refused by RENAME."""
        await yard.fill()
        await yard.put("acme/new/", b"")
        assert isinstance(await yard.rename(), AlreadyExists)
        assert await yard.rename(overwrite=True) is None
        assert (await yard.below("acme/new/"), await yard.below("acme/old/")) == (FILES, {})

    @pytest.mark.parametrize("new", ["/old/x", "/old/deep/er/x"])
    async def test_into_itself(self, yard, new):
        """No directory is moved into itself."""
        await yard.fill()
        assert isinstance(await yard.rename(new=new), InvalidName)
        assert await yard.below("acme/old/") == FILES

    async def test_onto_itself(self, yard):
        """Its own name changes nothing, and is no error."""
        await yard.fill()
        assert await yard.rename(new="/old") is None
        assert (await yard.below("acme/old/"), await yard.recorded()) == (FILES, [])

    async def test_nothing_is_there(self, yard):
        """What is not there is not found."""
        assert isinstance(await yard.rename(), NotFound)

    async def test_a_key_that_would_be_too_long(self, yard):
        """Of any file below: none is renamed."""
        await yard.fill()
        await yard.put("acme/old/" + 200 * "x")
        refused = await yard.rename(new="/" + 900 * "n")
        assert isinstance(refused, InvalidName)
        assert len(await yard.below("acme/old/")) == len(FILES) + 1

    async def test_a_file_below_is_being_uploaded(self, yard):
        """It would come to the old name when it is closed."""
        await yard.fill()
        yard.open.add("acme/old/")
        assert isinstance(await yard.rename(), InUse)
        assert (await yard.below("acme/old/"), await yard.recorded()) == (FILES, [])

    async def test_across_mappings(self, yard):
        """From one entry of the home to another, and of an entry itself."""
        await yard.fill()
        home = Home(
            HomeDirectoryType.LOGICAL,
            "/",
            (Mapping("/here", "/landing/acme"), Mapping("/there", "/landing/bank")),
        )
        browsing = yard.browsing(home)
        with pytest.raises(Unsupported):
            await browsing.rename("/here/old", "/there/old", overwrite=False)
        with pytest.raises(GatewayError):
            await browsing.rename("/here", "/here2", overwrite=False)
        assert await yard.below("acme/old/") == FILES
        await browsing.rename("/here/old", "/here/new", overwrite=False)
        assert await yard.below("acme/new/") == FILES

    async def test_while_something_in_it_is_renamed(self, yard):
        """Whoever comes second is refused, in whatever order."""
        await yard.fill()
        renames = yard.renames()
        browsing = Browsing(
            HomeTree(Home.chroot("/landing/acme"), "acme"),
            SESSION,
            yard.world.store,
            renames,
            Routes((), Storage()),
        )
        gate = yard.world.store.hold("copy")
        first = asyncio.create_task(browsing.rename("/old/a.csv", "/a.csv", overwrite=False))
        await gate.reached.wait()
        with pytest.raises(ChangedMeanwhile):
            await browsing.rename("/old", "/new", overwrite=False)
        gate.go.set()
        await first
        assert await yard.below("acme/new/") == {}


class TestAFileIsRefused:
    async def test_by_s3(self, yard):
        """The client is told, and the record says why; each file has one name."""
        await yard.fill()
        yard.world.store.fail("copy", AccessDenied("no"), call=3)
        assert isinstance(await yard.rename(), AccessDenied)
        [recorded] = await yard.recorded()
        assert (recorded.status, recorded.error) == (S.FAILED, "no")
        await yard.everything_has_one_name()

    async def test_something_came_to_its_new_name(self, yard):
        """It is not replaced; what could not be renamed has its old name."""
        await yard.fill()
        gate = yard.world.store.hold("copy", call=None)
        renaming = asyncio.create_task(yard.rename())
        await gate.reached.wait()
        await yard.put("acme/new/deep/c.csv", b"theirs")
        gate.go.set()
        assert isinstance(await renaming, AlreadyExists)
        assert (await yard.below("acme/new/"))["deep/c.csv"] == b"theirs"
        assert (await yard.below("acme/old/"))["deep/c.csv"] == b"c"

    async def test_it_was_removed_meanwhile(self, yard):
        """Then there is nothing to rename, and that is no failure."""
        await yard.fill()
        gone = Location("landing", "acme/old/b.csv")
        gate = yard.world.store.hold("head", when=lambda at, *_: at == gone)
        renaming = asyncio.create_task(yard.rename())
        await gate.reached.wait()
        await yard.world.store.inner.delete(gone)
        gate.go.set()
        assert await renaming is None
        assert (await yard.below("acme/new/")).keys() == FILES.keys() - {"b.csv"}

    async def test_its_answer_is_lost(self, yard):
        """The client reads a failure, and the sweep finishes it all the same."""
        await yard.fill()
        yard.world.store.fail("copy", moment=AFTER, call=2)
        assert isinstance(await yard.rename(), StoreUnavailable)
        for _ in range(3):
            await yard.sweep()
        [recorded] = await yard.recorded()
        assert recorded.status is S.DONE
        assert (await yard.below("acme/new/"), await yard.below("acme/old/")) == (FILES, {})


@pytest.mark.parametrize("moment", [BEFORE, AFTER])
@pytest.mark.parametrize("call", [1, 4, 6])
@pytest.mark.parametrize("method", ["copy", "delete", "settle_rename"])
async def test_killed_in_the_middle(yard, method, call, moment):
    """Other gateways finish it: every file has its new name, and no file is ever without one."""
    await yard.fill()
    for port in (yard.world.store, yard.world.log):
        port.fail(method, Killed(), moment=moment, call=call)
    with pytest.raises(Killed):
        await yard.browsing().rename("/old", "/new", overwrite=False)
    await asyncio.sleep(0)
    old, new = await yard.below("acme/old/"), await yard.below("acme/new/")
    assert (old | new).items() >= FILES.items(), "a file has no name"
    for _ in range(3):
        await yard.sweep()
    [recorded] = await yard.recorded()
    assert recorded.status is S.DONE
    assert (await yard.below("acme/new/"), await yard.below("acme/old/")) == (FILES, {})


async def test_what_came_afterwards_stays(yard):
    """A file that is sent to the old name after the gateway was killed is not taken along by the sweep."""
    await yard.fill()
    yard.world.store.fail("copy", Killed(), moment=BEFORE, call=3)
    with pytest.raises(Killed):
        await yard.browsing().rename("/old", "/new", overwrite=False)
    yard.world.store.heal()
    yard.world.clock.advance(60)
    await yard.put("acme/old/later.csv", b"later")
    for _ in range(3):
        await yard.sweep()
    assert await yard.below("acme/old/") == {"later.csv": b"later"}
    assert await yard.below("acme/new/") == FILES


async def test_taken_over_while_frozen(yard):
    """A gateway that was silent for a lease goes no further with what another may be finishing."""
    await yard.fill()
    gate = yard.world.log.hold("intend", moment=AFTER)
    renaming = asyncio.create_task(yard.rename())
    await gate.reached.wait()
    [intended] = await yard.recorded()
    await yard.world.log.inner.take_over_rename(intended, SWEEPER, yard.world.clock.now())
    yard.world.is_fresh = False
    gate.go.set()
    refused = await renaming
    assert isinstance(refused, GatewayError)
    assert "taken over" in refused.detail
    assert await yard.below("acme/old/") == FILES


async def test_it_goes_on_without_its_client(yard):
    """A client that hangs up has asked for it all the same."""
    await yard.fill()
    renames = yard.renames()
    tree = HomeTree(Home.chroot("/landing/acme"), "acme")
    browsing = Browsing(tree, SESSION, yard.world.store, renames, Routes((), Storage()))
    gate = yard.world.store.hold("copy")
    renaming = asyncio.create_task(browsing.rename("/old", "/new", overwrite=False))
    await gate.reached.wait()
    renaming.cancel()
    await asyncio.gather(renaming, return_exceptions=True)
    gate.go.set()
    await renames.ended()
    assert (await yard.below("acme/new/"), await yard.below("acme/old/")) == (FILES, {})
