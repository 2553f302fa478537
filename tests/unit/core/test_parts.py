"""From writes at offsets to numbered parts."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import OutOfOrderWrite
from tidegate.core.limits import (
    GIB,
    MIB,
    S3_MAX_OBJECT_BYTES,
    S3_MAX_PART_BYTES,
    S3_MAX_PARTS,
    S3_MIN_PART_BYTES,
    TIB,
)
from tidegate.core.parts import PartBuffer, PartSchedule

ALL_PARTS = range(1, S3_MAX_PARTS + 1)
WINDOW = 8


class TestSchedule:
    def test_reaches_the_largest_object(self):
        """Ten thousand parts of the default schedule hold 5 TiB, with some to spare for parts sent early."""
        total = sum(PartSchedule().size_of(number) for number in ALL_PARTS)
        assert 1.02 * S3_MAX_OBJECT_BYTES < total < 1.03 * S3_MAX_OBJECT_BYTES
        assert PartSchedule().largest_object_bytes == 5 * TIB

    @pytest.mark.parametrize("base", [S3_MIN_PART_BYTES, 8 * MIB, 64 * MIB, GIB, S3_MAX_PART_BYTES])
    @pytest.mark.parametrize("largest", [0, 8 * MIB, 720 * MIB, 450 * GIB])
    def test_every_part_is_one_that_s3_takes(self, base, largest):
        """However it is set, no part is under 5 MiB, over 5 GiB, or smaller than the one before."""
        sizes = [PartSchedule(base, largest).size_of(number) for number in ALL_PARTS]
        assert min(sizes) >= S3_MIN_PART_BYTES
        assert max(sizes) <= S3_MAX_PART_BYTES
        assert sizes == sorted(sizes)

    def test_ordinary_files_are_cheap(self):
        """A file of up to 7.8 GiB is sent in parts of the base size."""
        schedule = PartSchedule()
        assert {schedule.size_of(number) for number in range(1, 1001)} == {8 * MIB}
        assert all(schedule.is_base(number) for number in range(1, 1001))
        assert not any(schedule.is_base(number) for number in range(1001, S3_MAX_PARTS + 1))

    def test_no_part_is_larger_than_the_budget_allows(self):
        """`largest_bytes` caps the growth, and never the base."""
        assert PartSchedule(8 * MIB, 100 * MIB).size_of(S3_MAX_PARTS) == 100 * MIB
        assert PartSchedule(8 * MIB, 1).size_of(S3_MAX_PARTS) == 8 * MIB

    @pytest.mark.parametrize("largest", [8 * MIB, 9 * MIB, 64 * MIB, 100 * MIB, 512 * MIB])
    def test_says_what_it_can_carry(self, largest):
        """With small parts the largest file is the sum of all parts."""
        schedule = PartSchedule(8 * MIB, largest)
        assert schedule.largest_object_bytes == sum(schedule.size_of(number) for number in ALL_PARTS)
        assert schedule.largest_object_bytes < S3_MAX_OBJECT_BYTES


class TestBuffer:
    def test_contiguous_writes(self):
        """What came in order can be cut, and what was cut is forgotten."""
        buffer = PartBuffer(WINDOW)
        buffer.receive(0, b"abcd")
        buffer.receive(4, memoryview(b"efgh"))
        assert (buffer.end, buffer.ready_bytes, buffer.has_gap) == (8, 8, False)
        assert buffer.cut(5) == b"abcde"
        assert (buffer.end, buffer.ready_bytes) == (8, 3)
        assert buffer.cut(3) == b"fgh"
        assert (buffer.end, buffer.ready_bytes) == (8, 0)

    def test_a_part_is_handed_over_uncopied(self):
        """Cutting all there is gives the buffer itself away."""
        buffer = PartBuffer(WINDOW)
        buffer.receive(0, b"abcd")
        held = buffer._data
        assert buffer.cut(4) is held

    def test_the_rest_is_copied_and_not_the_part(self):
        """Cutting most of it copies what stays: a part may be hundreds of megabytes."""
        buffer = PartBuffer(WINDOW)
        buffer.receive(0, b"abcdef")
        held = buffer._data
        assert buffer.cut(4) is held
        assert buffer.cut(2) == b"ef"

    def test_disorder_within_the_window(self):
        """Bytes beyond a gap are kept, and count once the gap is filled."""
        buffer = PartBuffer(WINDOW)
        buffer.receive(4, b"efgh")
        assert (buffer.end, buffer.ready_bytes, buffer.has_gap) == (0, 0, True)
        buffer.receive(0, b"abcd")
        assert (buffer.end, buffer.has_gap) == (8, False)
        assert buffer.cut(8) == b"abcdefgh"

    def test_a_part_cut_before_a_gap(self):
        """Cutting leaves what lies beyond the gap where it was."""
        buffer = PartBuffer(WINDOW)
        buffer.receive(0, b"abcd")
        buffer.receive(6, b"gh")
        assert buffer.cut(4) == b"abcd"
        assert (buffer.end, buffer.ready_bytes, buffer.has_gap) == (4, 0, True)
        buffer.receive(4, b"ef")
        assert buffer.cut(4) == b"efgh"

    def test_the_window_is_exact(self):
        """A write may end `window_bytes` beyond the next byte, and not one further."""
        buffer = PartBuffer(WINDOW)
        buffer.receive(0, b"abcd")
        buffer.receive(10, b"kl")
        with pytest.raises(OutOfOrderWrite):
            buffer.receive(10, b"klm")

    def test_without_a_window_order_is_a_must(self):
        """With a window of 0 every gap is refused."""
        buffer = PartBuffer(0)
        with pytest.raises(OutOfOrderWrite):
            buffer.receive(1, b"b")
        buffer.receive(0, b"a")

    def test_contiguous_writes_know_no_window(self):
        """The window bounds gaps: a write at the next byte may be of any length."""
        buffer = PartBuffer(WINDOW)
        buffer.receive(0, b"x" * 100)
        assert buffer.ready_bytes == 100

    def test_bytes_still_here_may_come_again(self):
        """A rewrite of bytes that were not cut yet replaces them."""
        buffer = PartBuffer(WINDOW)
        buffer.receive(0, b"abcd")
        buffer.receive(2, b"CDEF")
        assert buffer.cut(6) == b"abCDEF"

    def test_bytes_cut_may_not(self):
        """A rewrite that reaches into a part already cut is refused, and changes nothing."""
        buffer = PartBuffer(WINDOW)
        buffer.receive(0, b"abcdef")
        buffer.cut(4)
        with pytest.raises(OutOfOrderWrite, match="already sent"):
            buffer.receive(3, b"DEF")
        assert buffer.cut(2) == b"ef"

    def test_nothing_at_the_end(self):
        """A write of no bytes changes nothing."""
        buffer = PartBuffer(WINDOW)
        buffer.receive(0, b"ab")
        buffer.receive(2, b"")
        buffer.receive(4, b"")
        assert (buffer.end, buffer.has_gap) == (2, False)
        buffer.receive(2, b"cd")
        assert buffer.cut(4) == b"abcd"


class Model:
    """What the buffer is, said in the plainest way: bytes by offset."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.start = 0
        self.held: dict[int, int] = {}

    @property
    def end(self) -> int:
        end = self.start
        while end in self.held:
            end += 1
        return end

    def refuses(self, offset: int, data: bytes) -> bool:
        return offset < self.start or (offset > self.end and offset + len(data) > self.end + self.window)

    def receive(self, offset: int, data: bytes) -> None:
        self.held |= {offset + place: byte for place, byte in enumerate(data)}

    def cut(self, count: int) -> bytes:
        body = bytes(self.held.pop(self.start + place) for place in range(count))
        self.start += count
        return body

    def refuses_end(self, end: int) -> bool:
        return end < self.start

    def shorten(self, end: int) -> None:
        self.held = {place: byte for place, byte in self.held.items() if place < end}


