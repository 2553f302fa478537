"""What makes two users or servers differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidegate.core.drift import differing, homes_differ, own_tags, policy_document, with_own_tags
from tidegate.core.servers import Server
from tidegate.core.users import TIME_NOT_KNOWN, Home, HomeDirectoryType, Mapping, User

USER = User("s-0123456789abcdef0", "acme", Home.chroot("/b-1/acme"), TIME_NOT_KNOWN)


@pytest.mark.parametrize(
    ("there", "wanted", "differ"),
    [
        (Home.chroot("/b-1/${transfer:UserName}"), Home.chroot("/b-1/acme"), False),
        (Home(HomeDirectoryType.LOGICAL, "", (Mapping("/", "/b-1"),)), Home.chroot("/b-1"), False),
        (Home(HomeDirectoryType.PATH, "/b-1/x/"), Home(HomeDirectoryType.PATH, "/b-1/x"), False),
        (Home(HomeDirectoryType.PATH, ""), Home(HomeDirectoryType.PATH, "/"), False),
        (Home(HomeDirectoryType.PATH, "/b-1"), Home.chroot("/b-1"), True),
        (Home.chroot("/b-1/${transfer:UserName}"), Home.chroot("/b-1/other"), True),
    ],
)
def test_homes(there: Home, wanted: Home, differ: bool) -> None:
    """Two that lead to the same places are one, however they are written."""
    assert homes_differ(there, wanted, "acme") is differ
    assert homes_differ(wanted, there, "acme") is differ


def test_homes_of_a_name_that_is_none() -> None:
    """Where a variable cannot be filled in, homes are compared as they are written."""
    one = Home.chroot("/b-1/${transfer:UserName}")
    assert not homes_differ(one, one, "..")
    assert homes_differ(one, Home.chroot("/b-1"), "..")


def test_only_what_is_named_counts() -> None:
    """A member that is not named never differs."""
    user = replace(USER, role="r", policy='{"a": [1, 2]}', tags=(("a", "1"), ("aws:b", "2")))
    assert differing(user, {}, ("role", "policy")) == []
    assert differing(user, {"policy": '{ "a":[1,2] }', "tags": (("a", "1"),)}, ("tags", "policy")) == []
    assert differing(user, {"policy": "", "role": "x", "tags": ()}, ("tags", "role")) == ["tags", "role"]
    assert differing(Server("s-1"), {"set_stat": None}, ("set_stat",)) == []


def test_tags_of_aws_and_of_gateways() -> None:
    """They are left out of a comparison, and stay in what is written."""
    there = (("AWS:x", "1"), ("a", "2"), ("tidegate:sftp-endpoint", "127.0.0.1:22"))
    assert own_tags(there) == (("a", "2"),)
    assert with_own_tags(there, (("b", "3"),)) == (there[0], there[2], ("b", "3"))


@pytest.mark.parametrize("text", ["", "no JSON", "[" * 100_000])
def test_a_policy_that_is_no_json(text: str) -> None:
    """Its text is all there is to compare."""
    assert policy_document(text) == text
