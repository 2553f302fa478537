"""Wake-ups: when one leads to a delivery, and all the times it does not."""

from __future__ import annotations

import asyncio

import pytest

from tidegate.core.deliveries import DeliveryStatus, DeliveryTarget
from tidegate.core.errors import AccessDenied, StoreUnavailable
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.imports import import_id
from tidegate.core.objects import META_DELIVERED_FROM, META_TRANSFER_ID, Location, NewObject, Storage
from tidegate.core.routes import Route, Routes
from tidegate.core.transfers import Direction, TransferStatus
from tidegate.core.wakeups import Outcome, Wakeup
from tidegate.services.imports import Imports
from tidegate.services.intake import Landing
from tidegate.services.part_sender import Digest
from tidegate.services.verifying import verify
from tidegate.services.wakeups import Wakeups
from unit.services.depot import ALICE, ATTEMPTS, BOB, DESTINATION, SOURCE, TARGETS, Depot
from unit.services.faults import AFTER, BEFORE

S = DeliveryStatus
BODY = b"the report"
LAKE = DeliveryTarget("lake", "lake", "", None)


@pytest.fixture
def depot():
    return Depot()


def imports(depot, *, log=None, targets=TARGETS, routes=(), sources=("landing",)):
    landing = Landing(Routes(routes, Storage()), targets)
    log = log or depot.log
    server = "s-0123456789abcdef0"
    return Imports(depot.objects, log, depot.clock, landing, sources, server, GatewayId("gw-import"))


def wakeups(depot, gateway_id=ALICE, *, store=None, queue=None, imports=None):
    worker = depot.worker(gateway_id, store=store, queue=queue)
    return Wakeups(store or depot.objects, depot.log, worker, imports)


async def wake(depot, at=SOURCE, version_id=None, **how):
    return await wakeups(depot, **how).take(Wakeup(at.bucket, at.key, version_id))


async def put(depot, body=BODY, at=SOURCE, **metadata):
    """Store an object as anybody could."""
    stored = await depot.objects.put(NewObject(at, None, metadata), body, await Digest().take(body))
    return await depot.objects.head(at, stored.version_id)


class TestLanded:
    async def test_is_delivered(self, depot):
        """What a COMPLETED transfer owes is paid at once, and on record."""
        log_id = await depot.land(BODY)
        answer = await wake(depot)
        assert (answer.outcome, answer.log_id) == (Outcome.DELIVERED, log_id)
        assert await depot.delivered() == BODY

    async def test_again(self, depot):
        """A duplicate finds nothing owed, and copies nothing."""
        await depot.land(BODY)
        await wake(depot)
        answer = await wake(depot)
        assert answer.outcome is Outcome.NOTHING_OWED
        assert "archive DELIVERED" in answer.reason
        assert len(await depot.objects.versions(DESTINATION)) == 1

    async def test_twice_at_once(self, depot):
        """Of two functions one delivers; the other comes again, and finds it done."""
        await depot.land(BODY)
        store, _ = depot.faulty()
        gate = store.hold("copy")
        first = asyncio.create_task(wake(depot, store=store))
        await gate.reached.wait()
        assert (await wake(depot, gateway_id=BOB)).outcome is Outcome.LATER
        gate.go.set()
        assert (await first).outcome is Outcome.DELIVERED
        assert (await wake(depot, gateway_id=BOB)).outcome is Outcome.NOTHING_OWED
        assert len(await depot.objects.versions(DESTINATION)) == 1

    async def test_beside_an_embedded_worker(self, depot):
        """Whoever claims it, it is delivered once."""
        log_id = await depot.land(BODY)
        answer, _ = await asyncio.gather(wake(depot), depot.worker(BOB).run_once())
        assert answer.outcome in (Outcome.DELIVERED, Outcome.LATER, Outcome.NOTHING_OWED)
        assert (await depot.delivery(log_id)).attempts == 1
        assert len(await depot.objects.versions(DESTINATION)) == 1

    @pytest.mark.parametrize("named", [True, False])
    async def test_removed_meanwhile(self, depot, named):
        """A version that is named is delivered from under its delete marker; else nothing is there."""
        await depot.land(BODY)
        version = (await depot.objects.head(SOURCE)).version_id
        await depot.objects.delete(SOURCE)
        answer = await wake(depot, version_id=version if named else None)
        assert answer.outcome is (Outcome.DELIVERED if named else Outcome.IGNORED)

    async def test_superseded_version(self, depot):
        """An event for an older version brings the newest finished one, and ends as SUPERSEDED."""
        older = await depot.land(b"older")
        version = (await depot.objects.head(SOURCE)).version_id
        await depot.land(b"newer")
        answer = await wake(depot, version_id=version)
        assert answer.outcome is Outcome.NOTHING_OWED
        assert (await depot.delivery(older)).status is S.SUPERSEDED
        assert await depot.delivered() == b"newer"

    async def test_without_versions(self):
        """The ETag stands in for the version."""
        depot = Depot(versioned=False)
        await depot.land(BODY)
        assert (await wake(depot)).outcome is Outcome.DELIVERED

    async def test_a_key_with_everything(self, depot):
        """Names that need encoding somewhere need none here."""
        at = Location("landing", "acme/größe + 100%/日本 😀.csv")
        await depot.land(BODY, at)
        assert (await wake(depot, at)).outcome is Outcome.DELIVERED


