"""What a sweep makes of every thing a dead gateway can leave."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from support.checksums import crc32, whole
from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.leases import MemoryGatewayLeases
from tidegate.adapters.memory.objects import MemoryObjectStore
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.core.deliveries import DeliveryStatus, DeliveryTarget
from tidegate.core.errors import ChangedMeanwhile, NotFound, StoreUnavailable
from tidegate.core.ids import GatewayId, LogId, UploadId, new_log_id
from tidegate.core.objects import (
    META_BYTES,
    META_OUTCOME,
    META_SHA256,
    META_TRANSFER_ID,
    Location,
    NewObject,
    Storage,
    StoredObject,
)
from tidegate.core.renames import Rename, RenameStatus
from tidegate.core.routes import Routes
from tidegate.core.sessions import Session
from tidegate.core.transfers import Content, Direction, TransferRecord, TransferStatus
from tidegate.ports.objects import NOTHING
from tidegate.services.held import Held
from tidegate.services.intake import Backends
from tidegate.services.leases import Lease
from tidegate.services.renames import Renames
from tidegate.services.sweep import Sweep

SERVER = "s-0123456789abcdef0"
DEAD, ALIVE, SWEEPER = GatewayId("gw-dead"), GatewayId("gw-alive"), GatewayId("gw-sweeper")
THERE = Location("landing", "acme/report.csv")
BODY = b"a report, whole"
CONTENT = Content(len(BODY), hashlib.sha256(BODY).hexdigest())
TARGETS = (DeliveryTarget("private", "private", "", None), DeliveryTarget("later", "later", "", None))


class House:
    """A table and a bucket that gateways left things in, and a sweeper that has looked long enough."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.store = MemoryObjectStore(["landing", "private"], min_part_bytes=1, clock=self.clock)
        self.log = MemoryTransferLog(self.clock)
        self.leases = MemoryGatewayLeases()
        self.lease = Lease(self.leases, self.clock, SERVER, SWEEPER, 60)
        backends = Backends(self.store, self.log, self.clock, SWEEPER, self.lease.is_fresh)
        self.renames = Renames(
            backends,
            self.log,
            Routes((), Storage()),
            Held(self.store, self.log, self.log, self.clock),
        )
        self.open_here: set[str] = set()
        self.owed = 0
        self.sweep = Sweep(
            store=self.store,
            log=self.log,
            rename_log=self.log,
            kept_log=self.log,
            renames=self.renames,
            clock=self.clock,
            lease=self.lease,
            targets=TARGETS,
            is_open_here=lambda log_id: log_id in self.open_here,
            on_owed=self._count,
        )

    def _count(self) -> None:
        self.owed += 1

    async def started(
        self, log_id: str = "log-1", gateway: GatewayId = DEAD, hold_seconds: int | None = None
    ) -> TransferRecord:
        now = self.clock.now()
        record = TransferRecord(
            log_id=LogId(log_id),
            direction=Direction.UPLOAD,
            status=TransferStatus.STARTED,
            user_name="acme",
            server_id=SERVER,
            session_id="0123456789abcdef",
            client_ip="127.0.0.1",
            client_version="SSH-2.0-test",
            key_fingerprint="SHA256:x",
            path="/report.csv",
            bucket=THERE.bucket,
            object_key=THERE.key,
            started_at=now,
            timestamp=now,
            gateway_id=gateway,
            delivery_targets=("private",),
            hold_seconds=hold_seconds,
        )
        await self.log.start(record)
        return record

    async def put(self, log_id: str, outcome: str = "complete") -> StoredObject:
        metadata = {
            META_TRANSFER_ID: log_id,
            META_OUTCOME: outcome,
            META_BYTES: str(CONTENT.size),
            META_SHA256: CONTENT.sha256,
        }
        return await self.store.put(NewObject(THERE, None, metadata), BODY, crc32(BODY))

    async def multipart(self, record: TransferRecord) -> UploadId:
        new = NewObject(THERE, None, {META_TRANSFER_ID: record.log_id})
        upload_id = await self.store.create_multipart(new)
        await self.log.set_upload_id(record.owner, upload_id)
        return upload_id

    async def complete(self, upload_id: UploadId) -> StoredObject:
        receipt = await self.store.upload_part(THERE, upload_id, 1, BODY, crc32(BODY))
        return await self.store.complete_multipart(THERE, upload_id, [receipt], whole(BODY))

    async def everybody_looked(self) -> None:
        """Let a lease pass in which only the living moved their counters."""
        self.lease.is_dead(DEAD)
        for _ in range(4):
            await self.leases.renew(SERVER, ALIVE)
            await self.lease.tick()
            self.clock.advance(20)

    async def status(self, log_id: str = "log-1") -> TransferStatus:
        return (await self.log.story(LogId(log_id))).transfer.status


