"""What every `UserDirectory` promises, whoever offers it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from support.transfer_as_given import key_named
from tidegate.core.errors import AlreadyExists, InvalidName, NotFound
from tidegate.core.ids import KeyId, key_id_for
from tidegate.core.limits import SSH_PUBLIC_KEYS_PER_USER
from tidegate.core.servers import AttachedWorkflow, IdentityProvider, Server
from tidegate.core.users import (
    Home,
    HomeDirectoryType,
    Mapping,
    MappingType,
    PosixProfile,
    SshPublicKey,
    User,
)

SERVER, OTHER_SERVER = "s-0123456789abcdef0", "s-0123456789abcdef1"
HOME = Home.chroot("/landing/acme")
FULL = Server(
    SERVER,
    (("team", "blue"),),
    wanted="OFFLINE",
    preset="partner-safe",
    identity_provider=IdentityProvider(
        "AWS_LAMBDA",
        function="arn:aws:lambda:eu-west-1:123456789012:function:who",
        sftp_authentication_methods="PUBLIC_KEY_AND_PASSWORD",
    ),
    security_policy="TransferSecurityPolicy-2025-03",
    set_stat="ENABLE_NO_OP",
    listing="ENABLED",
    pre_login_banner="Ships only.\n",
    post_login_banner="Welcome",
    logging_role="arn:aws:iam::123456789012:role/logs",
    log_destinations=("arn:aws:logs:eu-west-1:123456789012:log-group:sftp:*",),
    on_upload=AttachedWorkflow("w-0123456789abcdef0", "arn:aws:iam::123456789012:role/run"),
    on_partial_upload=AttachedWorkflow("w-0123456789abcdef1", "arn:aws:iam::123456789012:role/run"),
    port=2222,
    kept={"EndpointDetails": {"VpcId": "vpc-1", "SubnetIds": ["a", "b"]}, "Certificate": ""},
)


# A request each for what takes one otherwise: half a minute in all.
@pytest.fixture(params=["memory", "aws-on-moto", pytest.param("transfer", marks=pytest.mark.lengthy)])
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def key(now):
    """Make a key of its own for each name, imported so many minutes after now."""

    def key(name: str, minutes: int = 0) -> SshPublicKey:
        parsed = key_named(name)
        return SshPublicKey(
            key_id=key_id_for("acme", parsed.fingerprint),
            body=parsed.body,
            fingerprint=parsed.fingerprint,
            comment=name,
            imported_at=now + timedelta(minutes=minutes),
        )

    return key


@pytest.fixture
def user(now):
    """Make a user with the changes asked for."""

    def user(user_name: str = "acme", **changes: object) -> User:
        return replace(User(SERVER, user_name, HOME, now), **changes)

    return user


async def names(directory, server_id=SERVER) -> list[str]:
    return [user.user_name async for user in directory.users(server_id)]


class TestServers:
    async def test_in_order_and_once(self, directory):
        """Servers are listed in order, each once however often it was registered."""
        assert await directory.server_ids() == []
        for server_id in (OTHER_SERVER, SERVER, OTHER_SERVER):
            await directory.register_server(server_id)
        assert await directory.server_ids() == [SERVER, OTHER_SERVER]

    async def test_keep_their_users(self, directory, user, key):
        """Registering a server again loses no user; a server is no user."""
        added = user(keys=(key("one"),))
        await directory.register_server(SERVER)
        assert await names(directory) == []
        await directory.add_user(added)
        await directory.register_server(SERVER)
        assert [found async for found in directory.users(SERVER)] == [added]

    async def test_tags(self, directory):
        """A server's tags are its own, in their order, and stay when it is registered again."""
        for server_id in (SERVER, OTHER_SERVER):
            await directory.register_server(server_id)
        tags = (("team", "blue"), ("empty", ""), ("ü", "日本"))
        tagged = replace(Server.configured(SERVER), tags=tags)
        assert (
            await directory.change_server(SERVER, lambda server: replace(server, tags=tagged.tags)) == tagged
        )
        await directory.register_server(SERVER)
        assert await directory.server(SERVER) == tagged
        assert await directory.server(OTHER_SERVER) == Server.configured(OTHER_SERVER)
        await directory.change_server(SERVER, lambda server: replace(server, tags=()))
        assert await directory.server(SERVER) == Server.configured(SERVER)

    async def test_comes_back_as_it_was_added(self, directory):
        """Every member of a server comes back; a second one of its id is refused, and changes nothing."""
        await directory.add_server(FULL)
        assert await directory.server(SERVER) == FULL
        await directory.register_server(SERVER)
        with pytest.raises(AlreadyExists):
            await directory.add_server(Server(SERVER))
        assert await directory.servers() == [FULL]

    async def test_is_removed_with_its_own(self, directory, user, key):
        """Its users go with it, those of other servers stay; then there is nothing to remove."""
        for server_id in (SERVER, OTHER_SERVER):
            await directory.add_server(Server(server_id))
            await directory.add_user(replace(user(keys=(key("one"),)), server_id=server_id))
        await directory.remove_server(SERVER)
        assert await directory.servers() == [Server(OTHER_SERVER)]
        assert await names(directory) == []
        assert await names(directory, OTHER_SERVER) == ["acme"]
        with pytest.raises(NotFound):
            await directory.remove_server(SERVER)

    async def test_revocations_are_counted(self, directory, user, key):
        """A key or user that is removed moves the count on, and no change of the server sets it back."""
        await directory.add_server(Server(SERVER))
        await directory.add_user(user(keys=(key("one"), key("two", 1))))
        await directory.remove_key(SERVER, "acme", key("one").key_id)
        assert (await directory.server(SERVER)).revocations == 1
        await directory.change_server(SERVER, lambda server: replace(server, revocations=0, wanted="OFFLINE"))
        await directory.remove_user(SERVER, "acme")
        assert await directory.server(SERVER) == Server(SERVER, wanted="OFFLINE", revocations=2)

    async def test_race_of_changes_loses_none(self, directory):
        """What several change at once is all there afterwards."""
        await directory.register_server(SERVER)
        await asyncio.gather(
            *(
                directory.change_server(
                    SERVER, lambda server, n=n: replace(server, tags=(*server.tags, (f"k{n}", "")))
                )
                for n in range(3)
            )
        )
        assert sorted((await directory.server(SERVER)).tags) == [("k0", ""), ("k1", ""), ("k2", "")]

    async def test_missing(self, directory):
        """A server that is not there cannot be read or changed, also one that has users."""
        for attempt in (
            lambda: directory.server(SERVER),
            lambda: directory.change_server(SERVER, lambda server: server),
        ):
            with pytest.raises(NotFound):
                await attempt()
        assert await directory.server_ids() == []


