"""Users, homes, keys and the names they may have."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import InvalidName
from tidegate.core.ids import KeyId
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType, SshPublicKey, check_user_name


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


@pytest.mark.parametrize(("comment", "line"), [("", "ssh-ed25519 AAAA"), ("me@pc", "ssh-ed25519 AAAA me@pc")])
def test_a_key_as_a_line(comment, line):
    """With its comment, if it has one."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert SshPublicKey(KeyId("key-1"), "ssh-ed25519 AAAA", "SHA256:x", comment, at).line == line


def test_how_a_mapping_was_written_makes_no_difference():
    """A type that was named and one that follows of itself are the same mapping."""
    assert Mapping("/", "/b-1", says_type=True) == Mapping("/", "/b-1")


@pytest.mark.parametrize(
    ("home", "said"),
    [
        (Home.chroot("/landing/acme"), "/landing/acme"),
        (Home(HomeDirectoryType.LOGICAL, "", (Mapping("/", "/landing/acme"),)), "/landing/acme"),
        (Home(HomeDirectoryType.LOGICAL, "", (Mapping("/in", "/landing/in"),)), "/in = /landing/in"),
        (Home(HomeDirectoryType.PATH, "/landing/acme"), "/landing/acme (PATH)"),
        (Home(HomeDirectoryType.PATH, ""), "/ (PATH)"),
        (
            Home(HomeDirectoryType.LOGICAL, "/in", (Mapping("/", "/landing/acme"),)),
            "/ = /landing/acme, starting in /in",
        ),
        (
            Home(
                HomeDirectoryType.LOGICAL,
                "/",
                (Mapping("/in", "/landing/in"), Mapping("/f", "/landing/f", MappingType.FILE)),
            ),
            "/in = /landing/in, /f = /landing/f (FILE)",
        ),
        (
            Home(HomeDirectoryType.LOGICAL, "/", tuple(Mapping(f"/{n}", "/b-1") for n in range(2000))),
            "/0 = /b-1, /1 = /b-1, /2 = /b-1, /3 = /b-1 and 1996 more",
        ),
    ],
)
def test_a_home_in_one_line(home, said):
    """All that an administrator should know of it, and no more than a line of it."""
    assert str(home) == said


def test_what_a_home_leads_to():
    """Every bucket and prefix behind it, and the key of a file."""
    mappings = (Mapping("/in", "/landing/in"), Mapping("/f", "/landing/f", MappingType.FILE))
    assert Home(HomeDirectoryType.LOGICAL, "/", mappings).targets == ("/landing/in", "/landing/f")
    assert Home(HomeDirectoryType.PATH, "/landing/acme").targets == ("/landing/acme",)
