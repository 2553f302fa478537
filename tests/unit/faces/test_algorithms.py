"""What the SSH layer offers under a policy."""

from __future__ import annotations

import asyncssh
import pytest
from asyncssh.kex import get_kex_algs
from structlog.testing import capture_logs

from tidegate.core.errors import InvalidSettings
from tidegate.core.security_policies import POLICIES
from tidegate.faces.sftp import algorithms, listener
from tidegate.faces.sftp.algorithms import host_key_pairs, limit_signatures, offer_of
from tidegate.faces.sftp.group_exchange import group_for

OURS = "tidegate-2026-11"
KINDS = ("encryption", "key_exchange", "mac", "signature")
# What a build of the crypto library, or a machine without nettle, may lack.
OPTIONAL = ("mlkem", "umac", "chacha20")


def test_first_choices():
    """AES-GCM, the newest key exchange and encrypt-then-mac come first."""
    offered = offer_of(OURS)
    assert offered.encryption[0] == "aes256-gcm@openssh.com"
    assert offered.key_exchange[-1] == "diffie-hellman-group14-sha256"
    assert "curve25519-sha256" in offered.key_exchange
    assert offered.mac[0].endswith("-etm@openssh.com")
    assert offered.signature[0] == "ssh-ed25519"


@pytest.mark.parametrize("name", POLICIES)
def test_the_library_has_what_is_not_optional(name):
    """Every name of every policy is one of asyncssh's: a typo would pass for a lack of the library."""
    offered = offer_of(name)
    assert not [each for each in offered.lacking if not each.startswith(OPTIONAL)]
    assert all(getattr(offered, kind) for kind in KINDS)


def test_what_the_library_lacks_is_named(monkeypatch):
    """In one line of the log at the start, and left out; the rest is offered in the policy's order."""
    had = [each for each in get_kex_algs() if not each.startswith(b"mlkem")]
    monkeypatch.setattr(algorithms, "get_kex_algs", lambda: had)
    offered = offer_of("TransferSecurityPolicy-2025-03")
    kexs = POLICIES["TransferSecurityPolicy-2025-03"].kexs
    assert offered.lacking == kexs[:3]
    assert offered.key_exchange == kexs[3:]
    with capture_logs() as told:
        listener._tell(offered)
    (warning,) = [line for line in told if line["log_level"] == "warning"]
    assert warning["policy"] == "TransferSecurityPolicy-2025-03"
    assert warning["lacking"] == list(kexs[:3])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("aes256-cbc", "encryption"),
        ("chacha20-poly1305@openssh.com", "encryption"),
        ("ecdh-sha2-nistp256", "key_exchange"),
        ("diffie-hellman-group14-sha1", "key_exchange"),
        ("hmac-sha1", "mac"),
        ("ssh-rsa", "signature"),
    ],
)
def test_added_by_setting(name, kind):
    """A name that is added comes last in its list, and nowhere else."""
    plain, offered = offer_of(OURS), offer_of(OURS, [name])
    for each in KINDS:
        added = (name,) if each == kind else ()
        assert getattr(offered, each) == (*getattr(plain, each), *added)


def test_a_name_that_is_there_is_not_added_again():
    """A list that says a name twice is no SSH."""
    assert offer_of(OURS, ["aes256-ctr"]) == offer_of(OURS)


@pytest.mark.parametrize("name", ["", "aes256", "ssh-dss", "none", "AES256-CBC", "hmac-sha1 "])
def test_unknown(name):
    """A name the library does not have is refused, with the setting it stands in."""
    with pytest.raises(InvalidSettings, match=r"sftp\.extra_algorithms"):
        offer_of(OURS, [name])


async def test_asyncssh_takes_them():
    """The options are those of `asyncssh.listen`."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    offer = offer_of("TransferSecurityPolicy-2018-11", ["ssh-rsa", "aes256-cbc"])
    acceptor = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=host_key_pairs([key], offer), config=None, **offer.options
    )
    acceptor.close()
    await acceptor.wait_closed()


def test_a_policy_that_can_use_no_host_key_is_refused():
    """In words that say what it signs with."""
    key = asyncssh.generate_private_key("ssh-ed448")
    with pytest.raises(
        InvalidSettings, match=r"tidegate-2026-11 can use none of the host keys; .*ssh-ed25519"
    ):
        host_key_pairs([key], offer_of(OURS))


@pytest.mark.parametrize(("name", "taken"), [(OURS, False), ("TransferSecurityPolicy-2020-06", True)])
def test_signatures_by_sha_1(name, taken):
    """A partner's RSA key signs with SHA-1 only where the policy has ssh-rsa."""
    private = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    key = asyncssh.import_public_key(private.export_public_key())
    limit_signatures(key, offer_of(name))
    assert key.verify(b"words", private.sign(b"words", b"ssh-rsa")) is taken
    assert key.verify(b"words", private.sign(b"words", b"rsa-sha2-256"))


@pytest.mark.parametrize(
    ("preferred", "largest", "bits"),
    [(1024, 8192, 2048), (0, 8192, 2048), (2048, 2048, 2048), (3000, 8192, 3072), (8192, 4096, 4096)],
)
def test_the_group_is_the_smallest_that_will_do(preferred, largest, bits):
    """But never one below 2048 bits, and the largest that is allowed if that is less than was preferred."""
    modulus, _ = group_for(preferred, largest)
    assert modulus.bit_length() == bits


@pytest.mark.parametrize("largest", [0, 1024, 2047])
def test_a_client_that_takes_only_small_groups_gets_none(largest):
    """It is told so, and the connection ends."""
    with pytest.raises(asyncssh.KeyExchangeFailed):
        group_for(1024, largest)
