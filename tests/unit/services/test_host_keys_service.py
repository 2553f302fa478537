"""The host keys of one server, over memory: made, brought, opened; and what setup says of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.host_keys import MemoryHostKeys, MemoryVault
from tidegate.core.errors import AccessDenied, AlreadyExists, NotFound
from tidegate.core.host_keys import MADE_TYPES, HostKey, new_host_key
from tidegate.services.host_keys import HostKeyRing, HostKeysResource
from tidegate.services.setup import Outcome, bring, look

NOW = datetime(2026, 1, 31, tzinfo=UTC)
ALIAS, ARN = "alias/host-keys", "arn:aws:kms:eu-central-1:111122223333:key/1"


@pytest.fixture
def kept() -> MemoryHostKeys:
    return MemoryHostKeys()


@pytest.fixture
def ring(kept: MemoryHostKeys) -> HostKeyRing:
    return HostKeyRing(kept, MemoryVault(), ManualClock(NOW), "s-1")


async def arn_of(key: str) -> str | None:
    return {ALIAS: ARN, ARN: ARN}.get(key)


async def brought(resource: HostKeysResource) -> Outcome:
    (outcome,) = [each async for each in bring([resource])]
    return outcome


async def test_a_key_is_closed_and_opened_again(ring: HostKeyRing, kept: MemoryHostKeys) -> None:
    """What is kept is not the key; what a gateway gets is."""
    key = new_host_key("ssh-ed25519")
    added = await ring.add(key, ARN, "made")
    assert (added.type, added.fingerprint, added.imported_at) == (key.type, key.fingerprint, NOW)
    assert key.der not in await kept.encrypted("s-1", added.host_key_id)
    assert await ring.private_keys() == [key.der]
    with pytest.raises(AlreadyExists):
        await HostKeyRing(kept, TurnedVault(), ManualClock(NOW), "s-1").add(key, ARN, "again")


class TurnedVault(MemoryVault):
    """As KMS does: the same secret is never the same ciphertext."""

    async def encrypt(self, *_: object) -> bytes:
        return b"another"


async def test_a_key_of_another_server_is_not_opened(ring: HostKeyRing, kept: MemoryHostKeys) -> None:
    """A row that was moved is of no use."""
    added = await ring.add(new_host_key("ssh-ed25519"), ARN, "")
    await kept.add("s-2", added, await kept.encrypted("s-1", added.host_key_id))
    with pytest.raises(AccessDenied):
        await HostKeyRing(kept, MemoryVault(), ManualClock(NOW), "s-2").private_keys()


async def test_keys_are_made_once(ring: HostKeyRing) -> None:
    """One of each kind, under the ARN behind the alias."""
    resource = HostKeysResource(ring, arn_of, ALIAS)
    assert (await brought(resource)).state == "created"
    assert {key.type for key in await ring.kept()} == set(MADE_TYPES)
    assert {key.kms_key_id for key in await ring.kept()} == {ARN}
    assert (await brought(resource)).state == "as it should be"


async def test_keys_that_are_brought_take_the_place_of_new_ones(ring: HostKeyRing) -> None:
    """None is made beside them."""
    key = new_host_key("ssh-ed25519")
    assert (await brought(HostKeysResource(ring, arn_of, ALIAS, {"host_key": key}))).state == "created"
    (only,) = await ring.kept()
    assert (only.fingerprint, only.description) == (key.fingerprint, "imported from host_key")


@pytest.mark.parametrize("kms_key", [None, "alias/none"])
async def test_without_a_kms_key_none_is_kept(ring: HostKeyRing, kms_key: str | None) -> None:
    """Not in the clear, whatever happens."""
    outcome = await brought(HostKeysResource(ring, arn_of, kms_key))
    assert outcome.state == "wrong"
    assert "sftp.host_key_kms_key" in outcome.left[0].mend
    assert await ring.kept() == []


async def test_another_kms_key_is_a_warning(ring: HostKeyRing) -> None:
    """Gateways open it while their role may."""
    await ring.add(new_host_key("ssh-ed25519"), "arn:aws:kms:x", "")
    (outcome,) = [each async for each in look([HostKeysResource(ring, arn_of, ALIAS)])]
    (found,) = outcome.left
    assert (found.what, found.severity, found.by_setup) == ("encryption", "warning", False)


async def test_without_a_table_there_are_none() -> None:
    """A dry run over an empty account comes this far."""

    class NoTable(MemoryHostKeys):
        async def of_server(self, server_id: str) -> list[HostKey]:
            raise NotFound(f"no table for {server_id}")

    ring = HostKeyRing(NoTable(), MemoryVault(), ManualClock(NOW), "s-1")
    (outcome,) = [each async for each in look([HostKeysResource(ring, arn_of, ALIAS)])]
    assert outcome.state == "missing"
