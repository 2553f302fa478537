"""Host keys: making them, reading private keys that somebody brings, and what the world may know of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from tidegate.core.errors import InvalidKey
from tidegate.core.public_keys import parse_public_key
from tidegate.core.tags import Tags

# The one modern kind, and one for clients too old for it. NIST SP 800-57 counts 3072 bits as 128.
MADE_TYPES = ("ssh-ed25519", "ssh-rsa")
_RSA_BITS = 3072
# KMS API Reference, Encrypt: bytes of plaintext.
_KMS_MAX_BYTES = 4096
_NO_PASSPHRASE = "take it off a copy: ssh-keygen -p -N '' -f COPY"


@dataclass(frozen=True, slots=True)
class HostKey:
    """
    A host key that is kept, as everybody may see it.

    Args:
        host_key_id: `hostkey-` and 17 hexadecimal digits, as Transfer Family forms them.
        type: `ssh-ed25519`, `ssh-rsa` or `ecdsa-sha2-nistp256` and its like.
        fingerprint: `SHA256:...`.
        kms_key_id: ARN of the KMS key that its private half is encrypted under.
        public_key: `algorithm base64`, as it stands in known_hosts.
    """

    host_key_id: str
    type: str
    fingerprint: str
    imported_at: datetime
    description: str
    kms_key_id: str
    public_key: str
    tags: Tags = ()


@dataclass(frozen=True, slots=True, repr=False)
class PrivateHostKey:
    """A private key in the clear (PKCS #8, DER): for moments, never to be printed or logged."""

    der: bytes
    type: str
    fingerprint: str
    public_key: str


def host_key_id_for(server_id: str, fingerprint: str) -> str:
    """Return the id of this key at this server: the same pair, the same id, so a second import collides."""
    digest = hashlib.sha256(f"{server_id}\n{fingerprint}".encode()).hexdigest()
    return "hostkey-" + digest[:17]


def encryption_context(server_id: str, host_key_id: str) -> Mapping[str, str]:
    """Return what KMS is told beside a private key: its ciphertext is of no use as another's."""
    return {"server_id": server_id, "host_key_id": host_key_id}


def new_host_key(kind: str) -> PrivateHostKey:
    """Make a key of one of `MADE_TYPES`."""
    if kind == "ssh-ed25519":
        return _described(ed25519.Ed25519PrivateKey.generate())
    return _described(rsa.generate_private_key(65537, _RSA_BITS))


def read_host_key(text: bytes) -> PrivateHostKey:
    """
    Return the private key in a file of OpenSSH's or PEM's form.

    Raises:
        InvalidKey: It has a passphrase, is of a kind or length that does not do, or is no private key.
            Nothing of the text is in the message.
    """
    load = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in text else load_pem_private_key
    try:
        key = load(text, password=None)
    except TypeError as error:
        raise InvalidKey("it has a passphrase, which a server cannot type", hint=_NO_PASSPHRASE) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        if b"ENCRYPTED" in text:
            raise InvalidKey("it has a passphrase, which a server cannot type", hint=_NO_PASSPHRASE) from None
        raise InvalidKey(
            "it holds no private key of OpenSSH's or PEM's form",
            hint="give the private half of a host key, such as ssh_host_ed25519_key",
        ) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise InvalidKey("it is of a kind that no client takes any more", hint="use Ed25519, ECDSA or RSA")
    return _described(key)


def active(keys: Iterable[HostKey]) -> list[HostKey]:
    """Return the keys a server shows: of each type the oldest, as in Transfer Family."""
    oldest: dict[str, HostKey] = {}
    for key in oldest_first(keys):
        oldest.setdefault(key.type, key)
    return list(oldest.values())


def oldest_first(keys: Iterable[HostKey]) -> list[HostKey]:
    """Return the keys in the order in which they came: of each type the first is the one that is shown."""
    return sorted(keys, key=lambda each: (each.imported_at, each.host_key_id))


def _described(
    key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
) -> PrivateHostKey:
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if len(der) > _KMS_MAX_BYTES:
        raise InvalidKey("it is too long for KMS to encrypt", hint="use Ed25519, or RSA of up to 4096 bits")
    try:
        line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidKey("it is on a curve that SSH does not use", hint="use Ed25519 or nistp256") from error
    public = parse_public_key(line)
    return PrivateHostKey(der, public.algorithm, public.fingerprint, public.body)
