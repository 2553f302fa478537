"""What a name means while it is written, replaced, failed; and what a client may set of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tidegate.core.attributes import WantedAttributes
from tidegate.core.behaviour import PRESETS
from tidegate.core.errors import NotFound, Unsupported
from tidegate.core.objects import META_MTIME, NewObject, Storage
from tidegate.core.paths import HomeTree
from tidegate.core.routes import Routes
from tidegate.core.users import Home
from tidegate.services.attributes import Attributes
from tidegate.services.browsing import Browsing
from tidegate.services.downloads import Downloads
from tidegate.services.intake import Backends
from tidegate.services.part_sender import Digest
from tidegate.services.renames import Renames
from unit.services.faults import AFTER
from unit.services.world import GATEWAY, HERE, PATH, SESSION, SMALL, World, close, send

THEN = 1_600_000_000
SAFE, FAMILY = PRESETS["partner-safe"], PRESETS["transfer-family"]
NO_OP = replace(FAMILY, setstat="no_op")
OLD = b"the old version"


class Desk:
    """One session's attributes over a world, and the uploads they tell of."""

    def __init__(self, world: World, behaviour=SAFE) -> None:
        self.world = world
        self.uploads = world.uploads(one_writer=behaviour.one_writer)
        tree, routes = HomeTree(Home.chroot("/landing/acme"), "acme"), Routes((), Storage())
        backends = Backends(world.store, world.log, world.clock, GATEWAY)
        browsing = Browsing(
            tree, SESSION, world.store, Renames(backends, world.log, routes, world.held()), routes
        )
        self.attributes = Attributes(tree, SESSION, browsing, world.store, self.uploads, behaviour)

    async def begin(self, body: bytes = SMALL):
        upload = await self.world.begin(self.uploads)
        await send(upload, body)
        return upload

    async def size(self) -> int | None:
        try:
            return (await self.attributes.stat(PATH)).size
        except NotFound:
            return None

    async def set(self, **wanted: int) -> None:
        await self.attributes.set(PATH, WantedAttributes(**wanted))


async def put(world: World, body: bytes = OLD) -> None:
    await world.store.inner.put(NewObject(HERE, None, {}), body, await Digest().take(body))


@pytest.fixture
def desk(world):
    return Desk(world)


class TestStatWhileWriting:
    async def test_a_new_file(self, desk):
        """partner-safe tells the bytes received so far and the present time; after CLOSE, what is stored."""
        upload = await desk.begin()
        entry = await desk.attributes.stat(PATH)
        assert (entry.name, entry.size) == ("report.csv", len(SMALL))
        assert entry.modified_at == desk.world.clock.now()
        await upload.write(len(SMALL), b"more")
        assert await desk.size() == len(SMALL) + 4
        assert await close(upload) is None
        assert await desk.size() == len(SMALL) + 4

    async def test_a_new_file_at_aws(self, world):
        """Transfer Family shows nothing before CLOSE."""
        desk = Desk(world, FAMILY)
        upload = await desk.begin()
        assert await desk.size() is None
        assert await close(upload) is None
        assert await desk.size() == len(SMALL)

    @pytest.mark.parametrize("behaviour", [SAFE, FAMILY])
    async def test_a_file_being_replaced(self, world, behaviour):
        """Its name means the old version until CLOSE, as it does to OPEN and READDIR."""
        desk = Desk(world, behaviour)
        await put(world)
        upload = await desk.begin()
        assert await desk.size() == len(OLD)
        assert await close(upload) is None
        assert await desk.size() == len(SMALL)

    @pytest.mark.parametrize("replaced", [True, False])
    async def test_after_a_failed_close(self, desk, replaced):
        """The old version or nothing, never the failed one."""
        if replaced:
            await put(desk.world)
        upload = await desk.begin()
        await upload.set_size(1000)
        assert await close(upload) is not None
        assert await desk.size() == (len(OLD) if replaced else None)

    async def test_while_a_close_fails(self, desk):
        """Nor while its failure is still being recorded."""
        upload = await desk.begin()
        await upload.set_size(1000)
        gate = desk.world.log.hold("end")
        closing = asyncio.create_task(close(upload))
        await gate.reached.wait()
        assert await desk.size() is None
        gate.go.set()
        assert await closing is not None

    async def test_after_a_failed_write(self, desk):
        """What can never be published is not shown, though the client has not closed it yet."""
        upload = await desk.begin()
        with pytest.raises(Exception, match="gap"):
            await upload.write(1000, b"x")
        assert await desk.size() is None

    async def test_after_the_client_left(self, desk):
        """Nor what was given up, while its ending is still under way."""
        upload = await desk.begin()
        gate = desk.world.log.hold("end")
        upload.abandon_later("gone")
        await gate.reached.wait()
        assert await desk.size() is None
        gate.go.set()
        await desk.uploads.all_ended()

    async def test_closed_while_s3_is_asked(self, desk):
        """An upload that ends between the question to S3 and the answer is not missed."""
        upload = await desk.begin()
        inner = desk.world.store.inner.head

        async def head(*args):
            desk.world.store.inner.head = inner
            try:
                return await inner(*args)
            finally:
                assert await close(upload) is None

        desk.world.store.inner.head = head
        assert await desk.size() == len(SMALL)

    async def test_the_handle(self, desk):
        """FSTAT tells the bytes received, and a time that was set."""
        upload = await desk.begin()
        await desk.attributes.set_open(upload, WantedAttributes(mtime=THEN))
        entry = await desk.attributes.stat_open(upload)
        assert (entry.size, int(entry.modified_at.timestamp())) == (len(SMALL), THEN)


