"""Requests to services and answers to attributes: translation, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime

import asyncssh
from asyncssh import SFTPAttrs, SFTPName, SFTPVFSAttrs

from tidegate.core.attributes import WantedAttributes
from tidegate.core.errors import AlreadyExists, GatewayError, NotFound, TooManyHandles, Unsupported
from tidegate.core.extensions import FileSystem, is_whole
from tidegate.core.listing import Entry, longname, mode, unix_seconds
from tidegate.core.open_modes import OpenIntent, intent_of
from tidegate.core.paths import HomeTree, normalise
from tidegate.core.sessions import Session
from tidegate.faces.sftp.answers import answered, answered_stream, as_sftp_error
from tidegate.faces.sftp.context import FaceContext
from tidegate.faces.sftp.limits import TOO_MANY_HANDLES, Visit
from tidegate.faces.sftp.listings import Listing
from tidegate.faces.sftp.observed import ObservedSession
from tidegate.ports.objects import ObjectStore
from tidegate.services.attributes import Attributes
from tidegate.services.downloads import Download
from tidegate.services.kinds import Kinds
from tidegate.services.uploads import Upload


class Files(asyncssh.SFTPServer):
    """The files of one session, as asyncssh asks for them."""

    def __init__(
        self,
        channel: asyncssh.SSHServerChannel[bytes],
        context: FaceContext,
        session: Session,
        tree: HomeTree,
        store: ObjectStore,
        visit: Visit,
        observed: ObservedSession,
    ) -> None:
        super().__init__(channel)
        self.session = session
        self._store = store  # with the rights of this session
        self.observed = observed
        self._visit = visit
        # The handler counts: directories are closed without our being told.
        self.count_handles: Callable[[], int] = lambda: 0
        self._context = context
        self._tree = tree
        self._browsing = context.browsing(tree, session, store)
        self._attributes = Attributes(
            tree, session, self._browsing, store, context.uploads, context.behaviour
        )
        # A guard of ours, also over what the session may write and not see.
        self._kinds = Kinds(tree, context.store, one_kind=context.behaviour.one_kind)
        self._open: set[Upload | Download] = set()

    def leave(self) -> None:
        """End what the client never closed: its session or connection is gone."""
        endings = []
        for each in self._open:
            if isinstance(each, Upload):
                dropping = self.observed.dropping(each, each.abandon(self._visit.why_ended))
                endings.append(self._context.end_later(dropping))
            else:
                each.abandon(self._visit.why_ended)
                self.observed.dropped(each)
        self._open = set()
        endings += self.observed.left()
        self._context.end_later(self._left(endings))

    async def _left(self, endings: list[asyncio.Task[None]]) -> None:
        """They write with the rights of this session: those are let go of afterwards."""
        if endings:
            await asyncio.wait(endings)
        await self._context.rights.left(self.session)

    def exit(self) -> None:
        # Without an exit status `scp` reports failure for a transfer that went well.
        self.channel.exit(0)

    # --- files ----------------------------------------------------------------------------

    @answered("OPEN")
    async def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> object:  # noqa: ARG002 - S3 keeps none
        self._refuse_more_handles()
        intent = intent_of(pflags, resume=self._context.behaviour.resume)
        opened: Upload | Download
        if intent.is_write:
            opened = await self._open_for_writing(self._path(path), intent)
        else:
            name = self._path(path)
            location = self._tree.resolve(name).file_location()
            opened = await self._context.downloads.begin(self.session, name, location, store=self._store)
        self._open.add(opened)
        return opened

    @property
    def max_handles(self) -> int:
        """How many files and directories the client may have open in this session."""
        return self._visit.limits.handles_per_session

    def _refuse_more_handles(self) -> None:
        if self.count_handles() >= self.max_handles:
            self._visit.refused("handle refused", TOO_MANY_HANDLES)
            raise TooManyHandles(f"the session has {self.max_handles} files and directories open")

    async def _open_for_writing(self, path: str, intent: OpenIntent) -> Upload:
        location = self._tree.resolve(path).file_location()
        await self._kinds.check_new_file(path)
        if intent.must_exist and not intent.continues:
            await self._browsing.stat(path)
        if intent.must_be_new and await self._is_there(path):
            raise AlreadyExists(f"{path} exists, and the client wants a new file")
        return await self._context.uploads.begin(self.session, path, location, intent, store=self._store)

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
        data = await opened.read(offset, size)
        if rate := self._visit.allowance.downloads:
            await rate.take(len(data))
        return data

    @answered("WRITE")
    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        opened = _opened(file_obj)
        if isinstance(opened, Download):
            raise Unsupported("WRITE on a handle opened for reading")
        if rate := self._visit.allowance.uploads:
            # Little more is read meanwhile (lanes.py): the client's bytes stay in the network.
            await rate.take(len(data))
        await opened.write(offset, data)
        return len(data)

    # --- attributes -----------------------------------------------------------------------

    @answered("STAT")
    async def stat(self, path: bytes) -> SFTPAttrs:
        return _attributes(await self._attributes.stat(self._path(path)))

    @answered("LSTAT")
    async def lstat(self, path: bytes) -> SFTPAttrs:
        return _attributes(await self._attributes.stat(self._path(path)))

    @answered("FSTAT")
    async def fstat(self, file_obj: object) -> SFTPAttrs:
        return _attributes(await self._attributes.stat_open(_opened(file_obj)))

    @answered("SETSTAT")
    async def setstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        await self._attributes.set(self._path(path), _wanted(attrs))

    @answered("FSETSTAT")
    async def fsetstat(self, file_obj: object, attrs: SFTPAttrs) -> None:
        await self._attributes.set_open(_opened(file_obj), _wanted(attrs))

    # --- directories and names ------------------------------------------------------------

    @answered("REALPATH")
    async def realpath(self, path: bytes) -> bytes:
        return self._path(path).encode()

    def scandir(self, path: bytes) -> Listing:  # type: ignore[override]
        # Called for OPENDIR itself; what is returned is asked by each READDIR, and by ours alone.
        try:
            self._refuse_more_handles()
        except TooManyHandles as error:
            told = as_sftp_error(error, "OPENDIR", self.session, (path,))
            self.observed.failed("OPENDIR", (path,), told, None)
            raise told from None
        return Listing(self._scan(path))

    @answered_stream("READDIR")
    async def _scan(self, path: bytes) -> AsyncIterator[SFTPName]:
        now = datetime.now(UTC)
        async for entry in self._browsing.list(self._path(path)):
            shown = longname(entry, now).encode()
            yield SFTPName(entry.name.encode(), shown, _attributes(entry))

    @answered("MKDIR")
    async def mkdir(self, path: bytes, attrs: SFTPAttrs) -> None:  # noqa: ARG002 - S3 keeps none
        name = self._path(path)
        await self._kinds.check_above(name)
        await self._browsing.make_directory(name)

    @answered("RMDIR")
    async def rmdir(self, path: bytes) -> None:
        await self._browsing.remove_directory(self._path(path))

    @answered("REMOVE")
    async def remove(self, path: bytes) -> None:
        name = self._path(path)
        try:
            await self._browsing.remove(name)
        except NotFound:
            location = self._tree.resolve(name).file_location()
            if not await self._context.uploads.forget_kept(self.session, location):
                raise

    @answered("RENAME")
    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._rename(oldpath, newpath, overwrite=False)

    @answered("POSIX-RENAME")
    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._rename(oldpath, newpath, overwrite=True)

    async def _rename(self, oldpath: bytes, newpath: bytes, *, overwrite: bool) -> None:
        old, new = self._path(oldpath), self._path(newpath)
        await self._kinds.check_above(new)
        await self._browsing.rename(old, new, overwrite=overwrite)

    # --- extensions -----------------------------------------------------------------------

    @answered("FSYNC")
    async def fsync(self, file_obj: object) -> None:
        opened = _opened(file_obj)
        if isinstance(opened, Upload):
            opened.check()

    @answered("LSETSTAT")
    async def lsetstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        await self._attributes.set(self._path(path), _wanted(attrs))

    @answered("STATVFS")
    async def statvfs(self, path: bytes) -> SFTPVFSAttrs:
        await self._attributes.stat(self._path(path))  # of what is there, and no other
        return _file_system()

    @answered("FSTATVFS")
    async def fstatvfs(self, file_obj: object) -> SFTPVFSAttrs:
        _opened(file_obj)
        return _file_system()

    @answered("CHECK-FILE")
    async def check_file(
        self, subject: object, algorithms: list[bytes], start: int, length: int, block: int
    ) -> bytes:
        """Return the SHA-256 of a file that is named, or open for reading."""
        if b"sha256" not in algorithms:
            raise Unsupported(f"only sha256, not {algorithms[:9]!r}", text="Only sha256 is supported")
        hashes = self._context.hashes
        if isinstance(subject, bytes):
            location = self._tree.resolve(self._path(subject)).file_location()
            stored, digest = await hashes.at(location, store=self._store)
        elif isinstance(subject, Download):
            stored, digest = subject.stored, await hashes.of(subject.stored)
        else:
            raise Unsupported("check-file of an upload", text="The file is still open for writing")
        if not is_whole(stored.size, start, length, block):
            raise Unsupported("check-file of a range", text="Only whole files can be checked")
        return digest

    def named(self, paths: Iterable[bytes]) -> list[str]:
        """Return what these paths of a request are in the home, without those that can be no path."""
        named = []
        for path in paths:
            try:
                named.append(self._path(path))
            except GatewayError:
                continue  # whoever answers the request refuses it
        return named

    def _path(self, path: bytes) -> str:
        return normalise(path, self._tree.start_directory)


def _opened(file_obj: object) -> Upload | Download:
    if isinstance(file_obj, Upload | Download):
        return file_obj
    raise TypeError(f"not one of our handles: {type(file_obj).__name__}")


def _wanted(attrs: SFTPAttrs) -> WantedAttributes:
    return WantedAttributes(attrs.size, attrs.mtime)


def _file_system() -> SFTPVFSAttrs:
    told = FileSystem()
    size, count = (told.blocks,) * 3, (told.files,) * 3
    return SFTPVFSAttrs(
        told.block_bytes, told.block_bytes, *size, *count, flags=told.flags, namemax=told.name_bytes
    )


def _attributes(entry: Entry) -> SFTPAttrs:
    seconds = unix_seconds(entry.modified_at)
    return SFTPAttrs(size=entry.size, permissions=mode(entry), atime=seconds, mtime=seconds)
