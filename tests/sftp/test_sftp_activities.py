"""What is told of connections and files: by a listener in this process, over memory."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import asyncssh
import pytest
from structlog.testing import capture_logs

from support.memory_house import AT, SERVER, House, house_in
from tidegate.adapters.memory.clock import ManualClock
from tidegate.core.activities import (
    Activity,
    AuthFailure,
    Changed,
    Closed,
    Connected,
    Disconnected,
    Ended,
    Failed,
    KexFailure,
    Opened,
)
from tidegate.core.activity_lines import type_of
from tidegate.core.errors import AccessDenied
from tidegate.core.events import event_of
from tidegate.core.objects import Location
from tidegate.ports.activities import Written
from tidegate.services.activities import Activities

T = TypeVar("T", bound=Activity)


class Told:
    """What is told, in its order."""

    def __init__(self) -> None:
        self.all: list[Activity] = []

    def note(self, activity: Activity) -> None:
        self.all.append(activity)

    @property
    def types(self) -> list[str]:
        return [type_of(each) for each in self.all]

    @property
    def events(self) -> list[str]:
        return [event.detail_type for each in self.all if (event := event_of(each))]

    def only(self, kind: type[T]) -> T:
        (found,) = [each for each in self.all if isinstance(each, kind)]
        return found


@asynccontextmanager
async def watched(folder: Path, **settings: Any) -> AsyncIterator[tuple[House, Told]]:
    """Give a listener, and what it tells."""
    told = Told()
    async with house_in(folder, **settings) as house:
        house.listener.context.activities = Activities(meters=[told])
        yield house, told


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a listener has no event for it
            await asyncio.sleep(0)


async def put(sftp: asyncssh.SFTPClient, path: str, data: bytes) -> None:
    async with sftp.open(path, "wb") as file:
        await file.write(data)


async def test_an_upload(tmp_path: Path) -> None:
    """A login, a file, the end of both: by real paths, under one id."""
    async with watched(tmp_path) as (house, told):
        async with house.connect() as connection, connection.start_sftp_client() as sftp:
            await put(sftp, "/in.csv", b"a,b\n")
        await until(lambda: "DISCONNECTED" in told.types)
        assert told.types == ["CONNECTED", "OPEN", "CLOSE", "DISCONNECTED"]
        assert told.events == ["SFTP Server File Upload Completed"]
        opened, closed = told.only(Opened), told.only(Closed)
        assert (opened.path, opened.mode) == ("/landing/acme/in.csv", "CREATE|TRUNCATE|WRITE")
        assert (closed.path, closed.size, closed.direction) == ("/landing/acme/in.csv", 4, "in")
        stored = await house.store.head(Location("landing", "acme/in.csv"))
        assert closed.etag == stored.etag.strip('"')
        assert opened.at >= closed.started_at
        sessions = {each.visitor.session_id for each in told.all if hasattr(each, "visitor")}
        assert len(sessions) == 1
        assert len(sessions.pop()) == 16


async def test_a_login(tmp_path: Path) -> None:
    """Key, algorithms and client are said as they were agreed."""
    async with watched(tmp_path) as (house, told):
        wanted = {"kex_algs": ["curve25519-sha256"], "encryption_algs": ["aes256-gcm@openssh.com"]}
        async with house.connect(**wanted) as connection:
            version = (
                connection.get_extra_info("client_version") or f"SSH-2.0-AsyncSSH_{asyncssh.__version__}"
            )
        connected = told.only(Connected)
        assert connected.kex == "curve25519-sha256"
        assert connected.ciphers == ("aes256-gcm@openssh.com",) * 2
        assert connected.client == version
        assert (connected.key_type, connected.home_directory) == ("ssh-ed25519", None)
        assert connected.key_fingerprint == house.key.get_fingerprint()
        assert connected.key_body == house.key.export_public_key().decode().split()[1]
        assert (connected.visitor.user_name, connected.visitor.client_ip) == ("acme", "127.0.0.1")
        assert connected.server.server_id == SERVER


async def test_a_download_and_changes_of_names(tmp_path: Path) -> None:
    """Each is told once, when it has been acknowledged."""
    async with watched(tmp_path) as (house, told):
        async with house.connect() as connection, connection.start_sftp_client() as sftp:
            await put(sftp, "/a", bytes(1000))
            async with sftp.open("/a", "rb") as file:
                await file.read(300)
            await sftp.rename("/a", "/b")
            await sftp.mkdir("/d")
            await sftp.rmdir("/d")
            await sftp.listdir("/")
            await sftp.remove("/b")
        changed = [each for each in told.all if isinstance(each, Changed)]
        assert [(each.operation, each.path, each.new_path) for each in changed] == [
            ("RENAME", "/landing/acme/a", "/landing/acme/b"),
            ("MKDIR", "/landing/acme/d", ""),
            ("RMDIR", "/landing/acme/d", ""),
            ("DELETE", "/landing/acme/b", ""),
        ]
        down = next(each for each in told.all if isinstance(each, Closed) and each.direction == "out")
        assert (down.size, bool(down.etag)) == (300, True)
        assert told.events == [
            "SFTP Server File Upload Completed",
            "SFTP Server File Download Completed",
            "SFTP Server File Rename Completed",
            "SFTP Server Directory Create Completed",
            "SFTP Server Directory Delete Completed",
            "SFTP Server File Delete Completed",
        ]


@pytest.mark.parametrize("stored", [True, False])
async def test_an_upload_that_is_cut_off(tmp_path: Path, stored: bool) -> None:
    """It is partial whatever becomes of its bytes, and told before the end of its connection."""
    async with watched(tmp_path) as (house, told):
        house.uploads._settings = replace(house.uploads._settings, store_partial=stored)
        connection = await house.connect()
        sftp = await connection.start_sftp_client()
        file = await sftp.open("/half.csv", "wb")
        await file.write(bytes(100_000))
        connection.abort()
        await connection.wait_closed()
        await until(lambda: "DISCONNECTED" in told.types)
        assert told.types == ["CONNECTED", "OPEN", "PARTIAL_CLOSE", "DISCONNECTED"]
        assert told.events == ["SFTP Server File Upload Failed"]
        event = event_of(told.only(Closed))
        assert event is not None
        assert (event.detail["failure-code"], event.detail["bytes"]) == ("PARTIAL_UPLOAD", 100_000)
        listed = await house.store.list_page("landing", "acme/")
        assert [each.size for each in listed.keys] == ([100_000] if stored else [])


@pytest.mark.parametrize("works", [True, False])
async def test_a_client_that_goes_while_its_file_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    """Its file is told of when it has ended, and as it has."""
    async with watched(tmp_path) as (house, told):
        asked, go_on, put_it = asyncio.Event(), asyncio.Event(), house.store.put

        async def slowly(*args: Any, **options: Any) -> Any:
            asked.set()
            await go_on.wait()
            if not works:
                raise AccessDenied("no PutObject")
            return await put_it(*args, **options)

        monkeypatch.setattr(house.store, "put", slowly)
        connection = await house.connect()
        sftp = await connection.start_sftp_client()
        file = await sftp.open("/a", "wb")
        await file.write(b"abc")
        closing = asyncio.create_task(file.close())
        await asked.wait()
        connection.abort()
        await connection.wait_closed()
        await until(lambda: not house.guard.places.taken)
        assert told.types == ["CONNECTED", "OPEN"]
        go_on.set()
        await until(lambda: "DISCONNECTED" in told.types)
        assert told.types[2:] == ["CLOSE" if works else "ERROR", "DISCONNECTED"]
        assert told.events == [f"SFTP Server File Upload {'Completed' if works else 'Failed'}"]
        with pytest.raises(asyncssh.Error):
            await closing


async def test_what_cannot_be_done_with_a_handle_fails_no_file(tmp_path: Path) -> None:
    """Reading a file that is being written is refused, and the file is complete all the same."""
    async with watched(tmp_path) as (house, told):
        async with house.connect() as connection, connection.start_sftp_client() as sftp:
            file = await sftp.open("/a", "wb")
            await file.write(b"abc")
            with pytest.raises(asyncssh.SFTPOpUnsupported):
                await file.read(1, 0)
            await file.close()
        assert [each.operation for each in told.all if isinstance(each, Failed)] == ["READ"]
        assert told.events == ["SFTP Server File Upload Completed"]


async def test_a_download_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a failed download, though its client closed it."""
    async with watched(tmp_path) as (house, told):

        async def refuse(*_: Any) -> bytes:
            raise AccessDenied("no kms:Decrypt")

        async with house.connect() as connection, connection.start_sftp_client() as sftp:
            await put(sftp, "/a", b"abc")
            monkeypatch.setattr(house.store, "read", refuse)
            file = await sftp.open("/a", "rb")
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await file.read(3)
            await file.close()
        assert told.events == ["SFTP Server File Upload Completed", "SFTP Server File Download Failed"]


