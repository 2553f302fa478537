"""
What the S3 adapter puts on the wire, and what it makes of odd answers.

Against a server written here, on loopback: emulators check neither checksums nor signatures, and never
stall, hang up or answer 200 with an error in it.
"""

from __future__ import annotations

import base64
import os
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import quote

import pytest
from botocore.retries.standard import ExponentialBackoff
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.adapters.aws.s3 import S3ObjectStore
from tidegate.core.errors import ChangedMeanwhile, GatewayError, NotFound, StoreUnavailable
from tidegate.core.ids import UploadId
from tidegate.core.limits import MIB
from tidegate.core.objects import Location, NewObject, PartReceipt, StoredObject, WholeObject
from tidegate.ports.objects import NOTHING

KEY = Location("landing", "in/a.csv")
NEW = NewObject(KEY, None, {"tidegate-transfer-id": "01abc"})
UPLOAD = UploadId("upload-1")
STORED = StoredObject(KEY, 4, '"e"', "v1")
ERROR = b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
COMPLETED = b'<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>'
HANG_UP = b""
STALL = None


def answer(status: int = 200, body: bytes = b"", *, declared: int | None = None, **headers: str) -> bytes:
    """Return an HTTP answer; `declared` is the length it claims, if that is not the truth."""
    said = {"Content-Length": str(len(body) if declared is None else declared), "ETag": '"e"', **headers}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name.replace('_', '-')}: {said[name]}" for name in said)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Received:
    """A request: its line, its headers by lower-case name, and the size and CRC-32 of its body."""

    line: str
    headers: dict[str, str]
    size: int
    crc32: str


class Wire:
    """
    A server that answers as it was told, one connection a thread.

    Answers are given out in order, the last one for ever. `HANG_UP` closes the connection instead,
    `STALL` leaves it open without a word.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self._open: list[socket.socket] = []
        self.answers: deque[bytes | None] = deque([answer()])
        self.received: list[Received] = []
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def say(self, *answers: bytes | None) -> None:
        self.answers = deque(answers)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with _Quietly():
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with _Quietly():
            while True:
                connection, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with _Quietly(), connection:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.append(connection)
            with connection, connection.makefile("rb") as stream:
                while self._exchange(connection, stream):
                    pass

    def _exchange(self, connection, stream) -> bool:
        line = stream.readline().decode().strip()
        if not line:
            return False
        pairs = (header.decode().strip().split(": ", 1) for header in iter(stream.readline, b"\r\n"))
        headers = {name.lower(): value for name, value in pairs}
        if headers.get("expect") == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        crc, size = 0, int(headers.get("content-length", 0))
        left = size
        while left and (piece := stream.read(min(left, 64 * 1024))):
            crc, left = zlib.crc32(piece, crc), left - len(piece)
        self.received.append(Received(line, headers, size - left, encoded(crc)))
        said = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if said is STALL:
            stream.read(1)  # until the client, or `close`, ends it
        elif said:
            connection.sendall(said)
        return bool(said) and b"Connection: close" not in said


class _Quietly:
    """Connections of a server that is being closed, or whose client has left, end in any way they like."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, trace) -> bool:
        return isinstance(error, OSError)


def encoded(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def crc32(body: bytes | bytearray) -> str:
    return encoded(zlib.crc32(body))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1, in one file."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "s3")]),
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(pem))
    return path


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()


