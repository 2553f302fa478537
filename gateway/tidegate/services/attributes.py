"""
What a name or an open file is said to be, and what a client may set of it.

Nothing here is remembered: each answer is asked of S3, or of the upload that is being written. So a STAT
after CLOSE tells what CLOSE has stored, and after a CLOSE that failed what was there before.
"""

from __future__ import annotations

from tidegate.core.attributes import WantedAttributes
from tidegate.core.behaviour import Behaviour
from tidegate.core.errors import NotFound, Unsupported
from tidegate.core.listing import Entry, directory_entry
from tidegate.core.objects import Location, StoredObject
from tidegate.core.paths import HomeTree, SyntheticDirectory
from tidegate.core.sessions import Session
from tidegate.ports.objects import ObjectStore
from tidegate.services.browsing import Browsing
from tidegate.services.downloads import Download
from tidegate.services.intake import Uploads
from tidegate.services.kept_times import keep_time, time_shown
from tidegate.services.kept_uploads import Kept
from tidegate.services.uploads import Upload


class Attributes:
    """The attributes of one user's files, in one session."""

    def __init__(
        self,
        tree: HomeTree,
        session: Session,
        browsing: Browsing,
        store: ObjectStore,
        uploads: Uploads,
        behaviour: Behaviour,
    ) -> None:
        self._tree = tree
        self._session = session
        self._browsing = browsing
        self._store = store
        self._uploads = uploads
        self._behaviour = behaviour

    async def stat(self, path: str) -> Entry:
        """Describe a file or directory. Raises `NotFound`."""
        name = path.rsplit("/", 1)[-1]
        found = await self._find(path)
        return directory_entry(name) if found is None else await self._entry(name, found)

    async def stat_open(self, opened: Upload | Download) -> Entry:
        """Describe an open file: of an upload, the bytes received so far."""
        return await self._entry("", opened if isinstance(opened, Upload) else opened.stored)

    async def set(self, path: str, wanted: WantedAttributes) -> None:
        """
        Set what the behaviour lets a client set of a name.

        Directories have no time to keep: they accept one and forget it.

        Raises:
            NotFound: Nothing is there.
            Unsupported: The behaviour refuses; or the size is not that of the file.
        """
        self._refuse()
        found = await self._find(path)
        if self._behaviour.setstat == "no_op":
            return
        if found is not None:
            await self._set(found, wanted)
        elif wanted.size is not None:
            raise _resized(wanted.size, f"directory {path}")

    async def set_open(self, opened: Upload | Download, wanted: WantedAttributes) -> None:
        """
        Set what the behaviour lets a client set of an open file.

        Raises:
            OutOfOrderWrite: The upload was cut to a size that is behind what S3 has: its CLOSE fails, too.
            Unsupported: The behaviour refuses; or the size is not that of the file being read.
        """
        self._refuse()
        if self._behaviour.setstat == "accept":
            await self._set(opened if isinstance(opened, Upload) else opened.stored, wanted)

    def _refuse(self) -> None:
        if self._behaviour.setstat == "refuse":
            raise Unsupported("SETSTAT is refused by the preset", text="SETSTAT unsupported")

    async def _set(self, of: Upload | StoredObject | Kept, wanted: WantedAttributes) -> None:
        if isinstance(of, Upload):
            if wanted.size is not None:
                await of.set_size(wanted.size)
            if wanted.mtime is not None:
                of.set_time(wanted.mtime)
            return
        if wanted.size not in (None, of.size):
            raise _resized(wanted.size, f"{of.location} of {of.size} bytes")
        # What is no file yet gets its time when it is one.
        if wanted.mtime is not None and isinstance(of, StoredObject):
            await keep_time(self._store, of, wanted.mtime)

    async def _find(self, path: str) -> Upload | StoredObject | Kept | None:
        """
        Return what a name means; None: a directory. Raises `NotFound`.

        While a file is replaced its name means the old version, as it does to OPEN and READDIR. A dropped
        upload that is kept is shown to its partner, who must know from where to go on.
        """
        upload = self._being_written(path)
        try:
            return await self._browsing.find(path)
        except NotFound:
            if upload is None:
                return await self._kept(path)
        # It may have ended while S3 was asked.
        return upload if upload.is_alive else await self._browsing.find(path)

    async def _kept(self, path: str) -> Kept:
        kept = await self._uploads.kept_at(self._session, self._tree.resolve(path).file_location())
        if kept is None:
            raise NotFound(f"{path} is not there")
        return kept

    def _being_written(self, path: str) -> Upload | None:
        place = self._tree.resolve(path)
        if not self._behaviour.show_open_uploads or isinstance(place, SyntheticDirectory):
            return None
        location: Location = place.location
        upload = self._uploads.at(location)
        return upload if upload is not None and upload.is_alive else None

    async def _entry(self, name: str, found: Upload | StoredObject | Kept) -> Entry:
        if isinstance(found, Upload):
            left = name and found.is_left_by(self._session)
            size = found.continuable_bytes if left else found.received_bytes
            return Entry(name, False, size, found.modified_at)
        if isinstance(found, Kept):
            return Entry(name, False, found.size, found.record.timestamp)
        keeps = self._behaviour.setstat == "accept"
        at = await time_shown(self._store, found) if keeps else found.modified_at
        return Entry(name, False, found.size, at)


def _resized(size: int | None, what: str) -> Unsupported:
    return Unsupported(f"SETSTAT to {size} bytes: {what}", text="SETSTAT unsupported")