class TestUsers:
    async def test_comes_back_as_it_was_added(self, directory, user, key):
        """A user comes back with home, time and every key."""
        home = Home(
            HomeDirectoryType.LOGICAL,
            "/in/start",
            (
                Mapping("/out", "/b-1/ü x/${transfer:UserName}"),
                Mapping("/in", "/c-1/in"),
                Mapping("/readme", "/c-1/readme", MappingType.FILE),
            ),
        )
        added = user(home=home, keys=(replace(key("one"), comment="alice@example, 日本"), key("two", 1)))
        await directory.add_user(added)
        assert await directory.user(SERVER, "acme") == added
        assert [found async for found in directory.users(SERVER)] == [added]

    async def test_members_of_the_transfer_api(self, directory, user, key):
        """Role, policy, numbers and tags come back as they were, and how a mapping was written."""
        home = Home(
            HomeDirectoryType.LOGICAL,
            "",
            (Mapping("/in", "/b-1/in", says_type=True), Mapping("/out", "/b-1/out")),
        )
        added = user(
            home=home,
            keys=(key("one"),),
            role="arn:aws:iam::123456789012:role/sftp",
            policy='{"Version": "2012-10-17"}\n',
            posix_profile=PosixProfile(0, 4294967295, (7, 0)),
            tags=(("team", "blue"), ("empty", ""), ("ü", "日本")),
        )
        await directory.add_user(added)
        found = await directory.user(SERVER, "acme")
        assert found == added
        assert [mapping.says_type for mapping in found.home.mappings] == [True, False]
        assert [one async for one in directory.users(SERVER)] == [added]

    async def test_path_home(self, directory, user):
        """A PATH home has a directory and no mappings."""
        added = user(home=Home(HomeDirectoryType.PATH, "/landing/acme"))
        await directory.add_user(added)
        assert await directory.user(SERVER, "acme") == added

    async def test_with_as_many_keys_as_aws_allows(self, directory, user, key):
        """A user is added with 50 keys at once."""
        keys = tuple(key(f"k{n}", n) for n in range(SSH_PUBLIC_KEYS_PER_USER))
        await directory.add_user(user(keys=keys))
        assert (await directory.user(SERVER, "acme")).keys == keys

    async def test_home_larger_than_an_item(self, directory, user):
        """A home of thousands of mappings is kept whole, and a smaller one leaves nothing of it behind."""
        mappings = tuple(Mapping(f"/dir{n:04}", f"/landing/{'x' * 200}/{n}") for n in range(2000))
        large = Home(HomeDirectoryType.LOGICAL, "/", mappings)
        await directory.add_user(user(home=large))
        assert (await directory.user(SERVER, "acme")).home == large
        await directory.set_home(SERVER, "acme", HOME)
        assert (await directory.user(SERVER, "acme")).home == HOME
        await directory.set_home(SERVER, "acme", large)
        assert (await directory.user(SERVER, "acme")).home == large

    async def test_large_homes_among_others(self, directory, user, key):
        """Large homes are listed whole and each with its own user, and go with it."""
        large = {
            name: Home(
                HomeDirectoryType.LOGICAL,
                "/",
                tuple(Mapping(f"/dir{n}", f"/landing/{name}/{'ü' * 50_000}/{n}") for n in range(8)),
            )
            for name in ("bob", "bob-x")
        }
        for name in ("acme", "bob", "bob-x", "zoe"):
            await directory.add_user(user(name, home=large.get(name, HOME), keys=(key(f"of-{name}"),)))
        found = [one async for one in directory.users(SERVER)]
        assert {one.user_name: one.home for one in found} == {"acme": HOME, **large, "zoe": HOME}
        assert [one.keys for one in found] == [(key(f"of-{one.user_name}"),) for one in found]
        await directory.remove_user(SERVER, "bob")
        assert await names(directory) == ["acme", "bob-x", "zoe"]
        assert (await directory.user(SERVER, "bob-x")).home == large["bob-x"]

    async def test_in_order_of_their_names(self, directory, user, key):
        """All users of a server, each with its own keys, come in byte order of their names."""
        for name in ("bob", "Zoe", "bob.x", "bob-x", "acme", "bob@x", "bob_x", "bobx", "0ab"):
            await directory.add_user(user(name, keys=(key(f"of-{name}"),)))
        expected = sorted(["bob", "Zoe", "bob.x", "bob-x", "acme", "bob@x", "bob_x", "bobx", "0ab"])
        found = [one async for one in directory.users(SERVER)]
        assert [one.user_name for one in found] == expected
        assert [[k.comment for k in one.keys] for one in found] == [[f"of-{n}"] for n in expected]

    async def test_servers_are_apart(self, directory, user, key):
        """The same name on two servers is two users."""
        await directory.add_user(user(keys=(key("one"),)))
        await directory.add_user(user(server_id=OTHER_SERVER, keys=(key("one"), key("two", 1))))
        await directory.remove_key(OTHER_SERVER, "acme", key("one").key_id)
        assert (await directory.user(SERVER, "acme")).keys == (key("one"),)
        await directory.remove_user(SERVER, "acme")
        assert (await names(directory), await names(directory, OTHER_SERVER)) == ([], ["acme"])

    async def test_twice(self, directory, user, key):
        """A name that is taken cannot be added, and the user that has it stays as it is, keys and all."""
        first = user(keys=(key("one"),))
        await directory.add_user(first)
        with pytest.raises(AlreadyExists):
            await directory.add_user(user(home=Home.chroot("/other/x"), keys=(key("two"),)))
        assert await directory.user(SERVER, "acme") == first

    async def test_given_one_key_twice(self, directory, user, key):
        """A user cannot be added with one key twice, and is not added then."""
        with pytest.raises(AlreadyExists):
            await directory.add_user(user(keys=(key("one"), key("two"), key("one", 1))))
        assert await names(directory) == []

    async def test_race_for_a_name(self, directory, user, key):
        """Of many adding one name at once exactly one succeeds, with exactly its own keys."""
        rivals = [user(home=Home.chroot(f"/b-1/{n}"), keys=(key(f"k{n}"),)) for n in range(6)]
        outcomes = await asyncio.gather(
            *(directory.add_user(rival) for rival in rivals), return_exceptions=True
        )
        (winner,) = [rival for rival, outcome in zip(rivals, outcomes, strict=True) if outcome is None]
        assert {type(outcome) for outcome in outcomes if outcome is not None} == {AlreadyExists}
        assert await directory.user(SERVER, "acme") == winner

    async def test_set_home(self, directory, user, key):
        """A new home replaces the old one, and nothing else."""
        await directory.add_user(user(keys=(key("one"),)))
        home = Home(HomeDirectoryType.PATH, "/landing/new")
        await directory.set_home(SERVER, "acme", home)
        assert await directory.user(SERVER, "acme") == user(home=home, keys=(key("one"),))

    async def test_change(self, directory, user, key):
        """A change replaces home and members, takes away what is empty, and leaves name, time and keys."""
        added = user(keys=(key("one"),), role="r", posix_profile=PosixProfile(1, 2), tags=(("a", "b"),))
        await directory.add_user(added)
        wanted = replace(
            added,
            home=Home(HomeDirectoryType.PATH, ""),
            role="",
            policy="{}",
            posix_profile=None,
            tags=(("c", "d"),),
        )
        given = []

        def change(found: User) -> User:
            given.append(found)
            return replace(wanted, user_name="other", keys=(), created_at=key("x", 9).imported_at)

        assert await directory.change_user(SERVER, "acme", change) == wanted
        assert given == [added]
        assert await directory.user(SERVER, "acme") == wanted
        assert await names(directory) == ["acme"]

    async def test_change_that_is_refused(self, directory, user):
        """What the change raises is raised, and the user stays as it was."""
        await directory.add_user(user())

        def change(found: User) -> User:
            raise InvalidName("no")

        with pytest.raises(InvalidName):
            await directory.change_user(SERVER, "acme", change)
        assert await directory.user(SERVER, "acme") == user()

    async def test_change_with_a_large_home(self, directory, user):
        """A home larger than an item stays whole when something else changes."""
        mappings = tuple(Mapping(f"/dir{n}", f"/landing/{'ü' * 50_000}/{n}") for n in range(8))
        large = Home(HomeDirectoryType.LOGICAL, "/", mappings)
        await directory.add_user(user(home=large))
        await directory.change_user(SERVER, "acme", lambda found: replace(found, role="r"))
        assert await directory.user(SERVER, "acme") == user(home=large, role="r")
        await directory.change_user(SERVER, "acme", lambda found: replace(found, home=HOME))
        assert await directory.user(SERVER, "acme") == user(role="r")

    async def test_race_of_changes_loses_none(self, directory, user):
        """What several change at once is all there afterwards."""
        await directory.add_user(user())
        await asyncio.gather(
            directory.change_user(SERVER, "acme", lambda found: replace(found, role="r")),
            directory.change_user(SERVER, "acme", lambda found: replace(found, policy="{}")),
            directory.set_home(SERVER, "acme", Home.chroot("/landing/new")),
        )
        changed = user(role="r", policy="{}", home=Home.chroot("/landing/new"))
        assert await directory.user(SERVER, "acme") == changed

    async def test_removed_with_all_keys(self, directory, user, key):
        """A removed user is gone at once; one added under its name has none of its keys."""
        await directory.add_user(user(keys=(key("one"), key("two"))))
        await directory.remove_user(SERVER, "acme")
        with pytest.raises(NotFound):
            await directory.user(SERVER, "acme")
        assert await names(directory) == []
        await directory.add_user(user())
        assert (await directory.user(SERVER, "acme")).keys == ()

    async def test_many(self, directory, user):
        """Listing goes on until all users are seen."""
        added = [f"user{n:03}" for n in range(40)]
        for name in added:
            await directory.add_user(user(name))
        assert await names(directory) == added

    async def test_listing_from_a_name_on(self, directory, user, key):
        """Those that come after a name, which need not be there itself."""
        for name in ("acme", "bob", "bob-x", "bob.x", "zoe"):
            await directory.add_user(user(name, keys=(key(f"of-{name}"),)))

        async def after(name: str) -> list[str]:
            return [one.user_name async for one in directory.users(SERVER, name)]

        assert await after("") == ["acme", "bob", "bob-x", "bob.x", "zoe"]
        assert await after("bob") == ["bob-x", "bob.x", "zoe"]
        assert await after("bob-y") == ["bob.x", "zoe"]
        assert await after("zoe") == []

    async def test_missing(self, directory, user, key):
        """A user that is not there is NotFound to everything but adding; a name's beginning is no user."""
        await directory.add_user(user("acme.eu", keys=(key("one"),)))
        for attempt in (
            lambda: directory.user(SERVER, "acme"),
            lambda: directory.user(OTHER_SERVER, "acme.eu"),
            lambda: directory.set_home(SERVER, "acme", HOME),
            lambda: directory.change_user(SERVER, "acme", lambda found: found),
            lambda: directory.remove_user(SERVER, "acme"),
            lambda: directory.add_key(SERVER, "acme", key("one")),
            lambda: directory.remove_key(SERVER, "acme", key("one").key_id),
        ):
            with pytest.raises(NotFound):
                await attempt()
        assert await names(directory) == ["acme.eu"]
        assert await names(directory, OTHER_SERVER) == []


