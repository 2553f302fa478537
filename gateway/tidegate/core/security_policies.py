"""
Which SSH algorithms a server may use: Transfer Family's security policies for servers, and our own.

Source: AWS Transfer Family User Guide, "Security policies for AWS Transfer Family servers", as of 2026.
Where its overview tables and its JSON disagree, the JSON is followed: the FIPS policies of 2024 have group
exchange, those of 2025 have no group 14. The order is that of the JSON. For host keys AWS lists the
algorithms and the policies that add `ssh-rsa`, in no order; RSA first is ours, and nothing depends on it:
of the names both sides have, the client's first one is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from tidegate.core.evidence import Evidence

SecurityPolicyName: TypeAlias = Literal[
    "tidegate-2026-11",
    "TransferSecurityPolicy-2025-03",
    "TransferSecurityPolicy-FIPS-2025-03",
    "TransferSecurityPolicy-AS2Restricted-2025-07",
    "TransferSecurityPolicy-SshAuditCompliant-2025-02",
    "TransferSecurityPolicy-2024-01",
    "TransferSecurityPolicy-FIPS-2024-05",
    "TransferSecurityPolicy-FIPS-2024-01",
    "TransferSecurityPolicy-2023-05",
    "TransferSecurityPolicy-FIPS-2023-05",
    "TransferSecurityPolicy-2022-03",
    "TransferSecurityPolicy-2020-06",
    "TransferSecurityPolicy-Restricted-2020-06",
    "TransferSecurityPolicy-FIPS-2020-06",
    "TransferSecurityPolicy-2018-11",
    "TransferSecurityPolicy-Restricted-2018-11",
]


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """
    What a server offers, each list in its order.

    Args:
        fips: Whether AWS counts it among its FIPS policies. It says nothing about our crypto library.
        host_key_algorithms: For the server's signatures and for partners' alike.
        evidence: How well ciphers, kexs and macs are known; None for a policy of our own.
        host_key_evidence: The same for `host_key_algorithms`.
    """

    name: SecurityPolicyName
    fips: bool
    ciphers: tuple[str, ...]
    kexs: tuple[str, ...]
    macs: tuple[str, ...]
    host_key_algorithms: tuple[str, ...]
    evidence: Evidence | None = Evidence.GUIDE
    host_key_evidence: Evidence | None = Evidence.GUIDE


_GCM_256, _GCM_128 = "aes256-gcm@openssh.com", "aes128-gcm@openssh.com"
_CHACHA = "chacha20-poly1305@openssh.com"
_CTR_RISING = ("aes128-ctr", "aes192-ctr", "aes256-ctr")

_MLKEM = ("mlkem768x25519-sha256", "mlkem768nistp256-sha256", "mlkem1024nistp384-sha384")
_NIST = ("ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521")
_CURVE = ("curve25519-sha256", "curve25519-sha256@libssh.org")
_GEX = "diffie-hellman-group-exchange-sha256"
_GROUP_14, _GROUP_16, _GROUP_18 = (
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
)

_ETM_256, _ETM_512 = "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"
_HMAC_256, _HMAC_512 = "hmac-sha2-256", "hmac-sha2-512"

_HOST_KEYS = (
    "rsa-sha2-256",
    "rsa-sha2-512",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-ed25519",
)
_HOST_KEYS_AND_SHA_1 = ("rsa-sha2-256", "rsa-sha2-512", "ssh-rsa", *_HOST_KEYS[2:])

_CIPHERS_2025 = (_GCM_256, _GCM_128, "aes128-ctr", "aes256-ctr", "aes192-ctr")
_CIPHERS_2024 = (_GCM_128, _GCM_256, "aes128-ctr", "aes256-ctr", "aes192-ctr")
_CIPHERS_2022 = (_GCM_256, _GCM_128, "aes256-ctr", "aes192-ctr")
_CIPHERS_2018 = (*_CTR_RISING, _GCM_128, _GCM_256)

_KEXS_2025 = (*_MLKEM, *_NIST, *_CURVE, _GROUP_16, _GROUP_18, _GEX)
_KEXS_FIPS_2024 = (*_NIST, _GROUP_18, _GROUP_16, _GEX)
_KEXS_2022 = (*_CURVE, _GROUP_16, _GROUP_18, _GEX)
_KEXS_2020 = (*_NIST, _GEX, _GROUP_16, _GROUP_18, _GROUP_14)
_KEXS_2018 = (*_CURVE, *_KEXS_2020, "diffie-hellman-group14-sha1")

_MACS_2024 = (_ETM_256, _ETM_512)
_MACS_2020 = (
    "umac-128-etm@openssh.com",
    _ETM_256,
    _ETM_512,
    "umac-128@openssh.com",
    _HMAC_256,
    _HMAC_512,
)
_MACS_2018 = (
    "umac-64-etm@openssh.com",
    "umac-128-etm@openssh.com",
    _ETM_256,
    _ETM_512,
    "hmac-sha1-etm@openssh.com",
    "umac-64@openssh.com",
    "umac-128@openssh.com",
    _HMAC_256,
    _HMAC_512,
    "hmac-sha1",
)

# AES-GCM first; no SHA-1, no CBC, no NIST curves in the key exchange (ssh-audit fails those). Chacha20 costs
# half as much CPU again as AES-GCM and is OpenSSH's first choice: to leave it out is the only way to not get
# it. Group exchange and group 14 are for old clients that know nothing better.
_OURS = SecurityPolicy(
    name="tidegate-2026-11",
    fips=False,
    ciphers=(_GCM_256, _GCM_128, "aes256-ctr", "aes192-ctr", "aes128-ctr"),
    kexs=("mlkem768x25519-sha256", *_CURVE, _GROUP_16, _GROUP_18, _GEX, _GROUP_14),
    macs=(_ETM_256, _ETM_512, _HMAC_256, _HMAC_512),
    host_key_algorithms=(
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "rsa-sha2-512",
        "rsa-sha2-256",
    ),
    evidence=None,
    host_key_evidence=None,
)

_OF_AWS = (
    SecurityPolicy(
        "TransferSecurityPolicy-2025-03", False, _CIPHERS_2025, _KEXS_2025, _MACS_2024, _HOST_KEYS
    ),
    SecurityPolicy(
        "TransferSecurityPolicy-FIPS-2025-03",
        True,
        (_GCM_256, _GCM_128, "aes256-ctr", "aes192-ctr", "aes128-ctr"),
        (*_MLKEM, *_NIST, _GEX, _GROUP_16, _GROUP_18),
        (_ETM_512, _ETM_256),
        _HOST_KEYS,
    ),
    SecurityPolicy(
        "TransferSecurityPolicy-AS2Restricted-2025-07",
        False,
        _CIPHERS_2025,
        _KEXS_2025,
        _MACS_2024,
        _HOST_KEYS,
    ),
    SecurityPolicy(
        "TransferSecurityPolicy-SshAuditCompliant-2025-02",
        False,
        _CIPHERS_2024,
        (*_CURVE, _GROUP_18, _GROUP_16, _GEX),
        _MACS_2024,
        _HOST_KEYS,
    ),
    SecurityPolicy(
        "TransferSecurityPolicy-2024-01",
        False,
        _CIPHERS_2024,
        (*_NIST, *_CURVE, _GROUP_18, _GROUP_16, _GEX),
        _MACS_2024,
        _HOST_KEYS,
    ),
    SecurityPolicy(
        "TransferSecurityPolicy-FIPS-2024-05", True, _CIPHERS_2024, _KEXS_FIPS_2024, _MACS_2024, _HOST_KEYS
    ),
    SecurityPolicy(
        "TransferSecurityPolicy-FIPS-2024-01",
        True,
        _CIPHERS_2024,
        _KEXS_FIPS_2024,
        _MACS_2024,
        _HOST_KEYS_AND_SHA_1,
    ),
    SecurityPolicy(
        "TransferSecurityPolicy-2023-05", False, _CIPHERS_2022, _KEXS_2022, (_ETM_512, _ETM_256), _HOST_KEYS
    ),
    SecurityPolicy(
        "TransferSecurityPolicy-FIPS-2023-05",
        True,
        _CIPHERS_2022,
        (_GROUP_16, _GROUP_18, _GEX),
        _MACS_2024,
        _HOST_KEYS_AND_SHA_1,
    ),
    SecurityPolicy(
        "TransferSecurityPolicy-2022-03",
        False,
        _CIPHERS_2022,
        _KEXS_2022,
        (_ETM_512, _ETM_256, _HMAC_512, _HMAC_256),
        _HOST_KEYS,
    ),
    SecurityPolicy(
        "TransferSecurityPolicy-2020-06",
        False,
        (_CHACHA, *_CIPHERS_2018),
        _KEXS_2020,
        _MACS_2020,
        _HOST_KEYS_AND_SHA_1,
    ),
    # The guide does not name the restricted policies among those that have ssh-rsa, and says that they differ
    # from the others by chacha20 alone.
    SecurityPolicy(
        "TransferSecurityPolicy-Restricted-2020-06",
        False,
        _CIPHERS_2018,
        _KEXS_2020,
        _MACS_2020,
        _HOST_KEYS_AND_SHA_1,
        host_key_evidence=Evidence.INFERRED,
    ),
    SecurityPolicy(
        "TransferSecurityPolicy-FIPS-2020-06",
        True,
        _CIPHERS_2018,
        _KEXS_2020,
        (_ETM_256, _ETM_512, _HMAC_256, _HMAC_512),
        _HOST_KEYS_AND_SHA_1,
    ),
    SecurityPolicy(
        "TransferSecurityPolicy-2018-11",
        False,
        (_CHACHA, *_CIPHERS_2018),
        _KEXS_2018,
        _MACS_2018,
        _HOST_KEYS_AND_SHA_1,
    ),
    SecurityPolicy(
        "TransferSecurityPolicy-Restricted-2018-11",
        False,
        _CIPHERS_2018,
        _KEXS_2018,
        _MACS_2018,
        _HOST_KEYS_AND_SHA_1,
        host_key_evidence=Evidence.INFERRED,
    ),
)

POLICIES: Final[dict[SecurityPolicyName, SecurityPolicy]] = {each.name: each for each in (_OURS, *_OF_AWS)}
