"""
From SFTP writes at offsets to numbered S3 parts.

SFTP says nothing of a file's size before its last byte, and S3 takes at most 10,000 parts. So parts
grow with their number: small at first, so that ordinary files cost little memory, and large in the
end, so that 5 TiB fit. `PartSchedule` is that rule; `PartBuffer` holds the bytes of one upload that
S3 does not have yet. Both are pure: they know neither S3 nor the memory budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from tidegate.core.errors import OutOfOrderWrite
from tidegate.core.limits import MIB, S3_MAX_OBJECT_BYTES, S3_MAX_PART_BYTES, S3_MAX_PARTS

# (last part number, size): 7.8 GiB in parts of 8 MiB, 70 GiB by part 2,000, 320 GiB by part 3,000,
# and the remaining 7,000 parts of 720 MiB reach 5 TiB with 2 % to spare for parts sent early.
_GROWTH = ((1_000, 1), (2_000, 8), (3_000, 32), (S3_MAX_PARTS, 90))


@dataclass(frozen=True, slots=True)
class PartSchedule:
    """
    How large part `number` is.

    Args:
        base_bytes: Size of the first 1,000 parts; 5 MiB to 5 GiB.
        largest_bytes: No part is larger; what the memory budget can hold at once.
    """

    base_bytes: int = 8 * MIB
    largest_bytes: int = 720 * MIB

    def size_of(self, number: int) -> int:
        """Return the bytes of part `number` (1 to 10,000)."""
        factor = next(factor for last, factor in _GROWTH if number <= last)
        grown = min(self.base_bytes * factor, self.largest_bytes, S3_MAX_PART_BYTES)
        return max(self.base_bytes, grown)

    @property
    def largest_object_bytes(self) -> int:
        """The largest file this schedule can carry: at most what S3 allows."""
        bounds = pairwise((0, *(last for last, _ in _GROWTH)))
        total = sum((last - before) * self.size_of(last) for before, last in bounds)
        return min(total, S3_MAX_OBJECT_BYTES)

    def is_base(self, number: int) -> bool:
        """Tell whether part `number` still has the base size."""
        return self.size_of(number) == self.base_bytes


class PartBuffer:
    """
    The bytes between what was cut into parts and what the client has still to send.

    Writes may come out of order within `window_bytes` beyond the contiguous end: some clients read
    their file concurrently. Bytes that are still here may be written again; bytes already cut
    into a part may not.

    Holds at most the contiguous bytes plus `window_bytes`.

    Args:
        start: The file offset of its first byte: all before that is in S3 already.
    """

    def __init__(self, window_bytes: int, start: int = 0) -> None:
        self._window = window_bytes
        self._data = bytearray()
        self._start = start
        self._ready = 0
        self._islands: list[tuple[int, int]] = []  # beyond the contiguous end, in order, disjoint

    @property
    def end(self) -> int:
        """The file offset that comes next: all bytes before it have been received."""
        return self._start + self._ready

    @property
    def ready_bytes(self) -> int:
        """How many contiguous bytes can be cut."""
        return self._ready

    @property
    def has_gap(self) -> bool:
        """Whether bytes are missing before others that were received."""
        return bool(self._islands)

    def receive(self, offset: int, data: bytes | memoryview) -> None:
        """
        Take the bytes of one write at `offset` from the start of the file.

        Raises:
            OutOfOrderWrite: The write rewrites bytes already cut, or lies beyond the window.
                The buffer is unchanged.
        """
        if offset < self._start:
            raise OutOfOrderWrite(
                f"write at {offset} rewrites bytes before {self._start}, already sent to S3"
            )
        if offset > self.end and offset + len(data) > self.end + self._window:
            raise OutOfOrderWrite(f"write at {offset} leaves a gap: bytes from {self.end} are missing")
        begin = offset - self._start
        if begin == len(self._data):
            self._data += data
        else:
            self._place(begin, data)
        self._note(begin, begin + len(data))

    def cut(self, count: int) -> bytearray:
        """Return the first `count` contiguous bytes as a part's body and forget them."""
        # A part may be hundreds of megabytes: what is copied is the rest, not the part.
        body, self._data = self._data, self._data[count:]
        del body[count:]
        self._start += count
        self._ready -= count
        self._islands = [(begin - count, end - count) for begin, end in self._islands]
        return body

    def shorten(self, end: int) -> None:
        """
        Forget all bytes from the file offset `end` on, islands included.

        Raises:
            OutOfOrderWrite: Bytes beyond it have been cut already. The buffer is unchanged.
        """
        count = end - self._start
        if count < 0:
            raise OutOfOrderWrite(f"the file was cut to {end} bytes, and {self._start} are in S3 already")
        self._ready = min(self._ready, count)
        self._islands = [(begin, min(last, count)) for begin, last in self._islands if begin < count]
        del self._data[self._islands[-1][1] if self._islands else self._ready :]

    def _place(self, begin: int, data: bytes | memoryview) -> None:
        missing = begin - len(self._data)
        if missing > 0:
            self._data += bytes(missing)
        self._data[begin : begin + len(data)] = data

    def _note(self, begin: int, end: int) -> None:
        """Account for bytes begin..end, and let islands that are now reached join the mainland."""
        if begin <= self._ready:
            self._ready = max(self._ready, end)
        elif begin < end:
            self._islands = _merged([*self._islands, (begin, end)])
        while self._islands and self._islands[0][0] <= self._ready:
            self._ready = max(self._ready, self._islands.pop(0)[1])


def _merged(islands: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(islands):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