class TestKeys:
    async def test_oldest_first(self, directory, user, key):
        """Keys come oldest first, whatever order they were added in."""
        await directory.add_user(user(keys=(key("third", 3), key("first", 1))))
        await directory.add_key(SERVER, "acme", key("second", 2))
        await directory.add_key(SERVER, "acme", key("zeroth", 0))
        comments = [one.comment for one in (await directory.user(SERVER, "acme")).keys]
        assert comments == ["zeroth", "first", "second", "third"]

    async def test_removed_is_gone_at_once(self, directory, user, key):
        """The next read after a removal does not have the key, and still has the others."""
        await directory.add_user(user(keys=(key("one"), key("two", 1))))
        for _ in range(5):
            await directory.remove_key(SERVER, "acme", key("one").key_id)
            assert (await directory.user(SERVER, "acme")).keys == (key("two", 1),)
            await directory.add_key(SERVER, "acme", key("one"))
            assert (await directory.user(SERVER, "acme")).keys == (key("one"), key("two", 1))

    async def test_twice(self, directory, user, key):
        """A key the user has cannot be added again, and stays as it was."""
        await directory.add_user(user(keys=(key("one"),)))
        with pytest.raises(AlreadyExists):
            await directory.add_key(SERVER, "acme", replace(key("one", 5), comment="again"))
        assert (await directory.user(SERVER, "acme")).keys == (key("one"),)

    async def test_race_of_different_keys_loses_none(self, directory, user, key):
        """Keys that many add at once are all there afterwards."""
        await directory.add_user(user())
        keys = tuple(key(f"k{n}", n) for n in range(8))
        await asyncio.gather(*(directory.add_key(SERVER, "acme", one) for one in keys))
        assert (await directory.user(SERVER, "acme")).keys == keys

    async def test_race_of_one_key(self, directory, user, key):
        """Of many adding one key at once exactly one succeeds."""
        await directory.add_user(user())
        outcomes = await asyncio.gather(
            *(directory.add_key(SERVER, "acme", key("one")) for _ in range(6)), return_exceptions=True
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AlreadyExists"] * 5 + ["NoneType"]

    async def test_missing(self, directory, user, key):
        """Removing a key the user does not have is NotFound, and removes nothing."""
        await directory.add_user(user(keys=(key("one"),)))
        for _ in range(2):
            with pytest.raises(NotFound):
                await directory.remove_key(SERVER, "acme", KeyId("key-" + "0" * 17))
        assert (await directory.user(SERVER, "acme")).keys == (key("one"),)
