"""A part as botocore likes to send it: a seekable file that never copies."""

from __future__ import annotations

import io
from typing import Any

from tidegate.ports.objects import Body

_SLICE_BYTES = 256 * 1024


class PartBody(io.RawIOBase):
    """
    A part as a file that gives out views of its buffer instead of copies.

    botocore copies a bytearray before sending it; a seekable file it reads as it goes, and rewinds
    to retry. Reads return up to 256 KiB whatever was asked: small sends are what makes TLS slow.
    """

    def __init__(self, body: Body) -> None:
        super().__init__()
        self._view = memoryview(body)
        self._at = 0

    def __len__(self) -> int:
        return len(self._view)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> Any:  # noqa: ARG002 - http.client takes what it gets
        piece = self._view[self._at : self._at + _SLICE_BYTES]
        self._at += len(piece)
        return piece


def body_of(body: Body) -> Any:
    """Return the file for a Body member, which boto3's types know only as bytes or IO."""
    return PartBody(body)
