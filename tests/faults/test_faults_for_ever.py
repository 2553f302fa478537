"""S3 or KMS says no for ever, goes away, or falls silent: who is told what, and what is left afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from support.fault_house import LANDING, PRIVATE, Gateway, House, Told, wait_until
from support.fault_proxy import Action, Request, Silence, cut_before, error_in_200, refuse
from tidegate.adapters.aws import s3_copy
from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.adapters.aws.s3 import S3ObjectStore
from tidegate.core.errors import StoreUnavailable
from tidegate.core.limits import S3_MIN_PART_BYTES
from tidegate.core.objects import Location, NewObject

SMALL = b"date;amount\n" * 1000
LARGE = bytes(range(256)) * 256 * 81  # 5 MiB and a little: a part and a rest
HANG_SECONDS = 60

UNKNOWN = "Outcome unknown, send the file again"
UNAVAILABLE = "Storage is unavailable, try again later"
DENIED = "Permission denied"

# As S3 answers where the key's policy, and not the bucket's, says no.
KMS_DENIAL = (
    "User: arn:aws:sts::123456789012:assumed-role/gateway/i-0 is not authorized to perform:"
    " kms:GenerateDataKey on resource: arn:aws:kms:us-east-1:123456789012:key/planted"
)


def for_ever() -> dict[str, Action]:
    """Return every fault that does not pass by itself; a new silence each time, as it opens only once."""
    return {
        "slow-down": refuse(503, "SlowDown"),
        "cut": cut_before,
        "kms-throttled": refuse(400, "KMS.ThrottlingException"),
        "kms-denied": refuse(403, "AccessDenied", KMS_DENIAL),
        "silent": Silence(),
        "error-in-200": error_in_200(),
    }


@pytest.fixture(scope="module")
def gateway(built: House) -> Gateway:
    # Silence is told from slowness by these limits alone.
    return built.gateway(
        aws={"read_timeout_seconds": 2, "complete_timeout_seconds": 2},
        # Each look for work is 16 queries, which the emulator answers by reading the whole table.
        deliveries={"poll_interval_seconds": 2, "lease_seconds": 6},
        sweep={"interval_seconds": 2},
    )


async def put_all(house: House, gateway: Gateway, operation: str, body: bytes) -> dict[str, Told]:
    """Send a file for each fault, all at once; each meets its own fault only, every time."""
    faults = for_ever()
    paths = {fault: f"/{operation}-{fault}.csv".lower() for fault in faults}
    for fault, action in faults.items():
        house.proxy.on(f"s3.{operation}", action, only=about(paths[fault]))
    async with asyncio.timeout(HANG_SECONDS):
        told = await asyncio.gather(*(house.put(gateway, path, body) for path in paths.values()))
    return dict(zip(faults, told, strict=True))


def about(path: str) -> Callable[[Request], bool]:
    return lambda request: request.path.endswith(path)


def refusals(told: dict[str, Told]) -> dict[str, str]:
    """Return what clients read, without the error ids."""
    return {fault: each.refusal.partition(" (error ")[0] for fault, each in told.items()}


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("operation", "body", "text"),
    [
        ("PutObject", SMALL, UNKNOWN),
        ("CreateMultipartUpload", LARGE, UNAVAILABLE),
        ("UploadPart", LARGE, UNAVAILABLE),
        ("CompleteMultipartUpload", LARGE, UNKNOWN),
    ],
)
async def test_an_upload_meets_it(
    house: House, gateway: Gateway, operation: str, body: bytes, text: str
) -> None:
    """Clients are told in words, all ends while the fault still holds, and a retry after it succeeds."""
    told = await put_all(house, gateway, operation, body)
    assert refusals(told) == dict.fromkeys(told, text) | {"kms-denied": DENIED}
    await asyncio.to_thread(house.check, 60)
    for each in told.values():
        [record] = house.uploads(each.path)
        assert record["Status"] in ("ABANDONED", "FAILED", "KEPT"), each.path
    house.proxy.clear()
    again = await asyncio.gather(*(house.put(gateway, each.path, body) for each in told.values()))
    # The next check looks at their bytes.
    assert [each.refusal for each in again if not each.acknowledged] == []


@pytest.mark.lengthy
async def test_a_delivery_meets_it(house: House, gateway: Gateway) -> None:
    """Clients notice nothing; what failed is said on the delivery, nothing is there, and it comes later."""
    told = await put_all(house, gateway, "CopyObject", SMALL)
    assert refusals(told) == dict.fromkeys(told, "")
    log_ids = {fault: house.uploads(each.path)[0]["LogID"] for fault, each in told.items()}

    def all_failed() -> bool:
        return all("Error" in house.deliveries(log_id)[0] for log_id in log_ids.values())

    await asyncio.to_thread(wait_until, all_failed, "an attempt of each has failed, in words", 40)
    found = {fault: house.deliveries(log_id)[0] for fault, log_id in log_ids.items()}
    assert {item["Status"] for item in found.values()} == {"PENDING"}
    words = {"slow-down": "SlowDown", "kms-throttled": "KMS.Throttling", "kms-denied": "kms:GenerateDataKey"}
    assert [fault for fault, word in words.items() if word not in found[fault]["Error"]] == []
    assert [key for key in house.keys(PRIVATE) if "copyobject-" in key] == []
    house.proxy.clear()
    await asyncio.to_thread(house.check, 90)
    assert {house.deliveries(log_id)[0]["Status"] for log_id in log_ids.values()} == {"DELIVERED"}


async def test_a_copy_in_parts_meets_errors_in_200(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a copy, or its end, answered 200 with an error inside is a failure, and leaves no parts."""
    monkeypatch.setattr(s3_copy, "S3_MAX_COPY_BYTES", S3_MIN_PART_BYTES)
    monkeypatch.setattr(s3_copy, "_COPY_PART_BYTES", S3_MIN_PART_BYTES)
    s3 = house.aws_client("s3")
    for bucket in (LANDING, PRIVATE):
        s3.create_bucket(Bucket=f"{bucket}-parts")
    s3.put_object(Bucket=f"{LANDING}-parts", Key="key", Body=LARGE)
    clients = AwsClients(AwsEndpoint("us-east-1", house.proxy.url, "test", "test", max_attempts=2))
    try:
        store = S3ObjectStore(clients)
        source = await store.head(Location(f"{LANDING}-parts", "key"))
        new = NewObject(Location(f"{PRIVATE}-parts", "key"), None, {})
        for operation in ("UploadPartCopy", "CompleteMultipartUpload"):
            house.proxy.on(f"s3.{operation}", error_in_200())
            with pytest.raises(StoreUnavailable):
                await store.copy(source, new)
            house.proxy.clear()
            assert "Uploads" not in s3.list_multipart_uploads(Bucket=new.location.bucket)
            assert house.keys(new.location.bucket) == []
        await store.copy(source, new)
        assert house.body(new.location.bucket, "key") == LARGE
    finally:
        clients.close()
