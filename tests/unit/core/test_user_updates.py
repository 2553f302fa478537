"""What UpdateUser changes, and what it leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tidegate.core.errors import InvalidName
from tidegate.core.user_updates import HomeUpdate, UserUpdate, check_user_home
from tidegate.core.users import Home, HomeDirectoryType, Mapping, PosixProfile, User

LOGICAL, PATH = HomeDirectoryType.LOGICAL, HomeDirectoryType.PATH
MAPPINGS = (Mapping("/in", "/landing/in"),)
USER = User(
    "s-0123456789abcdef0",
    "acme",
    Home(LOGICAL, "/in", MAPPINGS),
    datetime(2026, 3, 9, tzinfo=UTC),
    role="arn:aws:iam::111122223333:role/one",
    policy="{}",
    posix_profile=PosixProfile(1, 2),
    tags=(("a", "b"),),
)


def test_nothing_named_changes_nothing():
    """An update without members is none, also for a home that would be refused today."""
    odd = replace(USER, home=Home(LOGICAL, "/elsewhere", MAPPINGS))
    assert UserUpdate().applied(odd) == odd


def test_each_member_alone():
    """The others keep their value; an empty policy takes the policy away."""
    assert UserUpdate(role="r").applied(USER) == replace(USER, role="r")
    assert UserUpdate(policy="").applied(USER) == replace(USER, policy="")
    posix = PosixProfile(3, 4, (5,))
    assert UserUpdate(posix_profile=posix).applied(USER) == replace(USER, posix_profile=posix)
    moved = HomeUpdate(directory="")
    assert UserUpdate(moved).applied(USER) == replace(USER, home=Home(LOGICAL, "", MAPPINGS))


@pytest.mark.parametrize(
    ("update", "home"),
    [
        (HomeUpdate(type=PATH), Home(PATH, "")),
        (HomeUpdate(type=PATH, directory="/landing/x"), Home(PATH, "/landing/x")),
        (HomeUpdate(type=LOGICAL), Home(LOGICAL, "/in", MAPPINGS)),
        (HomeUpdate(mappings=(Mapping("/in", "/b-2/x"),)), Home(LOGICAL, "/in", (Mapping("/in", "/b-2/x"),))),
    ],
)
def test_a_home_of_another_type_starts_anew(update, home):
    """What belonged to the old type is gone; the same type named again changes nothing."""
    assert update.applied(USER.home) == home


@pytest.mark.parametrize(
    "update",
    [
        HomeUpdate(directory="/out"),
        HomeUpdate(mappings=(Mapping("/out", "/landing/out"),)),
        HomeUpdate(type=PATH, mappings=MAPPINGS),
        HomeUpdate(mappings=()),
    ],
)
def test_a_home_that_cannot_be_used(update):
    """The start must lie under a mapping, PATH has no mappings, LOGICAL has some."""
    with pytest.raises(InvalidName):
        update.applied(USER.home)


def test_homes_that_lead_nowhere_are_taken():
    """Transfer Family makes a user without a home; it logs in and finds nothing."""
    for directory in ("", "/"):
        assert check_user_home(Home(PATH, directory)).directory == directory


def test_too_many_mappings():
    """2,000 is the quota of a service-managed user."""
    fits = tuple(Mapping(f"/{n}", "/b-1") for n in range(2000))
    assert check_user_home(Home(LOGICAL, "", fits)).mappings == fits
    with pytest.raises(InvalidName, match="2001 mappings"):
        check_user_home(Home(LOGICAL, "", (*fits, Mapping("/more", "/b-1"))))
