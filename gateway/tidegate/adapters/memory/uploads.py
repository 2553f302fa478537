"""Multipart uploads in memory, and the sums that guard their bytes."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tidegate.core.checksums import as_s3_writes
from tidegate.core.errors import StoreUnavailable
from tidegate.core.limits import S3_MAX_PARTS
from tidegate.core.objects import Location, NewObject, PartReceipt, WholeObject
from tidegate.ports.objects import Body


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One part of an upload that is not complete yet."""

    body: bytes
    receipt: PartReceipt
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """A multipart upload that is neither complete nor aborted; parts by their number."""

    new: NewObject
    begun_at: datetime
    parts: dict[int, StoredPart] = field(default_factory=dict)

    def take(self, number: int, body: Body, crc32: str, at: datetime) -> PartReceipt:
        """Keep the part in place of any of that number. Raises `StoreUnavailable` as S3 would refuse."""
        if not 1 <= number <= S3_MAX_PARTS:
            raise refused(self.new.location, f"{number} is no part number")
        kept = checked(self.new.location, body, crc32)
        receipt = PartReceipt(number, etag_of(kept), crc32)
        self.parts[number] = StoredPart(kept, receipt, at)
        return receipt

    def assembled(
        self, receipts: Sequence[PartReceipt], whole: WholeObject, min_part_bytes: int
    ) -> list[bytes]:
        """Return the bodies of these parts, and no others. Raises `StoreUnavailable` as S3 would refuse."""
        numbers = [receipt.number for receipt in receipts]
        if not numbers or numbers != sorted(set(numbers)):
            raise refused(self.new.location, f"parts {numbers} are none, or not in rising order")
        bodies = []
        for receipt in receipts:
            part = self.parts.get(receipt.number)
            if part is None or part.receipt != receipt:
                raise refused(self.new.location, f"part {receipt.number} is not stored as receipted")
            bodies.append(part.body)
        if any(len(body) < min_part_bytes for body in bodies[:-1]):
            raise refused(self.new.location, f"a part before the last is under {min_part_bytes} bytes")
        self._compare(bodies, whole)
        return bodies

    def _compare(self, bodies: Sequence[bytes], whole: WholeObject) -> None:
        size, crc32 = 0, 0
        for body in bodies:
            size, crc32 = size + len(body), zlib.crc32(body, crc32)
        if size != whole.size:
            raise refused(self.new.location, f"its parts have {size} bytes, not {whole.size}")
        if whole.crc32 is not None and as_s3_writes(crc32) != whole.crc32:
            raise refused(self.new.location, "its parts do not come to the CRC32 of the whole")


def checked(location: Location, body: Body, crc32: str) -> bytes:
    """Return a copy, as uploads use their buffers again. Raises `StoreUnavailable` on a wrong CRC32."""
    kept = bytes(body)
    if as_s3_writes(zlib.crc32(kept)) != crc32:
        raise refused(location, "the bytes do not have the CRC32 they were sent with")
    return kept


def refused(location: Location, why: str) -> StoreUnavailable:
    return StoreUnavailable(f"the store refused {location}: {why}")


def etag_of(body: bytes) -> str:
    """Return the ETag of bytes stored in one call, quotes included."""
    return f'"{_md5(body).hex()}"'


def multipart_etag_of(bodies: Sequence[bytes]) -> str:
    """Return the ETag of an object made of these parts, quotes included."""
    return f'"{_md5(b"".join(_md5(body) for body in bodies)).hex()}-{len(bodies)}"'


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()