@dataclass(frozen=True)
class Shorten:
    """Cut the file this far before or behind the contiguous end."""

    by: int


writes = st.tuples(st.integers(-6, WINDOW + 4), st.binary(max_size=10))
cuts = st.integers(0, 12)


@given(st.lists(writes | cuts | st.builds(Shorten, st.integers(-12, 12)), max_size=40))
def test_is_what_the_model_is(steps):
    """After any writes, cuts and shortenings the buffer holds, refuses and gives out what the model does."""
    buffer, model = PartBuffer(WINDOW), Model(WINDOW)
    for step in steps:
        if isinstance(step, int):
            count = min(step, buffer.ready_bytes)
            assert buffer.cut(count) == model.cut(count)
        elif isinstance(step, Shorten):
            end = max(0, model.end + step.by)
            if model.refuses_end(end):
                with pytest.raises(OutOfOrderWrite):
                    buffer.shorten(end)
            else:
                buffer.shorten(end)
                model.shorten(end)
        else:
            offset, data = max(0, model.end + step[0]), step[1]
            if model.refuses(offset, data):
                with pytest.raises(OutOfOrderWrite):
                    buffer.receive(offset, data)
            else:
                buffer.receive(offset, data)
                model.receive(offset, data)
        assert buffer.end == model.end
        assert buffer.ready_bytes == model.end - model.start
        assert buffer.has_gap == (len(model.held) > model.end - model.start)
        assert len(buffer._data) <= buffer.ready_bytes + WINDOW
