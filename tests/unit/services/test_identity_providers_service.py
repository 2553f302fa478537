"""Who is asked about a user, and what becomes of it when nobody answers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.core.errors import ProviderFailed
from tidegate.core.identity_providers import LoginRefused, Question
from tidegate.core.servers import IdentityProvider, Server
from tidegate.core.users import Home, User
from tidegate.services.identity_providers import Identities
from tidegate.services.logins import Logins

NOW = datetime(2026, 3, 9, tzinfo=UTC)
ID, IP = "s-0123456789abcdef0", "192.0.2.7"
ROLE = "arn:aws:iam::111122223333:role/sftp"
FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:idp"
OWN, ASKED = Server(ID), Server(ID, identity_provider=IdentityProvider("AWS_LAMBDA", FUNCTION))


class Provider:
    """Answers the same each time, and remembers what it was asked."""

    def __init__(self, answer: object = None, error: Exception | None = None) -> None:
        self.answer = answer
        self.error = error
        self.asked: list[Question] = []
        self.never = False

    async def ask(self, question: Question) -> object:
        self.asked.append(question)
        if self.never:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        return self.answer


def identities(provider: Provider | None = None, seconds: float = 15) -> Identities:
    clock = ManualClock(NOW)
    logins = Logins(MemoryUserDirectory(), MemoryTransferLog(clock), clock, ID)
    if provider is None:
        return Identities(logins, clock)
    return Identities(logins, clock, lambda _: provider, seconds)


async def refused(asked) -> str:
    with pytest.raises(LoginRefused) as error:
        await asked
    return error.value.reason


async def test_users_of_the_directory():
    """As they are there now; they have no passwords, and no provider is asked."""
    clock, directory, provider = ManualClock(NOW), MemoryUserDirectory(), Provider()
    logins = Logins(directory, MemoryTransferLog(clock), clock, ID)
    world = Identities(logins, clock, lambda _: provider)
    assert await refused(world.user_with_keys(OWN, "acme", IP)) == "no partner of this name"
    user = User(ID, "acme", Home.chroot("/landing/acme"), NOW)
    await directory.add_user(user)
    assert (await world.user_with_keys(OWN, "acme", IP)).user == user
    assert "no passwords" in await refused(world.user_with_password(OWN, "acme", "x", IP))
    assert provider.asked == []


async def test_users_of_a_provider():
    """Without a password for keys, with it for a password."""
    provider = Provider({"Role": ROLE})
    world = identities(provider)
    assert (await world.user_with_keys(ASKED, "acme", IP)).user.role == ROLE
    assert (await world.user_with_password(ASKED, "acme", "secret", IP)).user.created_at == NOW
    assert provider.asked == [Question("acme", ID, IP), Question("acme", ID, IP, "secret")]


async def test_what_is_not_even_asked():
    """An empty password would be the question of keys, whose answer must let nobody in."""
    provider = Provider({"Role": ROLE})
    world = identities(provider)
    assert "empty" in await refused(world.user_with_password(ASKED, "acme", "", IP))
    assert "longer" in await refused(world.user_with_password(ASKED, "acme", "x" * 1025, IP))
    for name in ("a/../b", "x", ".."):
        assert "no user can have" in await refused(world.user_with_keys(ASKED, name, IP))
    assert provider.asked == []


async def test_a_refusal_is_no_failure():
    """It is not logged as one."""
    with capture_logs() as logged:
        reason = await refused(identities(Provider({})).user_with_password(ASKED, "acme", "secret", IP))
    assert reason.startswith("the identity provider refused")
    assert logged == []


async def test_failures_are_told_without_the_password():
    """To the log and to the record of the login, with the provider's name."""
    with capture_logs() as logged:
        reason = await refused(
            identities(Provider(error=ProviderFailed("it broke", hint="mend it"))).user_with_password(
                ASKED, "acme", "secret", IP
            )
        )
    assert reason == "the identity provider failed: it broke (mend it)"
    assert [(line["log_level"], line["provider"], line["user"]) for line in logged] == [
        ("error", FUNCTION, "acme")
    ]
    assert "secret" not in f"{logged}{reason}"


async def test_nobody_waits_for_ever():
    """A provider that does not answer is one that failed."""
    provider = Provider()
    provider.never = True
    reason = await refused(identities(provider, 0.01).user_with_keys(ASKED, "acme", IP))
    assert "no answer within 0.01 s" in reason


async def test_providers_that_are_not_there():
    """Of a gateway that asks none, and of directories, which none asks."""
    assert "AWS_LAMBDA" in await refused(identities().user_with_keys(ASKED, "acme", IP))
    directory = Server(ID, identity_provider=IdentityProvider("AWS_DIRECTORY_SERVICE", directory_id="d-1"))
    reason = await refused(identities(Provider()).user_with_password(directory, "acme", "secret", IP))
    assert "AWS directory" in reason


async def test_not_more_at_once_than_there_is_room_for():
    """The rest waits, and is asked when one is through."""
    provider = Provider({"Role": ROLE})
    provider.never = True
    world = identities(provider, 5)
    tasks = [asyncio.create_task(world.user_with_keys(ASKED, f"acme-{n}", IP)) for n in range(40)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(provider.asked) == 32
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(provider.asked) == 32
    provider.never = False
    assert (await world.user_with_keys(ASKED, "acme", IP)).user.role == ROLE
