"""The SHA-256 of a stored file as it was counted when the file came: nothing is read again."""

from __future__ import annotations

from tidegate.core.errors import NotFound, Unsupported
from tidegate.core.objects import META_SHA256, Location, StoredObject
from tidegate.core.renames import story_of
from tidegate.ports.objects import ObjectReader
from tidegate.ports.transfer_log import TransferLog


class Hashes:
    """Answers from an object's metadata, or from the record its metadata names."""

    def __init__(self, store: ObjectReader, log: TransferLog) -> None:
        self._store = store
        self._log = log

    async def at(
        self, location: Location, *, store: ObjectReader | None = None
    ) -> tuple[StoredObject, bytes]:
        """
        Return the current version and its digest. Raises `NotFound`, `Unsupported`.

        Args:
            store: Looks with the rights of the session; None: with the gateway's own.
        """
        stored = await (store or self._store).head(location)
        return stored, await self.of(stored)

    async def of(self, stored: StoredObject) -> bytes:
        """Return the digest of one version. Raises `Unsupported` if it is not on record."""
        known = stored.metadata.get(META_SHA256) or await self._recorded(stored)
        if known is None:
            raise Unsupported(
                f"no SHA-256 of {stored.location} is on record",
                text="The SHA-256 of this file is not on record",
            )
        return bytes.fromhex(known)

    async def _recorded(self, stored: StoredObject) -> str | None:
        log_id = story_of(stored)
        if log_id is None:
            return None
        try:
            record = (await self._log.story(log_id)).transfer
        except NotFound:
            return None
        # One LogID is one content: copies made by renames carry it on. The size is a check on that.
        return record.sha256 if record.size == stored.size else None
