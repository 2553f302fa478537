"""A session gets its rights before it begins, and keeps them until its last upload has ended."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh
import pytest

from support.memory_house import AT, House, house_in
from tidegate.adapters.memory.objects import MemoryObjectStore
from tidegate.core.errors import AccessDenied, GatewayError, StoreUnavailable
from tidegate.core.sessions import Session
from tidegate.core.transfers import TransferQuery, TransferStatus
from tidegate.core.users import User
from tidegate.ports.objects import ObjectStore


class Doorkeeper:
    """Gives every session the same store, or none."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.error: GatewayError | None = None
        self.house: House | None = None
        self.came: list[str] = []
        self.left_after: list[list[TransferStatus]] = []

    async def store_for(self, user: User, session: Session) -> ObjectStore:
        self.came.append(user.user_name)
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return self.store

    async def left(self, session: Session) -> None:
        assert self.house is not None
        records = [record async for record in self.house.log.find(TransferQuery())]
        self.left_after.append([record.status for record in records])


def keeper() -> tuple[Doorkeeper, MemoryObjectStore]:
    store = MemoryObjectStore(["landing"])
    return Doorkeeper(store), store


async def test_the_rights_of_a_session_are_let_go_of_once_its_uploads_have_ended(tmp_path: Path) -> None:
    """Those that are dropped, too: what becomes of them is written with these rights."""
    rights, store = keeper()
    async with house_in(tmp_path, store, rights=rights) as house:
        rights.house = house
        connection = await house.connect()
        sftp = await connection.start_sftp_client()
        async with sftp.open("/whole.csv", "wb") as file:
            await file.write(b"a,b")
        half = await sftp.open("/half.csv", "wb")
        await half.write(bytes(100_000))
        connection.abort()
        await connection.wait_closed()
        await house.all_gone()
        async with asyncio.timeout(10):
            while not rights.left_after:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)
    assert rights.came == ["acme"]
    ((first, second),) = rights.left_after
    assert {first, second} == {TransferStatus.COMPLETED, TransferStatus.ABANDONED}


@pytest.mark.parametrize(
    ("kind", "code", "text"),
    [
        (
            AccessDenied,
            asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED,
            "Permission denied",
        ),
        (StoreUnavailable, asyncssh.OPEN_CONNECT_FAILED, "Try again later"),
    ],
)
async def test_a_session_without_rights_is_refused(
    tmp_path: Path, kind: type[GatewayError], code: int, text: str
) -> None:
    """The client learns nothing of roles; the record says all of it. The next session may be had."""
    rights, store = keeper()
    async with house_in(tmp_path, store, rights=rights) as house:
        rights.house, rights.error = house, kind("the role does not trust", hint="add this statement")
        async with house.connect() as connection:
            for _ in range(12):  # more than a connection may have open at once
                with pytest.raises(asyncssh.ChannelOpenError, match=text) as refused:
                    await connection.start_sftp_client()
                assert refused.value.code == code
            said, rights.error = str(rights.error), None
            async with connection.start_sftp_client() as sftp:
                await sftp.mkdir("/made")
        await house.all_gone()
        await house.refusals.said()
        await house.logins.recorded()
        found = house.log.find_refused_logins(user_name="acme", since=AT, limit=50)
        reasons = [each.reason async for each in found]
    assert reasons
    assert all(said in reason for reason in reasons)


async def test_what_a_session_may_not_write_is_refused_at_open(tmp_path: Path) -> None:
    """With status 3 and an error id; what is behind it stays in the log."""
    rights, store = keeper()

    class Denying(MemoryObjectStore):
        def foresee_put(self, new: object) -> None:
            raise AccessDenied("s3:PutObject on arn:aws:s3:::landing/acme/x is allowed by no statement")

        def foresee_delete(self, location: object) -> None:
            """Never asked here."""

    rights.store = Denying(["landing"])
    async with house_in(tmp_path, store, rights=rights) as house:
        rights.house = house
        async with house.connect() as connection, connection.start_sftp_client() as sftp:
            with pytest.raises(asyncssh.SFTPPermissionDenied) as denied:
                await sftp.open("/x", "wb")
        assert "arn:" not in denied.value.reason
        await house.all_gone()
