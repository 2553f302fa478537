"""PROXY headers of both versions: what they say, what is none, and that splitting changes nothing."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidegate.core.proxy_protocol import InvalidProxyHeader, ProxyHeader, plain_address, read_header

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V4 = bytes([192, 0, 2, 7, 10, 0, 0, 1]) + (50_000).to_bytes(2, "big") + (22).to_bytes(2, "big")
V6 = ip_address("2001:db8::7").packed + ip_address("2001:db8::1").packed + V4[8:]
LONGEST_V1 = b"PROXY UNKNOWN " + b" ".join([b"f" * 39, b"f" * 39, b"65535", b"65535"]) + b"\r\n"


def v2(command: int, kind: int, block: bytes) -> bytes:
    return SIGNATURE + bytes([0x20 | command, kind]) + len(block).to_bytes(2, "big") + block


# Headers, and the source they name; None is the connection's own.
GOOD: dict[str, tuple[bytes, tuple[str, int] | None]] = {
    "v1 TCP4": (b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 22\r\n", ("192.0.2.7", 50_000)),
    "v1 TCP6": (b"PROXY TCP6 2001:DB8::7 2001:db8::1 1 65535\r\n", ("2001:db8::7", 1)),
    "v1 mapped": (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:10.0.0.1 5 22\r\n", ("192.0.2.7", 5)),
    "v1 port 0": (b"PROXY TCP4 192.0.2.7 10.0.0.1 0 0\r\n", ("192.0.2.7", 0)),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", None),
    "v1 UNKNOWN, more": (b"PROXY UNKNOWN a  b \xff\r\n", None),
    "v1 longest": (LONGEST_V1, None),
    "v2 TCP4": (v2(1, 0x11, V4), ("192.0.2.7", 50_000)),
    "v2 TCP6": (v2(1, 0x21, V6), ("2001:db8::7", 50_000)),
    "v2 mapped": (v2(1, 0x21, ip_address("::ffff:192.0.2.7").packed * 2 + V4[8:]), ("192.0.2.7", 50_000)),
    "v2 TLVs": (v2(1, 0x11, V4 + b"\x03\x00\x04none" + b"\xea\x00\x01x"), ("192.0.2.7", 50_000)),
    "v2 TLVs past their end": (v2(1, 0x11, V4 + b"\x04\xff\xff"), ("192.0.2.7", 50_000)),
    "v2 LOCAL": (v2(0, 0x00, b""), None),
    "v2 LOCAL, addresses": (v2(0, 0x11, V4), None),
    "v2 LOCAL, any family": (v2(0, 0xFF, b"abc"), None),
    "v2 UNSPEC": (v2(1, 0x00, b""), None),
    "v2 UDP": (v2(1, 0x12, V4), None),
    "v2 IPv4, no transport": (v2(1, 0x10, V4), None),
    "v2 UNIX": (v2(1, 0x31, bytes(216)), None),
    "v2 longest": (v2(1, 0x11, V4 + bytes(4096 - 16 - 12)), ("192.0.2.7", 50_000)),
}

# What is no header, and a word of the reason.
BAD: dict[str, tuple[bytes, str]] = {
    "SSH": (b"SSH-2.0-OpenSSH_9.6\r\n", "something else"),
    "lower case": (b"proxy TCP4", "something else"),
    "a tab": (b"PROXY\tTCP4 ", "something else"),
    "v1 too long": (LONGEST_V1[:-2] + b"f\r\n", "107 bytes"),
    "v1 endless": (b"PROXY UNKNOWN " + b"x" * 200, "107 bytes"),
    "v1 LF alone": (b"PROXY UNKNOWN\n", "CR and LF"),
    "v1 CR before": (b"PROXY UNKNOWN\r \r\n", "CR and LF"),
    "v1 other protocol": (b"PROXY UDP4 192.0.2.7 10.0.0.1 5 22\r\n", "none of TCP4"),
    "v1 UNKNOWN glued": (b"PROXY UNKNOWNx\r\n", "none of TCP4"),
    "v1 no protocol": (b"PROXY \r\n", "none of TCP4"),
    "v1 field missing": (b"PROXY TCP4 192.0.2.7 10.0.0.1 5\r\n", "two addresses"),
    "v1 two blanks": (b"PROXY TCP4 192.0.2.7  10.0.0.1 5 22\r\n", "two addresses"),
    "v1 other family": (b"PROXY TCP4 2001:db8::7 2001:db8::1 5 22\r\n", "destination address"),
    "v1 source": (b"PROXY TCP4 192.0.2.256 10.0.0.1 5 22\r\n", "source address"),
    "v1 octal": (b"PROXY TCP4 192.0.02.7 10.0.0.1 5 22\r\n", "source address"),
    "v1 zone": (b"PROXY TCP6 fe80::1%eth0 ::1 5 22\r\n", "source address"),
    "v1 port too large": (b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 22\r\n", "source port"),
    "v1 port 05": (b"PROXY TCP4 192.0.2.7 10.0.0.1 05 22\r\n", "source port"),
    "v1 port signed": (b"PROXY TCP4 192.0.2.7 10.0.0.1 5 +22\r\n", "destination port"),
    "v1 port superscript": (b"PROXY TCP4 192.0.2.7 10.0.0.1 \xb2 22\r\n", "source port"),
    "v2 version": (SIGNATURE + b"\x11", "neither LOCAL"),
    "v2 command": (SIGNATURE + b"\x22", "neither LOCAL"),
    "v2 family": (v2(1, 0x41, bytes(300)), "does not exist"),
    "v2 transport": (v2(1, 0x13, V4), "does not exist"),
    "v2 short": (v2(1, 0x21, V4), "shorter"),
    "v2 too long": (SIGNATURE + b"\x20\x00\xff\xff", "4096"),
}


def outcome(data: bytes) -> ProxyHeader | str | None:
    try:
        return read_header(data)
    except InvalidProxyHeader as error:
        return error.detail


@pytest.mark.parametrize("name", GOOD)
def test_a_header_names_its_source(name: str) -> None:
    """Also when the client's bytes follow in the same segment; `length` says where they begin."""
    header, source = GOOD[name]
    expected = ProxyHeader(ip_address(source[0]) if source else None, source[1] if source else 0, len(header))
    assert read_header(header) == expected
    assert read_header(header + b"SSH-2.0-x\r\n") == expected


