"""What the SSH layer offers."""

from __future__ import annotations

import asyncssh
import pytest
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_public_key_algs

from tidegate.core.errors import InvalidSettings
from tidegate.faces.sftp import algorithms
from tidegate.faces.sftp.algorithms import algorithm_options

KINDS = ("encryption_algs", "kex_algs", "mac_algs", "signature_algs")


def test_first_choices():
    """AES-GCM, the newest key exchange and encrypt-then-mac come first."""
    offered = algorithm_options()
    assert set(offered) == set(KINDS)
    assert offered["encryption_algs"][0] == "aes256-gcm@openssh.com"
    assert offered["kex_algs"][-1] == "diffie-hellman-group14-sha256"
    assert "curve25519-sha256" in offered["kex_algs"]
    assert offered["mac_algs"][0].endswith("-etm@openssh.com")
    assert offered["signature_algs"][0] == "ssh-ed25519"


@pytest.mark.parametrize("word", ["sha1", "cbc", "chacha20", "3des", "arcfour", "md5", "blowfish"])
def test_nothing_weak_or_slow(word):
    """SHA-1, CBC and the ciphers that cost more than AES are offered only by setting."""
    for names in algorithm_options().values():
        assert not [name for name in names if word in name and name != "diffie-hellman-group14-sha256"]
    assert "ssh-rsa" not in algorithm_options()["signature_algs"]
    assert "ssh-dss" not in algorithm_options()["signature_algs"]


def test_the_library_has_all_of_them():
    """Every name on our lists is one the installed library knows: a typo would be left out in silence."""
    known = {
        algorithms.ENCRYPTION: get_encryption_algs(),
        algorithms.MAC: get_mac_algs(),
        algorithms.SIGNATURE: get_public_key_algs(),
    }
    for ours, library in known.items():
        assert set(ours) <= {name.decode() for name in library}
    # The newest key exchange needs a crypto library that has it.
    kex = {name.decode() for name in get_kex_algs()}
    assert set(algorithms.KEY_EXCHANGE) - {"mlkem768x25519-sha256"} <= kex


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("aes256-cbc", "encryption_algs"),
        ("chacha20-poly1305@openssh.com", "encryption_algs"),
        ("diffie-hellman-group14-sha1", "kex_algs"),
        ("hmac-sha1", "mac_algs"),
        ("ssh-rsa", "signature_algs"),
    ],
)
def test_added_by_setting(name, kind):
    """A name that is added comes last in its list, and nowhere else."""
    plain, offered = algorithm_options(), algorithm_options([name])
    assert offered.pop(kind) == [*plain.pop(kind), name]
    assert offered == plain


@pytest.mark.parametrize("name", ["", "aes256", "ssh-dss", "none", "AES256-CBC", "hmac-sha1 "])
def test_unknown(name):
    """A name the library does not have is refused, with the setting it stands in."""
    with pytest.raises(InvalidSettings, match=r"sftp\.extra_algorithms"):
        algorithm_options([name])


async def test_asyncssh_takes_them():
    """The options are those of `asyncssh.listen`."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    acceptor = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[key], config=None, **algorithm_options(["ssh-rsa", "aes256-cbc"])
    )
    acceptor.close()
    await acceptor.wait_closed()