class TestTimes:
    async def test_by_path(self, desk):
        """A time set on a stored file is shown from then on, by name and by handle."""
        await put(desk.world)
        await desk.set(mtime=THEN)
        assert int((await desk.attributes.stat(PATH)).modified_at.timestamp()) == THEN
        world = desk.world
        downloads = Downloads(world.store, world.log, world.clock, GATEWAY, world.budget, 16)
        download = await downloads.begin(SESSION, PATH, HERE)
        assert int((await desk.attributes.stat_open(download)).modified_at.timestamp()) == THEN
        await desk.attributes.set_open(download, WantedAttributes(size=len(OLD), mtime=THEN + 1))
        with pytest.raises(Unsupported):
            await desk.attributes.set_open(download, WantedAttributes(size=1))
        assert int((await desk.attributes.stat(PATH)).modified_at.timestamp()) == THEN + 1

    async def test_the_object_is_not_written_again(self, desk):
        """One version before, one version after."""
        await put(desk.world)
        await desk.set(mtime=THEN)
        assert len(await desk.world.store.inner.versions(HERE)) == 1
        assert {"put", "copy"}.isdisjoint(desk.world.calls)

    async def test_of_a_file_being_written(self, desk):
        """A time set by name before CLOSE goes into the object's metadata."""
        upload = await desk.begin()
        await desk.set(mtime=THEN)
        assert await close(upload) is None
        assert (await desk.world.object()).metadata[META_MTIME] == str(THEN)

    async def test_an_answer_that_is_late(self, desk):
        """A tag whose answer was lost is not the client's concern."""
        await put(desk.world)
        desk.world.store.fail("set_tags", moment=AFTER)
        await desk.set(mtime=THEN)
        assert int((await desk.attributes.stat(PATH)).modified_at.timestamp()) == THEN

    async def test_directories_accept_and_forget(self, desk):
        """`put -rp` sets the times of directories: S3 has none to keep them on."""
        await desk.attributes.set("/", WantedAttributes(mtime=THEN))
        assert (await desk.attributes.stat("/")).modified_at is None
        with pytest.raises(Unsupported):
            await desk.attributes.set("/", WantedAttributes(size=0))


class TestSizes:
    async def test_of_a_stored_file(self, desk):
        """Its own size is accepted, any other refused, and the file stays."""
        await put(desk.world)
        await desk.set(size=len(OLD))
        for size in (0, len(OLD) - 1, len(OLD) + 1):
            with pytest.raises(Unsupported):
                await desk.set(size=size)
        assert await desk.world.content() == OLD

    async def test_nothing_there(self, desk):
        """What is not there has no attributes."""
        with pytest.raises(NotFound):
            await desk.set(mtime=THEN)


class TestAsAws:
    async def test_refused(self, world):
        """SetStatOption DEFAULT: unsupported, by name and by handle, without a look at S3."""
        desk = Desk(world, FAMILY)
        upload = await desk.begin()
        before = len(world.calls)
        with pytest.raises(Unsupported) as by_name:
            await desk.set(mtime=THEN)
        with pytest.raises(Unsupported) as by_handle:
            await desk.attributes.set_open(upload, WantedAttributes(size=1))
        assert {by_name.value.text, by_handle.value.text} == {"SETSTAT unsupported"}
        assert len(world.calls) == before
        assert await close(upload) is None

    async def test_no_op(self, world):
        """ENABLE_NO_OP: OK, and nothing is changed, whatever is set."""
        desk = Desk(world, NO_OP)
        upload = await desk.begin()
        await desk.attributes.set_open(upload, WantedAttributes(size=1, mtime=THEN))
        assert await close(upload) is None
        await desk.set(size=1, mtime=THEN)
        assert await world.content() == SMALL
        assert META_MTIME not in (await world.object()).metadata
        assert "set_tags" not in world.calls

    async def test_a_kept_time_is_not_shown(self, world):
        """At AWS the time is S3's: a bucket that was partner-safe before looks as it does there."""
        await put(world)
        await Desk(world).set(mtime=THEN)
        stored = await world.object()
        assert (await Desk(world, FAMILY).attributes.stat(PATH)).modified_at == stored.modified_at
