"""Wake-ups by files with temporary names, and by the copies that renames make of them."""

from __future__ import annotations

import pytest

from tidegate.core.deliveries import DeliveryStatus
from tidegate.core.holding import Holding
from tidegate.core.ids import LogId, new_log_id
from tidegate.core.objects import META_LOG_ID, META_RENAME_ID, Location, NewObject, Storage
from tidegate.core.routes import Routes
from tidegate.core.wakeups import Answer, Outcome, Wakeup
from tidegate.ports.objects import NOTHING
from tidegate.services.intake import Backends
from tidegate.services.moves import Move
from tidegate.services.part_sender import Digest
from tidegate.services.renames import Renames
from tidegate.services.wakeups import Wakeups
from unit.services.depot import ALICE, Depot
from unit.services.faults import AFTER, Faulty
from unit.services.world import SESSION

S = DeliveryStatus
TEMPORARY, FINAL = Location("landing", "acme/x.filepart"), Location("landing", "acme/x")
BODY = b"the report"


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture
def depot() -> Depot:
    return Depot()


async def rename(depot: Depot, new: Location = FINAL, store: Faulty | None = None) -> None:
    renames = Renames(
        Backends(store or depot.objects, depot.log, depot.clock, ALICE),
        depot.log,
        Routes((), Storage()),
        depot.held(),
        holding=Holding(("*.filepart", "*.part")),
    )
    move = Move("/x.filepart", f"/{new.key}", await depot.objects.head(TEMPORARY), new, NOTHING)
    await renames.rename(SESSION, move)


async def wake(depot: Depot, at: Location) -> Answer:
    version = (await depot.objects.head(at)).version_id
    return await Wakeups(depot.objects, depot.log, depot.worker(), None).take(
        Wakeup(at.bucket, at.key, version)
    )


async def land(depot: Depot) -> LogId:
    return await depot.land(BODY, TEMPORARY, 86400)


async def test_a_temporary_name(depot):
    """Nothing is owed yet, and nothing is copied."""
    log_id = await land(depot)
    answer = await wake(depot, TEMPORARY)
    assert (answer.outcome, answer.reason, answer.log_id) == (
        Outcome.NOTHING_OWED,
        "archive HELD",
        log_id,
    )
    assert await depot.delivered(Location("archive", "2026/acme/x.filepart")) is None


async def test_the_renamed_file(depot):
    """The event of the copy that the rename made leads to the delivery; a second one to nothing."""
    log_id = await land(depot)
    await rename(depot)
    answer = await wake(depot, FINAL)
    assert (answer.outcome, answer.log_id) == (Outcome.DELIVERED, log_id)
    assert await depot.delivered(Location("archive", "2026/acme/x")) == BODY
    assert (await wake(depot, FINAL)).outcome is Outcome.NOTHING_OWED


async def test_before_the_rename_is_settled(depot):
    """The event overtakes the rename, as it can: it has to come again."""
    await land(depot)
    store = Faulty(depot.objects)
    store.fail("copy", Killed(), moment=AFTER)
    with pytest.raises(Killed):
        await rename(depot, store=store)
    answer = await wake(depot, FINAL)
    assert (answer.outcome, answer.reason) == (Outcome.LATER, "its rename is PENDING")


async def test_to_another_temporary_name(depot):
    """What is HELD still is not delivered."""
    await land(depot)
    other = Location("landing", "acme/x.part")
    await rename(depot, other)
    answer = await wake(depot, other)
    assert (answer.outcome, answer.reason) == (Outcome.NOTHING_OWED, "archive HELD")


async def test_a_file_that_was_owed_before(depot):
    """The rename of a final name wakes nobody: what is PENDING names the file as it landed."""
    await depot.land(BODY, TEMPORARY)
    await rename(depot)
    assert (await wake(depot, FINAL)).outcome is Outcome.NOTHING_OWED


@pytest.mark.parametrize("known", [True, False])
async def test_a_copy_of_the_copy(depot, known):
    """Whoever copies a renamed file with its metadata makes nothing of ours."""
    log_id = await land(depot)
    await rename(depot)
    metadata = dict((await depot.objects.head(FINAL)).metadata)
    if not known:
        metadata |= {META_LOG_ID: new_log_id(), META_RENAME_ID: new_log_id()}
    elsewhere = Location("landing", "acme/copy")
    await depot.objects.put(NewObject(elsewhere, None, metadata), BODY, await Digest().take(BODY))
    assert (await wake(depot, elsewhere)).outcome is Outcome.IGNORED
    assert (await depot.delivery(log_id)).status is S.PENDING


async def test_an_older_version_of_the_final_name(depot):
    """Only the version that is owed is paid for: not what stood there before."""
    await depot.land(b"old", FINAL)
    old = (await depot.objects.head(FINAL)).version_id
    await depot.objects.delete(FINAL)
    log_id = await land(depot)
    await rename(depot)
    wakeups = Wakeups(depot.objects, depot.log, depot.worker(), None)
    assert (await wakeups.take(Wakeup("landing", "acme/x", old))).log_id != log_id
    assert (await depot.delivery(log_id)).status is S.PENDING
