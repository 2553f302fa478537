"""
One SSH connection: who are you, and what may this connection carry.

Keys, and passwords where the server's identity provider checks some; only the sftp subsystem. Refusals are
recorded when the connection ends without a login: a client with several keys offers them one by one, and
the ones before the right one are no refusals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any

import asyncssh
import structlog

from tidegate.core.errors import AccessDenied, GatewayError
from tidegate.core.identity_providers import LoginRefused
from tidegate.core.paths import HomeTree
from tidegate.core.sessions import Session
from tidegate.core.users import SshPublicKey, User
from tidegate.faces.sftp.algorithms import Offer, limit_signatures
from tidegate.faces.sftp.context import FaceContext
from tidegate.faces.sftp.limits import LOGIN_TOO_SLOW, TOO_MANY_OF_PARTNER, Visit
from tidegate.faces.sftp.observed import ObservedConnection
from tidegate.faces.sftp.proofs import Proofs, end_when, let_try_again
from tidegate.faces.sftp.session import SftpSession
from tidegate.services.refusals import Refusal

_log = structlog.get_logger("tidegate.sftp")

# OpenSSH's MaxAuthTries.
_MAX_TRIES = 6
_NOT_SIGNED = "the key is this partner's, but no signature by it that sftp.security_policy allows followed"


class Connection(asyncssh.SSHServer):
    """The callbacks of one connection."""

    def __init__(self, context: FaceContext, connections: set[Connection], offer: Offer) -> None:
        self._context = context
        self._connections = connections
        self._offer = offer
        self._claimed: str | None = None
        self._refused: dict[str, str] = {}  # fingerprint: why not
        self._tries = 0  # that let nobody in; a key that is offered again is one more
        self._passwords_refused: list[str] = []  # why not
        self._candidate: tuple[User, SshPublicKey] | None = None
        self._who: tuple[User, SshPublicKey] | None = None
        self._visit: Visit | None = None
        self.observed = ObservedConnection(context)
        self.is_looked_up = False  # its user, at this moment
        self.client_ip = "unknown"
        self.may_write = asyncio.Event()  # the peer takes what we send
        self.may_write.set()

    # --- life -----------------------------------------------------------------------------

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.conn = conn
        self._connections.add(self)
        # Noted now: when the connection is lost, and a refusal recorded, nobody knows it any more.
        peer = conn.get_extra_info("peername")
        self.client_ip = str(peer[0]) if peer else "unknown"
        self._context.guard.places.enter(self.client_ip)
        self._proofs = Proofs(self._context.identities, self._context.server, self.client_ip)
        let_try_again(conn)
        end_when(conn, self._proofs.is_all)
        # asyncssh does nothing when the socket's buffer is full, and grows it without bound
        # (asyncssh 2.24.1; pinned by tests/sftp/test_backpressure.py). Requests wait for this event.
        conn.pause_writing = self.may_write.clear  # type: ignore[method-assign]
        conn.resume_writing = self.may_write.set  # type: ignore[method-assign]

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._context.guard.places.leave(self.client_ip)
        self.may_write.set()
        if self._visit and self._who:
            self._visit.end()
            self.observed.gone(exc)
            self._context.guard.places.log_out(self._who[0].user_name)
        elif self._who is None:
            self._tell_why_not(exc)

    def _tell_why_not(self, exc: Exception | None) -> None:
        if self._refused or self._passwords_refused:
            self._record_refusals()  # whatever ended it, this is why it did not log in
        elif _took_too_long(exc):
            self._context.guard.refusals.note(
                Refusal(
                    "login refused", LOGIN_TOO_SLOW, self.client_ip, self._claimed or "", self.client_version
                )
            )
        elif self._claimed is not None:
            self._record_refusals()
        elif exc is not None:
            # Whoever leaves without having said more than a version is a health check, and comes every few
            # seconds. Who leaves after that has seen our host key, or had no algorithm in common with us.
            left = isinstance(exc, asyncssh.ConnectionLost | OSError)
            log = _log.debug if left and not _exchanged_keys(self.conn) else _log.info
            log("handshake failed", client_ip=self.client_ip, reason=str(exc))
            self.observed.no_handshake(self.conn, self.client_ip, exc)

    @property
    def client_version(self) -> str:
        return str(self.conn.get_extra_info("client_version", ""))

    # --- login ----------------------------------------------------------------------------

    @property
    def who(self) -> tuple[User, SshPublicKey] | None:
        """The user that has logged in, and its key."""
        return self._who if self._visit else None

    @property
    def is_of_directory(self) -> bool:
        """Whether it is the directory that knows the user."""
        return self._proofs.is_of_directory

    def begin_auth(self, username: str) -> bool:
        self._claimed, self._candidate = username, None
        self._proofs.claim(username)
        if banner := self._context.server.pre_login_banner:
            self.conn.send_auth_banner(banner)
        return True

    def public_key_auth_supported(self) -> bool:
        return self._proofs.takes_keys

    def password_auth_supported(self) -> bool:
        return self._proofs.takes_passwords

    def kbdint_auth_supported(self) -> bool:
        # asyncssh's own asks for the password that way, too; Transfer Family does not offer it.
        return False

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        fingerprint = key.get_fingerprint()
        if self._has_tried_enough("Too many keys"):
            return False
        self._candidate, self.is_looked_up = None, True
        try:
            self._candidate = await self._proofs.by_key(username, fingerprint)
        except LoginRefused as refused:
            self._refuse_key(fingerprint, refused.reason)
        except GatewayError as error:
            self._refuse_key(fingerprint, f"the directory could not be read: {error}")
        finally:
            self.is_looked_up = False
        self.observed.offered(key, fingerprint)
        limit_signatures(key, self._offer)
        return self._candidate is not None

    async def validate_password(self, username: str, password: str) -> bool:
        if self._has_tried_enough("Too many authentication failures"):
            return False
        self._candidate = None
        try:
            self._candidate = await self._proofs.by_password(username, password)
        except LoginRefused as refused:
            self._tries += 1
            self._passwords_refused.append(f"password: {refused.reason}")
        return self._candidate is not None

    def _refuse_key(self, fingerprint: str, reason: str) -> None:
        self._tries += 1
        self._refused[fingerprint] = reason

    def _has_tried_enough(self, said: str) -> bool:
        if self._tries < _MAX_TRIES:
            return False
        self.conn.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, said)
        return True

    def auth_completed(self) -> None:
        if self._proofs.is_outdated(self._context.server):
            # Whoever is asked now was not asked.
            if self._candidate:
                self._refuse_key(
                    self._candidate[1].fingerprint, "its identity provider was changed meanwhile"
                )
                self._candidate = None
            self.conn.disconnect(asyncssh.DISC_BY_APPLICATION, "The server was changed, try again")
            return
        self._who = self._candidate
        if self._who:
            user, key = self._who
            if not self._begin_visit(user, key):
                return
            self.observed.logged_in(self.conn, user, key, self.client_ip)
            _log.info(
                "login",
                user=user.user_name,
                client_ip=self.client_ip,
                client=self.client_version,
                method=self._proofs.method,
                fingerprint=key.fingerprint,
            )

    def _begin_visit(self, user: User, key: SshPublicKey) -> bool:
        guard = self._context.guard
        ip, version = self.client_ip, self.client_version
        if not guard.places.log_in(user.user_name):
            reason = TOO_MANY_OF_PARTNER
            guard.refusals.note(
                Refusal("login refused", reason, ip, user.user_name, version, key.fingerprint)
            )
            self.conn.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, "Too many connections")
            return False
        who = Refusal("", "", ip, user.user_name, version, key.fingerprint)
        self._visit = Visit(guard, who, self._end_idle)
        return True

    def _end_idle(self) -> None:
        assert self._visit is not None
        reason = self.observed.why_ended = self._visit.why_ended
        user = self._who[0].user_name if self._who else ""
        _log.info("idle connection ended", user=user, client_ip=self.client_ip, reason=reason)
        self.conn.disconnect(asyncssh.DISC_BY_APPLICATION, "Idle for too long")

    def end(self, reason: str, text: str) -> None:
        """End a connection that has logged in: `reason` is for records, `text` for the client."""
        if self._visit and self._who:
            self._visit.why_ended = self.observed.why_ended = reason
            user = self._who[0].user_name
            _log.warning("connection ended", user=user, client_ip=self.client_ip, reason=reason)
            self.conn.disconnect(asyncssh.DISC_BY_APPLICATION, text)

    def _record_refusals(self) -> None:
        proven = self._proofs.key.fingerprint
        refused = [*self._refused.items(), *((proven, reason) for reason in self._passwords_refused)]
        if self._candidate and not proven:
            refused.append((self._candidate[1].fingerprint, _NOT_SIGNED))
        for fingerprint, reason in refused or [(proven, self._proofs.lacks)]:
            self._context.logins.refuse(
                self._claimed or "", self.client_ip, self.client_version, fingerprint, reason
            )
            by_password = reason in self._passwords_refused
            self.observed.refused(self._claimed or "", self.client_ip, fingerprint, by_password=by_password)

    # --- sessions -------------------------------------------------------------------------

    def session_requested(self) -> Awaitable[SftpSession] | bool:
        if self._who is None or self._visit is None:
            return False
        user, key = self._who
        session = Session(
            session_id=self.observed.session_id,
            server_id=self._context.server_id,
            user_name=user.user_name,
            client_ip=self.client_ip,
            client_version=self.client_version,
            key_fingerprint=key.fingerprint,
        )
        try:
            tree = HomeTree(user.home, user.user_name, self._context.routes.mappings(user.user_name))
        except GatewayError as error:
            _log.error("session refused", user=user.user_name, reason=f"the home is unusable: {error}")
            return False
        if not self._visit.begin_session():
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "Too many sessions")
        return _Opening(partial(self._session, user, session, tree, self._visit))

    async def _session(self, user: User, session: Session, tree: HomeTree, visit: Visit) -> SftpSession:
        try:
            store = await self._context.rights.store_for(user, session)
        except GatewayError as error:
            visit.end_session()
            visit.refused("session refused", str(error))
            raise asyncssh.ChannelOpenError(*_refused(error)) from None
        return SftpSession(self._context, session, tree, store, self.may_write, visit, self.observed)


class _Opening:
    """A session that is opened once it is waited for, which it is not if its connection is lost first."""

    def __init__(self, open_: Callable[[], Coroutine[Any, Any, SftpSession]]) -> None:
        self._open = open_

    def __await__(self) -> Generator[Any, Any, SftpSession]:
        return self._open().__await__()


def _refused(error: GatewayError) -> tuple[int, str]:
    """Return what a client may know of why it gets no session."""
    if isinstance(error, AccessDenied):
        return asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "Permission denied"
    return asyncssh.OPEN_CONNECT_FAILED, "Try again later"


def _took_too_long(exc: Exception | None) -> bool:
    # One class for all lost connections (asyncssh 2.24.1; pinned by tests/sftp/test_sftp_limits.py).
    return isinstance(exc, asyncssh.ConnectionLost) and str(exc) == "Login timeout expired"


def _exchanged_keys(conn: asyncssh.SSHServerConnection) -> bool:
    """Whether the client has come to its KEXINIT, which nobody sends who only looks in."""
    return bool(conn._client_kexinit)  # noqa: SLF001 - pinned by tests/sftp/test_sftp_proxy_protocol.py