@pytest.mark.parametrize("name", GOOD)
def test_an_unfinished_header_is_waited_for(name: str) -> None:
    """Every beginning of a good header, the empty one too, may still become it."""
    header, _ = GOOD[name]
    assert {read_header(header[:end]) for end in range(len(header))} == {None}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_header_is_refused_in_words(name: str) -> None:
    """The reason is said, without quoting what came."""
    data, reason = BAD[name]
    with pytest.raises(InvalidProxyHeader, match=reason):
        read_header(data)


def test_the_longest_line_is_107_bytes() -> None:
    """As the specification counts its worst case."""
    assert len(LONGEST_V1) == 107


def headers() -> st.SearchStrategy[bytes]:
    """Good and bad headers, damaged and followed by anything."""
    known = st.sampled_from([data for data, _ in [*GOOD.values(), *BAD.values()]])
    cut = st.builds(
        lambda data, at, junk: data[:at] + junk + data[at:], known, st.integers(0, 60), st.binary()
    )
    return st.one_of(
        st.binary(), known, cut, st.builds(lambda a, b: SIGNATURE + a + b, st.binary(), st.binary())
    )


@given(headers())
@example(b"")
def test_no_input_crashes_it(data: bytes) -> None:
    """There are three outcomes, whatever comes: a header, more to come, or a refusal."""
    found = outcome(data)
    assert found is None or isinstance(found, str | ProxyHeader)
    if isinstance(found, ProxyHeader):
        assert 0 < found.length <= len(data)


@given(headers(), st.data())
def test_splitting_changes_nothing(data: bytes, draw: st.DataObject) -> None:
    """Once it is decided what the first bytes are, no further byte changes it."""
    whole = outcome(data)
    first = outcome(data[: draw.draw(st.integers(0, len(data)))])
    assert first is None or first == whole


@given(headers())
@example(SIGNATURE + b"\x21\x11\x0f\xf0")
def test_it_is_decided_within_4096_bytes(data: bytes) -> None:
    """So nobody has to keep more than that."""
    assert outcome((data + bytes(4096))[:4096]) is not None


def test_one_client_has_one_address() -> None:
    """However a dual-stack balancer writes it."""
    assert str(plain_address("::ffff:192.0.2.7")) == "192.0.2.7"
    assert str(plain_address("2001:DB8:0::7")) == "2001:db8::7"
    with pytest.raises(ValueError, match="nowhere"):
        plain_address("nowhere")