class TestNothing:
    async def test_not_complete_yet(self, depot):
        """The event came before the record: later; and then it is delivered."""
        record = await depot.start()
        stored = await depot.put(BODY, record.log_id)
        answer = await wake(depot)
        assert answer.outcome is Outcome.LATER
        assert "STARTED" in answer.reason
        await depot.complete(record, stored)
        assert (await wake(depot)).outcome is Outcome.DELIVERED

    @pytest.mark.parametrize(
        "status", [TransferStatus.PARTIAL, TransferStatus.FAILED, TransferStatus.SUSPECT]
    )
    async def test_not_whole(self, depot, status):
        """Half a file that was kept owes nothing, whatever lies in the bucket."""
        record = await depot.start()
        stored = await depot.put(BODY, record.log_id)
        await depot.log.end(record.owner, status, depot.clock.now(), stored=stored)
        answer = await wake(depot)
        assert answer.outcome is Outcome.NOTHING_OWED
        assert status in answer.reason
        assert await depot.delivered() is None

    async def test_no_such_record(self, depot):
        """An id that somebody made up leads nowhere."""
        await depot.put(BODY, "0" * 26)
        assert (await wake(depot)).outcome is Outcome.IGNORED

    async def test_an_id_of_another_form(self, depot):
        """What is no id is not even looked for."""
        await depot.put(BODY, "../../etc")
        assert (await wake(depot)).outcome is Outcome.IGNORED

    async def test_a_copy_made_by_hand(self, depot):
        """Metadata travel with a copy; the record names another key, so nothing is owed for it."""
        log_id, copied = await depot.land(BODY), Location("landing", "copied.csv")
        await put(depot, at=copied, **{META_TRANSFER_ID: log_id})
        answer = await wake(depot, copied)
        assert answer.outcome is Outcome.IGNORED
        assert (await depot.delivery(log_id)).status is S.PENDING

    async def test_a_copy_made_by_hand_without_versions(self):
        """Same bytes, same ETag, and no version to tell them apart: the place alone says it is a copy."""
        depot, copied = Depot(versioned=False), Location("landing", "copied.csv")
        log_id = await depot.land(BODY)
        await put(depot, at=copied, **{META_TRANSFER_ID: log_id})
        assert (await wake(depot, copied)).outcome is Outcome.IGNORED
        assert (await depot.delivery(log_id)).status is S.PENDING

    async def test_another_version_with_the_id(self, depot):
        """Written over itself, as when the storage class is changed: that version is not what landed."""
        log_id = await depot.land(BODY)
        await put(depot, b"changed", **{META_TRANSFER_ID: log_id})
        assert (await wake(depot)).outcome is Outcome.IGNORED
        assert await depot.delivered() is None

    async def test_gone(self, depot):
        """What is not there owes nothing."""
        assert (await wake(depot, Location("landing", "nothing"))).outcome is Outcome.IGNORED

    async def test_nobodys_object(self, depot):
        """Without `foreign_objects: deliver`, what no partner uploaded is left alone."""
        await put(depot)
        answer = await wake(depot)
        assert answer.outcome is Outcome.IGNORED
        assert answer.log_id is None


