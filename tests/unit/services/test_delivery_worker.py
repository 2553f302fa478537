"""One worker: what it delivers, what it does about trouble, and that it goes on."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta

import pytest

from tidegate.core.deliveries import DeliveryStatus
from tidegate.core.errors import AccessDenied, StoreUnavailable
from tidegate.core.objects import Location
from tidegate.core.transfers import Content, TransferStatus
from unit.services.depot import ALICE, ATTEMPTS, BOB, DESTINATION, LEASE, SOURCE, Depot, cancelled, until
from unit.services.faults import AFTER, BEFORE
from unit.services.world import turns

S = DeliveryStatus
BODY = b"the report"


@pytest.fixture
def depot():
    return Depot()


class TestDelivered:
    async def test_bytes(self, depot):
        """The destination holds the same bytes, under the target's key, and says where they came from."""
        log_id = await depot.land(BODY)
        assert await depot.worker().run_once() == 1
        assert await depot.delivered() == BODY
        stored = await depot.objects.head(DESTINATION)
        assert stored.kms_key_id == "key-archive"
        assert stored.metadata == {
            "tidegate-delivered-from": "s3://landing/acme/in/report.csv",
            "tidegate-delivered-version": (await depot.objects.head(SOURCE)).version_id,
            "tidegate-sha256": hashlib.sha256(BODY).hexdigest(),
        }
        delivery = await depot.delivery(log_id)
        assert (delivery.status, delivery.attempts, delivery.error) == (S.DELIVERED, 1, None)
        assert delivery.lease_owner is None

    async def test_once(self, depot):
        """What is delivered is not due any more."""
        await depot.land(BODY)
        worker = depot.worker()
        await worker.run_once()
        assert await worker.run_once() == 0
        assert len(await depot.objects.versions(DESTINATION)) == 1

    async def test_never_taken_for_landed(self, depot):
        """A copy carries no transfer id, so that no worker delivers it on."""
        await depot.land(BODY)
        await depot.worker().run_once()
        assert (await depot.objects.head(DESTINATION)).transfer_id is None

    async def test_a_name_that_is_not_ascii(self, depot):
        """Where it came from is said in ASCII, which is all that metadata can carry."""
        await depot.land(BODY, Location("landing", "acme/größe 💶.csv"))
        await depot.worker().run_once()
        stored = await depot.objects.head(Location("archive", "2026/acme/größe 💶.csv"))
        origin = stored.metadata["tidegate-delivered-from"]
        assert origin == "s3://landing/acme/gr\\xf6\\xdfe \\U0001f4b6.csv"

    async def test_a_name_with_line_ends(self, depot):
        """No header can carry a line end: it is escaped, and so is a backslash: no two names look alike."""
        await depot.land(BODY, Location("landing", "acme/a\nb\\n"))
        await depot.worker().run_once()
        stored = await depot.objects.head(Location("archive", "2026/acme/a\nb\\n"))
        assert stored.metadata["tidegate-delivered-from"] == "s3://landing/acme/a\\nb\\\\n"

    async def test_a_name_longer_than_metadata(self, depot):
        """S3 takes 2 KiB of metadata: a longer origin is cut, and its hash tells such names apart."""
        await depot.land(BODY, Location("landing", "acme/" + 500 * "ä" + "1"))
        await depot.land(BODY, Location("landing", "acme/" + 500 * "ä" + "2"))
        await depot.worker().run_once()
        origins = set()
        for end in "12":
            stored = await depot.objects.head(Location("archive", "2026/acme/" + 500 * "ä" + end))
            assert sum(len(name) + len(value) for name, value in stored.metadata.items()) < 2048 - 1024
            origins.add(stored.metadata["tidegate-delivered-from"])
        assert len(origins) == 2
        assert all(each.startswith("s3://landing/acme/\\xe4\\xe4") for each in origins)

    async def test_a_target_no_longer_configured(self, depot):
        """What was owed when the file landed is still paid, where it was to go."""
        log_id = await depot.land(BODY)
        await depot.worker(targets=()).run_once()
        assert await depot.delivered() == BODY
        assert (await depot.objects.head(DESTINATION)).kms_key_id is None
        assert (await depot.delivery(log_id)).status is S.DELIVERED

    async def test_many_at_once(self, depot):
        """No more copies are under way at once than are allowed, and all are made."""
        store, _ = depot.faulty()
        gate = store.hold("copy", call=None)
        for n in range(7):
            await depot.land(BODY, Location("landing", f"file-{n}"))
        working = asyncio.create_task(depot.worker(store=store, concurrency=3).run_once())
        await gate.reached.wait()
        await turns()
        assert store.count("copy") == 3
        gate.go.set()
        assert await working == 7
        for n in range(7):
            assert await depot.delivered(Location("archive", f"2026/file-{n}")) == BODY


