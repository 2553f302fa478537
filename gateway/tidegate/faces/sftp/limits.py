"""
What one connection may do, and how it is told that it may not.

Who is refused before the handshake is closed without a word, because nothing of SSH can be said yet; a
partner with too many connections reads why in a disconnect; a session too many fails to open; a handle
too many fails its OPEN or OPENDIR. Too fast is no refusal: the next request is taken up later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tidegate.core.sessions import Session
from tidegate.services.quotas import Allowance, Places, Rates
from tidegate.services.refusals import Refusal, Refusals

TOO_MANY_OF_PARTNER = "too many connections of this partner"
TOO_MANY_SESSIONS = "too many sessions in this connection"
TOO_MANY_HANDLES = "too many open files and directories in a session"
LOGIN_TOO_SLOW = "no login in time"


@dataclass(frozen=True, slots=True)
class FaceLimits:
    """The limits of a connection and its sessions. `idle_seconds` of None is never."""

    sessions_per_connection: int
    handles_per_session: int
    idle_seconds: float | None


@dataclass(frozen=True, slots=True)
class Guard:
    """What keeps one client from taking what is meant for all."""

    limits: FaceLimits
    places: Places
    rates: Rates
    refusals: Refusals

    def admits(self, address: str) -> bool:
        """Tell whether a connection may begin; if not, the refusal is noted."""
        reason = self.places.refusal(address)
        if reason:
            self.refusals.note(Refusal("connection refused", reason, address))
        return not reason


class Visit:
    """
    A connection that has logged in: its sessions, and when its client last did anything.

    It is idle while no request is being answered and nothing comes in. A file that takes S3 an hour to
    complete is no idleness; a client that does not read its answers is idle, whatever it has asked for.

    Args:
        who: The refusal this visit's refusals begin as; its event and reason are replaced.
        on_idle: Called when the client has been idle too long.
    """

    def __init__(self, guard: Guard, who: Refusal, on_idle: Callable[[], None]) -> None:
        self.allowance: Allowance = guard.rates.of(who.user_name)
        self.limits = guard.limits
        self.why_ended = "the session ended before the file was closed"
        self._guard = guard
        self._who = who
        self._on_idle = on_idle
        self._sessions = 0
        self._asking: set[Session] = set()
        self._blocked: set[Session] = set()  # their client does not read
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._wait_for(guard.limits.idle_seconds)

    # --- sessions -------------------------------------------------------------------------

    def begin_session(self) -> bool:
        """Count a session until `end_session`; False, and it is noted, if there are too many."""
        if self._sessions >= self.limits.sessions_per_connection:
            self.refused("session refused", TOO_MANY_SESSIONS)
            return False
        self._sessions += 1
        self.touch()
        return True

    def end_session(self) -> None:
        self._sessions -= 1
        self.touch()

    def refused(self, event: str, reason: str) -> None:
        """Note that this client met a limit."""
        who = self._who
        self._guard.refusals.note(
            Refusal(event, reason, who.client_ip, who.user_name, who.client_version, who.key_fingerprint)
        )

    # --- idleness -------------------------------------------------------------------------

    def touch(self) -> None:
        """Note that something came from the client."""
        self._last = self._loop.time()

    def asked(self, session: Session) -> None:
        """Note that a session has taken up a request."""
        self._asking.add(session)

    def answered(self, session: Session) -> None:
        """Note that it was answered, or that the session has ended. May be repeated."""
        if session in self._asking:
            self._asking.discard(session)
            self.touch()

    def blocked(self, session: Session) -> None:
        """Note that the client does not take what it is sent."""
        self._blocked.add(session)

    def unblocked(self, session: Session) -> None:
        """Note that it does again."""
        self._blocked.discard(session)
        self.touch()

    def end(self) -> None:
        """The connection is gone."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        idle_seconds = self.limits.idle_seconds
        assert idle_seconds is not None
        left = idle_seconds - (self._loop.time() - self._last)
        if self._asking - self._blocked:
            self._wait_for(idle_seconds)  # the answer, when it comes, is later than now
        elif left > 0:
            self._wait_for(left)
        else:
            self.why_ended = f"the client did nothing for {idle_seconds:g} seconds"
            self._on_idle()

    def _wait_for(self, seconds: float | None) -> None:
        if seconds is not None:
            self._timer = self._loop.call_later(seconds, self._look)