@pytest.fixture
def either(scheme: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A server without and with TLS."""
    context = None
    if scheme == "https":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    made = Wire(context)
    yield made
    made.close()


@pytest.fixture
def store_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., S3ObjectStore]]:
    """Make a store for an endpoint, that is told twice and does not pause between."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    made = []

    def store_at(url: str, **changes: object) -> S3ObjectStore:
        settings = {"read_timeout_seconds": 20, "complete_timeout_seconds": 20, "max_attempts": 2, **changes}
        endpoint = AwsEndpoint("us-east-1", url, "test", "test", **settings)
        made.append(AwsClients(endpoint))
        return S3ObjectStore(made[-1])

    yield store_at
    for clients in made:
        clients.close()


@pytest.fixture
def store(wire: Wire, store_at: Callable[..., S3ObjectStore]) -> S3ObjectStore:
    return store_at(wire.url)


SENDS = {
    "put": lambda store, body, crc: store.put(NEW, body, crc),
    "upload_part": lambda store, body, crc: store.upload_part(KEY, UPLOAD, 7, body, crc),
}


@pytest.mark.parametrize("send", SENDS.values(), ids=SENDS)
class TestBodies:
    async def test_headers(self, either, store_at, send):
        """A body is not hashed for the signature, and goes under the CRC-32 it was given with, no other."""
        body = os.urandom(MIB + 1)
        wrong = crc32(b"something else")
        await send(store_at(either.url), body, wrong)
        (request,) = either.received
        assert request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
        assert request.headers["x-amz-checksum-crc32"] == wrong
        assert request.headers["content-length"] == str(len(body))
        assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
        unwanted = {"content-md5", "content-encoding", "transfer-encoding", "x-amz-trailer"}
        assert not unwanted & request.headers.keys()
        assert (request.size, request.crc32) == (len(body), crc32(body))

    @pytest.mark.parametrize(
        "first", [answer(500, ERROR), answer(503), HANG_UP], ids=["500", "503", "hang-up"]
    )
    async def test_sent_again(self, either, store_at, send, first):
        """After a fault the same bytes are sent again, all of them, and the second answer counts."""
        either.say(first, answer())
        body = bytearray(os.urandom(3 * MIB + 1))
        done = await send(store_at(either.url), body, crc32(body))
        assert [(each.size, each.crc32) for each in either.received] == [(len(body), crc32(body))] * 2
        assert done.etag == '"e"'

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    async def test_not_copied(self, wire, store, send, kind):
        """Sending takes far less memory than the body has."""
        body = kind(bytearray(32 * MIB))
        await send(store, b"", crc32(b""))  # what is made once is not counted
        tracemalloc.start()
        try:
            await send(store, body, crc32(body))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert wire.received[-1].size == 32 * MIB
        assert peak < 4 * MIB

    async def test_attempts(self, wire, store_at, send):
        """A call is sent as often as the endpoint says, the first time included, and is a fault then."""
        wire.say(answer(500, ERROR))
        with pytest.raises(StoreUnavailable, match="InternalError"):
            await send(store_at(wire.url, max_attempts=3), b"body", crc32(b"body"))
        assert len(wire.received) == 3

    async def test_refused(self, wire, store, send):
        """A refusal is not repeated."""
        wire.say(answer(404, b"<Error><Code>NoSuchBucket</Code></Error>"))
        with pytest.raises(NotFound):
            await send(store, b"body", crc32(b"body"))
        assert len(wire.received) == 1


@pytest.mark.parametrize("said", [answer(500, ERROR), HANG_UP], ids=["500", "hang-up"])
async def test_starting_an_upload_is_sent_once(wire, store, said):
    """Starting a multipart upload is never repeated: each repeat could leave one more that nobody knows."""
    wire.say(said)
    with pytest.raises(StoreUnavailable):
        await store.create_multipart(NEW)
    assert len(wire.received) == 1


COPIED = b'<CopyObjectResult><ETag>"c"</ETag></CopyObjectResult>'


@pytest.mark.parametrize(
    ("replacing", "asked"),
    [(None, {}), (NOTHING, {"if-none-match": "*"}), ('"old"', {"if-match": '"old"'})],
    ids=["no matter", "nothing", "an ETag"],
)
async def test_a_copy_says_what_it_may_replace(wire, store, replacing, asked):
    """The condition goes to S3 with the copy, so that it is judged at the moment the copy takes effect."""
    wire.say(answer(200, COPIED))
    await store.copy(STORED, NEW, replacing=replacing)
    (request,) = wire.received
    conditions = {
        name: request.headers[name] for name in ("if-match", "if-none-match") if name in request.headers
    }
    assert conditions == asked
    assert request.headers["x-amz-copy-source-if-match"] == '"e"'


@pytest.mark.parametrize(
    ("status", "code"), [(412, "PreconditionFailed"), (409, "ConditionalRequestConflict")]
)
async def test_a_condition_that_does_not_hold(wire, store, status, code):
    """S3's refusal of a condition, and of two at once, is ChangedMeanwhile, and is not sent again."""
    wire.say(answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()))
    with pytest.raises(ChangedMeanwhile):
        await store.copy(STORED, NEW, replacing=NOTHING)
    assert len(wire.received) == 1