class TestSource:
    async def test_removed(self, depot):
        """A file that was deleted after it landed is delivered from its version."""
        log_id = await depot.land(BODY)
        await depot.objects.delete(SOURCE)
        await depot.worker().run_once()
        assert await depot.delivered() == BODY
        assert (await depot.delivery(log_id)).status is S.DELIVERED

    async def test_replaced_by_a_finished_upload(self, depot):
        """The newest finished version is delivered; the older delivery is SUPERSEDED, its bytes unseen."""
        older, newer = await depot.land(b"older"), await depot.land(b"newer")
        await depot.worker(concurrency=1).run_once()
        assert await depot.delivered() == b"newer"
        assert (await depot.delivery(older)).status is S.SUPERSEDED
        assert (await depot.delivery(newer)).status is S.DELIVERED

    async def test_the_newer_one_first(self, depot):
        """A newer version that was delivered already is not replaced by the older one."""
        older = await depot.land(b"older")
        depot.clock.advance(1)
        _, log = depot.faulty()
        log.fail("claim", when=lambda log_id, *_: log_id == older)
        newer = await depot.land(b"newer")
        await depot.worker(queue=log).run_once()
        assert (await depot.delivery(newer)).status is S.DELIVERED
        await depot.worker().run_once()
        assert await depot.delivered() == b"newer"
        assert (await depot.delivery(older)).status is S.SUPERSEDED

    @pytest.mark.parametrize("end", [TransferStatus.PARTIAL, TransferStatus.SUSPECT, TransferStatus.STARTED])
    async def test_replaced_by_an_upload_that_did_not_finish(self, depot, end):
        """A newer version that is partial, held back or still open is passed over."""
        log_id = await depot.land(BODY)
        record = await depot.start()
        stored = await depot.put(b"half of it", record.log_id)
        if end is not TransferStatus.STARTED:
            content = Content(stored.size, "00")
            await depot.log.end(record.owner, end, depot.clock.now(), content=content, stored=stored)
        await depot.worker().run_once()
        assert await depot.delivered() == BODY
        assert (await depot.delivery(log_id)).status is S.DELIVERED

    @pytest.mark.parametrize("claims", ["nothing", "an unknown transfer", "this transfer"])
    async def test_replaced_by_somebody_else(self, depot, claims):
        """A newer version that no upload of ours wrote is passed over, whatever it says of itself."""
        log_id = await depot.land(BODY)
        transfer_id = {"nothing": None, "an unknown transfer": "01", "this transfer": log_id}[claims]
        await depot.put(b"foreign", transfer_id)
        await depot.worker().run_once()
        assert await depot.delivered() == BODY
        assert (await depot.delivery(log_id)).status is S.DELIVERED

    async def test_replaced_without_versions(self):
        """Where the bucket keeps no versions, other bytes than those recorded are never delivered."""
        depot = Depot(versioned=False)
        log_id = await depot.land(BODY)
        await depot.put(b"foreign", None)
        await depot.worker().run_once()
        assert await depot.delivered() is None
        delivery = await depot.delivery(log_id)
        assert delivery.status is S.PENDING
        assert "another ETag" in delivery.error

    async def test_delivered_without_versions(self):
        """Where the bucket keeps no versions, what was recorded is delivered as long as it is there."""
        depot = Depot(versioned=False)
        log_id = await depot.land(BODY)
        await depot.worker().run_once()
        assert await depot.delivered() == BODY
        assert (await depot.delivery(log_id)).status is S.DELIVERED

    async def test_gone_for_good(self):
        """A source that is gone is tried a number of times, and then DEAD."""
        depot = Depot(versioned=False)
        log_id = await depot.land(BODY)
        await depot.objects.delete(SOURCE)
        for _ in range(ATTEMPTS):
            await depot.worker().run_once()
            depot.clock.advance(1000)
        delivery = await depot.delivery(log_id)
        assert (delivery.status, delivery.attempts) == (S.DEAD, ATTEMPTS)

    async def test_never_at_rest(self, depot):
        """A key that is overwritten again and again within one attempt is tried again later."""
        log_id = await depot.land(b"0")
        store, _ = depot.faulty()
        copy, count = depot.objects.copy, 0

        async def overtaken(source, new, *, replacing):
            nonlocal count
            count += 1
            await depot.land(str(count).encode())
            return await copy(source, new, replacing=replacing)

        depot.objects.copy = overtaken
        await depot.worker(store=store)._attempt(log_id, "archive")
        delivery = await depot.delivery(log_id)
        assert delivery.status is S.PENDING
        assert "changed 5 times" in delivery.error


