"""Beginning uploads: the reservation, the record that comes before any byte, the open files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tidegate.core.deliveries import DeliveryTarget, chosen
from tidegate.core.errors import AlreadyExists
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import META_TRANSFER_ID, META_USER_AGENT, META_USER_AGENT_ID, Location
from tidegate.core.routes import Route, Routes
from tidegate.core.sessions import Session
from tidegate.core.transfers import Direction, TransferRecord
from tidegate.ports.clock import Clock
from tidegate.ports.objects import ObjectStore
from tidegate.ports.transfer_log import TransferLog
from tidegate.services.buffers import BufferBudget
from tidegate.services.endings import Ending
from tidegate.services.part_sender import PartSender
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


@dataclass(frozen=True, slots=True)
class Landing:
    """What becomes of files that land: how they are stored, and where they are delivered."""

    routes: Routes
    targets: tuple[DeliveryTarget, ...]

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
        return any(upload.record.log_id == log_id for upload in self._open)

    def at(self, location: Location) -> Upload | None:
        """Return the upload being written to this object, if there is one; the youngest of several."""
        found = [upload for upload, there in self._open.items() if there == location]
        return found[-1] if found else None

    async def begin(self, session: Session, path: str, location: Location) -> Upload:
        """
        Start an upload. Its record is durable before this returns, and nothing is in S3 yet.

        Raises:
            Busy: The memory for one more upload is not there.
            AlreadyExists: Somebody is writing this object, and the preset lets one write at a time.
            StoreUnavailable: The record could not be written.
        """
        if self._one_writer and self.at(location):
            raise AlreadyExists(f"{location} is being written by another handle")
        self._budget.admit(self._settings.reservation_bytes)
        upload = self._upload(session, path, location)
        record = upload.record
        self._open[upload] = location
        self._all_ended.clear()
        starting = asyncio.create_task(self._backends.log.start(record))
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
        return upload

    def _upload(self, session: Session, path: str, location: Location) -> Upload:
        backends, route = self._backends, self._landing.routes.of(session.user_name, path)
        targets = self._landing.targets_of(route)
        record = TransferRecord.begun(
            Direction.UPLOAD,
            session,
            path,
            location,
            backends.gateway_id,
            backends.clock.now(),
            tuple(target.name for target in targets),
        )
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
        )
        sender = PartSender(
            new, record.owner, backends.store, backends.log, self._budget, self._settings.parallel_parts
        )
        return Upload(record, sender, ending, self._budget, self._settings, self._forget)

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
