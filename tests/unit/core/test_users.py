"""Users, homes, keys and the names they may have."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import InvalidName
from tidegate.core.ids import KeyId
from tidegate.core.users import Home, HomeDirectoryType, Mapping, SshPublicKey, check_user_name


@pytest.mark.parametrize("name", ["abc", "_ab", "a.b", "a@b", "a-b", "007", "ACME_corp.in@eu-1", "x" * 100])
def test_names_transfer_family_accepts(name):
    """3 to 100 letters, digits, `_`, `.`, `@` and `-`, the first none of the last three."""
    assert check_user_name(name) is name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "x" * 101,
        ".abc",
        "@abc",
        "-abc",
        "a b c",
        "abc\n",
        "\nabc",
        "a/bc",
        "../..",
        "abc\0",
        "müller",
        "абв",
        "a\u200bbc",
    ],
)
def test_names_it_does_not(name):
    """Anything else is refused, with the rule as the hint."""
    with pytest.raises(InvalidName) as refused:
        check_user_name(name)
    assert "3 to 100" in refused.value.hint


@given(st.text(max_size=120))
def test_an_accepted_name_is_harmless_in_a_key(name):
    """No accepted name can climb, split or leave ASCII."""
    try:
        check_user_name(name)
    except InvalidName:
        return
    assert name.isascii()
    assert name.isprintable()
    assert "/" not in name
    assert name not in (".", "..")


def test_a_home_of_one_target():
    """`chroot` shows one target as / and nothing else."""
    home = Home.chroot("/landing/acme")
    assert home == Home(HomeDirectoryType.LOGICAL, "/", (Mapping("/", "/landing/acme"),))
    assert home.target == "/landing/acme"


def test_the_target_of_other_homes():
    """A PATH home's target is its directory; of several mappings it is the first."""
    assert Home(HomeDirectoryType.PATH, "/landing/acme").target == "/landing/acme"
    mappings = (Mapping("/in", "/landing/in"), Mapping("/out", "/landing/out"))
    assert Home(HomeDirectoryType.LOGICAL, "/in", mappings).target == "/landing/in"


def test_a_key_knows_its_algorithm():
    """The algorithm is the first word of the body."""
    key = SshPublicKey(KeyId("key-1"), "ssh-ed25519 AAAA", "SHA256:x", "", datetime(2026, 1, 1, tzinfo=UTC))
    assert key.algorithm == "ssh-ed25519"
