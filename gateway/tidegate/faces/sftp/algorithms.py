"""
What the SSH layer offers: AES-GCM first; no SHA-1, no CBC, no chacha20 unless configured.

The client's first choice that we offer is used, so leaving a slow cipher out is the only way to
not get it: chacha20 costs half as much CPU again as AES-GCM, and is OpenSSH's first choice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import asyncssh
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs

from tidegate.core.errors import InvalidSettings

ENCRYPTION = (
    "aes256-gcm@openssh.com",
    "aes128-gcm@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
)
KEY_EXCHANGE = (
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
)
MAC = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
SIGNATURE = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
# Only by setting: old clients that have nothing better.
_EXTRA_SIGNATURE = ("ssh-rsa",)


def algorithm_options(extra: Iterable[str] = ()) -> dict[str, Any]:
    """
    Return the algorithm options for `asyncssh.listen`.

    Args:
        extra: Names to add at the end of the list they belong to.

    Raises:
        InvalidSettings: The SSH library has no algorithm of that name.
    """
    known = {
        "encryption_algs": {name.decode() for name in get_encryption_algs()},
        "kex_algs": {name.decode() for name in get_kex_algs()},
        "mac_algs": {name.decode() for name in get_mac_algs()},
        "signature_algs": {*SIGNATURE, *_EXTRA_SIGNATURE},
    }
    lists = {
        "encryption_algs": list(ENCRYPTION),
        "kex_algs": list(KEY_EXCHANGE),
        "mac_algs": list(MAC),
        "signature_algs": list(SIGNATURE),
    }
    for name in extra:
        kind = next((kind for kind, names in known.items() if name in names), None)
        if kind is None:
            raise InvalidSettings(
                f"sftp.extra_algorithms: {name!r} is no algorithm that asyncssh {asyncssh.__version__} has"
            )
        lists[kind].append(name)
    # A build of the crypto library may lack the newest key exchange: offer what is there.
    return {kind: [name for name in names if name in known[kind]] for kind, names in lists.items()}
