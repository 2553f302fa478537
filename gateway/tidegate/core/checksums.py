"""
CRC32 as S3 writes it, and that of a whole from those of its pieces, without seeing the bytes again.

A CRC32 is the remainder of a polynomial over GF(2): of the message's bits, divided by a fixed polynomial
of degree 32. To put n bytes behind a message is to multiply it by x^(8n), and both remainders are then
added, which is XOR. zlib inverts its register before and after; in such a sum the inversions cancel out.
Polynomials of degree below 32 are ints of 32 bits here whose highest bit stands for x^0, as in zlib.
"""

from __future__ import annotations

import base64
from functools import lru_cache

_ONE = 1 << 31  # x^0
_X_TO_THE_8 = 1 << 23
_POLYNOMIAL = 0xEDB88320  # what x^32 leaves: IEEE 802.3


def crc32_combine(first: int, second: int, length_of_second: int) -> int:
    """
    Return the CRC32 of two pieces of bytes put together.

    Args:
        first, second: What zlib.crc32 says of each; 0 is that of no bytes.
        length_of_second: In bytes, from 0.
    """
    return _product(first, _bytes_behind(length_of_second)) ^ second


def as_s3_writes(crc32: int) -> str:
    """Return a CRC32 in S3's form: base64 of four bytes, the highest first."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def as_number(crc32: str) -> int:
    """Return what `as_s3_writes` wrote. Raises `ValueError` for anything else."""
    return int.from_bytes(base64.b64decode(crc32, validate=True), "big")


# The parts of a file have few sizes, so nearly all of the work is done once.
@lru_cache(maxsize=256)
def _bytes_behind(count: int) -> int:
    """Return x^(8 count): by squaring, so in as many steps as `count` has bits."""
    power, square = _ONE, _X_TO_THE_8
    while count:
        if count & 1:
            power = _product(power, square)
        square = _product(square, square)
        count >>= 1
    return power


def _product(a: int, b: int) -> int:
    """Return a times b, without the multiples of the CRC's polynomial."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)  # times x
    return product
