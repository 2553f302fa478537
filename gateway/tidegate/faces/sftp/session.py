"""
One SFTP session: requests in, replies out, and who closes what.

Three facts of asyncssh 2.24.1 shape this file; tests/sftp/test_endings.py and test_backpressure.py
pin them, and docs/decisions/0003-endings-of-uploads.md tells the story.

1. When a session ends, asyncssh calls `close` for every handle the client left open, with nothing to
   tell that from a client's CLOSE. So our handler forgets its handles before that clean-up runs.
2. When the connection drops, nothing is called; the session's task is cancelled. So the endings hang
   on `finally`.
3. Replies are never waited for. So no request is taken up while earlier replies are still unsent.

Packets are looked at in requests.py. Only types listed in core/sftp_requests.py reach a handler: everything
else is answered as unsupported, and no default of the library that would touch local files can be reached.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asyncssh.stream import SSHReader, SSHServerStreamSession, SSHWriter

from tidegate.core.paths import HomeTree
from tidegate.core.sessions import Session
from tidegate.faces.sftp.context import FaceContext
from tidegate.faces.sftp.files import Files
from tidegate.faces.sftp.limits import Visit
from tidegate.faces.sftp.observed import ObservedConnection
from tidegate.faces.sftp.requests import Requests
from tidegate.ports.objects import ObjectStore


class Handler(Requests):
    """The requests of one session, and who hears of them."""

    def __init__(
        self,
        files: Files,
        reader: SSHReader[bytes],
        writer: SSHWriter[bytes],
        context: FaceContext,
        may_write: asyncio.Event,
        visit: Visit,
    ) -> None:
        super().__init__(files, reader, writer, context.behaviour.extensions, may_write)
        self._answering = context.answering
        self._visit = visit

    async def run(self) -> None:
        try:
            await super().run()
        except EOFError:
            # A session that ended before INIT. Let out, it would end the connection and with it the
            # uploads of its other sessions.
            await self._cleanup(None)
        finally:
            self.all_answered()

    def taken_up(self) -> None:
        self._answering.begin(self)
        self._visit.asked(self._files.session)

    def all_answered(self) -> None:
        self._answering.end(self)
        self._visit.answered(self._files.session)

    def count_handles(self) -> int:
        """Return how many files and directories the client has open."""
        return len(self._file_handles) + len(self._dir_handles)


class SftpSession(SSHServerStreamSession[bytes]):
    """A channel that can be asked for the subsystem `sftp` and nothing else."""

    def __init__(
        self,
        context: FaceContext,
        session: Session,
        tree: HomeTree,
        store: ObjectStore,
        may_write: asyncio.Event,
        visit: Visit,
        observed: ObservedConnection,
    ) -> None:
        super().__init__(None)
        self._store = store
        self._observed = observed
        self._context = context
        self._session = session
        self._tree = tree
        self._may_write = may_write
        self._visit = visit

    def connection_lost(self, exc: Exception | None) -> None:
        self._visit.end_session()
        super().connection_lost(exc)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._visit.touch()
        super().data_received(data, datatype)

    def pause_writing(self) -> None:
        self._visit.blocked(self._session)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._visit.unblocked(self._session)
        super().resume_writing()

    def shell_requested(self) -> bool:
        return False

    def exec_requested(self, command: str) -> bool:  # noqa: ARG002 - any command
        return False

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == "sftp"

    def session_started(self) -> None:
        channel: Any = self._chan
        channel.set_encoding(None)
        self._encoding = None
        observed = self._observed.session(self._tree)
        files = Files(channel, self._context, self._session, self._tree, self._store, self._visit, observed)
        reader, writer = SSHReader[bytes](self, channel), SSHWriter[bytes](self, channel)
        handler = Handler(files, reader, writer, self._context, self._may_write, self._visit)
        files.count_handles = handler.count_handles
        connection: Any = self._conn
        connection.create_task(self._serve(handler, files), reader.logger)

    async def _serve(self, handler: Handler, files: Files) -> None:
        try:
            await handler.run()
        finally:
            files.leave()
