"""Checksums as S3 writes them."""

from __future__ import annotations

import base64
import zlib

from tidegate.core.objects import WholeObject


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def whole(*bodies: bytes) -> WholeObject:
    """Return what these bodies come to, one behind the other."""
    content = b"".join(bodies)
    return WholeObject(len(content), crc32(content))