@pytest.fixture
def house() -> House:
    return House()


async def test_a_record_with_nothing_behind_it_is_abandoned(house: House) -> None:
    """STARTED, and not one byte in S3."""
    await house.started()
    await house.everybody_looked()

    [swept] = await house.sweep.run_once()

    assert (swept.before, swept.after) == (TransferStatus.STARTED, TransferStatus.ABANDONED)
    story = await house.log.story(LogId("log-1"))
    assert story.transfer.status is TransferStatus.ABANDONED
    assert story.deliveries == ()


async def test_an_unfinished_multipart_upload_is_aborted(house: House) -> None:
    """No parts are left to be paid for, and the record has its end."""
    await house.multipart(await house.started())
    await house.everybody_looked()

    await house.sweep.run_once()

    assert house.store.open_uploads == {}
    assert await house.status() is TransferStatus.ABANDONED


async def test_a_small_file_that_was_stored_is_completed_with_what_it_owes(house: House) -> None:
    """The PutObject went out only because the client sent CLOSE."""
    record = await house.started()
    stored = await house.put(record.log_id)
    await house.everybody_looked()

    await house.sweep.run_once()

    story = await house.log.story(LogId("log-1"))
    assert story.transfer.status is TransferStatus.COMPLETED
    assert (story.transfer.size, story.transfer.sha256) == (CONTENT.size, CONTENT.sha256)
    assert story.transfer.version_id == stored.version_id
    [delivery] = story.deliveries
    assert (delivery.status, delivery.version_id) == (DeliveryStatus.PENDING, stored.version_id)
    assert house.owed == 1


async def test_what_a_temporary_name_owes_is_held(house: House) -> None:
    """Its record says for how long; the sweeper's own configuration has no say in it."""
    record = await house.started(hold_seconds=3600)
    await house.put(record.log_id)
    await house.everybody_looked()

    await house.sweep.run_once()

    [delivery] = (await house.log.story(LogId("log-1"))).deliveries
    assert delivery.status is DeliveryStatus.HELD
    assert delivery.due_at == house.clock.now() + timedelta(hours=1)


async def test_a_finishing_upload_whose_object_is_there_is_completed(house: House) -> None:
    """The answer of CompleteMultipartUpload was lost with the gateway."""
    record = await house.started()
    upload_id = await house.multipart(record)
    await house.log.finishing(record.owner, CONTENT, house.clock.now())
    stored = await house.complete(upload_id)
    await house.everybody_looked()

    await house.sweep.run_once()

    transfer = (await house.log.story(LogId("log-1"))).transfer
    assert transfer.status is TransferStatus.COMPLETED
    assert transfer.version_id == stored.version_id


async def test_a_finishing_upload_whose_object_is_not_there_is_abandoned(house: House) -> None:
    """The client never read OK; it sends the file again."""
    record = await house.started()
    await house.multipart(record)
    await house.log.finishing(record.owner, CONTENT, house.clock.now())
    await house.everybody_looked()

    await house.sweep.run_once()

    assert await house.status() is TransferStatus.ABANDONED
    assert house.store.open_uploads == {}


async def test_what_was_stored_of_a_dropped_upload_is_partial_and_owes_nothing(house: House) -> None:
    """By its metadata, or because an object was completed from STARTED."""
    small = await house.started("log-1")
    await house.put(small.log_id, outcome="partial")
    large = await house.started("log-2")
    await house.complete(await house.multipart(large))
    await house.everybody_looked()

    await house.sweep.run_once()

    for log_id in ("log-1", "log-2"):
        story = await house.log.story(LogId(log_id))
        assert story.transfer.status is TransferStatus.PARTIAL
        assert story.deliveries == ()


async def test_an_object_of_somebody_else_under_the_key_decides_nothing(house: House) -> None:
    """S3 is asked by transfer id, never by key alone."""
    await house.started()
    await house.put("another-log")
    await house.everybody_looked()

    await house.sweep.run_once()

    assert await house.status() is TransferStatus.ABANDONED


