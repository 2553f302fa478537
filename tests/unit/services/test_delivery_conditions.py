"""What a delivery may replace at the destination, and whereto it follows a file that was renamed."""

from __future__ import annotations

import asyncio

import pytest

from tidegate.core.deliveries import DeliveryStatus
from tidegate.core.errors import AccessDenied, NotFound
from tidegate.core.objects import META_DELIVERED_VERSION, Location, NewObject, Storage
from tidegate.core.routes import Routes
from tidegate.core.sessions import Session
from tidegate.ports.objects import NOTHING
from tidegate.services.intake import Backends
from tidegate.services.moves import Move
from tidegate.services.part_sender import Digest
from tidegate.services.renames import Renames
from unit.services.depot import ALICE, BOB, DESTINATION, LEASE, SOURCE, Depot
from unit.services.world import turns

S = DeliveryStatus
SESSION = Session("0123456789abcdef", "s-0123456789abcdef0", "acme", "192.0.2.7", "SSH-2.0-x", "SHA256:k")
FINAL = Location("landing", "acme/in/final.csv")


@pytest.fixture
def depot() -> Depot:
    return Depot()


async def moved(depot: Depot, source: Location = SOURCE, target: Location = FINAL) -> None:
    """Rename the file as a client does."""
    renames = Renames(
        Backends(depot.objects, depot.log, depot.clock, ALICE),
        depot.log,
        Routes((), Storage()),
        depot.held(),
    )
    stored = await depot.objects.head(source)
    await renames.rename(SESSION, Move(source.key, target.key, stored, target, NOTHING))


async def overwrite(depot: Depot, body: bytes, at: Location) -> None:
    await depot.objects.put(NewObject(at, None, {}), body, await Digest().take(body))


async def versions(depot: Depot) -> int:
    return len(await depot.objects.versions(DESTINATION))


async def test_a_late_copy_of_a_killed_worker_is_refused(depot):
    """It names what it saw at the destination; a later worker has brought something newer since."""
    older = await depot.land(b"older")
    store, _ = depot.faulty()
    gate = store.hold("copy")
    late = asyncio.create_task(depot.worker(store=store).run_once())
    await gate.reached.wait()
    newer = await depot.land(b"newer")
    depot.clock.advance(LEASE + 1)
    await depot.worker(BOB).run_once()
    # Killed: the request that had left is all that is still to come.
    store.fail("copy", AccessDenied("nobody is there to copy again"), call=None)
    gate.go.set()
    await late
    assert await depot.delivered() == b"newer"
    assert await versions(depot) == 1
    assert (await depot.delivery(newer)).status is S.DELIVERED
    assert (await depot.delivery(older)).status is S.SUPERSEDED


async def test_what_is_there_already_is_not_copied_again(depot):
    """A worker died between copying and settling: the next one finds its version, and settles."""
    log_id = await depot.land(b"body")
    _, log = depot.faulty()
    log.fail("settle")
    await depot.worker(queue=log).run_once()
    depot.clock.advance(LEASE + 1)
    store, _ = depot.faulty()
    assert await depot.worker(BOB, store=store).run_once() == 1
    assert (await depot.delivery(log_id)).status is S.DELIVERED
    assert store.count("copy") == 0
    assert (await depot.objects.head(DESTINATION)).metadata[META_DELIVERED_VERSION]


async def test_what_somebody_else_put_there_is_replaced(depot):
    """An object of another origin, there before or coming in between, does not stop a delivery."""
    await overwrite(depot, b"theirs", DESTINATION)
    log_id = await depot.land(b"body")
    store, _ = depot.faulty()
    gate = store.hold("copy")
    delivering = asyncio.create_task(depot.worker(store=store).run_once())
    await gate.reached.wait()
    await overwrite(depot, b"theirs again", DESTINATION)
    gate.go.set()
    await delivering
    assert await depot.delivered() == b"body"
    assert (await depot.delivery(log_id)).attempts == 1, "looked again within the attempt"


async def test_a_destination_one_may_only_write_to(depot):
    """Without permission to look, copies go out without a condition, as S3 allows them."""
    log_id = await depot.land(b"body")
    store, _ = depot.faulty()
    store.fail("head", AccessDenied("no s3:GetObject"), call=None, when=lambda at, *_: at == DESTINATION)
    await depot.worker(store=store).run_once()
    assert (await depot.delivery(log_id)).status is S.DELIVERED
    assert await depot.delivered() == b"body"


class TestRenamed:
    @pytest.mark.parametrize("versioned", [True, False])
    async def test_before_it_was_delivered(self, versioned):
        """It is delivered all the same, under the name it landed with, also after a second rename."""
        depot = Depot(versioned=versioned)
        log_id = await depot.land(b"body")
        await moved(depot)
        await moved(depot, FINAL, Location("landing", "acme/in/last.csv"))
        await depot.worker().run_once()
        assert (await depot.delivery(log_id)).status is S.DELIVERED
        assert await depot.delivered() == b"body"

    async def test_and_sent_again_under_the_old_name(self):
        """Without versions too, the first file is delivered from its new name and the second from the old."""
        depot = Depot(versioned=False)
        first = await depot.land(b"body")
        await moved(depot)
        await depot.worker().run_once()
        second = await depot.land(b"second")
        await depot.worker().run_once()
        assert [(await depot.delivery(each)).status for each in (first, second)] == [S.DELIVERED] * 2
        assert await depot.delivered() == b"second"

    async def test_and_replaced_there(self):
        """What was replaced under its new name is gone where there are no versions: the attempt fails."""
        depot = Depot(versioned=False)
        log_id = await depot.land(b"body")
        await moved(depot)
        await overwrite(depot, b"theirs", FINAL)
        await depot.worker().run_once()
        delivery = await depot.delivery(log_id)
        assert (delivery.status, await depot.delivered()) == (S.PENDING, None)
        assert delivery.error

    async def test_gone_without_a_rename(self):
        """What was removed is not found anywhere."""
        depot = Depot(versioned=False)
        log_id = await depot.land(b"body")
        await depot.objects.delete(SOURCE)
        await depot.worker().run_once()
        assert (await depot.delivery(log_id)).status is S.PENDING
        with pytest.raises(NotFound):
            await depot.objects.head(DESTINATION)


async def test_a_version_that_was_brought_back_owes_nothing(depot):
    """The copy that a rename brings back is passed over: the upload it was is what is delivered."""
    first = await depot.land(b"first")
    store, _ = depot.faulty()
    gate = store.hold("delete")
    backends = Backends(store, depot.log, depot.clock, ALICE)
    renames = Renames(backends, depot.log, Routes((), Storage()), depot.held())
    move = Move("/a", "/b", await depot.objects.head(SOURCE), FINAL, NOTHING)
    renaming = asyncio.create_task(renames.rename(SESSION, move))
    await gate.reached.wait()
    second = await depot.land(b"second")
    gate.go.set()
    await renaming
    await turns()
    await depot.worker().run_once()
    assert await depot.delivered() == b"second"
    statuses = [(await depot.delivery(each)).status for each in (first, second)]
    assert statuses == [S.SUPERSEDED, S.DELIVERED]
