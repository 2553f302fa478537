"""The sums of a file that is being uploaded, and those of one that can be read."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Sequence

from tidegate.core.checksums import as_number, as_s3_writes, crc32_combine
from tidegate.core.limits import MIB
from tidegate.core.objects import KeptPart, StoredObject, WholeObject
from tidegate.ports.objects import Body, ObjectReader

_BLOCK_BYTES = 4 * MIB


class Digest:
    """The running SHA-256 and CRC32 of a file, and the CRC32 of each piece, computed off the event loop."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._crc32 = 0
        self._size = 0
        self._unseen = False  # bytes were passed over that cannot be read
        self._knows_crc32 = True
        self._in_order = asyncio.Lock()  # hands itself on first come, first served

    async def take(self, body: Body) -> str:
        """Hash the next bytes of the file; return their CRC32 as S3 writes it. Call in file order."""
        async with self._in_order:
            return await asyncio.to_thread(self._take, body)

    async def take_stored(
        self, store: ObjectReader, of: StoredObject, ranges: Sequence[tuple[int, int]]
    ) -> list[str]:
        """
        Hash ranges of a stored object as the next bytes of the file; return the CRC32 of each.

        Memory: one block of 4 MiB.

        Args:
            ranges: First byte and length of each.
        """
        async with self._in_order:
            return [await self._take_range(store, of, start, length) for start, length in ranges]

    async def _take_range(self, store: ObjectReader, of: StoredObject, start: int, length: int) -> str:
        crc32, end = 0, start + length
        while start < end:
            block = await store.read(of, start, min(_BLOCK_BYTES, end - start))
            of_block = as_number(await asyncio.to_thread(self._take, block))
            crc32 = crc32_combine(crc32, of_block, len(block))
            start += len(block)
        return as_s3_writes(crc32)

    def pass_over(self, parts: Sequence[KeptPart]) -> None:
        """Count parts that another has sent: of these only the CRC32 may be known, and no SHA-256."""
        for part in parts:
            self._unseen = True
            self._knows_crc32 = self._knows_crc32 and part.receipt.crc32 is not None
            if part.receipt.crc32 is not None:
                self._crc32 = crc32_combine(self._crc32, as_number(part.receipt.crc32), part.size)
            self._size += part.size

    def _take(self, body: Body) -> str:
        self._sha256.update(body)
        crc32 = zlib.crc32(body)
        self._crc32 = crc32_combine(self._crc32, crc32, len(body))
        self._size += len(body)
        return as_s3_writes(crc32)

    def sha256(self) -> str | None:
        """Return the SHA-256 of everything taken so far; None if some of it was passed over."""
        return None if self._unseen else self._sha256.hexdigest()

    def whole(self) -> WholeObject:
        """Return what everything taken so far comes to."""
        return WholeObject(self._size, as_s3_writes(self._crc32) if self._knows_crc32 else None)


async def sha256_of(store: ObjectReader, stored: StoredObject) -> str:
    """Read a stored object, in blocks of 4 MiB, and return its SHA-256."""
    digest = Digest()
    await digest.take_stored(store, stored, [(0, stored.size)])
    found = digest.sha256()
    assert found is not None
    return found