async def test_a_swept_upload_that_was_overtaken_says_so(house: House) -> None:
    """Its own version is recorded, and that a later one is current."""
    record = await house.started()
    stored = await house.put(record.log_id)
    await house.put("a-later-one")
    await house.everybody_looked()

    await house.sweep.run_once()

    transfer = (await house.log.story(LogId("log-1"))).transfer
    assert transfer.version_id == stored.version_id
    assert transfer.superseded


async def test_the_living_are_left_alone(house: House) -> None:
    """However long their uploads take."""
    await house.started(gateway=ALIVE)
    await house.everybody_looked()

    assert await house.sweep.run_once() == []
    assert await house.status() is TransferStatus.STARTED


async def test_nobody_is_swept_before_a_lease_of_looking(house: House) -> None:
    """A sweeper that has just started knows nothing yet."""
    await house.started()
    await house.lease.tick()

    assert await house.sweep.run_once() == []


async def test_ones_own_records_are_swept_if_no_open_file_stands_behind_them(house: House) -> None:
    """An upload whose outcome was unknown does not wait for its gateway to die."""
    await house.started("log-1", gateway=SWEEPER)
    await house.started("log-2", gateway=SWEEPER)
    house.open_here.add("log-2")

    await house.sweep.run_once()

    assert await house.status("log-1") is TransferStatus.ABANDONED
    assert await house.status("log-2") is TransferStatus.STARTED


async def test_a_swept_owner_can_write_nothing_any_more(house: House) -> None:
    """The fence: woken after its lease, it finds the record is not its own."""
    record = await house.started()
    await house.everybody_looked()
    await house.sweep.run_once()

    with pytest.raises(ChangedMeanwhile):
        await house.log.finishing(record.owner, CONTENT, house.clock.now())
    stored = await house.put(record.log_id)
    with pytest.raises(ChangedMeanwhile):
        await house.log.complete(record.owner, CONTENT, stored, (), superseded=False, at=house.clock.now())


async def test_what_a_dead_sweeper_left_is_swept_too(house: House) -> None:
    """SWEEPING under a gateway that is gone is as open as STARTED."""
    record = await house.started(gateway=GatewayId("gw-long-gone"))
    stored = await house.put(record.log_id)
    await house.log.take_over(record, DEAD, house.clock.now())
    await house.everybody_looked()

    [swept] = await house.sweep.run_once()

    assert (swept.before, swept.after) == (TransferStatus.SWEEPING, TransferStatus.COMPLETED)
    assert (await house.log.story(LogId("log-1"))).transfer.version_id == stored.version_id


async def test_two_sweepers_end_a_record_once(house: House) -> None:
    """The second finds it taken."""
    await house.started()
    await house.everybody_looked()
    record = (await house.log.story(LogId("log-1"))).transfer
    await house.log.take_over(record, SWEEPER, house.clock.now())

    with pytest.raises(ChangedMeanwhile):
        await house.log.take_over(replace(record), GatewayId("gw-second"), house.clock.now())


async def test_a_dry_run_tells_and_changes_nothing(house: House) -> None:
    """What would be swept, as it stands."""
    await house.multipart(await house.started())
    await house.everybody_looked()

    [swept] = await house.sweep.run_once(dry_run=True)

    assert (swept.log_id, swept.before, swept.after) == ("log-1", TransferStatus.STARTED, None)
    assert await house.status() is TransferStatus.STARTED
    assert len(house.store.open_uploads) == 1


async def test_the_lease_of_a_dead_gateway_is_dropped_once_nothing_of_it_is_open(house: House) -> None:
    """In the sweep after the one that ended its last record."""
    await house.leases.renew(SERVER, DEAD)
    await house.started()
    await house.everybody_looked()

    await house.sweep.run_once()
    assert DEAD in await house.leases.counters(SERVER)
    await house.sweep.run_once()

    assert DEAD not in await house.leases.counters(SERVER)


async def test_the_records_of_another_server_are_not_ours_to_end(house: House) -> None:
    """It may share the table; its gateways' leases stand elsewhere, so they would all look dead."""
    ours = await house.started("log-1")
    await house.log.start(replace(ours, log_id=LogId("log-2"), server_id="s-0000000000000000b"))
    await house.everybody_looked()

    await house.sweep.run_once()

    assert await house.status("log-1") is TransferStatus.ABANDONED
    assert await house.status("log-2") is TransferStatus.STARTED


