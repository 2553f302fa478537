"""S3 refuses, answers wrongly, late or never: what clients were told holds, and everything ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from support.fault_house import Gateway, House, Told
from support.fault_proxy import Action, Request, cut_before, error_in_200, lose_answer, refuse

SMALL = b"date;amount\n" * 1000
LARGE = bytes(range(256)) * 256 * 81  # 5 MiB and a little: a part and a rest
HANG_SECONDS = 40

UNKNOWN = "Outcome unknown, send the file again"
UNAVAILABLE = "Storage is unavailable, try again later"
DENIED = "Permission denied"

# What passes when it is asked again.
PASSING: dict[str, Action] = {
    "internal-error": refuse(500, "InternalError"),
    "slow-down": refuse(503, "SlowDown"),
    "kms-throttled": refuse(400, "ThrottlingException"),
    "cut": cut_before,
    "lost-answer": lose_answer,
}
# What an administrator has to mend.
DENIALS: dict[str, Action] = {
    "denied": refuse(403, "AccessDenied"),
    "kms-denied": refuse(403, "KMS.AccessDeniedException"),
    "kms-disabled": refuse(400, "KMS.DisabledException"),
}
LASTING: dict[str, Action] = {
    "internal-error": refuse(500, "InternalError"),
    "lost-answer": lose_answer,
    **DENIALS,
}


@pytest.fixture(scope="module")
def gateway(built: House) -> Gateway:
    # Each look for work is 16 queries, which the emulator answers by reading the whole table.
    return built.gateway(deliveries={"poll_interval_seconds": 1})


def of(name: str) -> Callable[[Request], bool]:
    """Match the requests about one file."""
    return lambda request: f"/{name}" in request.target or f"%2F{name}" in request.target


async def put_all(
    house: House, gateway: Gateway, operation: str, faults: dict[str, Action], body: bytes, times: int
) -> dict[str, Told]:
    """Send a file for each fault, all at once; each meets its own fault only."""
    names = {fault: f"{operation}-{times}-{fault}.csv".lower() for fault in faults}
    for fault, action in faults.items():
        house.proxy.on(f"s3.{operation}", action, times=times, only=of(names[fault]))
    async with asyncio.timeout(HANG_SECONDS):
        told = await asyncio.gather(*(house.put(gateway, f"/{names[fault]}", body) for fault in faults))
    return dict(zip(faults, told, strict=True))


async def mend_and_check(house: House, gateway: Gateway, failed: list[Told]) -> None:
    """The fault is over: all is settled, and who sends a file again is served: the next check sees to it."""
    house.proxy.clear()
    await asyncio.to_thread(house.check)
    again = await asyncio.gather(*(house.put(gateway, told.path, told.body) for told in failed))
    assert [told.refusal for told in again if not told.acknowledged] == []


def refusals(told: dict[str, Told]) -> dict[str, str]:
    """Return what clients read, without the error ids."""
    return {fault: each.refusal.partition(" (error ")[0] for fault, each in told.items()}


# --- passing faults ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "body", "more"),
    [
        ("PutObject", SMALL, {}),
        ("UploadPart", LARGE, {}),
        pytest.param(
            "CompleteMultipartUpload",
            LARGE,
            {"error-in-200": error_in_200()},
            marks=pytest.mark.lengthy,
        ),
        pytest.param("HeadObject", LARGE, {}, marks=pytest.mark.lengthy),
    ],
)
async def test_a_passing_fault_is_not_noticed(
    house: House, gateway: Gateway, operation: str, body: bytes, more: dict[str, Action]
) -> None:
    """S3 fails once: the client is acknowledged all the same."""
    told = await put_all(house, gateway, operation, PASSING | more, body, 1)
    assert refusals(told) == dict.fromkeys(told, "")
    await mend_and_check(house, gateway, [])


@pytest.mark.lengthy
async def test_starting_a_large_file_is_tried_once(house: House, gateway: Gateway) -> None:
    """
    An upload begun unseen is found and aborted; the client is told, and not left with a leak.

    A refusal that says nothing was begun is tried again, like any other.
    """
    told = await put_all(house, gateway, "CreateMultipartUpload", PASSING, LARGE, 1)
    assert refusals(told) == {
        "internal-error": UNAVAILABLE,
        "slow-down": "",
        "kms-throttled": "",
        "cut": UNAVAILABLE,
        "lost-answer": UNAVAILABLE,
    }
    await mend_and_check(house, gateway, [each for each in told.values() if not each.acknowledged])


# --- lasting faults ---------------------------------------------------------------------------


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("operation", "body", "expected"),
    [
        ("PutObject", SMALL, {"internal-error": UNKNOWN, "lost-answer": ""}),
        pytest.param(
            "CreateMultipartUpload",
            LARGE,
            {"internal-error": UNAVAILABLE, "lost-answer": UNAVAILABLE},
            marks=pytest.mark.lengthy,
        ),
        pytest.param(
            "UploadPart",
            LARGE,
            {"internal-error": UNAVAILABLE, "lost-answer": UNAVAILABLE},
            marks=pytest.mark.lengthy,
        ),
        ("CompleteMultipartUpload", LARGE, {"internal-error": UNKNOWN, "lost-answer": ""}),
    ],
)
async def test_a_lasting_fault_is_told(
    house: House, gateway: Gateway, operation: str, body: bytes, expected: dict[str, str]
) -> None:
    """S3 fails for good: the client reads a fixed text, or OK if the file is there; later all is well."""
    told = await put_all(house, gateway, operation, LASTING, body, 1000)
    assert refusals(told) == expected | dict.fromkeys(DENIALS, DENIED)
    await mend_and_check(house, gateway, [each for each in told.values() if not each.acknowledged])


@pytest.mark.lengthy
@pytest.mark.parametrize("operation", ["HeadObject", "ListObjectVersions"])
async def test_s3_cannot_be_asked_what_became_of_it(house: House, gateway: Gateway, operation: str) -> None:
    """The answer of Complete is lost and S3 cannot be looked at: unknown, until the sweep can look."""
    for fault in ("internal-error", "denied"):
        name = f"{operation}-1000-{fault}.csv".lower()
        house.proxy.on("s3.CompleteMultipartUpload", lose_answer, only=of(name))
    faults = {fault: LASTING[fault] for fault in ("internal-error", "denied")}
    told = await put_all(house, gateway, operation, faults, LARGE, 1000)
    assert refusals(told) == dict.fromkeys(told, UNKNOWN)
    house.proxy.clear()
    await asyncio.to_thread(house.check)
    for each in told.values():
        [record] = house.uploads(each.path)
        assert record["Status"] == "COMPLETED", "the object was whole, and the sweep could see it"


@pytest.mark.lengthy
@pytest.mark.parametrize("operation", ["AbortMultipartUpload", "ListMultipartUploads"])
async def test_cleaning_up_fails_too(house: House, gateway: Gateway, operation: str) -> None:
    """What cannot be aborted now stays an open record, and is aborted when S3 can again."""
    cause = "UploadPart" if operation == "AbortMultipartUpload" else "CreateMultipartUpload"
    for fault in LASTING:
        name = f"{operation}-1000-{fault}.csv".lower()
        house.proxy.on(f"s3.{cause}", lose_answer, only=of(name))
    told = await put_all(house, gateway, operation, LASTING, LARGE, 1000)
    assert refusals(told) == dict.fromkeys(told, UNAVAILABLE)
    seen = len(house.proxy.requests(f"s3.{operation}"))
    await asyncio.to_thread(house.proxy.wait_for, f"s3.{operation}", seen + 1)
    await mend_and_check(house, gateway, list(told.values())[:1])


# --- deliveries -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param("CopyObject", marks=pytest.mark.lengthy),
        pytest.param("HeadObject", marks=pytest.mark.lengthy),
        pytest.param("ListObjectVersions", marks=pytest.mark.lengthy),
    ],
)
async def test_a_delivery_meets_faults(house: House, gateway: Gateway, operation: str) -> None:
    """A copy that fails, once or for a while, is made when S3 can again; clients notice nothing."""
    faults = {**PASSING, **DENIALS}
    if operation == "CopyObject":
        faults["error-in-200"] = error_in_200()
    # Two attempts of the worker meet it, each request of which is sent twice.
    named = {f"for-delivery-{fault}": action for fault, action in faults.items()}
    told = await put_all(house, gateway, operation, named, SMALL, 3)
    assert refusals(told) == dict.fromkeys(told, "")
    await mend_and_check(house, gateway, [])
    for each in told.values():
        [record] = house.uploads(each.path)
        [delivery] = house.deliveries(record["LogID"])
        assert delivery["Status"] == "DELIVERED"


# --- frozen -----------------------------------------------------------------------------------


@pytest.mark.lengthy
async def test_s3_is_frozen(house: House) -> None:
    """S3 takes connections and says nothing: each client is told in time, and late effects harm nobody."""
    gateway = house.gateway(aws={"read_timeout_seconds": 2, "complete_timeout_seconds": 3})
    steps = {"put": SMALL, "upload_part": LARGE, "complete_multipart": LARGE}
    sending = {}
    traps = {step: house.steps.trap(f"{step}.before") for step in steps}
    for step, body in steps.items():
        sending[step] = asyncio.create_task(house.put(gateway, f"/frozen-{step}.csv", body))
        await asyncio.to_thread(traps[step].wait)
    house.freeze_aws()
    for trap in traps.values():
        trap.release()
    async with asyncio.timeout(HANG_SECONDS):
        told = dict(zip(steps, await asyncio.gather(*sending.values()), strict=True))
    house.thaw_aws()
    assert refusals(told) == {"put": UNKNOWN, "upload_part": UNAVAILABLE, "complete_multipart": UNKNOWN}
    await mend_and_check(house, gateway, list(told.values()))
    await asyncio.to_thread(house.check)