async def test_a_download_that_is_cut_off(tmp_path: Path) -> None:
    """A file that was being read is told of as partial."""
    async with watched(tmp_path) as (house, told):
        connection = await house.connect()
        sftp = await connection.start_sftp_client()
        await put(sftp, "/a", bytes(1000))
        reading = await sftp.open("/a", "rb")
        await reading.read(10)
        connection.abort()
        await connection.wait_closed()
        await until(lambda: "DISCONNECTED" in told.types)
        assert told.types[-2:] == ["PARTIAL_CLOSE", "DISCONNECTED"]
        assert told.events[-1] == "SFTP Server File Download Failed"


async def test_what_is_refused(tmp_path: Path) -> None:
    """A refusal is an ERROR with the client's text; looking for what is not there is none."""
    async with watched(tmp_path) as (house, told):
        async with house.connect() as connection, connection.start_sftp_client() as sftp:
            assert not await sftp.exists("/nothing")
            for refused in (
                lambda: sftp.remove("/nothing"),
                lambda: sftp.open("/nothing", "rb"),
                lambda: sftp.rmdir("/nothing"),
                lambda: sftp.rename("/nothing", "/else"),
            ):
                with pytest.raises(asyncssh.SFTPNoSuchFile):
                    await refused()
        failed = [each for each in told.all if isinstance(each, Failed)]
        assert [(each.operation, each.path, each.new_path, each.message) for each in failed] == [
            ("DELETE", "/landing/acme/nothing", "", "No such file"),
            ("OPEN", "/landing/acme/nothing", "", "No such file"),
            ("RMDIR", "/landing/acme/nothing", "", "No such file"),
            ("RENAME", "/landing/acme/nothing", "/landing/acme/else", "No such file"),
        ]
        assert told.events == [
            "SFTP Server File Delete Failed",
            "SFTP Server Directory Delete Failed",
            "SFTP Server File Rename Failed",
        ]


