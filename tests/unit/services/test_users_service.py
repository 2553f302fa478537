"""Administering users and keys."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.core.errors import AlreadyExists, InvalidKey, InvalidName, NotFound
from tidegate.core.ids import key_id_for
from tidegate.core.limits import SSH_PUBLIC_KEYS_PER_USER
from tidegate.core.public_keys import parse_public_key
from tidegate.core.users import Home, HomeDirectoryType, Mapping
from tidegate.services.users import Change, Users, WantedUser
from unit.services.faults import Faulty

SERVER = "s-0123456789abcdef0"
AT = datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC)
HOME = Home.chroot("/landing/acme")
ELSEWHERE = Home.chroot("/landing/corp")
UNUSABLE = Home(HomeDirectoryType.LOGICAL, "/", (Mapping("/", "no slash"),))


def pasted(number: int, comment: str = "") -> str:
    """Return the line of a valid Ed25519 key of its own."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    raw = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big")).public_key().public_bytes_raw()
    name = b"ssh-ed25519"
    blob = len(name).to_bytes(4, "big") + name + len(raw).to_bytes(4, "big") + raw
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {comment}".strip()


def fingerprint(number: int) -> str:
    return parse_public_key(pasted(number)).fingerprint


@pytest.fixture
def directory():
    return Faulty(MemoryUserDirectory())


@pytest.fixture
def users(directory):
    return Users(directory, ManualClock(AT), SERVER)


async def fingerprints(users, name="acme") -> list[str]:
    return [key.fingerprint for key in (await users.get(name)).keys]


WRITES = {"add_user", "set_home", "add_key", "remove_key", "remove_user"}


class TestOne:
    async def test_add(self, users):
        """A new user has its home and its keys, each under the id that this key has at this user."""
        made = await users.add("acme", HOME, [pasted(1, "laptop"), pasted(2)])
        assert set(made.keys) == set((await users.get("acme")).keys)
        assert (made.server_id, made.home, made.created_at) == (SERVER, HOME, AT)
        key = next(key for key in made.keys if key.fingerprint == fingerprint(1))
        assert (key.body, key.comment, key.imported_at) == (pasted(1), "laptop", AT)
        assert key.key_id == key_id_for("acme", key.fingerprint)

    async def test_one_key_twice(self, users):
        """A key given twice counts once."""
        assert len((await users.add("acme", HOME, [pasted(1), pasted(1, "again")])).keys) == 1

    @pytest.mark.parametrize(
        ("name", "home", "keys", "error"),
        [
            ("a/b", HOME, [], InvalidName),
            ("acme", UNUSABLE, [], InvalidName),
            ("acme", HOME, ["no key"], InvalidKey),
            ("acme", HOME, [pasted(n) for n in range(1, SSH_PUBLIC_KEYS_PER_USER + 2)], InvalidKey),
        ],
    )
    async def test_refused(self, users, directory, name, home, keys, error):
        """A bad name, home or key, or one key too many, makes nobody."""
        with pytest.raises(error):
            await users.add(name, home, keys)
        assert not WRITES & set(directory.calls)

    async def test_again(self, users):
        """A user that is there is not made again."""
        await users.add("acme", HOME)
        with pytest.raises(AlreadyExists):
            await users.add("acme", ELSEWHERE)
        assert (await users.get("acme")).home == HOME

    async def test_all(self, users):
        """All users come in order of their names."""
        for name in ("corp", "acme", "beta"):
            await users.add(name, HOME)
        assert [user.user_name for user in await users.all()] == ["acme", "beta", "corp"]

    async def test_remove(self, users):
        """A removed user is gone with its keys."""
        await users.add("acme", HOME, [pasted(1)])
        await users.remove("acme")
        with pytest.raises(NotFound):
            await users.remove("acme")
        await users.add("acme", HOME)
        assert await fingerprints(users) == []


class TestKeys:
    async def test_add(self, users):
        """A key is added to those that are there."""
        await users.add("acme", HOME, [pasted(1)])
        added = await users.add_key("acme", pasted(2, "new laptop"))
        assert added.comment == "new laptop"
        assert set(await fingerprints(users)) == {fingerprint(1), fingerprint(2)}

    async def test_add_refused(self, users):
        """A key that is there, is none, or whose user is not there, is refused."""
        await users.add("acme", HOME, [pasted(1)])
        for name, text, error in (
            ("acme", pasted(1), AlreadyExists),
            ("acme", "no key", InvalidKey),
            ("nobody", pasted(1), NotFound),
        ):
            with pytest.raises(error):
                await users.add_key(name, text)
        assert await fingerprints(users) == [fingerprint(1)]

    async def test_limit(self, users):
        """A user has at most fifty keys; one has to go before the next can come."""
        keys = [pasted(n) for n in range(1, SSH_PUBLIC_KEYS_PER_USER + 1)]
        await users.add("acme", HOME, keys)
        with pytest.raises(InvalidKey, match="has 50 keys"):
            await users.add_key("acme", pasted(99))
        await users.remove_key("acme", fingerprint(7))
        await users.add_key("acme", pasted(99))
        assert len(await fingerprints(users)) == SSH_PUBLIC_KEYS_PER_USER

    @pytest.mark.parametrize(
        "named",
        [
            pytest.param(lambda key: key.key_id, id="id"),
            pytest.param(lambda key: key.fingerprint, id="fingerprint"),
            pytest.param(lambda key: key.fingerprint.removeprefix("SHA256:"), id="fingerprint alone"),
        ],
    )
    async def test_remove(self, users, named):
        """A key is removed by its id, or its fingerprint with `SHA256:` or without."""
        made = await users.add("acme", HOME, [pasted(1), pasted(2)])
        key = made.keys[0]
        assert await users.remove_key("acme", named(key)) == key
        assert key.fingerprint not in await fingerprints(users)
        assert len(await fingerprints(users)) == 1

    @pytest.mark.parametrize("name", ["", "SHA256:", "key-", "ssh-ed25519", fingerprint(2)])
    async def test_remove_unknown(self, users, name):
        """A part of a name, or another key's, removes nothing."""
        await users.add("acme", HOME, [pasted(1)])
        with pytest.raises(NotFound):
            await users.remove_key("acme", name)
        assert await fingerprints(users) == [fingerprint(1)]


