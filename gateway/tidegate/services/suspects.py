"""
Files that are held back, and the sidecars some of them wait for.

A sidecar that comes has its file judged again, and what then meets its rules is released by itself. Three
things may miss each other, and each has its answer. The file's record may be written after its sidecar was
looked for, and before the sidecar came: so the file is looked at once more when its record is written. A
gateway may die between the sidecar's CLOSE and the release; and a sidecar may come by no gateway. So a record
that waits is in an index of its own, and every sweep looks at those that are due: soon at first, then hourly.

A look has one of three ends: a release, a reason and the time of the next look, or a reason for good. One
that fails has the second, or what fails each time would stand in front of all others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from tidegate.core.acceptance import NO_RULES, SUPERSEDED_DAYS, Verdict, is_given_up, next_look
from tidegate.core.errors import ChangedMeanwhile, GatewayError, NotFound
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import Location
from tidegate.core.renames import Rename, story_of
from tidegate.core.routes import Routes
from tidegate.core.transfers import Content, Decision, TransferRecord, TransferStatus
from tidegate.ports.transfer_log import Story
from tidegate.services.acceptance import Judge, Judged
from tidegate.services.decisions import Decisions, Placed
from tidegate.services.due_rows import DueRows
from tidegate.services.sidecars import Sidecars

_log = structlog.get_logger("tidegate.suspects")

# Of what is done behind clients' backs; a manifest names many files.
_AT_ONCE = 4
# Of a sweep, which has other work; the rest has its turn in the next one.
_MOST_SECONDS = 10.0
# Where no route asks for sidecars, something may wait all the same: for a rule that was taken away.
_SELDOM_SECONDS = 3600.0
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
        self._due = DueRows(decisions.suspects, decisions.clock)
        self._looked_at: float | None = None
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
            self._later(self._look(rename.log_id, was_told=True))

    async def look_at_due(self) -> int:
        """
        Judge again what waits and is due, for some seconds; return how many were released.

        Without a route that asks for sidecars that is done once, and then once an hour.
        """
        began = self._clock.monotonic()
        if not self._is_to_be_looked_for(began):
            return 0
        released = 0
        async for log_id in self._due.walk(_MOST_SECONDS):
            released += await self._look_or_leave(log_id)
        if self._due.is_through:
            self._looked_at = began
        return released

    def _is_to_be_looked_for(self, now: float) -> bool:
        if self._looked_at is None or any(route.accept.sidecar for route in self._routes.routes):
            return True
        return now - self._looked_at >= _SELDOM_SECONDS

    # --- one file -------------------------------------------------------------------------

    def _waits(self, record: TransferRecord, verdict: Verdict) -> None:
        if verdict.waits:
            self._later(self._look(record.log_id))

    async def _look_or_leave(self, log_id: LogId, *, was_told: bool = False) -> bool:
        try:
            return await self._look(log_id, was_told=was_told)
        except GatewayError as error:
            _log.warning("suspect left for later", log_id=log_id, reason=str(error))
            return False

    async def _look(self, log_id: LogId, *, was_told: bool = False) -> bool:
        """
        Judge again a file that waits, and release it if all rules are met; return whether it was released.

        Any number of times, by any number of gateways at once.

        Args:
            was_told: Something has come that may matter to it, so it is looked at even if it waits no longer.
        """
        try:
            story = await self._log.story(log_id)
        except NotFound:
            return False
        record = story.record
        if record is None or record.status is not TransferStatus.SUSPECT:
            return False
        if record.server_id != self._server_id:
            self._due.pass_over(log_id)  # another server shares the table, and has rules of its own
            return False
        if record.look_at is None and not was_told:
            return False
        try:
            return await self._judged_again(story)
        except GatewayError as error:
            await self._put_off(record, error)
            return False

    async def _judged_again(self, story: Story) -> bool:
        record = story.transfer
        try:
            placed = await self._decisions.place(story)
        except NotFound as error:
            under_way = any(rename.is_open for rename in story.renames)
            await self._hold(record, Verdict((f"its version is gone: {error.detail}",), waits=under_way))
            return False
        except ChangedMeanwhile as error:
            await self._hold(record, Verdict((error.detail,), waits=True), is_superseded=True)
            return False
        verdict = await self._verdict(record, placed)
        if verdict.is_met:
            await self._release(story, placed)
        else:
            await self._hold(record, verdict, is_superseded=placed.is_superseded)
        return verdict.is_met

    async def _put_off(self, record: TransferRecord, error: GatewayError) -> None:
        """Let a look that failed be made again later, and say why it failed."""
        _log.warning("suspect left for later", log_id=record.log_id, reason=str(error))
        try:
            await self._hold(record, Verdict((f"it could not be looked at: {error}",), waits=True))
        except ChangedMeanwhile:
            return  # somebody else was faster: it is decided

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

    async def _hold(self, record: TransferRecord, verdict: Verdict, *, is_superseded: bool = False) -> None:
        now, text = self._clock.now(), verdict.text
        due_at = next_look(record.timestamp, now) if verdict.waits else None
        if due_at and is_superseded and is_given_up(record.timestamp, now):
            due_at = None
            text += f"; it is not current any more, and after {SUPERSEDED_DAYS} days waits no longer"
        is_put_off = record.look_at is not None and record.look_at > now
        if text == record.error and (is_put_off if due_at else record.look_at is None):
            return  # nothing new
        await self._decisions.suspects.hold_back(record, text, due_at)

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
                await self._look_or_leave(log_id, was_told=True)

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