async def test_an_upload_that_fails_at_its_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's refusal is an ERROR of CLOSE with the bytes, and a failed upload."""
    async with watched(tmp_path) as (house, told):

        async def refuse(*_: Any, **__: Any) -> None:
            raise AccessDenied("no PutObject")

        monkeypatch.setattr(house.store, "put", refuse)
        async with house.connect() as connection, connection.start_sftp_client() as sftp:
            file = await sftp.open("/a", "wb")
            await file.write(b"abc")
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await file.close()
        failed = told.only(Failed)
        assert (failed.operation, failed.path, failed.size) == ("CLOSE", "/landing/acme/a", 3)
        assert failed.message.startswith("Permission denied (error ")
        assert told.events == ["SFTP Server File Upload Failed"]
        assert "CLOSE" not in told.types


async def test_many_failed_writes_are_one_error(tmp_path: Path) -> None:
    """A client that sends all its writes at once is told of once, and at CLOSE."""
    async with watched(tmp_path) as (house, told):
        async with house.connect() as connection, connection.start_sftp_client() as sftp:
            file = await sftp.open("/a", "wb")
            for at in (100, 200, 300):
                with pytest.raises(asyncssh.SFTPError):
                    await file.write(b"x", at * 1024 * 1024)
            with pytest.raises(asyncssh.SFTPError):
                await file.close()
        failed = [each.operation for each in told.all if isinstance(each, Failed)]
        assert failed == ["WRITE", "CLOSE"]
        assert told.events == ["SFTP Server File Upload Failed"]


async def test_two_channels_are_one_session(tmp_path: Path) -> None:
    """One id, one end, and that after both; and each channel is counted idle for itself."""
    async with watched(tmp_path) as (house, told):
        async with (
            house.connect() as connection,
            connection.start_sftp_client() as one,
            connection.start_sftp_client() as two,
        ):
            await one.mkdir("/one")
            await two.mkdir("/two")
        await until(lambda: "DISCONNECTED" in told.types)
        assert told.types == ["CONNECTED", "MKDIR", "MKDIR", "DISCONNECTED"]
        assert len({each.visitor.session_id for each in told.all if hasattr(each, "visitor")}) == 1


async def test_a_refused_login(tmp_path: Path) -> None:
    """The kind of key and its fingerprint are said, and no login."""
    async with watched(tmp_path) as (house, told):
        key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
        with pytest.raises(asyncssh.PermissionDenied):
            await house.connect(key)
        await until(lambda: bool(told.all))
        refused = told.only(AuthFailure)
        assert refused.message == f"ECDSA {key.get_fingerprint()}"
        assert (refused.user_name, refused.client_ip, refused.method) == ("acme", "127.0.0.1", "publickey")
        assert told.types == ["AUTH_FAILURE"]


