"""What it takes to make a server what a file says: members, conditions, removals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.core.errors import ChangedMeanwhile, NotFound
from tidegate.core.servers import AttachedWorkflow, IdentityProvider
from tidegate.core.users import Home, PosixProfile
from tidegate.services.users import NewUser, Users, WantedUser
from unit.services.test_users_service import fingerprint, pasted

SERVER = "s-0123456789abcdef0"
AT = datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC)
HOME, ELSEWHERE = Home.chroot("/landing/acme"), Home.chroot("/landing/else")
ROLE = "arn:aws:iam::111122223333:role/sftp"
POLICY = '{"Version": "2012-10-17", "Statement": []}'
NEW = NewUser("acme", HOME, (pasted(1),), role=ROLE, policy=POLICY, tags=(("team", "blue"),))


@pytest.fixture
def directory():
    return MemoryUserDirectory()


@pytest.fixture
def users(directory):
    return Users(directory, ManualClock(AT), SERVER)


def wanted(home: Home = HOME, keys: tuple[str, ...] = (pasted(1),), **members: object) -> WantedUser:
    return WantedUser("acme", home, keys, members=members)


def whats(plan) -> list[str]:
    return [change.what for change in plan.changes]


async def test_members_that_are_named(users):
    """Role, policy, numbers and tags become what the file says, and a second plan has nothing to do."""
    made = await users.create(NEW)
    posix = PosixProfile(1, 2, (3, 4))
    file = wanted(role="", policy="{}", posix_profile=posix, tags=(("a", "b"), ("c", "")))
    plan = await users.plan([file], exact=True)
    assert whats(plan) == [
        f"role {ROLE} to none",
        f"policy {POLICY} to {{}}",
        "posix_profile none to uid 1, gid 2, secondary 3 4",
        "tags team=blue to a=b, c=",
    ]
    assert await users.get("acme") == made
    await plan.carry_out()
    assert await users.get("acme") == replace(made, **file.members)
    assert (await users.plan([file], exact=True)).changes == []


async def test_members_of_a_new_user(users):
    """Somebody new is made with all the file says."""
    file = wanted(role=ROLE, policy=POLICY, tags=(("a", "b"),))
    await users.bring_to([file], exact=True)
    made = await users.get("acme")
    assert {name: getattr(made, name) for name in file.members} == file.members


async def test_texts_that_mean_the_same(users):
    """A policy by another layout, tags in another order, a name in place of its variable: no change."""
    written = replace(NEW, home=Home.chroot("/landing/${transfer:UserName}"), tags=(("b", "2"), ("a", "1")))
    await users.create(written)
    file = wanted(policy='{"Statement":[],"Version":"2012-10-17"}', tags=(("a", "1"), ("b", "2")))
    assert (await users.plan([file], exact=True)).changes == []


async def test_tags_of_aws_stay(users, directory):
    """Those that begin with aws: are no drift, and are not taken away with the others."""
    made = await users.create(NEW)
    await directory.change_user(SERVER, "acme", lambda user: replace(user, tags=(*user.tags, ("aws:x", "y"))))
    assert (await users.plan([wanted(tags=NEW.tags)], exact=True)).changes == []
    await users.bring_to([wanted(tags=(("new", ""),))], exact=True)
    assert await users.get("acme") == replace(made, tags=(("aws:x", "y"), ("new", "")))


@pytest.mark.parametrize(
    ("file", "other"),
    [
        (wanted(ELSEWHERE), {"home": Home.chroot("/landing/third")}),
        (wanted(policy="{}"), {"policy": ""}),
        (wanted(ELSEWHERE, policy="{}"), {"policy": ""}),
        (wanted(tags=(("a", "b"),)), {"tags": (("c", "d"),)}),
    ],
)
async def test_what_somebody_else_changed_meanwhile_stays(users, directory, file, other):
    """Of two administrators the second is told, and nothing of the first is undone."""
    await users.create(NEW)
    plan = await users.plan([file], exact=True)
    changed = await directory.change_user(SERVER, "acme", lambda user: replace(user, **other))
    with pytest.raises(ChangedMeanwhile, match="acme was changed by somebody else"):
        await plan.carry_out()
    assert await users.get("acme") == changed


async def test_other_members_may_change_meanwhile(users, directory):
    """A plan is about what it changes: the rest is not its business, and stays."""
    await users.create(NEW)
    plan = await users.plan([wanted(policy="{}")], exact=True)
    await directory.change_user(SERVER, "acme", lambda user: replace(user, role="other", home=ELSEWHERE))
    await plan.carry_out()
    found = await users.get("acme")
    assert (found.policy, found.role, found.home) == ("{}", "other", ELSEWHERE)


async def test_keys_that_somebody_else_changed_alike(users):
    """A key that is there by now, or gone, is as it was wanted."""
    await users.create(NEW)
    await users.create(replace(NEW, user_name="gone"))
    plan = await users.plan([wanted(keys=(pasted(2),))], exact=True, prune=True)
    await users.add_key("acme", pasted(2))
    await users.remove_key("acme", fingerprint(1))
    await users.remove("gone")
    await plan.carry_out()
    assert [key.fingerprint for key in (await users.get("acme")).keys] == [fingerprint(2)]


async def test_those_that_are_not_named(users):
    """They go last and only if asked; the plan says how many there are, and how many stay."""
    for name in ("acme", "bob", "zoe"):
        await users.create(replace(NEW, user_name=name))
    kept = await users.plan([wanted()], exact=True)
    assert (kept.changes, kept.removed_users, kept.users_kept) == ([], [], 1)
    plan = await users.plan([wanted(ELSEWHERE)], exact=True, prune=True)
    assert (plan.removed_users, plan.users_kept) == (["bob", "zoe"], 1)
    assert [change.action for change in plan.changes] == ["change", "remove", "remove"]
    await plan.carry_out()
    assert [user.user_name for user in await users.all()] == ["acme"]
    nobody = await users.plan([], exact=True, prune=True)
    assert (nobody.removed_users, nobody.users_kept) == (["acme"], 0)


async def test_what_a_target_cannot_hold_is_found_before_anything_changes(users):
    """The check sees each user as it is and as it is to be; what it raises ends the plan."""
    made = await users.create(NEW)
    seen = []
    other = WantedUser("bob", HOME, ())
    await users.plan([wanted(ELSEWHERE, policy=""), other], exact=True, check=lambda *both: seen.append(both))
    (there, to_be), (nobody, bob) = seen
    assert (there, to_be) == (made, replace(made, home=ELSEWHERE, policy=""))
    assert (nobody, bob.user_name, bob.role) == (None, "bob", "")

    def refuse(there, wanted):
        raise NotFound("no")

    with pytest.raises(NotFound):
        await users.plan([other], exact=True, check=refuse)


async def test_the_server(users, directory):
    """Its members become what the file names, in one change; others stay, and so do tags of AWS."""
    with pytest.raises(NotFound):
        await users.plan([], exact=True, server={"pre_login_banner": "hi"})
    await directory.register_server(SERVER)
    before = await directory.change_server(
        SERVER, lambda server: replace(server, logging_role=ROLE, tags=(("aws:x", "y"), ("a", "b")))
    )
    named = {
        "pre_login_banner": "hi",
        "identity_provider": IdentityProvider("AWS_LAMBDA", "arn:aws:lambda:::f"),
        "on_upload": AttachedWorkflow("w-01234567890123456", ROLE),
        "log_destinations": ("arn:aws:logs:us-east-1:1:log-group:x",),
        "tags": (("c", "d"),),
    }
    plan = await users.plan([], exact=True, server=named)
    assert whats(plan) == [
        "server.identity_provider SERVICE_MANAGED to AWS_LAMBDA arn:aws:lambda:::f PUBLIC_KEY_OR_PASSWORD",
        "server.pre_login_banner none to hi",
        "server.structured_log_destinations none to arn:aws:logs:us-east-1:1:log-group:x",
        f"server.on_upload none to w-01234567890123456 as {ROLE}",
        "server.tags a=b to c=d",
    ]
    await plan.carry_out()
    after = replace(before, **named | {"tags": (("aws:x", "y"), ("c", "d"))})
    assert await directory.server(SERVER) == after
    assert (await users.plan([], exact=True, server=named)).changes == []

    plan = await users.plan([], exact=True, server={"pre_login_banner": "other"})
    await directory.change_server(SERVER, lambda server: replace(server, pre_login_banner="meanwhile"))
    with pytest.raises(ChangedMeanwhile):
        await plan.carry_out()
