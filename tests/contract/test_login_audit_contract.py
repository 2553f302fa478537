"""What every `LoginAudit` promises, whoever offers it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tidegate.core.errors import NotFound
from tidegate.core.ids import LogId, new_log_id
from tidegate.core.transfers import TransferQuery
from tidegate.core.users import RefusedLogin
from tidegate.ports.transfer_log import DEFAULT_DAYS_BACK


@pytest.fixture
def refused(now):
    """Make a refusal so long ago, with the changes asked for."""

    def refused(ago: timedelta = timedelta(0), **changes: str) -> RefusedLogin:
        login = RefusedLogin(
            log_id=new_log_id(),
            server_id="s-0123456789abcdef0",
            user_name="acme",
            client_ip="192.0.2.7",
            client_version="SSH-2.0-libssh",
            key_fingerprint="SHA256:abc",
            reason="the key is not registered",
            timestamp=now - ago,
        )
        return replace(login, **changes)

    return refused


async def found(log, user_name=None, since=None, limit=100) -> list[RefusedLogin]:
    rows = log.find_refused_logins(user_name=user_name, since=since, limit=limit)
    return [row async for row in rows]


async def test_newest_first_over_days(log, refused):
    """Refusals come back as they were recorded, newest first, at most as many as asked for."""
    logins = [refused(timedelta(hours=11 * n)) for n in range(5)]
    for login in (logins[3], logins[0], logins[4], logins[2], logins[1]):
        await log.record_refused_login(login)
    assert await found(log) == logins
    assert await found(log, limit=2) == logins[:2]
    assert await found(log, limit=0) == []


async def test_by_user_and_time(log, refused):
    """A query by user shows that name alone; `since` includes the moment itself."""
    ours = [refused(timedelta(days=n)) for n in range(3)]
    for login in [*ours, refused(timedelta(hours=1), user_name="acme2")]:
        await log.record_refused_login(login)
    assert await found(log, "acme") == ours
    assert await found(log, "acme", ours[1].timestamp) == ours[:2]
    assert await found(log, "acme", ours[1].timestamp + timedelta(milliseconds=1)) == ours[:1]
    assert len(await found(log, since=ours[1].timestamp)) == 3
    assert await found(log, "acme", limit=1) == ours[:1]
    assert await found(log, "nobody") == []


@pytest.mark.parametrize("user_name", [None, "acme"])
async def test_how_far_back_by_default(log, refused, user_name):
    """Without `since` only the last days are searched, by name too: no index knows what was claimed."""
    days = (0, DEFAULT_DAYS_BACK - 1, DEFAULT_DAYS_BACK + 1)
    logins = [refused(timedelta(days=n)) for n in days]
    for login in logins:
        await log.record_refused_login(login)
    assert await found(log, user_name) == logins[:2]
    assert await found(log, user_name, since=logins[2].timestamp) == logins


@pytest.mark.parametrize("name", ["", "root\x00'; --", "ü" * 300, "#", "LOGINS"])
async def test_any_claimed_name(log, refused, name):
    """A name is kept as it was claimed, whatever an attacker chose; a client may tell nothing at all."""
    login = refused(user_name=name, client_version="", key_fingerprint="")
    await log.record_refused_login(login)
    at = login.timestamp
    assert await found(log, name, at) == await found(log, None, at) == [login]


async def test_again(log, refused):
    """A refusal recorded twice, after a lost answer, is one."""
    login = refused()
    await log.record_refused_login(login)
    await log.record_refused_login(login)
    assert await found(log) == [login]


async def test_is_no_transfer(log, refused):
    """A refusal is in no list of transfers, not even its claimed user's, and has no story."""
    login = refused()
    await log.record_refused_login(login)
    for query in (TransferQuery(), TransferQuery(user_name="acme")):
        assert [record async for record in log.find(query)] == []
    with pytest.raises(NotFound):
        await log.story(LogId(login.log_id))
