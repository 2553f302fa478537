"""The key in each request to S3 is, byte for byte, the key that was decided."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from support.recording_s3 import Recorded, RecordingS3
from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.adapters.aws.s3 import S3ObjectStore
from tidegate.core.ids import UploadId
from tidegate.core.limits import GIB
from tidegate.core.objects import Location, NewObject, PartReceipt, StoredObject, WholeObject

BUCKET, UPLOAD, CRC = "landing", UploadId("u"), "AAAAAA=="
HOST = "storage.test"
OTHER = Location(BUCKET, "other")
NASTY = [
    "a/../b",
    "a/./b",
    "../up",
    "./x",
    "a/..",
    ".",
    "..",
    "%2e%2e/%2E%2E/x",
    "%",
    "%25",
    "%zz",
    "%00",
    "a//b",
    "//a",
    "/a",
    "a/",
    "a//",
    "+",
    "a+b c",
    "?",
    "a?versionId=null&x=y",
    "#",
    "a#b",
    "\\",
    "..\\a",
    "trailing.",
    "trailing ",
    " leading",
    "a;b=c:@&=$,!*'()",
    "~tilde",
    "<xml>&amp;\"'",
    "[a]{b}|^`",
    "é/e\u0301/\uff0e\uff0e/日本/😀",
    "\n",
    "a\r\nX-Header: 1",
    "\t\x01\x1f\x7f\x85",
    "${transfer:UserName}",
    "http://other.example/x",
    "x" * 1024,
    "ü" * 512,
    " " * 1024,
]
keys = st.one_of(
    st.sampled_from(NASTY),
    st.lists(st.sampled_from([*"./%+?#\\ ~&=;:é", "..", "%2e", "%2F", "a"]), min_size=1, max_size=12).map(
        "".join
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12),
).filter(lambda key: len(key.encode()) <= 1024)


class VirtualHosted(AwsClients):
    """As for AWS itself: the bucket is in the host's name, so that the path is the key alone."""

    def _s3(self, read_timeout: float, attempts: int | None = None) -> Any:
        style: Any = {"addressing_style": "virtual", "payload_signing_enabled": False}
        config = self._config(read_timeout, self.endpoint.s3_concurrency, attempts)
        return self._client("s3", config.merge(Config(s3=style)))


@pytest.fixture(scope="module")
def wire() -> Iterator[RecordingS3]:
    with RecordingS3() as made:
        yield made


@pytest.fixture(scope="module", params=["path", "virtual"])
def store(request: pytest.FixtureRequest, wire: RecordingS3) -> Iterator[S3ObjectStore]:
    """The real adapter, for an endpoint of its own, and as it speaks to AWS."""
    resolve = socket.getaddrinfo

    def resolved(host: Any, *rest: Any, **more: Any) -> Any:
        return resolve("127.0.0.1" if str(host).endswith(HOST) else host, *rest, **more)

    endpoint = AwsEndpoint("us-east-1", f"http://{HOST}:{wire.port}", "test", "test", max_attempts=1)
    clients = (AwsClients if request.param == "path" else VirtualHosted)(endpoint)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", resolved)
        yield S3ObjectStore(clients)
        clients.close()


def stored(key: str, size: int = 1) -> StoredObject:
    return StoredObject(Location(BUCKET, key), size, '"e"', "v1")


def new(key: str) -> NewObject:
    return NewObject(Location(BUCKET, key), None, {})


