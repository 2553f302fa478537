"""
The border where errors become SFTP status replies. Nothing else translates.

A client reads a fixed status and a fixed text, and for failures an error id, unless the text is one that
Transfer Family has. What really happened is in our log under that id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import asyncssh
import structlog

from tidegate.core.activities import OBSERVED
from tidegate.core.errors import GatewayError, NotFound, SftpStatus, Unsupported
from tidegate.core.ids import new_error_id
from tidegate.core.sessions import Session

_log = structlog.get_logger("tidegate.sftp")

# A client may send a path of a quarter of a megabyte; the log need not hold it.
_MAX_SUBJECT_CHARS = 300

# These name no path: what is missing then is a bucket or a version, and no file the client asked for.
_ON_HANDLES = frozenset({"CLOSE", "READ", "WRITE", "FSTAT", "FSETSTAT"})

P = ParamSpec("P")
T = TypeVar("T")


class Observed(Protocol):
    """Whoever is told what became of requests. Never raises."""

    def done(self, name: str, args: tuple[Any, ...], result: object, started_at: datetime) -> None: ...

    def failed(
        self, name: str, args: tuple[Any, ...], told: asyncssh.SFTPError, started_at: datetime | None
    ) -> None: ...


class Answering(Protocol):
    """Whoever answers requests of a session."""

    @property
    def session(self) -> Session: ...

    @property
    def observed(self) -> Observed: ...


S = TypeVar("S", bound=Answering)


def answered(
    operation: str,
) -> Callable[[Callable[Concatenate[S, P], Awaitable[T]]], Callable[Concatenate[S, P], Awaitable[T]]]:
    """Let the errors of a request handler out as SFTP errors, and only as those; and tell who observes."""
    is_observed = operation in OBSERVED

    def decorate(handler: Callable[Concatenate[S, P], Awaitable[T]]) -> Any:
        @wraps(handler)
        async def wrapper(self: S, *args: P.args, **kwargs: P.kwargs) -> T:
            started_at = datetime.now(UTC) if is_observed else None
            try:
                result = await handler(self, *args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the one border; all of it is logged
                told = as_sftp_error(error, operation, self.session, args[:1])
                self.observed.failed(operation, args, told, started_at)
                raise told from None
            if started_at:
                self.observed.done(operation, args, result, started_at)
            return result

        return wrapper

    return decorate


def answered_stream(
    operation: str,
) -> Callable[[Callable[Concatenate[S, P], AsyncIterator[T]]], Callable[Concatenate[S, P], AsyncIterator[T]]]:
    """The same for a handler that yields."""

    def decorate(handler: Callable[Concatenate[S, P], AsyncIterator[T]]) -> Any:
        @wraps(handler)
        async def wrapper(self: S, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
            try:
                async for each in handler(self, *args, **kwargs):
                    yield each
            except Exception as error:  # noqa: BLE001 - the one border; all of it is logged
                told = as_sftp_error(error, operation, self.session, args[:1])
                self.observed.failed(operation, args, told, None)
                raise told from None

        return wrapper

    return decorate


def as_sftp_error(
    error: Exception, operation: str, session: Session, subject: tuple[object, ...] = ()
) -> asyncssh.SFTPError:
    """Log the error, and return what the client may know of it."""
    if isinstance(error, asyncssh.SFTPError):
        return error
    is_ours = isinstance(error, NotFound) and operation in _ON_HANDLES
    if isinstance(error, NotFound | Unsupported) and not is_ours:
        # Clients look for files that are not there all day, and match these texts: no id, no noise.
        _log.debug(operation, session=session.session_id, user=session.user_name, detail=str(error))
        return asyncssh.SFTPError(error.status, error.text)
    error_id = new_error_id()
    facts = {
        "operation": operation,
        "error_id": error_id,
        "session": session.session_id,
        "user": session.user_name,
        "client_ip": session.client_ip,
        "subject": repr(subject[0])[:_MAX_SUBJECT_CHARS] if subject else None,
    }
    if isinstance(error, GatewayError):
        _log.warning("request refused", kind=type(error).__name__, detail=str(error), **facts)
        told = GatewayError if is_ours else error
        text = f"{told.text} (error {error_id})" if told.carries_id else told.text
        return asyncssh.SFTPError(told.status, text)
    _log.error("request failed", exc_info=error, **facts)
    return asyncssh.SFTPError(SftpStatus.FAILURE, f"Internal error (error {error_id})")
