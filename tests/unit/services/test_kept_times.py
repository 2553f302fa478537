"""Times of files: in the metadata where known in time, else a tag; never a reason to fail."""

from __future__ import annotations

import pytest

from tidegate.core.attributes import with_mtime
from tidegate.core.errors import AccessDenied
from tidegate.core.objects import META_MTIME, Location, NewObject, Storage, StoredObject
from tidegate.core.routes import Route, Routes
from tidegate.ports.objects import NOTHING
from tidegate.services.intake import Backends
from tidegate.services.kept_times import keep_time, kept_time, time_shown
from tidegate.services.moves import Move
from tidegate.services.part_sender import Digest
from tidegate.services.renames import Renames
from unit.services.depot import DESTINATION, SOURCE, Depot
from unit.services.world import GATEWAY, HERE, LARGE, PATH, SESSION, SMALL, World, close, send

THEN = 1_600_000_000


async def put(world: World, *, mtime: int | None = None, tags: tuple = ()) -> StoredObject:
    crc32 = await Digest().take(b"x")
    await world.store.inner.put(NewObject(HERE, None, with_mtime({}, mtime), tags=tags), b"x", crc32)
    return await world.store.inner.head(HERE)


class TestTag:
    async def test_of_exactly_this_version(self, world):
        """A version that came meanwhile does not get the time of the one before."""
        old = await put(world)
        new = await put(world)
        await keep_time(world.store, old, THEN)
        assert await world.store.inner.tags(old) == ((META_MTIME, str(THEN)),)
        assert await world.store.inner.tags(new) == ()

    async def test_other_tags_stay(self, world):
        """A route's tags, or a scanner's, are still there after it."""
        stored = await put(world, tags=(("team", "x"),))
        await keep_time(world.store, stored, THEN)
        assert dict(await world.store.inner.tags(stored)) == {"team": "x", META_MTIME: str(THEN)}

    async def test_what_is_kept_already_costs_nothing(self, world):
        """A client that sets after CLOSE what it set before costs no call."""
        stored = await put(world, mtime=THEN)
        before = len(world.calls)
        await keep_time(world.store, stored, THEN)
        assert len(world.calls) == before

    async def test_back_to_the_first(self, world):
        """A tag that says another time than the metadata is replaced, though these say the wanted one."""
        await put(world, mtime=THEN)
        await keep_time(world.store, await world.object(), THEN + 1)
        await keep_time(world.store, await world.object(), THEN)
        assert await kept_time(world.store, await world.object()) == THEN

    @pytest.mark.parametrize("call", ["tags", "set_tags"])
    async def test_refused(self, world, told, call):
        """A store that does not let us tag leaves a line in the log, and its other tags alone."""
        stored = await put(world, tags=(("team", "x"),))
        world.store.fail(call, AccessDenied("no"))
        await keep_time(world.store, stored, THEN)
        assert await world.store.inner.tags(stored) == (("team", "x"),)
        assert [event["event"] for event in told] == ["time not kept"]


class TestShown:
    async def test_tags_are_asked_for_only_if_there_are_any(self, world):
        """The usual file costs no call more."""
        stored = await put(world, mtime=THEN)
        assert int((await time_shown(world.store, stored)).timestamp()) == THEN
        assert world.store.count("tags") == 0

    async def test_without_a_time(self, world):
        """Where no client said one it is S3's."""
        stored = await put(world, tags=(("team", "x"),))
        assert await time_shown(world.store, stored) == stored.modified_at

    async def test_tags_that_cannot_be_read(self, world, told):
        """Then the metadata say it, and nothing fails."""
        stored = await put(world, mtime=THEN, tags=(("team", "x"),))
        world.store.fail("tags")
        assert await kept_time(world.store, stored) == THEN
        assert [event["event"] for event in told] == ["time not read"]


class TestUpload:
    async def test_small_file(self, world):
        """A time set before the CLOSE of a small file is in the metadata of its one PutObject."""
        upload = await world.begin()
        await send(upload, SMALL)
        upload.set_time(THEN)
        assert await close(upload) is None
        assert (await world.object()).metadata[META_MTIME] == str(THEN)
        assert world.store.count("set_tags") == 0

    async def test_large_file_known_in_time(self, world):
        """A time set before the first part was sent is in the metadata, too."""
        upload = await world.begin()
        upload.set_time(THEN)
        await send(upload, LARGE)
        assert await close(upload) is None
        assert (await world.object()).metadata[META_MTIME] == str(THEN)
        assert world.store.count("set_tags") == 0

    async def test_large_file_known_too_late(self, world):
        """After that it is a tag, there before anything is owed; also if it corrects the metadata."""
        upload = await world.begin()
        upload.set_time(THEN - 5)
        await send(upload, LARGE)
        upload.set_time(THEN)
        assert await close(upload) is None
        assert await kept_time(world.store, await world.object()) == THEN
        assert world.calls.index("set_tags") < world.calls.index("complete")
        await world.keeps_its_promises(upload, LARGE, None)

    async def test_a_refused_tag_does_not_fail_the_file(self, world):
        """CLOSE answers OK without the time."""
        upload = await world.begin()
        await send(upload, LARGE)
        upload.set_time(THEN)
        world.store.fail("set_tags", AccessDenied("no"))
        error = await close(upload)
        await world.keeps_its_promises(upload, LARGE, error)
        assert error is None

    async def test_none_said(self, world):
        """Without a time nothing is added and nothing is called."""
        upload = await world.begin()
        await send(upload, LARGE)
        assert await close(upload) is None
        assert META_MTIME not in (await world.object()).metadata
        assert {"tags", "set_tags"}.isdisjoint(world.calls)


class TestCopies:
    @pytest.mark.parametrize("tagged", [True, False])
    async def test_a_renamed_file(self, world, tagged):
        """A rename keeps the time as metadata, also where the tags of the new name replace the old one's."""
        stored = await put(world, mtime=None if tagged else THEN)
        if tagged:
            await keep_time(world.store, stored, THEN)
        new = Location("landing", "acme/out/report.csv")
        out = Route("out", ("*",), "/out", None, Storage(tags=(("team", "x"),)))
        routes = Routes((out,), Storage())
        backends = Backends(world.store, world.log, world.clock, GATEWAY)
        move = Move(PATH, "/out/report.csv", await world.object(), new, NOTHING)
        await Renames(backends, world.log, routes, world.held()).rename(SESSION, move)
        renamed = await world.object(new)
        assert await world.store.inner.tags(renamed) == (("team", "x"),)
        assert await kept_time(world.store, renamed) == THEN

    @pytest.mark.parametrize("tagged", [True, False])
    async def test_a_delivered_copy(self, tagged):
        """A delivery carries the time as metadata, however it was kept."""
        depot = Depot()
        await depot.land(b"x")
        source = await depot.objects.head(SOURCE)
        if tagged:
            await keep_time(depot.objects, source, THEN)
        await depot.worker().run_once()
        copy = await depot.objects.head(DESTINATION)
        assert copy.metadata.get(META_MTIME) == (str(THEN) if tagged else None)


async def test_a_copy_takes_tags_along_unless_it_has_its_own(world):
    """As CopyObject does: so a copy with tags of its own needs the time as metadata."""
    stored = await put(world, tags=((META_MTIME, "1"),))
    for name, tags in (("a", ()), ("b", (("team", "x"),))):
        copied = await world.store.copy(stored, NewObject(Location("lake", name), None, {}, tags=tags))
        assert await world.store.tags(copied) == (tags or ((META_MTIME, "1"),))
