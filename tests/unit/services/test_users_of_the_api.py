"""Administering users as the Transfer API does, and what is kept of the server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.core.errors import AlreadyExists, InvalidKey, InvalidName, NotFound, TooManyKeys
from tidegate.core.user_updates import HomeUpdate, UserUpdate
from tidegate.core.users import Home, HomeDirectoryType, Mapping, PosixProfile
from tidegate.services.users import NewUser, Users, WantedUser

SERVER = "s-0123456789abcdef0"
AT = datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJc9K9q1j9x0pJZ1Yt8p9wq9v0v3w2J8cJm3kq2m7Y0F me@pc"
NEW = NewUser(
    "acme",
    Home(HomeDirectoryType.LOGICAL, "", (Mapping("/", "/landing/acme"),)),
    (KEY,),
    role="arn:aws:iam::111122223333:role/sftp",
    policy="{}",
    posix_profile=PosixProfile(1, 2),
    tags=(("team", "blue"),),
)


@pytest.fixture
def directory():
    return MemoryUserDirectory()


@pytest.fixture
def users(directory):
    return Users(directory, ManualClock(AT), SERVER)


async def test_created_as_asked(users):
    """All of it is there, and the key can log in."""
    made = await users.create(NEW)
    assert await users.get("acme") == made
    assert (made.home, made.role, made.policy) == (NEW.home, NEW.role, NEW.policy)
    assert (made.posix_profile, made.tags, made.created_at) == (NEW.posix_profile, NEW.tags, AT)
    assert [key.line for key in made.keys] == [KEY]
    with pytest.raises(AlreadyExists):
        await users.create(NEW)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"user_name": "a!"}, InvalidName),
        ({"home": Home.chroot("landing")}, InvalidName),
        ({"tags": (("aws:x", ""),)}, InvalidName),
        ({"keys": ("ssh-rsa AAAA",)}, InvalidKey),
    ],
)
async def test_what_cannot_be_created(users, changes, error):
    """Nothing of it is there then."""
    with pytest.raises(error):
        await users.create(replace(NEW, **changes))
    assert await users.all() == []


async def test_updated(users):
    """What is named changes, together or not at all."""
    made = await users.create(NEW)
    update = UserUpdate(HomeUpdate(HomeDirectoryType.PATH, "/landing/new"), policy="")
    changed = replace(made, home=Home(HomeDirectoryType.PATH, "/landing/new"), policy="")
    assert await users.update("acme", update) == changed
    with pytest.raises(InvalidName):
        await users.update("acme", UserUpdate(HomeUpdate(directory="nowhere"), role="other"))
    assert await users.get("acme") == changed
    with pytest.raises(NotFound):
        await users.update("other", update)


async def test_tags(users):
    """Added, changed and taken away; of nobody they are NotFound."""
    await users.create(NEW)
    assert (await users.tag("acme", [("team", "red"), ("a", "b")])).tags == (("team", "red"), ("a", "b"))
    assert (await users.untag("acme", ["team", "x"])).tags == (("a", "b"),)
    with pytest.raises(InvalidName):
        await users.tag("acme", [(f"k{n}", "") for n in range(50)])
    for attempt in (users.tag("other", []), users.untag("other", [])):
        with pytest.raises(NotFound):
            await attempt


async def test_pages(users):
    """Up to so many behind a name, and how many there are in all."""
    for name in ("ann", "bob", "cleo"):
        await users.create(replace(NEW, user_name=name))
    assert [user.user_name for user in await users.page("", 2)] == ["ann", "bob"]
    assert [user.user_name for user in await users.page("bob", 2)] == ["cleo"]
    assert await users.count() == 3


async def test_too_many_keys_are_told_apart(users):
    """From keys that cannot be used: the API answers another text."""
    await users.create(replace(NEW, keys=()))
    with pytest.raises(TooManyKeys):
        await users.bring_to([WantedUser("acme", NEW.home, tuple(lines(51)))], exact=True)


async def test_a_home_that_leads_to_the_same_is_not_changed(users):
    """A start that the API left out is the one that a configuration names."""
    await users.create(NEW)
    wanted = WantedUser("acme", Home.chroot("/landing/acme"), (KEY,))
    assert await users.bring_to([wanted], exact=True) == []
    assert (await users.get("acme")).home.directory == ""


async def test_bringing_to_a_file_leaves_what_the_file_cannot_say(users):
    """Role, policy and tags stay when the home changes."""
    made = await users.create(NEW)
    elsewhere = Home.chroot("/landing/elsewhere")
    await users.bring_to([WantedUser("acme", elsewhere, (KEY,))], exact=True)
    assert await users.get("acme") == replace(made, home=elsewhere)


def lines(count: int) -> list[str]:
    """Return so many keys, each another."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    keys = (
        Ed25519PrivateKey.from_private_bytes(n.to_bytes(32, "big")).public_key() for n in range(1, count + 1)
    )
    return [key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() for key in keys]
