"""
Diffie-Hellman group exchange that never agrees to a small group.

asyncssh gives a client that asks for it a group of 1024 bits, which can be broken; and if the client
cannot take one of 2048, one of 1024 whatever it asked for (asyncssh 2.24.1; pinned by
tests/sftp/test_security_policies.py). All policies of Transfer Family have group exchange.
"""

from __future__ import annotations

import warnings

import asyncssh
from asyncssh import kex, kex_dh
from asyncssh.packet import MPInt, SSHPacket
from cryptography.utils import CryptographyDeprecationWarning

SMALLEST_GROUP_BITS = 2048

_NAME = b"diffie-hellman-group-exchange-sha256"
_Base = kex_dh._KexDHGex  # noqa: SLF001 - see the head of this file
_GROUPS = [group for group in kex_dh._dh_gex_groups if group[0] >= SMALLEST_GROUP_BITS]  # noqa: SLF001
_LARGEST_GROUP_BITS = _GROUPS[-1][0]


class GroupExchange(_Base):
    """asyncssh's group exchange, but for the server's choice of the group."""

    def _process_request(self, pkttype: int, _pktid: int, packet: SSHPacket) -> None:
        if self._conn.is_client() or self._p:
            raise asyncssh.ProtocolError("Unexpected kex request msg")
        self._gex_data = packet.get_remaining_payload()
        preferred, largest = _asked(pkttype, packet)
        p, g = group_for(preferred, largest)
        self._init_group(g, p)
        self._gex_data += MPInt(p) + MPInt(g)
        self.send_packet(self._group_type, MPInt(p), MPInt(g))

    # A table of functions, so that overriding a method alone changes nothing.
    _packet_handlers = {  # noqa: RUF012 - as the base class has it
        **_Base._packet_handlers,  # noqa: SLF001
        kex_dh.MSG_KEX_DH_GEX_REQUEST_OLD: _process_request,
        kex_dh.MSG_KEX_DH_GEX_REQUEST: _process_request,
    }


def group_for(preferred_bits: int, largest_bits: int) -> tuple[int, int]:
    """
    Return modulus and generator: the smallest group that is preferred, or else the largest one allowed.

    Raises:
        asyncssh.KeyExchangeFailed: The client can take none of 2048 bits or more.
    """
    fitting = [(bits, g, p) for bits, g, p in _GROUPS if bits <= largest_bits]
    if not fitting:
        raise asyncssh.KeyExchangeFailed(f"No group of at most {largest_bits} bits is offered")
    _, g, p = next((group for group in fitting if group[0] >= preferred_bits), fitting[-1])
    return p, g


def refuse_small_groups() -> None:
    """Have every asyncssh server of this process use `GroupExchange`. A second call changes nothing."""
    _, digest, arguments = kex._kex_handlers[_NAME]  # noqa: SLF001
    kex._kex_handlers[_NAME] = (GroupExchange, digest, arguments)  # noqa: SLF001


def ignore_deprecation() -> None:
    """Keep cryptography from printing, amid a log of JSON, that groups over finite fields are deprecated."""
    # We know: docs/decisions/0017-security-policies.md.
    warnings.filterwarnings("ignore", "Diffie-Hellman over finite fields", CryptographyDeprecationWarning)


def _asked(pkttype: int, packet: SSHPacket) -> tuple[int, int]:
    if pkttype == kex_dh.MSG_KEX_DH_GEX_REQUEST_OLD:
        preferred, largest = packet.get_uint32(), _LARGEST_GROUP_BITS
    else:
        _, preferred, largest = packet.get_uint32(), packet.get_uint32(), packet.get_uint32()
    packet.check_end()
    return preferred, largest
