"""Identifiers: time-ordered ones of our own, and ones in the form Transfer Family gives out."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import NewType

LogId = NewType("LogId", str)
GatewayId = NewType("GatewayId", str)
ServerId = NewType("ServerId", str)
KeyId = NewType("KeyId", str)
UploadId = NewType("UploadId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case: sorts as it counts
_LOG_ID_CHARS = 26
_TIME_CHARS = 10


def _base32(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 32)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))


def new_log_id(now_ms: int | None = None) -> LogId:
    """Return a 26-character id whose order as text is the order in time (48 bits ms, 80 bits random)."""
    ms = int(time.time() * 1000) if now_ms is None else now_ms
    return LogId(_base32(ms, _TIME_CHARS) + _base32(secrets.randbits(80), 16))


def derived_log_id(at_ms: int, *facts: str) -> LogId:
    """Return the id that always belongs to this moment and these facts: whoever asks again meets it again."""
    digest = hashlib.sha256("\0".join(facts).encode("utf-8", "surrogatepass")).digest()
    return LogId(_base32(at_ms, _TIME_CHARS) + _base32(int.from_bytes(digest[:10], "big"), 16))


def made_at_ms(log_id: str) -> int:
    """Return the milliseconds since 1970 that a LogID begins with."""
    number = 0
    for digit in log_id[:_TIME_CHARS]:
        number = number * 32 + _ALPHABET.index(digit)
    return number


def is_log_id(text: str) -> bool:
    """Tell whether the text has the form of a LogID; says nothing of whether there is such a record."""
    return len(text) == _LOG_ID_CHARS and set(text) <= set(_ALPHABET)


def new_gateway_id() -> GatewayId:
    """Return an id for this process; never derived from the host, so a restart is a new gateway."""
    return GatewayId("gw-" + secrets.token_hex(8))


def new_server_id() -> ServerId:
    """Return `s-` and 17 hexadecimal digits, as Transfer Family forms them."""
    return ServerId("s-" + secrets.token_hex(9)[:17])


def new_workflow_id() -> str:
    """Return `w-` and 17 hexadecimal digits, as Transfer Family forms them."""
    return "w-" + secrets.token_hex(9)[:17]


def key_id_for(user_name: str, fingerprint: str) -> KeyId:
    """Return the id of this key at this user: the same pair, the same id, so a second import collides."""
    digest = hashlib.sha256(f"{user_name}\n{fingerprint}".encode()).hexdigest()
    return KeyId("key-" + digest[:17])


def new_session_id() -> str:
    """Return 16 hexadecimal digits, as session ids look in Transfer Family's logs."""
    return secrets.token_hex(8)


def new_error_id() -> str:
    """Return the short id that a client's error text and our log line share."""
    return secrets.token_hex(4)
