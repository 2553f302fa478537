"""
Files that are held back, and the sidecars some of them wait for.

A sidecar that comes has its file judged again, and what then meets its rules is released by itself. Three
things may miss each other, and each has its answer. The file's record may be written after its sidecar was
looked for, and before the sidecar came: so the file is looked at once more when its record is written. A
gateway may die between the sidecar's CLOSE and the release; and a sidecar may come by no gateway. So a record
that waits is in an index of its own, and every sweep looks at those that are due: soon at first, then hourly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from tidegate.core.acceptance import NO_RULES, Verdict, next_look
from tidegate.core.errors import ChangedMeanwhile, GatewayError, NotFound, StoreUnavailable
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import Location
from tidegate.core.renames import Rename, story_of
from tidegate.core.routes import Routes
from tidegate.core.transfers import Content, Decision, TransferRecord, TransferStatus
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS, Story
from tidegate.services.acceptance import Judge, Judged
from tidegate.services.decisions import Decisions, Placed
from tidegate.services.sidecars import Sidecars

_log = structlog.get_logger("tidegate.suspects")

# Of what is done behind clients' backs; a manifest names many files.
_AT_ONCE = 4
_MET = "all rules of its route are met"


class Suspects:
    """
    The rules of all routes, and the files that wait.

    Args:
        on_owed: Called when a release owes deliveries.
    """

    def __init__(
        self,
        decisions: Decisions,
        routes: Routes,
        server_id: str,
        gateway_id: GatewayId,
        on_owed: Callable[[], None] = lambda: None,
    ) -> None:
        self._decisions = decisions
        self._store = decisions.store
        self._log = decisions.log
        self._clock = decisions.clock
        self._routes = routes
        self._server_id = server_id
        self._gateway_id = gateway_id
        self._on_owed = on_owed
        self._sidecars = Sidecars(decisions.store)
        self._lanes = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def ended(self) -> None:
        """Return when all that was begun behind clients' backs has ended."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def judge_of(self, record: TransferRecord) -> Judge | None:
        """Return who judges this upload; None if its route asks for nothing."""
        rules = self._routes.of(record.user_name, record.path).accept
        if rules.ask_nothing:
            return None
        file = Judged(record, record.path, record.location)
        if not rules.is_sidecar(record.path):
            return Judge(
                self._store,
                self._log,
                self._sidecars,
                rules,
                file,
                lambda verdict: self._waits(record, verdict),
            )

        def came(_: Verdict) -> None:
            self._later(self._sidecar_came(record.user_name, record.path, record.location))

        return Judge(self._store, self._log, self._sidecars, NO_RULES, file, came)

    def renamed(self, rename: Rename) -> None:
        """A rename is done: a sidecar may have got its name by it, or the file that waits for one."""
        rules = self._routes.of(rename.user_name, rename.new_path).accept
        if rules.is_sidecar(rename.new_path):
            self._later(self._sidecar_came(rename.user_name, rename.new_path, rename.target))
        elif rules.sidecar or self._routes.of(rename.user_name, rename.path).accept.sidecar:
            self._later(self._look(rename.log_id))

    async def look_at_due(self) -> int:
        """Judge again all that wait and are due; return how many were released."""
        if not any(route.accept.sidecar for route in self._routes.routes):
            return 0
        released = 0
        for shard in range(OPEN_WORK_SHARDS):
            for row in await self._decisions.suspects.waiting(shard, self._clock.now()):
                released += await self._look_or_leave(row.log_id)
        return released

    # --- one file -------------------------------------------------------------------------

    def _waits(self, record: TransferRecord, verdict: Verdict) -> None:
        if verdict.waits:
            self._later(self._look(record.log_id))

    async def _look_or_leave(self, log_id: LogId) -> bool:
        try:
            return await self._look(log_id)
        except GatewayError as error:
            _log.warning("suspect left for later", log_id=log_id, reason=str(error))
            return False

    async def _look(self, log_id: LogId) -> bool:
        """
        Judge again a file that waits, and release it if all rules are met; return whether it was released.

        Any number of times, by any number of gateways at once.
        """
        try:
            story = await self._log.story(log_id)
        except NotFound:
            return False
        record = story.record
        if record is None or record.status is not TransferStatus.SUSPECT or record.look_at is None:
            return False
        if record.server_id != self._server_id:
            return False  # another server shares the table, and has rules of its own
        try:
            placed = await self._decisions.place(story)
            verdict = await self._verdict(record, placed)
            if verdict.is_met:
                await self._release(story, placed)
            else:
                await self._hold(record, verdict)
        except ChangedMeanwhile:
            return False  # somebody else was faster, or the object is another one by now
        except StoreUnavailable:
            raise
        except NotFound as error:
            await self._hold(record, Verdict((f"its version is gone: {error.detail}",)))
            return False
        return verdict.is_met

    async def _verdict(self, record: TransferRecord, placed: Placed) -> Verdict:
        rules = self._routes.of(placed.user_name, placed.path).accept
        if rules.ask_nothing or rules.is_sidecar(placed.path):
            return Verdict()
        judge = Judge(
            self._store, self._log, self._sidecars, rules, Judged(record, placed.path, placed.stored.location)
        )
        content = Content(record.size or 0, record.sha256)
        return await judge.verdict(content, placed.stored, self._clock.now())

    async def _release(self, story: Story, placed: Placed) -> None:
        await self._decisions.accept(story, placed, Decision(self._gateway_id, _MET, self._clock.now()))
        self._on_owed()

    async def _hold(self, record: TransferRecord, verdict: Verdict) -> None:
        now = self._clock.now()
        is_due = record.look_at is None or record.look_at <= now
        if verdict.text == record.error and verdict.waits and not is_due:
            return  # nothing new, and nothing to be put off
        due_at = next_look(record.timestamp, now) if verdict.waits else None
        await self._decisions.suspects.hold_back(record, verdict.text, due_at)

    # --- sidecars -------------------------------------------------------------------------

    async def _sidecar_came(self, user_name: str, path: str, location: Location) -> None:
        """Look at the files it speaks of."""
        sidecar = self._routes.of(user_name, path).accept.sidecar
        if sidecar is None:
            return
        for file in await self._sidecars.files_of(sidecar, location):
            try:
                there = await self._store.head(file)
            except NotFound:
                continue  # it is judged when it comes
            log_id = story_of(there)
            if log_id is not None:
                await self._look_or_leave(log_id)

    def _later(self, work: Coroutine[Any, Any, object]) -> None:
        """Do it behind the client's back; what fails is left to the sweep."""

        async def done() -> None:
            try:
                async with self._lanes:
                    await work
            except GatewayError as error:
                _log.warning("suspects left for later", reason=str(error))
            except Exception as error:  # noqa: BLE001 - nobody waits for it; the sweep comes by here again
                _log.error("suspects left for later", exc_info=error)

        task = asyncio.create_task(done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
