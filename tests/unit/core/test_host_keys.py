"""Host keys: made, read from files that people bring, and chosen from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncssh
import pytest

from tidegate.core.errors import InvalidKey
from tidegate.core.host_keys import (
    MADE_TYPES,
    HostKey,
    active,
    host_key_id_for,
    new_host_key,
    read_host_key,
)

NOW = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize("kind", MADE_TYPES)
def test_made_keys_are_read_by_asyncssh(kind: str) -> None:
    """With the fingerprint we say; small enough for KMS; and no two alike."""
    made = new_host_key(kind)
    key = asyncssh.import_private_key(made.der)
    assert (made.type, made.fingerprint) == (kind, key.get_fingerprint())
    assert made.public_key == key.export_public_key("openssh").decode().strip()
    assert len(made.der) <= 4096
    assert new_host_key("ssh-ed25519").der != made.der


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521"])
@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
def test_files_of_both_forms_are_read(algorithm: str, form: str) -> None:
    """What ssh-keygen and OpenSSL write."""
    key = asyncssh.generate_private_key(algorithm)
    found = read_host_key(key.export_private_key(form))
    assert (found.type, found.fingerprint) == (algorithm, key.get_fingerprint())


@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
def test_a_passphrase_is_refused(form: str) -> None:
    """In words that name the way out."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    more = {"rounds": 1, "ignore_few_rounds": True} if form == "openssh" else {}
    with pytest.raises(InvalidKey, match="passphrase") as caught:
        read_host_key(key.export_private_key(form, passphrase="secret", **more))
    assert "ssh-keygen -p" in caught.value.hint


@pytest.mark.parametrize("text", [b"", b"none", b"-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n"])
def test_other_files_are_refused(text: bytes) -> None:
    """And nothing of them is repeated."""
    with pytest.raises(InvalidKey, match="no private key") as caught:
        read_host_key(text)
    assert "hunter2" not in str(caught.value)


def test_a_public_key_is_refused() -> None:
    """The likeliest mistake."""
    with pytest.raises(InvalidKey, match="no private key"):
        read_host_key(asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh"))


def test_a_private_key_is_not_shown() -> None:
    """Neither by repr nor by str."""
    made = new_host_key("ssh-ed25519")
    assert repr(made.der) not in f"{made!r}{made}"


def test_the_same_key_has_the_same_id() -> None:
    """At one server: a second import collides. Transfer Family's form."""
    one = host_key_id_for("s-1", "SHA256:x")
    assert one == host_key_id_for("s-1", "SHA256:x") != host_key_id_for("s-2", "SHA256:x")
    assert one.startswith("hostkey-")
    assert len(one) == 25


def test_the_oldest_of_each_type_is_shown() -> None:
    """So an import alone changes nothing for clients."""

    def key(kind: str, name: str, days: int) -> HostKey:
        return HostKey(name, kind, f"SHA256:{name}", NOW + timedelta(days=days), "", "arn", "")

    keys = [key("ssh-rsa", "b", 2), key("ssh-ed25519", "c", 1), key("ssh-rsa", "a", 0)]
    assert {each.host_key_id for each in active(keys)} == {"a", "c"}
