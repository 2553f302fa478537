"""
What is told of connections and sessions: the one place that makes activities out of what clients do.

A connection is one session in these logs, as in Transfer Family's, however many SFTP channels it has; and its
DISCONNECTED comes last, after the endings of files that were open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ParamSpec

import asyncssh
import structlog

from tidegate.core.activities import (
    CHANGES,
    Activity,
    AuthFailure,
    Changed,
    Closed,
    Connected,
    Direction,
    Disconnected,
    Ended,
    Failed,
    KexFailure,
    Opened,
    Operation,
    Visitor,
)
from tidegate.core.errors import GatewayError, SftpStatus
from tidegate.core.homes import start_of, substituted
from tidegate.core.ids import new_session_id
from tidegate.core.open_modes import mode_text
from tidegate.core.paths import HomeTree, normalise
from tidegate.core.users import Home, HomeDirectoryType, SshPublicKey, User
from tidegate.faces.sftp.context import FaceContext
from tidegate.services.downloads import Download
from tidegate.services.uploads import Upload

_log = structlog.get_logger("tidegate.activities")

P = ParamSpec("P")

# As much of what a client says as a person would read.
_MAX_WORDS_CHARS = 512

# By the name that `answered` gives a handler.
_OPERATIONS: dict[str, Operation] = {
    **CHANGES,
    "OPEN": "OPEN",
    "CLOSE": "CLOSE",
    "READ": "READ",
    "WRITE": "WRITE",
    "OPENDIR": "LIST",
    "READDIR": "LIST",
    "STAT": "STAT",
    "LSTAT": "STAT",
    "FSTAT": "STAT",
}
# What asyncssh says of a connection whose peer has closed it (2.24.1).
_LEFT = "Connection lost"
# Clients look for what is not there all day long.
_LOOKS = frozenset({"LIST", "STAT", "OTHER"})
_USUAL = frozenset({SftpStatus.NO_SUCH_FILE, SftpStatus.OP_UNSUPPORTED, SftpStatus.EOF})


def _harmless(tell: Callable[P, None]) -> Callable[P, None]:
    """Let no error of telling out: what it tells of has happened, and must not be answered as failed."""

    @wraps(tell)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            tell(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - logged; the client's request goes on
            _log.error("activity not told", step=tell.__name__, exc_info=error)

    return wrapper


class ObservedConnection:
    """One connection, from its first byte to its end."""

    def __init__(self, context: FaceContext) -> None:
        self.session_id = new_session_id()
        self._context = context
        self._visitor: Visitor | None = None
        self._key_types: dict[str, str] = {}
        self._files = 0  # opened, and not told of as closed
        self._is_gone = False
        self._is_over = False
        self.why_ended = ""  # if it was our doing

    # --- logging in -----------------------------------------------------------------------

    @_harmless
    def offered(self, key: asyncssh.SSHKey, fingerprint: str) -> None:
        """Note which kind of key has this fingerprint."""
        self._key_types[fingerprint] = _kind(key.algorithm.decode("ascii", "replace"))

    @_harmless
    def refused(self, claimed: str, client_ip: str, fingerprint: str, *, by_password: bool = False) -> None:
        """Tell of a key, or a password, that did not let somebody in."""
        kind = self._key_types.get(fingerprint, "")
        message = f"{kind} {fingerprint}".strip() or "no key was offered"
        method = "publickey"
        if by_password:
            method, message = "password", "Invalid user name or password"
        server, now, name = self._context.server, _now(), claimed[:_MAX_WORDS_CHARS]
        self._emit(AuthFailure(server, now, client_ip, name, message, method))

    @_harmless
    def no_handshake(self, conn: asyncssh.SSHServerConnection, client_ip: str, exc: Exception) -> None:
        """Tell of a handshake that failed for want of common algorithms; of no other."""
        if isinstance(exc, asyncssh.KeyExchangeFailed):
            message = str(exc).partition(", sent ")[0][:_MAX_WORDS_CHARS]
            kex = ",".join(_offered_kex(_client_kexinit(conn)))[:_MAX_WORDS_CHARS]
            self._emit(KexFailure(self._context.server, _now(), client_ip, message, kex))

    @_harmless
    def logged_in(
        self, conn: asyncssh.SSHServerConnection, user: User, key: SshPublicKey, client_ip: str
    ) -> None:
        """Tell of a login."""
        self._visitor = Visitor(self._context.server, user.user_name, self.session_id, client_ip)
        algorithm, _, body = key.body.partition(" ")
        self._emit(
            Connected(
                self._visitor,
                _now(),
                client=str(conn.get_extra_info("client_version", ""))[:_MAX_WORDS_CHARS],
                kex=_agreed_kex(conn),
                ciphers=(str(conn.get_extra_info("recv_cipher")), str(conn.get_extra_info("send_cipher"))),
                home_directory=_home_directory(user.home, user.user_name),
                key_type=algorithm,
                key_body=body,
                key_fingerprint=key.fingerprint,
                role=user.role,
                policy=user.policy,
                proxied=bool(conn.get_extra_info("proxied")),
            )
        )

    # --- sessions -------------------------------------------------------------------------

    def session(self, tree: HomeTree) -> ObservedSession:
        """Return what tells of one SFTP channel."""
        assert self._visitor is not None
        return ObservedSession(self._context, self._visitor, tree, self._count_files)

    @_harmless
    def gone(self, exc: Exception | None) -> None:
        """Tell that the connection has ended."""
        if self._visitor is None or self._is_gone:
            return
        self._is_gone = True
        # Most clients just leave: that is no reason.
        reason = self.why_ended or (str(exc) if exc and str(exc) != _LEFT else "")
        if reason:
            self._emit(Ended(self._visitor, _now(), reason[:_MAX_WORDS_CHARS]))
        self._tell_end()

    def _count_files(self, more: int) -> None:
        self._files += more
        self._tell_end()

    def _tell_end(self) -> None:
        if self._is_gone and not self._files and not self._is_over and self._visitor:
            self._is_over = True
            self._emit(Disconnected(self._visitor, _now()))

    def _emit(self, activity: Activity) -> None:
        self._context.activities.emit(activity)


@dataclass(slots=True)
class _OpenFile:
    path: str
    started_at: datetime
    has_failed: bool = False
    why_unread: str = ""  # what was said of the first READ that failed


class ObservedSession:
    """One SFTP channel: its requests, and the files it has open. `answered` calls it, and `Files.leave`."""

    def __init__(
        self, context: FaceContext, visitor: Visitor, tree: HomeTree, count_files: Callable[[int], None]
    ) -> None:
        self._context = context
        self._visitor = visitor
        self._tree = tree
        self._count_files = count_files
        self._open: dict[Upload | Download, _OpenFile] = {}

    @_harmless
    def done(self, name: str, args: tuple[Any, ...], result: object, started_at: datetime) -> None:
        """Tell of a request that was answered well; `name` is one of `OBSERVED`."""
        if name == "OPEN":
            self._opened(args, result, started_at)
        elif name == "CLOSE":
            self._end(args[0], lambda opened: self._closure(args[0], opened))
        else:
            path, new_path = self._paths(name, args)
            self._emit(Changed(self._visitor, _now(), CHANGES[name], path, started_at, new_path))

    @_harmless
    def failed(
        self, name: str, args: tuple[Any, ...], told: asyncssh.SFTPError, started_at: datetime | None
    ) -> None:
        """Tell of a request that was answered with an error; of those that are usual, not."""
        operation = _OPERATIONS.get(name, "OTHER")
        if operation in _LOOKS and told.code in _USUAL:
            return
        if operation == "CLOSE":
            self._end(args[0], lambda opened: self._failure(args[0], opened, told.reason))
            return
        if operation in ("READ", "WRITE"):
            opened = self._open.get(args[0])
            if opened is None or opened.has_failed:
                return  # a client sends many at once, and each is answered alike
            opened.has_failed = True
            if isinstance(args[0], Download) and told.code not in _USUAL:
                opened.why_unread = told.reason
        path, new_path = self._paths(name, args)
        now = _now()
        self._emit(Failed(self._visitor, now, operation, path, told.reason, started_at or now, new_path))

    # --- files ----------------------------------------------------------------------------

    def _opened(self, args: tuple[Any, ...], file: object, started_at: datetime) -> None:
        assert isinstance(file, Upload | Download)
        path = self._path(args[0])
        self._open[file] = _OpenFile(path, started_at)
        self._count_files(1)
        self._emit(Opened(self._visitor, _now(), path, mode_text(args[1])))

    def dropping(self, upload: Upload, ending: Coroutine[Any, Any, None]) -> Coroutine[Any, Any, None]:
        """Return the ending of an upload whose client has gone, which tells of it in the end."""
        return self._ended(upload, self._open.pop(upload, None), ending)

    async def _ended(
        self, upload: Upload, opened: _OpenFile | None, ending: Coroutine[Any, Any, None]
    ) -> None:
        try:
            await ending
        finally:
            if opened:
                self._tell_end(lambda opened: self._closure(upload, opened, is_partial=True), opened)

    @_harmless
    def dropped(self, file: Download) -> None:
        """Tell of a file that was open when its client went."""
        self._end(file, lambda opened: self._closure(file, opened, is_partial=True))

    def left(self) -> list[asyncio.Task[None]]:
        """
        The session is over. What it has still to tell is of uploads whose CLOSE was not answered yet.

        Return what waits for them.
        """
        unanswered = [file for file in self._open if isinstance(file, Upload)]
        return [
            self._context.end_later(self._ended(file, self._open.pop(file), file.at_rest()))
            for file in unanswered
        ]

    def _end(self, file: Upload | Download, tell: Callable[[_OpenFile], Activity]) -> None:
        """Tell the end of a file, once."""
        if opened := self._open.pop(file, None):
            self._tell_end(tell, opened)

    @_harmless
    def _tell_end(self, tell: Callable[[_OpenFile], Activity], opened: _OpenFile) -> None:
        try:
            self._emit(tell(opened))
        finally:
            self._count_files(-1)

    def _closure(
        self, file: Upload | Download, opened: _OpenFile, *, is_partial: bool = False
    ) -> Closed | Failed:
        stored = file.stored
        if isinstance(file, Upload) and stored:
            is_partial = False  # finished, though its client was gone before it could be told so
        if opened.why_unread and not is_partial:
            # The client did not get what it asked for, whatever it made of that.
            return self._failure(file, opened, opened.why_unread)
        direction, size = _size(file)
        etag = stored.etag.strip('"') if stored and not is_partial else ""
        # Closed without a byte sent to what was there: nothing was uploaded.
        says_event = is_partial or stored is not None
        return Closed(
            self._visitor,
            _now(),
            opened.path,
            direction,
            size,
            opened.started_at,
            etag,
            is_partial=is_partial,
            says_event=says_event,
        )

    def _failure(self, file: Upload | Download, opened: _OpenFile, why: str) -> Failed:
        direction, size = _size(file)
        return Failed(
            self._visitor, _now(), "CLOSE", opened.path, why, opened.started_at, "", direction, size
        )

    # --- paths ----------------------------------------------------------------------------

    def _paths(self, name: str, args: tuple[Any, ...]) -> tuple[str, str]:
        first = args[0] if args else b""
        if isinstance(first, Upload | Download):
            opened = self._open.get(first)
            return (opened.path if opened else ""), ""
        is_rename = CHANGES.get(name) == "RENAME" and len(args) > 1
        return self._path(first), self._path(args[1]) if is_rename else ""

    def _path(self, sent: object) -> str:
        """Return `/bucket/key`, or what the client sent if it leads into no bucket."""
        if not isinstance(sent, bytes):
            return ""
        try:
            path = normalise(sent, self._tree.start_directory)
        except GatewayError:
            return sent[:_MAX_WORDS_CHARS].decode(errors="replace")
        try:
            place = self._tree.resolve(path)
        except GatewayError:
            return path[:_MAX_WORDS_CHARS]
        location = getattr(place, "location", None)  # none of synthetic directories
        return f"/{location.bucket}/{location.key}".rstrip("/") if location else path

    def _emit(self, activity: Activity) -> None:
        self._context.activities.emit(activity)


def _size(file: Upload | Download) -> tuple[Direction, int]:
    if isinstance(file, Upload):
        return "in", file.received_bytes
    return "out", file.sent_bytes


def _now() -> datetime:
    return datetime.now(UTC)


def _home_directory(home: Home, user_name: str) -> str | None:
    if home.type is HomeDirectoryType.LOGICAL:
        return None
    try:
        return start_of(Home(home.type, substituted(home.directory, user_name)))
    except GatewayError:
        return home.directory


def _kind(algorithm: str) -> str:
    """Return a key's kind as OpenSSH's log has it: RSA, ED25519, ECDSA."""
    plain = algorithm.removeprefix("sk-").removeprefix("ssh-")
    return plain.split("-")[0].split("@")[0].upper()


# --- what was agreed ------------------------------------------------------------------------


def _client_kexinit(conn: asyncssh.SSHServerConnection) -> bytes:
    # asyncssh tells of ciphers and MACs, and not of key exchange (2.24.1; pinned by tests/sftp).
    return bytes(conn._client_kexinit)  # noqa: SLF001


def _agreed_kex(conn: asyncssh.SSHServerConnection) -> str:
    """Return the key exchange: the first of the client's that the server has, RFC 4253 section 7.1."""
    ours = _offered_kex(bytes(conn._server_kexinit))  # noqa: SLF001
    return next((each for each in _offered_kex(_client_kexinit(conn)) if each in ours), "")


def _offered_kex(kexinit: bytes) -> list[str]:
    """Return the key exchanges in a KEXINIT: after a byte of type and 16 of cookie, the first list."""
    length = int.from_bytes(kexinit[17:21], "big")
    names = kexinit[21 : 21 + length].decode("ascii", "replace").split(",")
    # Marks of abilities, which stand among the algorithms (RFC 8308; OpenSSH's PROTOCOL).
    return [name for name in names if name and not name.startswith(("ext-info-", "kex-strict-"))]