RECEIPTS = [PartReceipt(1, '"e"', crc32(b"body"))]
WHOLE = WholeObject(4, crc32(b"body"))
ASKS = {
    "complete": lambda store: store.complete_multipart(KEY, UPLOAD, RECEIPTS, WHOLE),
    "copy": lambda store: store.copy(STORED, NEW),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
class TestErrorsThatSay200:
    @pytest.mark.parametrize(
        "body",
        [ERROR, b'<?xml version="1.0"?>\n   \n' + ERROR, b"", b"<html>busy</html>", b"\x00{", b"<Trunc"],
        ids=["error", "after blanks", "empty", "html", "garbage", "cut short"],
    )
    async def test_are_errors(self, wire, store, ask, body):
        """An answer 200 that holds an error, or nothing one can read as success, is StoreUnavailable."""
        wire.say(answer(200, body))
        with pytest.raises(StoreUnavailable):
            await ask(store)
        assert all(request.line.startswith(("POST", "PUT")) for request in wire.received)


async def test_complete_after_an_error_that_says_200(wire, store):
    """Completing is tried again after an error in a 200, and what it made is looked at."""
    head = answer(200, b"", declared=4, Last_Modified="Fri, 02 Jan 2026 03:04:05 GMT", x_amz_version_id="v1")
    wire.say(answer(200, ERROR), answer(200, COMPLETED), head)
    stored = await store.complete_multipart(KEY, UPLOAD, RECEIPTS, WHOLE)
    assert (stored.size, stored.version_id) == (4, "v1")
    assert [request.line.split()[0] for request in wire.received] == ["POST", "POST", "HEAD"]


CUT_OFF = answer(206, b"bo", declared=4, Connection="close")


class TestReading:
    async def test_whole_range(self, wire, store):
        """A range that arrives whole is what was read."""
        wire.say(answer(206, b"body"))
        assert await store.read(STORED, 0, 4) == b"body"
        assert wire.received[0].headers["range"] == "bytes=0-3"
        assert wire.received[0].headers["if-match"] == '"e"'

    @pytest.mark.parametrize("said", [CUT_OFF, answer(206, b"body and more")], ids=["cut off", "more"])
    async def test_another_length(self, wire, store, said):
        """Fewer or more bytes than were asked for are never passed on."""
        wire.say(said, HANG_UP)
        with pytest.raises(StoreUnavailable):
            await store.read(STORED, 0, 4)

    async def test_stalls(self, wire, store_at):
        """A body that stops coming is StoreUnavailable after the read time-out."""
        wire.say(answer(206, b"bo", declared=4), STALL)
        with pytest.raises(StoreUnavailable):
            await store_at(wire.url, read_timeout_seconds=0.2).read(STORED, 0, 4)


class TestUnresponsive:
    @pytest.mark.parametrize("send", SENDS.values(), ids=SENDS)
    async def test_no_answer(self, wire, store_at, send):
        """A server that takes the body and says no more is StoreUnavailable after the read time-out."""
        wire.say(STALL)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"(?i)timeout|timed out"):
            await send(store_at(wire.url, read_timeout_seconds=0.2), b"body", crc32(b"body"))
        assert len(wire.received) == 2
        assert time.monotonic() - began < 10

    async def test_patience(self, wire, store_at):
        """Completing has a time-out of its own: the others' is not meant for calls that take minutes."""
        wire.say(STALL)
        store = store_at(wire.url, read_timeout_seconds=600, complete_timeout_seconds=0.2, max_attempts=1)
        for ask in ASKS.values():
            with pytest.raises(StoreUnavailable, match=r"(?i)timeout|timed out"):
                await ask(store)

    async def test_stopped_process(self, store_at):
        """
        A process that is stopped is StoreUnavailable after the read time-out.

        Its kernel still takes connections, and what is sent, as it does for this socket nobody accepts on.
        """
        with socket.create_server(("127.0.0.1", 0)) as stopped:
            url = f"http://127.0.0.1:{stopped.getsockname()[1]}"
            store = store_at(url, read_timeout_seconds=0.2, max_attempts=1)
            with pytest.raises(StoreUnavailable, match=r"(?i)timeout|timed out"):
                await store.head(KEY)
            with pytest.raises(StoreUnavailable, match=r"(?i)timeout|timed out"):
                await store.put(NEW, b"body", crc32(b"body"))

    async def test_nobody_listens(self, store_at):
        """A port nobody listens on is StoreUnavailable."""
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        with pytest.raises(StoreUnavailable):
            await store_at(f"http://127.0.0.1:{port}").head(KEY)


