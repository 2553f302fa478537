"""Who may log in, as of now; and who was not let in, on record."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.adapters.memory.transfer_log import MemoryTransferLog
from tidegate.core.errors import StoreUnavailable
from tidegate.core.ids import KeyId
from tidegate.core.users import Home, SshPublicKey, User
from tidegate.services import logins as logins_module
from tidegate.services.logins import Logins
from unit.services.faults import Faulty

SERVER = "s-0123456789abcdef0"
AT = datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC)
KEY = SshPublicKey(KeyId("key-1"), "ssh-ed25519 AAAA", "SHA256:one", "laptop", AT)
ACME = User(SERVER, "acme", Home.chroot("/landing/acme"), AT, (KEY,))


class House:
    def __init__(self) -> None:
        self.clock = ManualClock(AT)
        self.directory = Faulty(MemoryUserDirectory())
        self.audit = Faulty(MemoryTransferLog(self.clock))
        self.logins = Logins(self.directory, self.audit, self.clock, SERVER)

    async def refusals(self):
        found = self.audit.inner.find_refused_logins(user_name=None, since=None, limit=1000)
        return [refused async for refused in found]

    def refuse(self, name="acme", reason="why", version="SSH-2.0-x"):
        self.logins.refuse(name, "192.0.2.7", version, "SHA256:two", reason)


@pytest.fixture
async def house():
    made = House()
    await made.directory.inner.add_user(ACME)
    return made


class TestKey:
    async def test_known(self, house):
        """A key of the user lets it in, with its home and keys as they are now."""
        assert await house.logins.key("acme", "SHA256:one") == (ACME, KEY)

    @pytest.mark.parametrize(
        ("name", "fingerprint"),
        [
            ("acme", "SHA256:two"),
            ("acme", ""),
            ("ACME", "SHA256:one"),
            ("other", "SHA256:one"),
            ("", "SHA256:one"),
            ("../acme", "SHA256:one"),
            ("acme\n", "SHA256:one"),
        ],
    )
    async def test_unknown(self, house, name, fingerprint):
        """Any other pair is not let in; a name that cannot be one is not even asked for."""
        assert await house.logins.key(name, fingerprint) is None

    async def test_a_key_removed_a_moment_ago(self, house):
        """Every login reads the directory anew: a removed key is refused at once, a new one accepted."""
        new = SshPublicKey(KeyId("key-2"), "ssh-ed25519 BBBB", "SHA256:new", "", AT)
        await house.logins.key("acme", "SHA256:one")
        await house.directory.inner.remove_key(SERVER, "acme", KEY.key_id)
        await house.directory.inner.add_key(SERVER, "acme", new)
        assert await house.logins.key("acme", "SHA256:one") is None
        assert (await house.logins.key("acme", "SHA256:new"))[1] == new

    async def test_users_of_another_server(self, house):
        """A user of another server is unknown here."""
        await house.directory.inner.add_user(User("s-another", "corp", ACME.home, AT, (KEY,)))
        assert await house.logins.key("corp", "SHA256:one") is None

    async def test_directory_down(self, house):
        """A directory that cannot be read is an error, not a refusal of the key."""
        house.directory.fail("user")
        with pytest.raises(StoreUnavailable):
            await house.logins.key("acme", "SHA256:one")

    async def test_user(self, house):
        """The user alone can be asked for, to tell an unknown name from an unknown key."""
        assert await house.logins.user("acme") == ACME
        assert await house.logins.user("nobody") is None


class TestRefuse:
    async def test_recorded(self, house, told):
        """A refusal is kept with who claimed to be whom, from where, with what, and why not."""
        house.refuse()
        await house.logins.recorded()
        (refused,) = await house.refusals()
        assert (refused.user_name, refused.client_ip) == ("acme", "192.0.2.7")
        assert (refused.client_version, refused.key_fingerprint) == ("SSH-2.0-x", "SHA256:two")
        assert (refused.reason, refused.timestamp, refused.server_id) == ("why", AT, SERVER)
        (line,) = told
        assert (line["event"], line["user"], line["reason"]) == ("login refused", "acme", "why")

    async def test_never_blocks(self, house):
        """Refusing returns before the record is written."""
        gate = house.audit.hold("record_refused_login")
        house.refuse()
        await gate.reached.wait()
        assert await house.refusals() == []
        gate.go.set()
        await house.logins.recorded()
        assert len(await house.refusals()) == 1

    async def test_long_claims(self, house):
        """Of a claimed name and version as much is kept as a person would read."""
        house.refuse(name="x" * 10_000, version="y" * 10_000)
        await house.logins.recorded()
        (refused,) = await house.refusals()
        assert (refused.user_name, refused.client_version) == ("x" * 100, "y" * 100)

    async def test_flood(self, house, monkeypatch, told):
        """Beyond a bound of writes under way refusals are counted and told, and not written."""
        monkeypatch.setattr(logins_module, "_MAX_RECORDS_UNDER_WAY", 3)
        gate = house.audit.hold("record_refused_login", call=None)
        for n in range(5):
            house.refuse(name=f"user-{n}")
        assert house.logins.unrecorded_count == 2
        gate.go.set()
        await house.logins.recorded()
        assert len(await house.refusals()) == 3
        assert len(told) == 5
        house.refuse()
        await house.logins.recorded()
        assert len(await house.refusals()) == 4

    async def test_cannot_be_written(self, house, told):
        """A refusal that cannot be recorded is counted and told."""
        house.audit.fail("record_refused_login")
        house.refuse()
        await house.logins.recorded()
        assert house.logins.unrecorded_count == 1
        assert told[-1]["event"] == "refused login not recorded"

    async def test_recorded_without_refusals(self, house):
        """Where nothing is under way there is nothing to wait for."""
        await asyncio.wait_for(house.logins.recorded(), 5)