def add(name, what):
    return Change("add", name, what)


class TestBringTo:
    async def test_new_users(self, users):
        """Users that are not there are made, with their keys."""
        changes = await users.bring_to(
            [WantedUser("acme", HOME, (pasted(1), pasted(1))), WantedUser("corp", ELSEWHERE, ())], exact=True
        )
        assert changes == [
            add("acme", "partner with home /landing/acme"),
            add("acme", f"key {fingerprint(1)}"),
            add("corp", "partner with home /landing/corp"),
        ]
        assert [user.user_name for user in await users.all()] == ["acme", "corp"]
        assert await fingerprints(users) == [fingerprint(1)]

    @pytest.mark.parametrize("exact", [True, False])
    async def test_again(self, users, directory, exact):
        """What is as it should be takes no change and no write."""
        wanted = [WantedUser("acme", HOME, (pasted(1), pasted(2)))]
        await users.bring_to(wanted, exact=exact)
        directory.calls.clear()
        assert await users.bring_to(wanted, exact=exact) == []
        assert not WRITES & set(directory.calls)

    async def test_home(self, users):
        """A home that differs is changed."""
        await users.add("acme", HOME)
        changes = await users.bring_to([WantedUser("acme", ELSEWHERE, ())], exact=False)
        assert changes == [Change("change", "acme", "home /landing/acme to /landing/corp")]
        assert (await users.get("acme")).home == ELSEWHERE

    async def test_not_exact(self, users):
        """Keys that are not listed stay."""
        await users.add("acme", HOME, [pasted(1)])
        changes = await users.bring_to([WantedUser("acme", HOME, (pasted(2),))], exact=False)
        assert changes == [add("acme", f"key {fingerprint(2)}")]
        assert set(await fingerprints(users)) == {fingerprint(1), fingerprint(2)}

    async def test_exact(self, users):
        """Keys that are not listed go, after the new ones have come."""
        await users.add("acme", HOME, [pasted(1), pasted(2)])
        changes = await users.bring_to([WantedUser("acme", HOME, (pasted(2), pasted(3)))], exact=True)
        assert changes == [
            add("acme", f"key {fingerprint(3)}"),
            Change("remove", "acme", f"key {fingerprint(1)}"),
        ]
        assert set(await fingerprints(users)) == {fingerprint(2), fingerprint(3)}

    async def test_users_not_named(self, users):
        """Users the file does not name are left alone."""
        await users.add("corp", HOME, [pasted(1)])
        assert await users.bring_to([], exact=True) == []
        assert await fingerprints(users, "corp") == [fingerprint(1)]

    @pytest.mark.parametrize("exact", [True, False])
    async def test_dry_run(self, users, directory, exact):
        """A dry run tells exactly what a real one would change, and changes nothing."""
        await users.add("acme", HOME, [pasted(1)])
        before = await users.all()
        directory.calls.clear()
        wanted = [WantedUser("corp", HOME, (pasted(9),)), WantedUser("acme", ELSEWHERE, (pasted(2),))]
        told = await users.bring_to(wanted, exact=exact, dry_run=True)
        assert not WRITES & set(directory.calls)
        assert await users.all() == before
        assert await users.bring_to(wanted, exact=exact) == told
        assert len(told) == (5 if exact else 4)

    @pytest.mark.parametrize(
        "bad",
        [
            pytest.param(WantedUser("zulu", HOME, ("no key",)), id="key"),
            pytest.param(WantedUser("zulu", UNUSABLE, ()), id="home"),
            pytest.param(WantedUser("z", HOME, ()), id="name"),
            pytest.param(WantedUser("acme", HOME, ()), id="named twice"),
            pytest.param(WantedUser("full", HOME, (pasted(99),)), id="one key too many"),
        ],
    )
    async def test_one_bad_user_changes_nothing(self, users, directory, bad):
        """A bad name, home or key of one user leaves all the others as they were, dry run or not."""
        await users.add("full", HOME, [pasted(n) for n in range(1, SSH_PUBLIC_KEYS_PER_USER + 1)])
        await users.add("acme", HOME, [pasted(1)])
        before = await users.all()
        directory.calls.clear()
        for dry_run in (True, False):
            with pytest.raises((InvalidKey, InvalidName)):
                await users.bring_to(
                    [WantedUser("acme", ELSEWHERE, (pasted(2),)), WantedUser("new-one", HOME, ()), bad],
                    exact=False,
                    dry_run=dry_run,
                )
        assert not WRITES & set(directory.calls)
        assert await users.all() == before

    async def test_a_full_user_may_change_keys(self, users):
        """With exact keys the limit counts those that are wanted."""
        await users.add("full", HOME, [pasted(n) for n in range(1, SSH_PUBLIC_KEYS_PER_USER + 1)])
        wanted = tuple(pasted(n) for n in range(2, SSH_PUBLIC_KEYS_PER_USER + 2))
        changes = await users.bring_to([WantedUser("full", HOME, wanted)], exact=True)
        assert [change.action for change in changes] == ["add", "remove"]
        assert len(await fingerprints(users, "full")) == SSH_PUBLIC_KEYS_PER_USER
