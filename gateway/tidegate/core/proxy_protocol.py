"""
The PROXY protocol: who is behind a load balancer, in the words it puts before the client's own bytes.

A header is read from what has arrived so far, as often as something arrives. What it turns out to be
depends on its own bytes alone, never on how they were split, nor on what follows them.

What a version 2 header carries after the addresses (TLVs) is skipped unread, the optional CRC32C
with it: TCP has its own checksum, and whoever may send a header may also send a right checksum.

Source: haproxy.org, doc/proxy-protocol.txt, sections 2.1 and 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias

from tidegate.core.errors import GatewayError

Address: TypeAlias = IPv4Address | IPv6Address

_V1_START = b"PROXY "
_V1_MAX_BYTES = 107
_V1_FAMILIES: dict[str, type[Address]] = {"TCP4": IPv4Address, "TCP6": IPv6Address}

_V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED_BYTES = 16
# The protocol allows 64 KiB. Addresses and all TLVs it names need well under this.
V2_MAX_BYTES = 4096
# Of each address family: what its addresses and ports take.
_V2_ADDRESS_BYTES = {0: 0, 1: 12, 2: 36, 3: 216}
_V2_TRANSPORTS = {0, 1, 2}
_TCP_OVER_IPV4, _TCP_OVER_IPV6 = 0x11, 0x21


class InvalidProxyHeader(GatewayError):
    """What came is not the beginning of a PROXY header; `detail` says why, and quotes none of it."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """
    A whole header.

    Args:
        source: The client; None where the connection's own peer is to be taken: the balancer's own
            checks (LOCAL), and whatever it could not name as TCP over IP (UNKNOWN, UNSPEC, UNIX, UDP).
        source_port: The client's port; 0 without a source.
        length: Bytes that it took; what follows them is the client's.
    """

    source: Address | None
    source_port: int
    length: int


def read_header(received: bytes) -> ProxyHeader | None:
    """
    Return the header that a connection's first bytes begin with; None if more of it must come.

    Needs at most 4096 bytes to decide.

    Raises:
        InvalidProxyHeader: They cannot become one.
    """
    if _V2_SIGNATURE.startswith(received[: len(_V2_SIGNATURE)]):
        return _read_v2(received)
    if _V1_START.startswith(received[: len(_V1_START)]):
        return _read_v1(received)
    raise InvalidProxyHeader("it begins with something else")


def plain_address(text: str) -> Address:
    """
    Return the address; an IPv4 address written as IPv6 (`::ffff:192.0.2.1`) as the IPv4 address it is.

    Raises:
        ValueError: It is none.
    """
    return _plain(ip_address(text))


def _plain(address: Address) -> Address:
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


# --- version 1: a line of text --------------------------------------------------------------


def _read_v1(received: bytes) -> ProxyHeader | None:
    line, end, _ = received[:_V1_MAX_BYTES].partition(b"\n")
    if not end:
        if len(received) >= _V1_MAX_BYTES:
            raise InvalidProxyHeader(f"version 1: no end of line within {_V1_MAX_BYTES} bytes")
        return None
    if not line.endswith(b"\r") or line.count(b"\r") > 1:
        raise InvalidProxyHeader("version 1: the line must end in CR and LF, and hold neither before")
    length = len(line) + len(end)
    protocol, *fields = line[len(_V1_START) : -1].decode("latin-1").split(" ")
    if protocol == "UNKNOWN":
        return ProxyHeader(None, 0, length)
    source, port = _v1_source(protocol, fields)
    return ProxyHeader(source, port, length)


def _v1_source(protocol: str, fields: list[str]) -> tuple[Address, int]:
    family = _V1_FAMILIES.get(protocol)
    if family is None:
        raise InvalidProxyHeader("version 1: the protocol is none of TCP4, TCP6 and UNKNOWN")
    if len(fields) != 4:
        raise InvalidProxyHeader("version 1: not two addresses and two ports, one blank before each")
    source, destination, source_port, destination_port = fields
    _v1_address(family, destination, "destination")
    _v1_port(destination_port, "destination")
    return _v1_address(family, source, "source"), _v1_port(source_port, "source")


def _v1_address(family: type[Address], text: str, which: str) -> Address:
    # ipaddress also reads zones, `fe80::1%eth0`, which mean nothing on another machine.
    try:
        if "%" not in text:
            return _plain(family(text))
    except ValueError:
        pass
    raise InvalidProxyHeader(f"version 1: the {which} address is none of its family")


def _v1_port(text: str, which: str) -> int:
    is_decimal = text.isascii() and text.isdigit() and (text == "0" or not text.startswith("0"))
    if not is_decimal or len(text) > 5 or int(text) > 65535:
        raise InvalidProxyHeader(f"version 1: the {which} port is no number up to 65535")
    return int(text)


# --- version 2: a block of bytes ------------------------------------------------------------


def _read_v2(received: bytes) -> ProxyHeader | None:
    at = len(_V2_SIGNATURE)
    if len(received) > at and received[at] not in (0x20, 0x21):
        raise InvalidProxyHeader("version 2: neither LOCAL nor PROXY of version 2")
    if len(received) < _V2_FIXED_BYTES:
        return None
    is_local, kind = received[at] == 0x20, received[at + 1]
    length = _V2_FIXED_BYTES + int.from_bytes(received[at + 2 : at + 4], "big")
    if length > V2_MAX_BYTES:
        raise InvalidProxyHeader(f"version 2: longer than {V2_MAX_BYTES} bytes")
    if not is_local:
        _check_v2_kind(kind, length - _V2_FIXED_BYTES)
    if len(received) < length:
        return None
    if is_local:
        return ProxyHeader(None, 0, length)
    return _v2_source(kind, received[_V2_FIXED_BYTES:length], length)


def _check_v2_kind(kind: int, block_bytes: int) -> None:
    needed = _V2_ADDRESS_BYTES.get(kind >> 4)
    if needed is None or kind & 0x0F not in _V2_TRANSPORTS:
        raise InvalidProxyHeader("version 2: an address family or transport that does not exist")
    if block_bytes < needed:
        raise InvalidProxyHeader("version 2: shorter than the addresses it announces")


def _v2_source(kind: int, block: bytes, length: int) -> ProxyHeader:
    if kind == _TCP_OVER_IPV4:
        return ProxyHeader(IPv4Address(block[:4]), int.from_bytes(block[8:10], "big"), length)
    if kind == _TCP_OVER_IPV6:
        return ProxyHeader(_plain(IPv6Address(block[:16])), int.from_bytes(block[32:34], "big"), length)
    return ProxyHeader(None, 0, length)
