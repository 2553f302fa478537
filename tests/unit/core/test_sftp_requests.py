"""What the shape of a packet says: whole, cut short, or followed by what is to be ignored."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import Malformed
from tidegate.core.extensions import EXTENSIONS
from tidegate.core.sftp_requests import PACKETS, Shape, packet_of, read_fields, read_string

HEAD = b"\x03\x00\x00\x00\x07"


def packed(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


EXAMPLES = {
    "h": packed(b"\x00\x00\x00\x01"),
    "p": packed(b"/in/report.csv"),
    "s": packed(b"bytes"),
    "u": struct.pack(">I", 7),
    "q": struct.pack(">Q", 2**63),
    "a": struct.pack(">IQIIIII", 0xF, 9, 1, 2, 0o644, 3, 4),
}
SHAPES = sorted(
    {each.shape.fields for each in PACKETS.values()}
    | {shape.fields for each in EXTENSIONS.values() for shape in each.requests.values()}
)


def whole(fields: str) -> bytes:
    return HEAD + b"".join(EXAMPLES[letter] for letter in fields)


@pytest.mark.parametrize("fields", SHAPES)
def test_a_whole_request_is_read_to_its_end(fields: str) -> None:
    """Handle and paths are found; what follows the last field is not looked at."""
    packet = whole(fields)
    found = read_fields(Shape(fields), packet + b"\xff" * 9, len(HEAD))
    assert found.end == len(packet)
    assert found.handle == (b"\x00\x00\x00\x01" if "h" in fields else None)
    assert found.paths == [b"/in/report.csv"] * fields.count("p")


@pytest.mark.parametrize("fields", SHAPES)
def test_a_request_cut_anywhere_is_malformed(fields: str) -> None:
    """No field may reach beyond its packet."""
    packet = whole(fields)
    for end in range(len(HEAD), len(packet)):
        with pytest.raises(Malformed):
            read_fields(Shape(fields), packet[:end], len(HEAD))


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        (struct.pack(">I", 0), 4),
        (struct.pack(">IQ", 1, 2**64 - 1), 12),
        (struct.pack(">III", 2, 0, 0), 12),
        (struct.pack(">II", 4, 0), 8),
        (struct.pack(">III", 8, 0, 0), 12),
        (struct.pack(">II", 0x80000000, 1) + packed(b"name") + packed(b"value"), 25),
    ],
)
def test_attributes_take_what_their_flags_say(attributes: bytes, size: int) -> None:
    """A flag each: size, owners, mode, times, extended pairs."""
    assert read_fields(Shape("a"), attributes + b"more", 0).end == size == len(attributes)


def test_a_count_of_thousands_of_millions_costs_nothing() -> None:
    """Extended attributes that are only announced end where the packet ends."""
    with pytest.raises(Malformed):
        read_fields(Shape("a"), struct.pack(">II", 0x80000000, 2**32 - 1), 0)
    with pytest.raises(Malformed):
        read_string(struct.pack(">I", 2**32 - 1) + b"short", 0)


@given(st.sampled_from(SHAPES), st.binary(max_size=200))
def test_any_bytes_are_a_request_or_malformed(fields: str, packet: bytes) -> None:
    """Nothing else comes of them, and no field ends beyond them."""
    with suppress(Malformed):
        assert read_fields(Shape(fields), packet, 0).end <= len(packet)


def test_every_type_of_version_3_has_an_answer() -> None:
    """1 to 20, the answers of a server, and the two of extensions; any other is refused with its reason."""
    assert set(PACKETS) == {*range(1, 21), *range(101, 106), 200, 201}
    for packet in (*PACKETS.values(), packet_of(21), packet_of(255)):
        assert packet.answer == "handled" or packet.why
