"""Requests to services and answers to attributes: translation, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncssh
from asyncssh import SFTPAttrs, SFTPName

from tidegate.core.errors import AlreadyExists, Busy, NotFound, Unsupported
from tidegate.core.listing import FILE_MODE, Entry, longname, mode, unix_seconds
from tidegate.core.open_modes import OpenIntent, intent_of
from tidegate.core.paths import HomeTree, normalise
from tidegate.core.sessions import Session
from tidegate.faces.sftp.answers import answered, answered_stream
from tidegate.faces.sftp.context import FaceContext
from tidegate.services.downloads import Download
from tidegate.services.uploads import Upload

MAX_HANDLES = 128


class Files(asyncssh.SFTPServer):
    """The files of one session, as asyncssh asks for them."""

    def __init__(
        self,
        channel: asyncssh.SSHServerChannel[bytes],
        context: FaceContext,
        session: Session,
        tree: HomeTree,
    ) -> None:
        super().__init__(channel)
        self.session = session
        self._context = context
        self._tree = tree
        self._browsing = context.browsing(tree, session)
        self._open: set[Upload | Download] = set()

    def leave(self) -> None:
        """End what the client never closed: its session or connection is gone."""
        for each in self._open:
            if isinstance(each, Upload):
                self._context.end_later(each.abandon("the session ended before the file was closed"))
            else:
                each.abandon("the session ended before the file was closed")
        self._open = set()

    def exit(self) -> None:
        # Without an exit status `scp` reports failure for a transfer that went well.
        self.channel.exit(0)

    # --- files ----------------------------------------------------------------------------

    @answered("OPEN")
    async def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:  # noqa: ARG002 - S3 keeps none
        if len(self._open) >= MAX_HANDLES:
            raise Busy(f"the session has {MAX_HANDLES} files open")
        intent = intent_of(pflags)
        opened: Upload | Download
        if intent.is_write:
            opened = await self._open_for_writing(self._path(path), intent)
        else:
            name = self._path(path)
            location = self._tree.resolve(name).file_location()
            opened = await self._context.downloads.begin(self.session, name, location)
        self._open.add(opened)
        return opened

    async def _open_for_writing(self, path: str, intent: OpenIntent) -> Upload:
        location = self._tree.resolve(path).file_location()
        if intent.must_exist:
            await self._browsing.stat(path)
        if intent.must_be_new and await self._is_there(path):
            raise AlreadyExists(f"{path} exists, and the client wants a new file")
        return await self._context.uploads.begin(self.session, path, location)

    async def _is_there(self, path: str) -> bool:
        try:
            await self._browsing.stat(path)
        except NotFound:
            return False
        return True

    @answered("CLOSE")
    async def close(self, file_obj: object) -> None:
        opened = _opened(file_obj)
        self._open.discard(opened)
        if isinstance(opened, Upload):
            await opened.finish()
        else:
            opened.finish()

    @answered("READ")
    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        opened = _opened(file_obj)
        if isinstance(opened, Upload):
            raise Unsupported("READ on a handle opened for writing")
        return await opened.read(offset, size)

    @answered("WRITE")
    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        opened = _opened(file_obj)
        if isinstance(opened, Download):
            raise Unsupported("WRITE on a handle opened for reading")
        await opened.write(offset, data)
        return len(data)

    # --- attributes -----------------------------------------------------------------------

    @answered("STAT")
    async def stat(self, path: bytes) -> SFTPAttrs:
        return _attributes(await self._browsing.stat(self._path(path)))

    @answered("LSTAT")
    async def lstat(self, path: bytes) -> SFTPAttrs:
        return _attributes(await self._browsing.stat(self._path(path)))

    @answered("FSTAT")
    async def fstat(self, file_obj: object) -> SFTPAttrs:
        opened = _opened(file_obj)
        if isinstance(opened, Upload):
            return _file_attributes(opened.received_bytes, opened.record.started_at)
        return _file_attributes(opened.stored.size, opened.stored.modified_at)

    @answered("SETSTAT")
    async def setstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        self._refuse_setstat()
        _refuse_resizing(attrs, (await self._browsing.stat(self._path(path))).size)

    @answered("FSETSTAT")
    async def fsetstat(self, file_obj: object, attrs: SFTPAttrs) -> None:
        self._refuse_setstat()
        opened = _opened(file_obj)
        _refuse_resizing(attrs, opened.received_bytes if isinstance(opened, Upload) else opened.stored.size)

    def _refuse_setstat(self) -> None:
        if self._context.behaviour.setstat == "refuse":
            raise Unsupported("SETSTAT is refused by the preset", text="SETSTAT unsupported")

    # --- directories and names ------------------------------------------------------------

    @answered("REALPATH")
    async def realpath(self, path: bytes) -> bytes:
        return self._path(path).encode()

    @answered_stream("READDIR")
    async def scandir(self, path: bytes) -> AsyncIterator[SFTPName]:
        now = datetime.now(UTC)
        async for entry in self._browsing.list(self._path(path)):
            shown = longname(entry, now).encode()
            yield SFTPName(entry.name.encode(), shown, _attributes(entry))

    @answered("MKDIR")
    async def mkdir(self, path: bytes, attrs: SFTPAttrs) -> None:  # noqa: ARG002 - S3 keeps none
        await self._browsing.make_directory(self._path(path))

    @answered("RMDIR")
    async def rmdir(self, path: bytes) -> None:
        await self._browsing.remove_directory(self._path(path))

    @answered("REMOVE")
    async def remove(self, path: bytes) -> None:
        await self._browsing.remove(self._path(path))

    @answered("RENAME")
    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._browsing.rename(self._path(oldpath), self._path(newpath), overwrite=False)

    @answered("POSIX-RENAME")
    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._browsing.rename(self._path(oldpath), self._path(newpath), overwrite=True)

    def _path(self, path: bytes) -> str:
        return normalise(path, self._tree.start_directory)


def _opened(file_obj: object) -> Upload | Download:
    if isinstance(file_obj, Upload | Download):
        return file_obj
    raise TypeError(f"not one of our handles: {type(file_obj).__name__}")


def _refuse_resizing(attrs: SFTPAttrs, size: int) -> None:
    # Times and permissions are accepted and not kept, which harms nobody. A size that is not the file's
    # would be believed: `scp` and others send it before CLOSE, and theirs is right if the file is whole.
    if attrs.size is not None and attrs.size != size:
        raise Unsupported(f"SETSTAT to {attrs.size} bytes of {size}", text="SETSTAT unsupported")


def _attributes(entry: Entry) -> SFTPAttrs:
    seconds = unix_seconds(entry.modified_at)
    return SFTPAttrs(size=entry.size, permissions=mode(entry), atime=seconds, mtime=seconds)


def _file_attributes(size: int, modified_at: datetime | None) -> SFTPAttrs:
    seconds = unix_seconds(modified_at)
    return SFTPAttrs(size=size, permissions=FILE_MODE, atime=seconds, mtime=seconds)
