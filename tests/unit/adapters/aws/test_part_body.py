"""A part as botocore reads it."""

from __future__ import annotations

import io
import shutil

import pytest

from tidegate.adapters.aws.part_body import PartBody, body_of

SLICE = 256 * 1024
BODY = bytearray(range(256)) * 4096  # four slices


def read_all(body: PartBody) -> bytes:
    return b"".join(bytes(piece) for piece in iter(body.read, b""))


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_is_the_part(make):
    """Whatever holds the part, reading gives its bytes, and its length is theirs."""
    body = body_of(make(BODY))
    assert len(body) == len(BODY)
    assert read_all(body) == BODY


def test_never_copies():
    """What is read are views of the buffer, a slice at a time, however little was asked for."""
    body = PartBody(BODY)
    for asked in (1, 8192, -1):
        piece = body.read(asked)
        assert isinstance(piece, memoryview)
        assert piece.obj is BODY
        assert len(piece) == SLICE


def test_rewound():
    """A request that is repeated reads the same bytes again."""
    body = PartBody(BODY)
    first = read_all(body)
    assert body.read() == b""
    assert body.seek(0) == 0
    assert read_all(body) == first


def test_positions():
    """Positions count from the start, the present one or the end; none is before the start."""
    body = PartBody(b"abcdef")
    assert (body.seekable(), body.readable(), body.writable()) == (True, True, False)
    assert body.seek(-2, io.SEEK_END) == 4
    assert bytes(body.read()) == b"ef"
    assert body.tell() == 6
    assert body.seek(-1, io.SEEK_CUR) == 5
    assert body.seek(-100, io.SEEK_CUR) == 0
    assert body.seek(100) == 100
    assert bytes(body.read()) == b""


def test_length_by_seeking():
    """botocore may learn the length by seeking to the end and back."""
    body = PartBody(b"abcdef")
    body.seek(2)
    here = body.tell()
    assert body.seek(0, io.SEEK_END) - here == 4
    assert body.seek(here) == 2


def test_empty():
    """A part of no bytes ends at once."""
    assert bytes(PartBody(b"").read()) == b""


def test_copied_by_the_standard_library():
    """It serves as a file where files are read."""
    sink = io.BytesIO()
    shutil.copyfileobj(PartBody(BODY), sink)
    assert sink.getvalue() == BODY