AMBIENT = [
    {"AWS_ENDPOINT_URL_S3": "{trap}", "AWS_ENDPOINT_URL_DYNAMODB": "{trap}"},
    {"AWS_ENDPOINT_URL": "{trap}"},
    {"HTTP_PROXY": "{trap}", "HTTPS_PROXY": "{trap}", "ALL_PROXY": "{trap}"},
    {"http_proxy": "{trap}", "https_proxy": "{trap}", "all_proxy": "{trap}"},
    {"AWS_USE_FIPS_ENDPOINT": "true"},
    {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
    {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "required"},
    {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported"},
    {"AWS_RETRY_MODE": "legacy", "AWS_MAX_ATTEMPTS": "9"},
    {"AWS_PROFILE": "absent"},
    {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"},
    {"AWS_ACCESS_KEY_ID": "ambient", "AWS_SECRET_ACCESS_KEY": "ambient", "AWS_SESSION_TOKEN": "ambient"},
]


@pytest.mark.parametrize("variables", AMBIENT, ids="+".join)
async def test_environment_does_not_redirect(wire, store_at, monkeypatch, variables):
    """A stated endpoint is where requests go, as they go there otherwise, whatever the environment says."""
    trap = Wire()
    try:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value.format(trap=trap.url))
        store = store_at(wire.url)
        await store.upload_part(KEY, UPLOAD, 1, b"body", crc32(b"body"))
        clients = store._clients
        wire.say(answer(200, b"{}"))
        await clients.run(clients.dynamodb.describe_table, TableName="transfers")
        wire.say(answer(500))
        with pytest.raises(StoreUnavailable):
            await store.head(KEY)
        assert trap.received == []
        part, _, *heads = wire.received
        assert len(heads) == 2
        assert part.line == "PUT /landing/in/a.csv?uploadId=upload-1&partNumber=1 HTTP/1.1"
        assert "Credential=test/" in part.headers["authorization"]
        assert "/us-east-1/s3/" in part.headers["authorization"]
        assert part.headers["x-amz-checksum-crc32"] == crc32(b"body")
        assert "x-amz-security-token" not in part.headers
    finally:
        trap.close()


def test_missing_profile_without_credentials(monkeypatch):
    """Where the environment must say whose credentials to use, a profile that is not there is named."""
    monkeypatch.setenv("AWS_PROFILE", "absent")
    with pytest.raises(GatewayError, match="absent"):
        AwsClients(AwsEndpoint("us-east-1"))


NULL_VERSION = answer(
    200, b"", declared=4, Last_Modified="Fri, 02 Jan 2026 03:04:05 GMT", x_amz_version_id="null"
)
NULL_WRITES = {
    "head": (lambda store: store.head(KEY), [NULL_VERSION]),
    "put": (lambda store: store.put(NEW, b"", crc32(b"")), [answer(x_amz_version_id="null")]),
    "copy": (lambda store: store.copy(STORED, NEW), [answer(200, COPIED, x_amz_version_id="null")]),
    "complete": (
        lambda store: store.complete_multipart(KEY, UPLOAD, RECEIPTS, WHOLE),
        [answer(200, COMPLETED, x_amz_version_id="null"), NULL_VERSION],
    ),
}


@pytest.mark.parametrize(("ask", "said"), NULL_WRITES.values(), ids=NULL_WRITES)
async def test_the_version_null_is_none(wire, store, ask, said):
    """S3 calls what was stored without versioning "null": that names none, as the next one replaces it."""
    wire.say(*said)
    assert (await ask(store)).version_id is None
    assert not any("versionId=" in each.line for each in wire.received)


@pytest.mark.parametrize("key", ["in/a\x01 b+c%41.csv", "in/é\n.csv"])
async def test_unfinished_uploads_of_a_key_that_xml_cannot_say(wire, store, key):
    """Keys come encoded in the answer, so that no name a client may choose keeps it from being read."""
    listed = quote(key, safe="/")
    body = (
        "<ListMultipartUploadsResult><EncodingType>url</EncodingType>"
        f"<Prefix>{listed}</Prefix><Upload><Key>{listed}</Key><UploadId>u1</UploadId>"
        "<Initiated>2026-01-02T03:04:00.000Z</Initiated></Upload></ListMultipartUploadsResult>"
    )
    wire.say(answer(200, body.encode(), Date="Fri, 02 Jan 2026 03:04:05 GMT"))
    (unfinished,) = await store.unfinished(Location("landing", key))
    assert (unfinished.upload_id, unfinished.age_seconds) == ("u1", 5)
    assert "encoding-type=url" in wire.received[0].line


async def test_versions_of_a_key_with_many_siblings(wire, store):
    """Keys come in order, and the exact one first: a page without it ends the search, however many follow."""
    version = (
        "<Version><Key>in/a.csv-1</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest>"
        "<LastModified>2026-01-02T03:04:00.000Z</LastModified></Version>"
    )
    page = (
        f"<ListVersionsResult><IsTruncated>true</IsTruncated>{version}<NextKeyMarker>in/a.csv-1</NextKeyMarker>"
        "<NextVersionIdMarker>v1</NextVersionIdMarker></ListVersionsResult>"
    )
    wire.say(answer(200, page.encode()))
    assert await store.versions(KEY) == []
    assert len(wire.received) == 1


def listed(*versions: tuple[str, int]) -> bytes:
    """Return a page of versions of one key, stored in these days of January; another page follows."""
    rows = "".join(
        f"<Version><Key>{KEY.key}</Key><VersionId>{version}</VersionId><IsLatest>false</IsLatest>"
        f"<LastModified>2026-01-{day:02}T03:04:00.000Z</LastModified></Version>"
        for version, day in versions
    )
    last = versions[-1][0]
    marker = f"<NextKeyMarker>{KEY.key}</NextKeyMarker><NextVersionIdMarker>{last}</NextVersionIdMarker>"
    return answer(
        200,
        f"<ListVersionsResult><IsTruncated>true</IsTruncated>{rows}{marker}</ListVersionsResult>".encode(),
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"back_to": "v4"}, ["v6", "v5", "v4", "v3"]),
        ({"since": datetime(2026, 1, 4, tzinfo=UTC)}, ["v6", "v5", "v4"]),
        ({"limit": 3}, ["v6", "v5", "v4"]),
    ],
    ids=["back_to", "since", "limit"],
)
async def test_versions_no_further_than_asked(wire, store, asked, found):
    """A partner may write one name a million times: only what can be asked for is listed."""
    wire.say(listed(("v6", 6), ("v5", 5)), listed(("v4", 4), ("v3", 3)), listed(("v2", 2), ("v1", 1)))
    assert [each.version_id for each in await store.versions(KEY, **asked)] == found
    assert len(wire.received) == 2
    assert ("max-keys=3" in wire.received[0].line) is ("limit" in asked)


async def test_tags_are_encoded_without_a_plus(wire, store):
    """A blank in a tag is %20 on the wire: a plus might be read as one."""
    await store.put(replace(NEW, tags=(("cost center", "a+b=c"),)), b"", crc32(b""))
    assert wire.received[0].headers["x-amz-tagging"] == "cost%20center=a%2Bb%3Dc"
