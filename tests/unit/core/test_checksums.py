"""CRC32 sums put together, against zlib's of the bytes themselves."""

from __future__ import annotations

import base64
import zlib
from functools import reduce
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.checksums import as_s3_writes, crc32_combine
from tidegate.core.limits import S3_MAX_OBJECT_BYTES

sums = st.integers(0, 2**32 - 1)
lengths = st.integers(0, S3_MAX_OBJECT_BYTES)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_of_two(first, second):
    """The CRC32 of two pieces is that of their bytes, empty pieces included."""
    combined = crc32_combine(zlib.crc32(first), zlib.crc32(second), len(second))
    assert combined == zlib.crc32(first + second)


@given(st.binary(max_size=2000), st.lists(st.integers(0, 2000), max_size=20))
def test_of_many(body, cuts):
    """However a file is cut, its pieces in order come to the CRC32 of the whole, starting from 0."""
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[start:end] for start, end in pairwise(places)]
    running = reduce(lambda crc, piece: crc32_combine(crc, zlib.crc32(piece), len(piece)), pieces, 0)
    assert running == zlib.crc32(body)


@given(sums, sums, sums, lengths, lengths)
def test_any_grouping(first, second, third, length_of_second, length_of_third):
    """Whatever the lengths, up to S3's largest object, it does not matter which two are combined first."""
    left = crc32_combine(crc32_combine(first, second, length_of_second), third, length_of_third)
    right_two = crc32_combine(second, third, length_of_third)
    assert crc32_combine(first, right_two, length_of_second + length_of_third) == left
    assert 0 <= left < 2**32


# The shift by 2^32 - 1 bytes is none: 2^32 - 1 is the period of x.
@given(sums, sums, st.integers(1, 2**32 - 2))
def test_order_and_length_count(first, second, length):
    """Pieces in another order come to another sum, and so does a piece of another length."""
    if first != second:
        assert crc32_combine(first, second, length) != crc32_combine(second, first, length)
    if first:
        assert crc32_combine(first, second, length) != crc32_combine(first, second, length + 1)


@pytest.mark.parametrize("length", [1, 7, 255, 256, 65_537, 5 * 1024 * 1024, 8 * 1024 * 1024 + 3])
def test_lengths_of_parts(length):
    """Lengths that hypothesis would not draw."""
    first, second = b"the part before", bytes(length)
    combined = crc32_combine(zlib.crc32(first), zlib.crc32(second), length)
    assert combined == zlib.crc32(second, zlib.crc32(first))


def test_in_the_form_of_s3():
    """Base64 of four bytes, the highest first, leading zeros included; the check value of CRC-32 is known."""
    assert base64.b64decode(as_s3_writes(zlib.crc32(b"123456789"))) == bytes.fromhex("cbf43926")
    assert as_s3_writes(0) == "AAAAAA=="
    assert as_s3_writes(1) == "AAAAAQ=="
