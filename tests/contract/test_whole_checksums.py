"""
What S3 is asked to check of a whole object, and what is made of endpoints that cannot.

Between the adapter and moto, which verifies nothing, stands a proxy: it shows what was asked, and answers
as other endpoints do.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from botocore.retries.standard import ExponentialBackoff

from support.checksums import crc32, whole
from support.fault_proxy import Action, FaultProxy, Forward, Reply, Request, refuse
from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.adapters.aws.s3 import S3ObjectStore
from tidegate.core.errors import InvalidSettings, StoreUnavailable
from tidegate.core.objects import Location, NewObject

BODY = b"in one part"
ASKED = ("x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-crc32", "x-amz-mp-object-size")
HINT = "aws.object_checksums: parts"


@pytest.fixture
def proxy(moto_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(moto_url) as made:
        yield made


@pytest.fixture
def store_of(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., S3ObjectStore]]:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    made = []

    def store_of(**changes: object) -> S3ObjectStore:
        made.append(
            AwsClients(AwsEndpoint("us-east-1", proxy.url, "test", "test", max_attempts=3, **changes))
        )
        return S3ObjectStore(made[-1])

    yield store_of
    for clients in made:
        clients.close()


@pytest.fixture
def there(aws_clients: AwsClients) -> Location:
    bucket = f"whole-{secrets.token_hex(8)}"
    aws_clients.s3.create_bucket(Bucket=bucket)
    aws_clients.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Location(bucket, "key")


async def send(store: S3ObjectStore, there: Location) -> int:
    upload_id = await store.create_multipart(NewObject(there, None, {}))
    receipt = await store.upload_part(there, upload_id, 1, BODY, crc32(BODY))
    return (await store.complete_multipart(there, upload_id, [receipt], whole(BODY))).size


def asked(proxy: FaultProxy, operation: str) -> dict[str, str]:
    """Return what the one request of that operation says of checksums."""
    (request,) = proxy.requests(operation)
    return {name: request.headers[name] for name in ASKED if name in request.headers}


def typed(kind: str | None) -> Action:
    """Let a request through, and answer that the checksum is of this kind, or say nothing of it."""

    def act(request: Request, forward: Forward) -> Reply:
        reply = forward(request)
        reply.headers = [each for each in reply.headers if each[0].lower() != "x-amz-checksum-type"]
        if kind:
            reply.headers.append(("x-amz-checksum-type", kind))
        return reply

    return act


async def test_the_whole_is_asked_for(proxy, store_of, there):
    """The start names the kind of checksum; the end names CRC32 and size of the whole beside the parts'."""
    assert await send(store_of(), there) == len(BODY)
    kind = {"x-amz-checksum-type": "FULL_OBJECT"}
    assert asked(proxy, "s3.CreateMultipartUpload") == {"x-amz-checksum-algorithm": "CRC32", **kind}
    assert asked(proxy, "s3.CompleteMultipartUpload") == {
        **kind,
        "x-amz-checksum-crc32": crc32(BODY),
        "x-amz-mp-object-size": str(len(BODY)),
    }


async def test_parts_alone(proxy, store_of, there):
    """With `parts` nothing is said of the whole, whatever the endpoint answers."""
    proxy.on("s3.CreateMultipartUpload", typed("COMPOSITE"))
    assert await send(store_of(full_object_checksums=False), there) == len(BODY)
    assert asked(proxy, "s3.CreateMultipartUpload") == {"x-amz-checksum-algorithm": "CRC32"}
    assert asked(proxy, "s3.CompleteMultipartUpload") == {}


async def test_an_endpoint_that_says_nothing_of_it_is_taken(proxy, store_of, there):
    """Whoever ignores the request may take what follows."""
    proxy.on("s3.CreateMultipartUpload", typed(None))
    assert await send(store_of(), there) == len(BODY)


async def test_an_endpoint_that_offers_another_kind(proxy, store_of, there):
    """It is refused before the first part, with the cure, and the upload it began is aborted."""
    proxy.on("s3.CreateMultipartUpload", typed("COMPOSITE"))
    store = store_of()
    with pytest.raises(InvalidSettings, match="COMPOSITE") as refused:
        await store.create_multipart(NewObject(there, None, {}))
    assert HINT in refused.value.hint
    assert await store.unfinished(there) == []


async def test_another_kind_and_no_abort(proxy, store_of, there):
    """Throttled in the abort, the start is not taken for one that never was: nothing is begun again."""
    proxy.on("s3.CreateMultipartUpload", typed("COMPOSITE"))
    proxy.on("s3.AbortMultipartUpload", refuse(503, "SlowDown"))
    store = store_of()
    with pytest.raises(StoreUnavailable, match="COMPOSITE") as refused:
        await store.create_multipart(NewObject(there, None, {}))
    assert type(refused.value) is StoreUnavailable
    assert HINT in refused.value.hint
    assert len(await store.unfinished(there)) == 1


@pytest.mark.parametrize("code", ["BadDigest", "InvalidRequest", "InvalidArgument", "NotImplemented"])
@pytest.mark.parametrize("step", ["s3.CreateMultipartUpload", "s3.CompleteMultipartUpload"])
async def test_a_refusal_names_the_cure(proxy, store_of, there, step, code):
    """Where the endpoint may not know such checksums; with `parts` there is nothing to name."""
    proxy.on(step, refuse(400, code))
    for full in (True, False):
        with pytest.raises(StoreUnavailable, match=code) as refused:
            await send(store_of(full_object_checksums=full), there)
        assert (HINT in refused.value.hint) is full


async def test_other_faults_name_no_cure(proxy, store_of, there):
    """A fault that has nothing to do with checksums does not suggest to switch them off."""
    proxy.on("s3.CompleteMultipartUpload", refuse(500, "InternalError"))
    with pytest.raises(StoreUnavailable) as refused:
        await send(store_of(), there)
    assert refused.value.hint == ""