# By S3's name of the call: how the adapter is asked for it. Each names the key in its path.
CALLS: dict[str, Callable[[S3ObjectStore, str], Awaitable[Any]]] = {
    "PutObject": lambda store, key: store.put(new(key), b"x", CRC),
    "CreateMultipartUpload": lambda store, key: store.create_multipart(new(key)),
    "UploadPart": lambda store, key: store.upload_part(Location(BUCKET, key), UPLOAD, 1, b"x", CRC),
    "UploadPartCopy": lambda store, key: store.copy_part(Location(BUCKET, key), UPLOAD, 1, stored("s"), 0, 1),
    "ListParts": lambda store, key: store.parts(Location(BUCKET, key), UPLOAD),
    "CompleteMultipartUpload, HeadObject": lambda store, key: store.complete_multipart(
        Location(BUCKET, key), UPLOAD, [PartReceipt(1, '"e"', CRC)], WholeObject(1, CRC)
    ),
    "AbortMultipartUpload": lambda store, key: store.abort_multipart(Location(BUCKET, key), UPLOAD),
    "HeadObject": lambda store, key: store.head(Location(BUCKET, key), "v1"),
    "GetObject": lambda store, key: store.read(stored(key), 0, 1),
    "DeleteObject": lambda store, key: store.delete(Location(BUCKET, key)),
    "GetObjectTagging": lambda store, key: store.tags(stored(key)),
    "PutObjectTagging": lambda store, key: store.set_tags(stored(key), (("a", "b"),)),
    "CopyObject": lambda store, key: store.copy(stored("source"), new(key)),
    "copy in parts": lambda store, key: store.copy(stored("source", 6 * GIB), new(key)),
}
# The key of what is copied stands in a header.
COPIES: dict[str, Callable[[S3ObjectStore, str], Awaitable[Any]]] = {
    "CopyObject": lambda store, key: store.copy(stored(key), NewObject(OTHER, None, {})),
    "UploadPartCopy": lambda store, key: store.copy_part(OTHER, UPLOAD, 1, stored(key), 0, 1),
}
# Here it is a prefix, in the query.
LISTS: dict[str, Callable[[S3ObjectStore, str], Awaitable[Any]]] = {
    "ListObjectsV2": lambda store, key: store.list_page(BUCKET, key),
    "ListObjectVersions": lambda store, key: store.versions(Location(BUCKET, key)),
    "ListMultipartUploads": lambda store, key: store.unfinished(Location(BUCKET, key)),
}


async def _ask(store: S3ObjectStore, calls: dict[str, Callable[..., Awaitable[Any]]], key: str) -> None:
    for call in calls.values():
        await call(store, key)


def _of_bucket(request: Recorded) -> bytes:
    """Return what the path names, in whichever of the two styles: bucket, slash, key."""
    named = unquote_to_bytes(request.path)
    in_host = request.headers["host"].startswith(f"{BUCKET}.".encode())
    return named if not in_host else f"/{BUCKET}".encode() + named


# Whatever ends a path, a line or a header, and whatever some HTTP library puts in another form.
RAW = set(b'?#\\ "<>^`{|}+') | {*range(0x21), *range(0x7F, 0x100)}


def check(store: S3ObjectStore, wire: RecordingS3, key: str) -> None:
    wire.taken()
    asyncio.run(_ask(store, CALLS, key))
    requests = wire.taken()
    assert len(requests) > len(CALLS)
    assert {_of_bucket(each) for each in requests} == {f"/{BUCKET}/{key}".encode()}
    assert not RAW & {byte for each in requests for byte in each.path}

    asyncio.run(_ask(store, COPIES, key))
    copies = wire.taken()
    assert [_of_bucket(each) for each in copies] == [b"/landing/other"] * len(COPIES)
    for each in copies:
        source, _, version = each.headers["x-amz-copy-source"].partition(b"?")
        assert unquote_to_bytes(source) == f"{BUCKET}/{key}".encode()
        assert version == b"versionId=v1"
        assert not RAW & set(source)

    asyncio.run(_ask(store, LISTS, key))
    lists = wire.taken()
    assert [_of_bucket(each).rstrip(b"/") for each in lists] == [b"/landing"] * len(LISTS)
    assert [each.query["prefix"] for each in lists] == [key.encode()] * len(LISTS)
    assert not any(b"+" in each.target for each in lists)


@pytest.mark.parametrize("key", NASTY)
async def test_a_nasty_key_comes_back_byte_for_byte(store: S3ObjectStore, key: str) -> None:
    """Listings are asked for in S3's encoded form, in which a blank is a plus, and read as that."""
    page = await store.list_page(BUCKET, key)
    assert [each.key for each in page.keys] == [key]
    assert len(await store.versions(Location(BUCKET, key))) == 1
    assert len(await store.unfinished(Location(BUCKET, key))) == 1


@pytest.mark.parametrize("key", NASTY)
def test_a_nasty_key_is_named_byte_for_byte(store: S3ObjectStore, wire: RecordingS3, key: str) -> None:
    """Path, copy source and prefix, decoded once, are bucket and key; nothing of them comes raw."""
    check(store, wire, key)


@settings(max_examples=20, deadline=None)
@given(keys)
def test_any_key_is_named_byte_for_byte(store: S3ObjectStore, wire: RecordingS3, key: str) -> None:
    """The same for whatever else a partner may call a file."""
    check(store, wire, key)