async def test_an_upload_nobody_named_is_aborted_once_it_is_old_enough(house: House) -> None:
    """Its id was lost with its gateway; while it is young it may be a living gateway's, and is left."""
    await house.started()
    await house.everybody_looked()
    await house.store.create_multipart(NewObject(THERE, None, {META_TRANSFER_ID: "log-1"}))

    await house.sweep.run_once()
    assert len(house.store.open_uploads) == 1
    assert await house.status() is TransferStatus.SWEEPING

    house.clock.advance(30)
    await house.sweep.run_once()
    assert house.store.open_uploads == {}
    assert await house.status() is TransferStatus.ABANDONED


# --- renames --------------------------------------------------------------------------------

SESSION = Session("0123456789abcdef", SERVER, "acme", "192.0.2.7", "SSH-2.0-x", "SHA256:k")
ELSEWHERE = Location("landing", "acme/final.csv")


async def intended(house: House, gateway: GatewayId = DEAD, server: str = SERVER) -> Rename:
    """Let a gateway intend a rename of the file, and go no further."""
    stored = await house.put(new_log_id())
    session = replace(SESSION, server_id=server)
    paths = ("/report.csv", "/final.csv")
    rename = Rename.begun(session, paths, stored, ELSEWHERE, NOTHING, gateway, house.clock.now())
    await house.log.intend(rename)
    return rename


async def test_a_rename_of_a_dead_gateway_is_finished(house: House) -> None:
    """It is taken over, carried out and settled; after that the lease of the dead is forgotten."""
    rename = await intended(house)
    await house.leases.renew(SERVER, DEAD)
    await house.everybody_looked()
    [dry] = await house.sweep.run_once(dry_run=True)
    assert (dry.log_id, dry.before, dry.after) == (rename.log_id, RenameStatus.PENDING, None)
    assert (await house.log.story(rename.log_id)).renames == (rename,)

    [swept] = await house.sweep.run_once()

    assert (swept.after, swept.path) == (RenameStatus.DONE, "/report.csv")
    [settled] = (await house.log.story(rename.log_id)).renames
    assert (settled.status, settled.owner) == (RenameStatus.DONE, (SWEEPER, 2))
    assert (await house.store.head(ELSEWHERE)).size == len(BODY)
    with pytest.raises(NotFound):
        await house.store.head(THERE)
    assert await house.sweep.run_once() == []
    assert DEAD not in await house.leases.counters(SERVER)


@pytest.mark.parametrize(("gateway", "server"), [(ALIVE, SERVER), (DEAD, "s-00000000000000009")])
async def test_a_rename_of_the_living_and_of_other_servers_is_left(
    house: House, gateway: GatewayId, server: str
) -> None:
    """It is somebody's who can finish it."""
    rename = await intended(house, gateway, server)
    await house.everybody_looked()
    assert await house.sweep.run_once() == []
    assert (await house.log.story(rename.log_id)).renames == (rename,)


async def test_a_sweep_without_renames_keeps_their_gateway_known(house: House) -> None:
    """It leaves the rename to those who may write, and so the lease that tells them whose it was."""
    rename = await intended(house)
    await house.leases.renew(SERVER, DEAD)
    await house.everybody_looked()
    assert await replace(house.sweep, with_renames=False).run_once() == []
    assert (await house.log.story(rename.log_id)).renames == (rename,)
    assert DEAD in await house.leases.counters(SERVER)


async def test_a_rename_that_cannot_be_finished_is_left_and_keeps_its_gateway_known(house: House) -> None:
    """S3 does not answer: the next sweep is the next try, and it is the sweeper's own by then."""
    rename = await intended(house)
    await house.everybody_looked()
    copy = house.store.copy

    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("no answer")

    house.store.copy = away
    assert await house.sweep.run_once() == []
    [left] = (await house.log.story(rename.log_id)).renames
    assert (left.status, left.gateway_id) == (RenameStatus.PENDING, SWEEPER)
    house.store.copy = copy
    assert [each.after for each in await house.sweep.run_once()] == [RenameStatus.DONE]


async def test_of_renames_of_one_gateway_only_those_not_under_way_are_swept(house: House) -> None:
    """The sweeper's own rename that is just being carried out is no orphan."""
    rename = await intended(house, SWEEPER)
    await house.everybody_looked()
    house.renames._under_way[rename.rename_id] = rename
    assert await house.sweep.run_once() == []
    del house.renames._under_way[rename.rename_id]
    assert [each.after for each in await house.sweep.run_once()] == [RenameStatus.DONE]
