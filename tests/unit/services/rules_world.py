"""Uploads by routes that have rules, and what becomes of those that are held back."""

from __future__ import annotations

from dataclasses import replace

from tidegate.core.acceptance import Rules
from tidegate.core.holding import NOTHING_HELD, Holding
from tidegate.core.ids import GatewayId
from tidegate.core.objects import Location, Storage
from tidegate.core.parts import PartSchedule
from tidegate.core.renames import Rename, RenameStatus, metadata_of_copy
from tidegate.core.routes import Route, Routes
from tidegate.core.transfers import TransferRecord
from tidegate.ports.objects import NOTHING
from tidegate.services.decisions import Decisions
from tidegate.services.intake import Backends, Landing, Uploads
from tidegate.services.suspects import Suspects
from tidegate.services.uploads import Upload, UploadSettings
from unit.services.world import BASE_PART, GATEWAY, SESSION, TARGETS, WINDOW, World, close, send

DIRECTORY = "acme/in"


def key_of(name: str) -> Location:
    return Location("landing", f"{DIRECTORY}/{name}")


class RulesWorld(World):
    """A gateway whose one route has rules; `suspects` judges for it."""

    def __init__(self, rules: Rules, *, versioned: bool = True, holding: Holding = NOTHING_HELD) -> None:
        super().__init__(versioned=versioned)
        self.holding = holding
        self.routes = Routes(
            (Route("in", ("*",), "/in", None, Storage("key-landing"), accept=rules),), Storage()
        )
        self.decisions = Decisions(self.store, self.log, self.log, self.clock, TARGETS)
        self.suspects = self.gateway(GATEWAY)

    def gateway(self, gateway_id: str, server_id: str = SESSION.server_id) -> Suspects:
        """Return the rules as another gateway has them."""
        return Suspects(self.decisions, self.routes, server_id, GatewayId(gateway_id), self.note_owed)

    def ruled(self) -> Uploads:
        backends = Backends(
            self.store, self.log, self.clock, GATEWAY, lambda: self.is_fresh, suspects=self.suspects
        )
        settings = UploadSettings(PartSchedule(BASE_PART, BASE_PART), WINDOW, 2, store_partial=True)
        landing = Landing(self.routes, TARGETS, self.holding)
        return Uploads(backends, self.budget, settings, landing, one_writer=False, on_owed=self.note_owed)

    async def open(self, name: str = "x.csv") -> Upload:
        return await self.ruled().begin(SESSION, f"/in/{name}", key_of(name))

    async def put(self, name: str, body: bytes) -> TransferRecord:
        """Send a file whose CLOSE succeeds; return its record once all is done that follows from it."""
        upload = await self.open(name)
        await send(upload, body)
        error = await close(upload)
        assert error is None, error
        await self.suspects.ended()
        return await self.record(upload)

    async def refused(self, name: str, body: bytes) -> tuple[TransferRecord, Exception | None]:
        upload = await self.open(name)
        await send(upload, body)
        error = await close(upload)
        return await self.record(upload), error

    async def again(self, record: TransferRecord) -> TransferRecord:
        return await self.record(record.log_id)

    async def rename(self, record: TransferRecord, name: str, *, holds: bool = False) -> Rename:
        """Let a rename be done, and be told of."""
        stored = await self.store.inner.head(record.location)
        now = self.clock.now()
        paths = (record.path, f"/in/{name}")
        begun = Rename.begun(SESSION, paths, stored, key_of(name), NOTHING, GATEWAY, now)
        rename = replace(begun, holds=holds)
        await self.log.inner.intend(rename)
        new = Storage().new(rename.target, metadata_of_copy(stored, rename))
        await self.store.inner.copy(stored, new, replacing=NOTHING)
        await self.store.inner.delete(rename.source)
        await self.log.inner.settle_rename(rename.settled(RenameStatus.DONE, now))
        self.suspects.renamed(rename)
        await self.suspects.ended()
        return rename

    def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