class TestTrouble:
    async def test_a_failed_attempt(self, depot):
        """What failed comes again: the delivery is PENDING, and says why."""
        await depot.land(BODY)
        store, _ = depot.faulty()
        store.fail("copy", StoreUnavailable("S3 is away"))
        answer = await wake(depot, store=store)
        assert answer.outcome is Outcome.LATER
        assert "S3 is away" in answer.reason
        assert (await wake(depot)).outcome is Outcome.LATER  # the next attempt is not due yet
        depot.clock.advance(10)
        assert (await wake(depot)).outcome is Outcome.DELIVERED

    async def test_dead(self, depot):
        """What was given up is no event's failure: the record says DEAD, and it does not come again."""
        log_id = await depot.land(BODY)
        store, _ = depot.faulty()
        store.fail("copy", AccessDenied("no"), call=None)
        for _ in range(ATTEMPTS):
            answer = await wake(depot, store=store)
            depot.clock.advance(3600)
        assert answer.outcome is Outcome.NOTHING_OWED
        assert "DEAD" in answer.reason
        assert (await depot.delivery(log_id)).status is S.DEAD
        assert (await wake(depot)).outcome is Outcome.NOTHING_OWED

    async def test_the_lease_of_one_that_died(self, depot):
        """A worker that died holds its delivery until the lease runs out; until then: later."""
        log_id = await depot.land(BODY)
        await depot.log.claim(log_id, "archive", BOB, depot.clock.now(), depot.worker()._lease_end())
        assert (await wake(depot)).outcome is Outcome.LATER
        depot.clock.advance(61)
        assert (await wake(depot)).outcome is Outcome.DELIVERED

    async def test_s3_is_away(self, depot):
        """What cannot be looked at is an error, never an answer."""
        await depot.land(BODY)
        store, _ = depot.faulty()
        store.fail("head", StoreUnavailable("S3 is away"))
        with pytest.raises(StoreUnavailable):
            await wake(depot, store=store)


