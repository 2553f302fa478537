"""Beginning uploads: the reservation, the record that comes before any byte, the open files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from tidegate.core.deliveries import DeliveryTarget, chosen
from tidegate.core.errors import AlreadyExists, NotFound
from tidegate.core.holding import NOTHING_HELD, Holding
from tidegate.core.ids import GatewayId, LogId, UploadId
from tidegate.core.objects import META_TRANSFER_ID, META_USER_AGENT, META_USER_AGENT_ID, Location
from tidegate.core.open_modes import ANEW, OpenIntent
from tidegate.core.routes import Route, Routes
from tidegate.core.sessions import Session
from tidegate.core.transfers import Direction, TransferRecord
from tidegate.ports.clock import Clock
from tidegate.ports.objects import ObjectStore
from tidegate.ports.transfer_log import TransferLog
from tidegate.services.buffers import BufferBudget
from tidegate.services.continuing import Beginning, Earlier, EarlierObject, EarlierParts
from tidegate.services.endings import Ending
from tidegate.services.foresight import foreseeing
from tidegate.services.held import Held
from tidegate.services.kept_uploads import Kept, KeptUploads
from tidegate.services.part_sender import PartSender
from tidegate.services.suspects import Suspects
from tidegate.services.uploads import Upload, UploadSettings


@dataclass(frozen=True, slots=True)
class Backends:
    """The ports uploads write to, and the gateway they write as."""

    store: ObjectStore
    log: TransferLog
    clock: Clock
    gateway_id: GatewayId
    # Whether nobody can have declared this gateway dead; without a lease nobody can.
    is_fresh: Callable[[], bool] = lambda: True
    kept: KeptUploads | None = None  # where dropped uploads are kept
    suspects: Suspects | None = None  # where routes have rules
    held: Held | None = None  # where names can be temporary


@dataclass(frozen=True, slots=True)
class Landing:
    """What becomes of files that land: how they are stored, and where they are delivered."""

    routes: Routes
    targets: tuple[DeliveryTarget, ...]
    holding: Holding = NOTHING_HELD

    def targets_of(self, route: Route) -> tuple[DeliveryTarget, ...]:
        """Return the targets that a file of this route is owed to."""
        return self.targets if route.deliver_to is None else chosen(self.targets, route.deliver_to)


class Uploads:
    """All uploads of this gateway."""

    def __init__(
        self,
        backends: Backends,
        budget: BufferBudget,
        settings: UploadSettings,
        landing: Landing,
        *,
        one_writer: bool,
        on_owed: Callable[[], None],
    ) -> None:
        self._backends = backends
        self._budget = budget
        self._settings = settings
        self._landing = landing
        self._one_writer = one_writer
        self._on_owed = on_owed
        self._open: dict[Upload, Location] = {}
        self._taken_up: set[LogId] = set()  # kept ones that are about to be open again
        self._all_ended = asyncio.Event()
        self._all_ended.set()

    @property
    def open_count(self) -> int:
        return len(self._open)

    async def all_ended(self) -> None:
        """Return when no upload is open."""
        await self._all_ended.wait()

    def has(self, log_id: LogId) -> bool:
        """Tell whether an open upload of this gateway stands behind the record."""
        return log_id in self._taken_up or any(upload.record.log_id == log_id for upload in self._open)

    def is_open_below(self, prefix: Location) -> bool:
        """Tell whether anything below a prefix is being written here."""
        return any(
            there.bucket == prefix.bucket and there.key.startswith(prefix.key)
            for there in self._open.values()
        )

    def at(self, location: Location) -> Upload | None:
        """Return the upload being written to this object, if there is one; the youngest of several."""
        found = [upload for upload, there in self._open.items() if there == location]
        return found[-1] if found else None

    async def kept_at(self, session: Session, location: Location) -> Kept | None:
        """Return the dropped upload that this session's user can continue here, if there is one."""
        kept = self._backends.kept
        return await kept.at(session, location) if kept else None

    async def forget_kept(
        self, session: Session, location: Location, reason: str = "removed by its partner"
    ) -> bool:
        """Give up the dropped upload that is kept here for this session's user; tell whether one was."""
        kept = self._backends.kept
        return await kept.forget(session, location, reason) if kept else False

    async def begin(
        self,
        session: Session,
        path: str,
        location: Location,
        intent: OpenIntent = ANEW,
        *,
        store: ObjectStore | None = None,
    ) -> Upload:
        """
        Start an upload. Its record is durable before this returns, and nothing is in S3 yet.

        An intent that continues goes on from the file that is there, or from a dropped upload that is kept.

        Args:
            store: Writes with the rights of the session; None: with the gateway's own.

        Raises:
            AccessDenied: It is certain that the session may not write this object.
            Busy: The memory for one more upload is not there.
            AlreadyExists: Somebody is writing this object, and the preset lets one write at a time. Not the
                same user in an earlier session that has been silent for a while: its upload is dropped.
            NotFound: There is nothing to go on from, and the intent is not to make it.
            StoreUnavailable: The record could not be written.
        """
        acting = store or self._backends.store
        if knowing := foreseeing(store):  # before the client sends a file for nothing
            route = self._landing.routes.of(session.user_name, path)
            knowing.foresee_put(route.storage.new(location, {}))
        await self._drop_silent(session, location)
        self._refuse_second_writer(location)
        self._budget.admit(self._settings.reservation_bytes)
        try:
            upload = await self._prepared(session, path, location, intent, acting)
            self._refuse_second_writer(location)
        except BaseException:
            self._budget.leave(self._settings.reservation_bytes)
            raise
        await self._start(upload, location)
        return upload

    async def _start(self, upload: Upload, location: Location) -> None:
        """Count the upload as open, and write its record."""
        self._open[upload] = location
        self._all_ended.clear()
        starting = asyncio.create_task(self._backends.log.start(upload.record))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            # The client left while the record was on its way: it must be closed once it is there.
            starting.add_done_callback(lambda _: upload.abandon_later("the session ended during OPEN"))
            raise
        except BaseException:
            self._budget.leave(self._settings.reservation_bytes)
            self._forget(upload)
            raise

    async def _drop_silent(self, session: Session, location: Location) -> None:
        """Drop what an earlier session of the same user left open: its line has broken without a word."""
        silent = self.at(location)
        if self._one_writer and silent is not None and silent.is_left_by(session):
            await silent.abandon("its partner came back in another session")

    def _refuse_second_writer(self, location: Location) -> None:
        # One that has failed, or whose client is gone, cannot become the file any more.
        others = [upload for upload, there in self._open.items() if there == location and upload.is_alive]
        if self._one_writer and others:
            raise AlreadyExists(f"{location} is being written by another handle")

    async def _prepared(
        self, session: Session, path: str, location: Location, intent: OpenIntent, acting: ObjectStore
    ) -> Upload:
        record, earlier = None, None
        if intent.continues:
            record, earlier = await self._earlier(session, location, acting)
            if earlier is None and intent.must_exist:
                raise NotFound(f"{path} is not there, and the client did not ask to make it")
        else:
            await self.forget_kept(session, location, "its partner began the file anew")
        beginning = Beginning(earlier, appends=intent.appends)
        return self._upload(record or self._record(session, path, location), beginning, acting)

    async def _earlier(
        self, session: Session, location: Location, acting: ObjectStore
    ) -> tuple[TransferRecord | None, Earlier | None]:
        """Return what the name has: a file, or parts with the record that is gone on with."""
        store, kept_uploads = self._backends.store, self._backends.kept
        try:
            stored = await acting.head(location)
        except NotFound:
            kept = await self.kept_at(session, location)
        else:
            replaced = kept_uploads is not None and await kept_uploads.was_to_be_replaced(session, stored)
            return None, EarlierObject(acting, stored, replaced)
        if kept is None or kept_uploads is None:
            return None, None
        self._taken_up.add(kept.record.log_id)  # or our own sweep would take it for left over
        try:
            record = await kept_uploads.resume(kept, session)
        finally:
            self._taken_up.discard(kept.record.log_id)
        assert record.upload_id is not None
        return record, EarlierParts(store, location, UploadId(record.upload_id), kept.parts, kept.digest)

    def _record(self, session: Session, path: str, location: Location) -> TransferRecord:
        route = self._landing.routes.of(session.user_name, path)
        begun = TransferRecord.begun(
            Direction.UPLOAD,
            session,
            path,
            location,
            self._backends.gateway_id,
            self._backends.clock.now(),
            tuple(target.name for target in self._landing.targets_of(route)),
        )
        return replace(begun, hold_seconds=self._landing.holding.seconds_of(path))

    def _upload(self, record: TransferRecord, beginning: Beginning, acting: ObjectStore) -> Upload:
        backends, location = self._backends, record.location
        route = self._landing.routes.of(record.user_name, record.path)
        # Those it was to owe when it began, as the sweep would have it.
        targets = chosen(self._landing.targets, record.delivery_targets)
        new = route.storage.new(location, _metadata(record))
        ending = Ending(
            record,
            new,
            backends.store,
            backends.log,
            backends.clock,
            targets,
            self._on_owed,
            backends.is_fresh,
            backends.kept,
            backends.suspects.judge_of(record) if backends.suspects else None,
            backends.held,
            acting,
        )
        sender = PartSender(
            new,
            record.owner,
            acting,
            backends.log,
            self._budget,
            self._settings.parallel_parts,
            own=backends.store,
        )
        return Upload(record, sender, ending, self._budget, self._settings, self._forget, beginning)

    def _forget(self, upload: Upload) -> None:
        self._open.pop(upload, None)
        if not self._open:
            self._all_ended.set()


def _metadata(record: TransferRecord) -> dict[str, str]:
    return {
        META_TRANSFER_ID: record.log_id,
        META_USER_AGENT: "AWSTransfer",
        META_USER_AGENT_ID: f"{record.user_name}@{record.server_id}",
    }
