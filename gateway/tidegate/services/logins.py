"""
Who may log in, and a record of who was not let in.

A login reads the directory afresh, so a key removed a moment ago is refused. The client learns only
that its key was not accepted; why is in the record: unknown partner, unknown key, or no key at all.
"""

from __future__ import annotations

import asyncio

import structlog

from tidegate.core.errors import GatewayError, InvalidName, NotFound
from tidegate.core.ids import new_log_id
from tidegate.core.users import RefusedLogin, SshPublicKey, User, check_user_name
from tidegate.ports.clock import Clock
from tidegate.ports.directory import UserDirectory
from tidegate.ports.transfer_log import LoginAudit

_log = structlog.get_logger("tidegate.logins")

# Names and versions are the client's words: as much of them is kept as a person would read.
_MAX_CLAIM_CHARS = 100
# A flood of refusals may not become a flood of writes: beyond this, they are logged and counted.
_MAX_RECORDS_UNDER_WAY = 100


class Logins:
    """Decides about keys, and keeps refusals."""

    def __init__(self, directory: UserDirectory, audit: LoginAudit, clock: Clock, server_id: str) -> None:
        self._directory = directory
        self._audit = audit
        self._clock = clock
        self._server_id = server_id
        self._under_way: set[asyncio.Task[None]] = set()
        self.unrecorded_count = 0

    async def user(self, user_name: str) -> User | None:
        """Return the user as the directory has it now; None if there is none of that name."""
        try:
            return await self._directory.user(self._server_id, check_user_name(user_name))
        except (NotFound, InvalidName):
            return None

    async def key(self, user_name: str, fingerprint: str) -> tuple[User, SshPublicKey] | None:
        """Return the user and its key of that fingerprint, as of now; None if they are not to be had."""
        user = await self.user(user_name)
        for key in user.keys if user else ():
            if key.fingerprint == fingerprint:
                return (user, key) if user else None
        return None

    def refuse(
        self,
        user_name: str,
        client_ip: str,
        client_version: str,
        fingerprint: str,
        reason: str,
        *,
        event: str | None = None,
    ) -> None:
        """Log a refusal and record it behind the client's back; `event` names it if it is no login's."""
        now = self._clock.now()
        refused = RefusedLogin(
            log_id=new_log_id(int(now.timestamp() * 1000)),
            server_id=self._server_id,
            user_name=user_name[:_MAX_CLAIM_CHARS],
            client_ip=client_ip,
            client_version=client_version[:_MAX_CLAIM_CHARS],
            key_fingerprint=fingerprint,
            reason=reason,
            timestamp=now,
        )
        facts = {
            "user": refused.user_name,
            "client_ip": client_ip,
            "client": refused.client_version,
            "fingerprint": fingerprint,
            "reason": reason,
        }
        if event is None:
            _log.warning("login refused", **facts)
        else:
            _log.warning(event, **facts)
        if len(self._under_way) >= _MAX_RECORDS_UNDER_WAY:
            self.unrecorded_count += 1
            return
        task = asyncio.create_task(self._record(refused))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def recorded(self) -> None:
        """Return when all refusals so far are written."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    async def _record(self, refused: RefusedLogin) -> None:
        try:
            await self._audit.record_refused_login(refused)
        except GatewayError as error:
            self.unrecorded_count += 1
            _log.error("refused login not recorded", user=refused.user_name, reason=str(error))