class TestTrouble:
    async def test_backoff(self, depot):
        """Each failed attempt is told on the item, and the next is due after a pause that grows."""
        store, _ = depot.faulty()
        store.fail("copy", AccessDenied("no key"), call=None)
        log_id = await depot.land(BODY)
        worker = depot.worker(store=store)
        for attempt in range(1, ATTEMPTS):
            assert await worker.run_once() == 1
            delivery, now = await depot.delivery(log_id), depot.clock.now()
            assert (delivery.status, delivery.attempts, delivery.error) == (S.PENDING, attempt, "no key")
            pause = 2 ** (attempt - 1)
            assert timedelta(seconds=pause / 2) <= delivery.due_at - now <= timedelta(seconds=pause)
            assert await worker.run_once() == 0, "not due yet"
            depot.clock.advance(pause)

    async def test_dead(self, depot):
        """After the last attempt it is DEAD, due no more, and says why."""
        store, _ = depot.faulty()
        store.fail("copy", call=None)
        log_id = await depot.land(BODY)
        for _ in range(ATTEMPTS + 2):
            await depot.worker(store=store).run_once()
            depot.clock.advance(1000)
        delivery = await depot.delivery(log_id)
        assert (delivery.status, delivery.attempts) == (S.DEAD, ATTEMPTS)
        assert delivery.error == "copy: no answer"

    async def test_down_and_up_again(self, depot):
        """A target that comes back gets what it is owed, and the error is gone."""
        store, _ = depot.faulty()
        store.fail("copy", call=None)
        log_id = await depot.land(BODY)
        worker = depot.worker(store=store)
        await worker.run_once()
        store.heal()
        depot.clock.advance(1)
        await worker.run_once()
        assert await depot.delivered() == BODY
        delivery = await depot.delivery(log_id)
        assert (delivery.status, delivery.attempts, delivery.error) == (S.DELIVERED, 2, None)

    async def test_the_pause_counts_from_the_failure(self, depot):
        """An attempt that fails after a long time is not due again at once."""
        store, _ = depot.faulty()
        gate = store.hold("copy")
        store.fail("copy")
        log_id = await depot.land(BODY)
        working = asyncio.create_task(depot.worker(store=store).run_once())
        await gate.reached.wait()
        depot.clock.advance(500)
        gate.go.set()
        await working
        delivery = await depot.delivery(log_id)
        assert delivery.timestamp == depot.clock.now()
        assert delivery.due_at > depot.clock.now()

    async def test_an_unexpected_error(self, depot, told):
        """An error nobody foresaw counts as an attempt and is told with its traceback."""
        store, _ = depot.faulty()
        store.fail("copy", KeyError("CopyObjectResult"))
        log_id = await depot.land(BODY)
        await depot.worker(store=store).run_once()
        delivery = await depot.delivery(log_id)
        assert (delivery.status, delivery.error) == (S.PENDING, "KeyError('CopyObjectResult')")
        assert any(event["event"] == "delivery failed" and event["exc_info"] for event in told)

    async def test_copied_and_the_answer_lost(self, depot):
        """A copy whose answer was lost is made once more, to the same bytes."""
        store, _ = depot.faulty()
        store.fail("copy", moment=AFTER)
        log_id = await depot.land(BODY)
        worker = depot.worker(store=store)
        await worker.run_once()
        assert (await depot.delivery(log_id)).status is S.PENDING
        depot.clock.advance(1)
        await worker.run_once()
        assert await depot.delivered() == BODY
        assert (await depot.delivery(log_id)).status is S.DELIVERED

    @pytest.mark.parametrize(("moment", "status"), [(BEFORE, S.PENDING), (AFTER, S.DELIVERED)])
    async def test_not_settled(self, depot, moment, status):
        """An outcome that could not be written is found out again when the lease has run out."""
        _, log = depot.faulty()
        log.fail("settle", moment=moment)
        log_id = await depot.land(BODY)
        worker = depot.worker(queue=log)
        await worker.run_once()
        assert (await depot.delivery(log_id)).status is status
        assert await worker.run_once() == 0
        depot.clock.advance(LEASE)
        await worker.run_once()
        assert await depot.delivered() == BODY
        assert (await depot.delivery(log_id)).status is S.DELIVERED

    async def test_not_claimed(self, depot):
        """A claim that fails leaves the others alone."""
        _, log = depot.faulty()
        one, two = [await depot.land(BODY, Location("landing", f"file-{n}")) for n in range(2)]
        log.fail("claim", when=lambda log_id, *_: log_id == one)
        await depot.worker(queue=log).run_once()
        assert (await depot.delivery(one)).status is S.PENDING
        assert (await depot.delivery(two)).status is S.DELIVERED

    async def test_a_stale_row(self, depot):
        """What the index shows and the item denies is passed over."""
        log_id = await depot.land(BODY)
        await depot.worker(BOB).run_once()
        _, log = depot.faulty()
        worker = depot.worker(queue=log)
        assert await worker._attempt(log_id, "archive") is False
        assert await worker._attempt(log_id, "nowhere") is False
        assert log.count("settle") == 0

    async def test_a_row_shown_twice(self, depot):
        """What the index shows twice is attempted once."""
        await depot.land(BODY)
        due = depot.log.due

        async def twice(shard, now, limit=100):
            rows = await due(shard, now, limit)
            return rows + rows

        depot.log.due = twice
        assert await depot.worker().run_once() == 1