async def test_a_handshake_without_a_common_algorithm(tmp_path: Path) -> None:
    """What the client offered is said."""
    async with watched(tmp_path) as (house, told):
        with pytest.raises(asyncssh.KeyExchangeFailed):
            await house.connect(kex_algs=["diffie-hellman-group1-sha1"])
        await until(lambda: bool(told.all))
        failed = told.only(KexFailure)
        assert failed.message == "No matching key exchange algorithm found"
        assert failed.kex == "diffie-hellman-group1-sha1"
        assert told.types == ["KEX_FAILURE"]


async def test_why_we_ended_a_connection(tmp_path: Path) -> None:
    """Ended for idleness, it says so before it ends."""
    async with watched(tmp_path) as (house, told):
        connection = await house.connect()
        (ours,) = house.listener._connections
        ours._visit.why_ended = "the client did nothing for 1800 seconds"
        ours._end_idle()
        await connection.wait_closed()
        await until(lambda: "DISCONNECTED" in told.types)
        assert told.types == ["CONNECTED", "EXIT_REASON", "DISCONNECTED"]
        assert told.only(Ended).message == "the client did nothing for 1800 seconds"


async def test_an_error_of_telling_fails_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is answered, the file is there, and the log says what was not told."""
    async with watched(tmp_path) as (house, told):
        monkeypatch.setattr("tidegate.faces.sftp.observed.mode_text", lambda _: 1 / 0)
        with capture_logs() as logged:
            async with house.connect() as connection, connection.start_sftp_client() as sftp:
                await put(sftp, "/a", b"abc")
        assert "activity not told" in [each["event"] for each in logged]
        assert told.events == ["SFTP Server File Upload Completed"]
        assert (await house.store.head(Location("landing", "acme/a"))).size == 3


async def test_what_leads_into_no_bucket_is_said_as_it_was_sent(tmp_path: Path) -> None:
    """There is no key to say."""
    async with watched(tmp_path) as (house, told):
        async with house.connect() as connection, connection.start_sftp_client() as sftp:
            with pytest.raises(asyncssh.SFTPError):
                await sftp.open("/a\0b", "wb")
        assert told.only(Failed).path == "/a\0b"


async def test_disconnected_comes_once(tmp_path: Path) -> None:
    """Also where no channel was ever opened."""
    async with watched(tmp_path) as (house, told):
        async with house.connect():
            pass
        await until(lambda: "DISCONNECTED" in told.types)
        assert [each for each in told.all if isinstance(each, Disconnected)] == [told.only(Disconnected)]


class Hanging:
    """A sink that never answers."""

    name, batch_size, linger_seconds = "hanging", 1, 0.0

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def wants(self, activity: Activity) -> bool:
        return True

    async def write(self, batch: Sequence[Activity]) -> Written:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_place_that_hangs_holds_up_no_transfer(tmp_path: Path) -> None:
    """Files come and go while it hangs and after its queue is full, and what was not told is counted."""
    async with house_in(tmp_path) as house:
        sink = Hanging()
        activities = Activities([sink], ManualClock(AT), queue_limit=3)
        house.listener.context.activities = activities
        activities.start()
        async with house.connect() as connection, connection.start_sftp_client() as sftp:
            await sink.asked.wait()
            for number in range(5):
                await put(sftp, f"/{number}", b"abc")
            assert len(await sftp.listdir("/")) == 5
        await house.all_gone()
        await activities.stop(0)
        assert activities.lost == {"hanging": 12}


async def test_a_client_behind_a_balancer(tmp_path: Path) -> None:
    """Its own address is said, and how it is known."""
    async with watched(tmp_path, proxy_protocol_from=["127.0.0.1"]) as (house, told):
        sock = socket.create_connection(("127.0.0.1", house.listener.port))
        addresses = socket.inet_aton("198.51.100.7") + socket.inet_aton("127.0.0.1")
        header = b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11, 0, 12]) + addresses
        sock.sendall(header + (40000).to_bytes(2, "big") + (22).to_bytes(2, "big"))
        sock.setblocking(False)
        async with house.connect(sock=sock):
            pass
        assert told.only(Connected).proxied
        assert told.only(Connected).visitor.client_ip == "198.51.100.7"
