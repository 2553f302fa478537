"""
A security policy as asyncssh takes it: what is offered, and what this library lacks.

The server's own order decides nothing: of the names both sides have, the client's first one is used. So
what is not to be used must not be offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncssh
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_public_key_algs

from tidegate.core.errors import InvalidSettings
from tidegate.core.security_policies import POLICIES, SecurityPolicyName

# Only by setting or by an old policy: SHA-1, for clients that have nothing better.
_EXTRA_SIGNATURE = ("ssh-rsa",)


@dataclass(frozen=True, slots=True)
class Offer:
    """
    The algorithms of a server, each list in the policy's order.

    Args:
        lacking: Names of the policy that the library, as installed, does not have.
    """

    policy: SecurityPolicyName
    encryption: tuple[str, ...]
    key_exchange: tuple[str, ...]
    mac: tuple[str, ...]
    signature: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def options(self) -> dict[str, Any]:
        """The options of `asyncssh.listen`. Host keys are narrowed by `host_key_pairs`, not by them."""
        return {
            "encryption_algs": list(self.encryption),
            "kex_algs": list(self.key_exchange),
            "mac_algs": list(self.mac),
            "signature_algs": list(self.signature),
        }


def offer_of(policy: SecurityPolicyName, extra: Iterable[str] = ()) -> Offer:
    """
    Return what a server of this policy offers.

    Args:
        extra: Names to add at the end of the list they belong to, if they are not there already.

    Raises:
        InvalidSettings: The SSH library has no algorithm of a name in `extra`.
    """
    wanted, known = POLICIES[policy], _known()
    lists = {
        "encryption": [*wanted.ciphers],
        "key_exchange": [*wanted.kexs],
        "mac": [*wanted.macs],
        "signature": [*wanted.host_key_algorithms],
    }
    lacking = [name for kind, names in lists.items() for name in names if name not in known[kind]]
    for name in extra:
        kind = _kind_of(name, known)
        if name not in lists[kind]:
            lists[kind].append(name)
    had = {kind: tuple(name for name in names if name in known[kind]) for kind, names in lists.items()}
    return Offer(policy, **had, lacking=tuple(lacking))


def host_key_pairs(
    keys: Sequence[asyncssh.SSHKey], offer: Offer, *, may_be_none: bool = False
) -> list[asyncssh.SSHKeyPair]:
    """
    Return the host keys to serve with, limited to the policy's signatures and in its order.

    By itself asyncssh would sign with whatever an RSA key can do, SHA-1 included (asyncssh 2.24.1;
    pinned by tests/sftp/test_security_policies.py).

    Raises:
        InvalidSettings: The policy can use none of the keys.
    """
    allowed = [name.encode() for name in offer.signature]
    pairs = []
    for pair in asyncssh.load_keypairs(list(keys)):
        pair.host_key_algorithms = [name for name in allowed if name in pair.host_key_algorithms]
        if pair.host_key_algorithms:
            pairs.append(pair)
    if not pairs and not may_be_none:
        raise InvalidSettings(
            f"sftp.security_policy: {offer.policy} can use none of the host keys; it signs with "
            + ", ".join(offer.signature),
            hint="make one: ssh-keygen -t ed25519 -N '' -f FILE, and name it in sftp.host_key_files",
        )
    return sorted(pairs, key=lambda pair: allowed.index(pair.host_key_algorithms[0]))


def limit_signatures(key: asyncssh.SSHKey, offer: Offer) -> None:
    """
    Have a partner's key accept only signatures of the policy.

    asyncssh tells clients which ones are wanted, and then takes any (asyncssh 2.24.1; pinned by
    tests/sftp/test_security_policies.py).
    """
    key.all_sig_algorithms = key.all_sig_algorithms & {name.encode() for name in offer.signature}


def _known() -> dict[str, set[str]]:
    signatures = {*POLICIES["tidegate-2026-11"].host_key_algorithms, *_EXTRA_SIGNATURE}
    return {
        "encryption": {name.decode() for name in get_encryption_algs()},
        "key_exchange": {name.decode() for name in get_kex_algs()},
        "mac": {name.decode() for name in get_mac_algs()},
        # Of those the library has, the ones we are willing to offer: no DSA, no FIDO, no certificates.
        "signature": signatures & {name.decode() for name in get_public_key_algs()},
    }


def _kind_of(name: str, known: Mapping[str, set[str]]) -> str:
    for kind, names in known.items():
        if name in names:
            return kind
    raise InvalidSettings(
        f"sftp.extra_algorithms: {name!r} is no algorithm that asyncssh {asyncssh.__version__} has"
    )