class TestRun:
    async def test_woken(self, depot):
        """A worker that is told of an upload does not wait for its next round."""
        worker = depot.worker()
        running = asyncio.create_task(worker.run())
        await turns()
        log_id = await depot.land(BODY)
        worker.wake()
        await depot.until(log_id, S.DELIVERED)
        await cancelled(running)

    async def test_by_itself(self, depot):
        """A worker that nobody wakes looks by itself after each interval."""
        running = asyncio.create_task(depot.worker(poll_seconds=0.001).run())
        await turns()
        log_id = await depot.land(BODY)
        await depot.until(log_id, S.DELIVERED)
        await cancelled(running)

    @pytest.mark.parametrize("error", [StoreUnavailable("throttled"), KeyError("Items")])
    async def test_the_log_cannot_be_asked(self, depot, told, error):
        """A round that fails, for whatever reason, is told, and the next one comes."""
        _, log = depot.faulty()
        log.fail("due", error, call=5)
        log_id = await depot.land(BODY)
        running = asyncio.create_task(depot.worker(queue=log, poll_seconds=0.001).run())
        await depot.until(log_id, S.DELIVERED)
        assert told[0]["event"] == "deliveries paused"
        assert not running.done()
        await cancelled(running)

    async def test_a_long_copy_holds_nobody_up(self, depot):
        """While one copy takes its time, deliveries that come after it are found and made."""
        store, _ = depot.faulty()
        gate = store.hold("copy")
        worker = depot.worker(store=store)
        running = asyncio.create_task(worker.run())
        slow = await depot.land(b"slow", Location("landing", "slow"))
        worker.wake()
        await gate.reached.wait()
        quick = await depot.land(BODY)
        worker.wake()
        await depot.until(quick, S.DELIVERED)
        assert (await depot.delivery(slow)).status is S.PENDING
        worker.wake()
        await turns()
        assert store.count("copy") == 2, "what is under way is not begun again"
        gate.go.set()
        await until(lambda: not worker._under_way)
        assert (await depot.delivery(slow)).status is S.DELIVERED
        await cancelled(running)

    async def test_what_waits_for_its_turn_is_not_begun_again(self, depot):
        """However often the worker looks, each delivery is claimed once."""
        store, log = depot.faulty()
        gate = store.hold("copy")
        for n in range(3):
            await depot.land(BODY, Location("landing", f"file-{n}"))
        worker = depot.worker(store=store, queue=log, concurrency=1)
        running = asyncio.create_task(worker.run())
        await gate.reached.wait()
        for _ in range(5):
            worker.wake()
            await turns()
        assert len(worker._under_way) == 3
        gate.go.set()
        await until(lambda: not worker._under_way)
        assert log.count("claim") == 3
        await cancelled(running)

    async def test_stopped(self, depot):
        """A worker that is stopped leaves nothing running; what it had claimed is due after the lease."""
        store, _ = depot.faulty()
        gate = store.hold("copy")
        log_id = await depot.land(BODY)
        worker = depot.worker(store=store)
        running = asyncio.create_task(worker.run())
        await gate.reached.wait()
        await cancelled(running)
        assert not worker._under_way
        assert depot.clock.sleepers == 0
        assert (await depot.delivery(log_id)).lease_owner == ALICE
        depot.clock.advance(LEASE)
        assert await depot.worker(BOB).run_once() == 1
        assert await depot.delivered() == BODY


async def test_one_line_an_attempt(depot, told):
    """Each attempt is told: which file, where to, how it went."""
    store, _ = depot.faulty()
    store.fail("copy")
    await depot.land(BODY)
    await depot.worker(store=store).run_once()
    depot.clock.advance(1)
    await depot.worker(store=store).run_once()
    lines = [event for event in told if event["event"] == "delivery attempted"]
    assert [line["status"] for line in lines] == ["PENDING", "DELIVERED"]
    assert [line["reason"] for line in lines] == ["copy: no answer", None]
    assert lines[0]["destination"] == "s3://archive/2026/acme/in/report.csv"
