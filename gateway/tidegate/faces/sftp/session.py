"""
One SFTP session: requests in, replies out, and who closes what.

Three facts of asyncssh 2.24.1 shape this file; tests/sftp/test_endings.py and test_backpressure.py
pin them, and docs/decisions/0003-endings-of-uploads.md tells the story.

1. When a session ends, asyncssh calls `close` for every handle the client left open, with nothing to
   tell that from a client's CLOSE. So our handler forgets its handles before that clean-up runs.
2. When the connection drops, nothing is called; the session's task is cancelled. So the endings hang
   on `finally`.
3. Replies are never waited for. So no request is taken up while earlier replies are still unsent.

Only packet types listed here reach a handler: everything else is answered as unsupported, and no
default of the library that would touch local files can be reached.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asyncssh import constants as wire
from asyncssh.sftp import SFTPServerHandler
from asyncssh.stream import SSHReader, SSHServerStreamSession, SSHWriter

from tidegate.core.paths import HomeTree
from tidegate.core.sessions import Session
from tidegate.faces.sftp.context import FaceContext
from tidegate.faces.sftp.files import Files

_ALWAYS: tuple[int | bytes, ...] = (
    wire.FXP_OPEN,
    wire.FXP_CLOSE,
    wire.FXP_READ,
    wire.FXP_WRITE,
    wire.FXP_LSTAT,
    wire.FXP_FSTAT,
    wire.FXP_SETSTAT,
    wire.FXP_FSETSTAT,
    wire.FXP_OPENDIR,
    wire.FXP_READDIR,
    wire.FXP_REMOVE,
    wire.FXP_MKDIR,
    wire.FXP_RMDIR,
    wire.FXP_REALPATH,
    wire.FXP_STAT,
    wire.FXP_RENAME,
)
# Extensions we know how to answer, by name; a preset offers some of them.
_EXTENSIONS = {b"posix-rename@openssh.com": b"1", b"limits@openssh.com": b"1"}
SFTP_VERSION = 3


class Handler(SFTPServerHandler):
    """asyncssh's request loop, with our endings and our back-pressure."""

    def __init__(
        self,
        files: Files,
        reader: SSHReader[bytes],
        writer: SSHWriter[bytes],
        context: FaceContext,
        may_write: asyncio.Event,
    ) -> None:
        super().__init__(files, reader, writer, SFTP_VERSION)
        offered = [name for name in context.behaviour.extensions if name in _EXTENSIONS]
        self._extensions = [(name, _EXTENSIONS[name]) for name in offered]
        handlers = SFTPServerHandler._packet_handlers  # noqa: SLF001 - see the head of this file
        self._packet_handlers = {kind: handlers[kind] for kind in (*_ALWAYS, *offered)}
        self._may_write = may_write
        self._answering = context.answering

    async def run(self) -> None:
        try:
            await super().run()
        except EOFError:
            # A session that ended before INIT. Let out, it would end the connection and with it the
            # uploads of its other sessions.
            await self._cleanup(None)
        finally:
            self._answering.end(self)

    async def recv_packet(self) -> Any:
        self._answering.end(self)
        if self._writer:
            await self._writer.drain()
        await self._may_write.wait()
        packet = await super().recv_packet()
        self._answering.begin(self)
        return packet

    async def _cleanup(self, exc: Exception | None) -> None:
        self._file_handles = {}
        await super()._cleanup(exc)


class SftpSession(SSHServerStreamSession[bytes]):
    """A channel that can be asked for the subsystem `sftp` and nothing else."""

    def __init__(
        self, context: FaceContext, session: Session, tree: HomeTree, may_write: asyncio.Event
    ) -> None:
        super().__init__(None)
        self._context = context
        self._session = session
        self._tree = tree
        self._may_write = may_write

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
        files = Files(channel, self._context, self._session, self._tree)
        reader, writer = SSHReader[bytes](self, channel), SSHWriter[bytes](self, channel)
        handler = Handler(files, reader, writer, self._context, self._may_write)
        connection: Any = self._conn
        connection.create_task(self._serve(handler, files), reader.logger)

    async def _serve(self, handler: Handler, files: Files) -> None:
        try:
            await handler.run()
        finally:
            files.leave()
