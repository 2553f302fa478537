"""
Going on from what is there: appending to a file, writing into one, continuing a dropped upload.

An OPEN that does not truncate says nothing of what is to be kept; the first thing the client does with the
handle says it. A first WRITE at offset n keeps the n bytes before it, and whatever came behind them is
replaced by what is written. So does cutting the file to n bytes. With the flag APPEND everything goes to
the end, whether the client counts from the end or from the start of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tidegate.core.errors import OutOfOrderWrite, SendWhole
from tidegate.core.ids import UploadId
from tidegate.core.limits import S3_MIN_PART_BYTES
from tidegate.core.objects import KeptPart, Location, StoredObject
from tidegate.ports.objects import ObjectStore
from tidegate.services.digests import Digest
from tidegate.services.part_sender import PartSender


class Earlier(Protocol):
    """What a name has at OPEN that may be kept."""

    @property
    def size(self) -> int: ...

    @property
    def is_published(self) -> bool:
        """Whether it is a file that can be read, and stays one if nothing is written."""
        ...

    async def keep(self, count: int, sender: PartSender) -> bytes:
        """
        Let the upload begin with the first `count` bytes. Return those that are not sent as parts.

        Raises:
            OutOfOrderWrite: Just so many cannot be kept.
            GatewayError: S3 failed, or what was there has changed.
        """
        ...

    async def leave(self) -> None:
        """Keep nothing of it in what is written now."""
        ...


@dataclass(frozen=True, slots=True)
class EarlierObject:
    """
    A file that is there: its bytes are copied, so it stays what it is until the upload has ended.

    Args:
        was_to_be_replaced: Its partner's last upload was to replace it, and came to nothing.
    """

    store: ObjectStore
    stored: StoredObject
    was_to_be_replaced: bool = False

    @property
    def size(self) -> int:
        return self.stored.size

    @property
    def is_published(self) -> bool:
        return True

    async def keep(self, count: int, sender: PartSender) -> bytes:
        sender.adds_to = self.stored
        if self.was_to_be_replaced:
            # What the client sends now may be the end of the file that was to come in place of this one.
            raise SendWhole(
                f"{self.stored.location} is from before the last upload, which did not arrive whole"
            )
        if count < S3_MIN_PART_BYTES:  # too small for a part of its own
            return await self.store.read(self.stored, 0, count)
        await sender.copy(self.stored, count)
        return b""

    async def leave(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class EarlierParts:
    """
    The parts of a dropped upload. Nobody can read them; what is kept of them is all or nothing.

    Args:
        digest: That of their bytes, where this gateway has received them.
    """

    store: ObjectStore
    location: Location
    upload_id: UploadId
    parts: Sequence[KeptPart]
    digest: Digest | None

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def is_published(self) -> bool:
        return False

    async def keep(self, count: int, sender: PartSender) -> bytes:
        if count != self.size:
            raise OutOfOrderWrite(f"{self.size} bytes of {self.location} are kept, and {count} cannot be")
        sender.adopt(self.upload_id, self.parts, self.digest)
        return b""

    async def leave(self) -> None:
        await self.store.abort_multipart(self.location, self.upload_id)


class Beginning:
    """Where the bytes of an upload begin. Open until the client has shown what it wants to keep."""

    def __init__(self, earlier: Earlier | None = None, *, appends: bool = False) -> None:
        self._earlier = earlier
        self._appends = appends and earlier is not None
        self._shift = 0

    @property
    def earlier(self) -> Earlier | None:
        """What is there, as long as it is open whether any of it is kept."""
        return self._earlier

    def placed(self, offset: int) -> int:
        """Return where in the file a WRITE at this offset goes."""
        return offset + self._shift

    def wanted(self, offset: int, window_bytes: int) -> int:
        """
        Return how many bytes a first WRITE at this offset keeps.

        Args:
            window_bytes: How far ahead of the next byte a write may be.

        Raises:
            OutOfOrderWrite: It leaves a gap; or it is to be appended, and speaks of another file.
        """
        assert self._earlier is not None
        size = self._earlier.size
        if self._appends:
            # Some count from the end of the file, some from its start; who does neither knows another file.
            if offset not in (0, size):
                raise OutOfOrderWrite(f"append at {offset}, and the file has {size} bytes")
            self._shift = size - offset
            return size
        if offset > size + window_bytes:
            raise OutOfOrderWrite(f"write at {offset} leaves a gap: the file has {size} bytes")
        return min(offset, size)

    async def settle(self, count: int, sender: PartSender) -> bytes:
        """Keep so many bytes, and return those of them that are not sent as parts."""
        earlier, kept = self._earlier, b""
        assert earlier is not None
        if count:
            kept = await earlier.keep(count, sender)
        else:
            await earlier.leave()
        self._earlier = None
        return kept