class TestForeign:
    async def test_is_imported_and_delivered(self, depot):
        """Its record says what S3 tells, and nobody's name; the delivery is one like any other."""
        stored = await put(depot)
        depot.clock.advance(5)
        answer = await wake(depot, imports=imports(depot))
        assert (answer.outcome, answer.log_id) == (Outcome.DELIVERED, import_id(stored))
        record = (await depot.log.story(answer.log_id)).transfer
        assert (record.direction, record.status) == (Direction.IMPORT, TransferStatus.COMPLETED)
        assert (record.user_name, record.path, record.sha256) == ("-", SOURCE.key, None)
        assert (record.size, record.etag, record.version_id) == (len(BODY), stored.etag, stored.version_id)
        assert (record.started_at, record.timestamp) == (stored.modified_at, depot.clock.now())
        assert record.delivery_targets == ("archive",)
        assert await depot.delivered() == BODY

    async def test_twice_at_once(self, depot):
        """Two functions write one record, and deliver once."""
        await put(depot)
        both = [wake(depot, gateway_id=each, imports=imports(depot)) for each in (ALICE, BOB)]
        first, second = await asyncio.gather(*both)
        assert first.log_id == second.log_id
        again = await wake(depot, imports=imports(depot))
        assert again.outcome is Outcome.NOTHING_OWED
        assert (await depot.delivery(again.log_id)).attempts == 1
        assert len(await depot.objects.versions(DESTINATION)) == 1

    @pytest.mark.parametrize("moment", [BEFORE, AFTER])
    async def test_a_lost_answer(self, depot, moment):
        """Whether or not the record was written, the next wake-up finds or makes it."""
        await put(depot)
        _, log = depot.faulty()
        log.fail("start_completed", StoreUnavailable("gone"), moment=moment)
        with pytest.raises(StoreUnavailable):
            await wake(depot, imports=imports(depot, log=log))
        assert (await wake(depot, imports=imports(depot))).outcome is Outcome.DELIVERED

    async def test_the_newest_stays_in_whatever_order_events_come(self, depot):
        """A late event for an older version does not set the destination back."""
        older = await put(depot, b"older")
        depot.clock.advance(1)
        newer = await put(depot, b"newer")
        await wake(depot, version_id=newer.version_id, imports=imports(depot))
        answer = await wake(depot, version_id=older.version_id, imports=imports(depot))
        assert (await depot.delivery(answer.log_id)).status is S.SUPERSEDED
        assert (await depot.log.story(answer.log_id)).transfer.superseded
        assert await depot.delivered() == b"newer"

    async def test_between_uploads(self, depot):
        """An imported version counts as finished, so an upload before it is superseded by it."""
        landed = await depot.land(b"landed")
        depot.clock.advance(1)
        await put(depot, b"by hand")
        await wake(depot, imports=imports(depot))
        await depot.worker().run_once()
        assert (await depot.delivery(landed)).status is S.SUPERSEDED
        assert await depot.delivered() == b"by hand"

    async def test_no_loop(self, depot):
        """What was delivered is not imported where it came to, nor what lies where deliveries go."""
        await put(depot, **{META_DELIVERED_FROM: "s3://landing/x"})
        assert (await wake(depot, imports=imports(depot))).outcome is Outcome.IGNORED
        await put(depot, at=DESTINATION)
        found = await wake(depot, DESTINATION, imports=imports(depot, sources=("landing", "archive")))
        assert found.outcome is Outcome.IGNORED

    @pytest.mark.parametrize("at", [Location("archive", "x"), Location("landing", "acme/in/")])
    async def test_not_from_elsewhere(self, depot, at):
        """Other buckets, and the empty objects that stand for directories, are left alone."""
        await put(depot, b"", at)
        assert (await wake(depot, at, imports=imports(depot))).outcome is Outcome.IGNORED

    @pytest.mark.parametrize(
        ("prefix", "wanted"),
        [("acme/", ("lake",)), ("${transfer:UserName}/", ("lake",)), ("other/", ("archive", "lake"))],
    )
    async def test_a_route_says_where_it_goes(self, depot, prefix, wanted):
        """Where a route leads to, its `deliver_to` holds for what others put there, too."""
        depot.objects.add_bucket("lake")
        stored = await put(depot)
        target = f"/landing/{prefix}".rstrip("/")
        route = Route("r", ("acme",), "/in", target, Storage(), deliver_to=("lake",))
        answer = await wake(depot, imports=imports(depot, targets=(*TARGETS, LAKE), routes=(route,)))
        assert answer.log_id == import_id(stored)
        assert (await depot.log.story(LogId(answer.log_id))).transfer.delivery_targets == wanted

    async def test_is_verified(self, depot):
        """What an import's record says is compared; what it does not know is left out."""
        await put(depot)
        answer = await wake(depot, imports=imports(depot))
        found = await verify(depot.objects, depot.log, answer.log_id)
        assert [each.what for each in found] == ["Bytes"]
        assert all(each.agrees for each in found)
