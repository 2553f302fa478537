"""DynamoDB refuses, loses answers or is away: no record lies, and nothing living is taken for dead."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable

import asyncssh
import pytest

from support.fault_house import LEASE_SECONDS, Gateway, House, Told, wait_until
from support.fault_proxy import Action, Forward, Gate, Reply, Request, Rule, cut_before, lose_answer, refuse

SMALL = b"date;amount\n" * 1000
LARGE = bytes(range(256)) * 256 * 81  # 5 MiB and a little: a part and a rest
HANG_SECONDS = 40

UNKNOWN = "Outcome unknown, send the file again"
UNAVAILABLE = "Storage is unavailable, try again later"

FAULTS: dict[str, Action] = {
    "throttled": refuse(400, "ProvisionedThroughputExceededException"),
    "internal-error": refuse(500, "InternalServerError"),
    "cut": cut_before,
    "lost-answer": lose_answer,
}
CONFLICT = refuse(
    400,
    "TransactionCanceledException",
    "Transaction cancelled, please refer cancellation reasons [TransactionConflict, None]",
)
_LOG_ID = re.compile(rb'"LogID": ?\{"S": ?"(\w+)"')


class ForEach:
    """Gives each transfer a fault of its own: to its first such request only, or `lasting`ly."""

    def __init__(self, faults: dict[str, Action], *, lasting: bool = False) -> None:
        self._faults, self._lasting = faults, lasting
        self._lock = threading.Lock()
        self.given: dict[str, str] = {}

    def __call__(self, request: Request, forward: Forward) -> Reply:
        found = _LOG_ID.search(request.body)
        assert found is not None, request.body
        fault, is_new = self._fault_of(found[1].decode())
        if fault is None or not (is_new or self._lasting):
            return forward(request)
        return self._faults[fault](request, forward)

    def _fault_of(self, log_id: str) -> tuple[str | None, bool]:
        with self._lock:
            if log_id in self.given:
                return self.given[log_id], False
            left = [fault for fault in self._faults if fault not in self.given.values()]
            if left:
                self.given[log_id] = left[0]
            return (left[0] if left else None), True


def saying(*words: bytes) -> Callable[[Request], bool]:
    """Match requests whose bodies hold all these words."""
    return lambda request: all(word in request.body for word in words)


# The calls of an upload and its delivery, as the table sees them.
CALLS: dict[str, tuple[str, Callable[[Request], bool], bytes]] = {
    "start": ("PutItem", saying(b'"STARTED"'), SMALL),
    "set_upload_id": ("UpdateItem", saying(b'"#UploadId"'), LARGE),
    "finishing": ("UpdateItem", saying(b'"FINISHING"', b'"#Sha256"'), LARGE),
    "complete": ("TransactWriteItems", saying(), SMALL),
    "claim": ("UpdateItem", saying(b"LeaseFence + :one"), SMALL),
    "settle": ("UpdateItem", saying(b"REMOVE LeaseOwner"), SMALL),
}


@pytest.fixture(scope="module")
def gateway(built: House) -> Gateway:
    # Each look for work is 16 queries, which the emulator answers by reading the whole table.
    return built.gateway(deliveries={"poll_interval_seconds": 1})


async def put_all(house: House, gateway: Gateway, paths: list[str], body: bytes) -> list[Told]:
    async with asyncio.timeout(HANG_SECONDS):
        return list(await asyncio.gather(*(house.put(gateway, path, body) for path in paths)))


async def mend_and_check(house: House, gateway: Gateway, failed: list[Told]) -> None:
    """The fault is over: all is settled, and who sends a file again is served: the next check sees to it."""
    house.proxy.clear()
    await asyncio.to_thread(house.check)
    again = await asyncio.gather(*(house.put(gateway, told.path, told.body) for told in failed))
    assert [told.refusal for told in again if not told.acknowledged] == []


def refusal(told: Told) -> str:
    """Return what the client read, without the error id."""
    return told.refusal.partition(" (error ")[0]


# --- passing faults ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(call, marks=[] if call in ("complete", "settle") else pytest.mark.lengthy)
        for call in CALLS
    ],
)
async def test_a_passing_fault_is_not_noticed(house: House, gateway: Gateway, call: str) -> None:
    """DynamoDB fails once at this call: the client is acknowledged, also when only the answer was lost."""
    operation, matches, body = CALLS[call]
    faults = FAULTS | ({"conflict": CONFLICT} if call == "complete" else {})
    once = ForEach(faults)
    house.proxy.on(f"dynamodb.{operation}", once, only=matches)
    paths = [f"/once-{call}-{n}.csv" for n in range(len(faults))]
    told = await put_all(house, gateway, paths, body)
    assert [each.refusal for each in told if not each.acknowledged] == [], once.given
    # Deliveries are made behind the client's back.
    await asyncio.to_thread(wait_until, lambda: len(once.given) == len(faults), "each fault has struck")
    await mend_and_check(house, gateway, [])


@pytest.mark.lengthy
async def test_the_record_answers_when_the_transaction_does_not(house: House, gateway: Gateway) -> None:
    """Every answer to the transaction is lost: the record is read back, and the client acknowledged."""
    house.proxy.on("dynamodb.TransactWriteItems", lose_answer)
    for told in await put_all(house, gateway, ["/lost-small.csv", "/lost-other.csv"], SMALL):
        assert told.acknowledged, told.refusal
    assert (await house.put(gateway, "/lost-large.csv", LARGE)).acknowledged
    await mend_and_check(house, gateway, [])


# --- lasting faults ---------------------------------------------------------------------------


async def test_open_is_refused_without_a_record(house: House, gateway: Gateway) -> None:
    """STARTED cannot be written: OPEN is refused, and S3 has seen nothing."""
    operation, matches, _ = CALLS["start"]
    house.proxy.on(f"dynamodb.{operation}", ForEach(FAULTS, lasting=True), only=matches)
    told = await put_all(house, gateway, [f"/no-record-{n}.csv" for n in range(len(FAULTS))], SMALL)
    assert [refusal(each) for each in told] == [UNAVAILABLE] * len(FAULTS)
    written = [each.target for each in house.proxy.requests("s3.*") if each.method in ("PUT", "POST")]
    assert [target for target in written if "no-record" in target] == []
    await mend_and_check(house, gateway, told)


@pytest.mark.parametrize("call", ["set_upload_id", "finishing"])
async def test_a_large_file_fails_with_its_record(house: House, gateway: Gateway, call: str) -> None:
    """Its record cannot be moved on: the client is told, and no part stays behind."""
    operation, matches, body = CALLS[call]
    failed = []
    for fault in ("internal-error", "lost-answer"):
        rule = house.proxy.on(f"dynamodb.{operation}", FAULTS[fault], only=matches)
        told = await house.put(gateway, f"/lasting-{call}-{fault}.csv", body)
        assert refusal(told) == UNAVAILABLE, fault
        assert rule.fired
        house.proxy.clear()
        failed.append(told)
    await mend_and_check(house, gateway, failed)


@pytest.mark.lengthy
async def test_a_close_of_unknown_outcome_is_settled_by_the_sweep(house: House, gateway: Gateway) -> None:
    """COMPLETED cannot be written, or not be read back: unknown, in words; the sweep finds the object."""
    never = {fault: action for fault, action in FAULTS.items() if fault != "lost-answer"}
    never["conflict"] = CONFLICT
    house.proxy.on("dynamodb.TransactWriteItems", ForEach(never, lasting=True))
    told = await put_all(house, gateway, [f"/unknown-{n}.csv" for n in range(len(never))], SMALL)
    house.proxy.clear()
    house.proxy.on("dynamodb.TransactWriteItems", lose_answer)
    house.proxy.on("dynamodb.Query", refuse(500, "InternalServerError"), only=saying(b'LogID = :id"'))
    told.append(await house.put(gateway, "/unknown-unread.csv", SMALL))
    house.proxy.clear()
    house.proxy.on("dynamodb.TransactWriteItems", cut_before)
    told.append(await house.put(gateway, "/unknown-large.csv", LARGE))
    assert [refusal(each) for each in told] == [UNKNOWN] * 6
    await mend_and_check(house, gateway, [])
    for each in told:
        assert [record["Status"] for record in house.uploads(each.path)] == ["COMPLETED"]


@pytest.mark.lengthy
async def test_the_sweep_meets_faults_itself(house: House, gateway: Gateway) -> None:
    """Neither CLOSE nor the sweep can write the end: the record stays open until one of them can."""
    house.proxy.on("dynamodb.TransactWriteItems", cut_before)
    sweeping = house.proxy.on("dynamodb.UpdateItem", lose_answer, only=saying(b":claimant"), times=2)
    told = await house.put(gateway, "/sweep-faults.csv", SMALL)
    assert refusal(told) == UNKNOWN
    await asyncio.to_thread(wait_until, lambda: sweeping.fired >= 2, "the sweep has tried twice")
    await mend_and_check(house, gateway, [])
    assert [record["Status"] for record in house.uploads(told.path)] == ["COMPLETED"]


# --- away -------------------------------------------------------------------------------------


@pytest.mark.lengthy
async def test_an_outage_longer_than_a_lease_kills_nobody(house: House, gateway: Gateway) -> None:
    """DynamoDB is away for two leases while a client sends: nobody aborts it, and it is acknowledged."""
    house.gateway()  # two now watch each other
    told = Told("/outage.csv", LARGE * 2, acknowledged=False)
    house.told.append(told)
    half = len(told.body) // 2
    async with (
        asyncio.timeout(HANG_SECONDS),
        gateway.client() as connection,
        connection.start_sftp_client() as sftp,
    ):
        file = await sftp.open(told.path, "wb", block_size=256 * 1024)
        await file.write(told.body[:half])
        await asyncio.to_thread(house.proxy.wait_for, "s3.UploadPart")
        away = house.proxy.on("dynamodb.*", cut_before)
        began = time.monotonic()
        await asyncio.to_thread(
            wait_until,
            lambda: away.fired >= 10 and time.monotonic() - began > 2 * LEASE_SECONDS,
            "both gateways have failed to renew for two leases",
        )
        await file.write(told.body[half:])
        house.proxy.clear()
        await asyncio.to_thread(sweep_twice, house)
        await file.close()
        told.acknowledged = True
    aborted = [each.target for each in house.proxy.requests("s3.AbortMultipartUpload")]
    assert [target for target in aborted if "outage.csv" in target] == []
    await asyncio.to_thread(house.check)
    assert [record["Status"] for record in house.uploads(told.path)] == ["COMPLETED"]


def sweep_twice(house: House) -> None:
    """Return when both gateways have renewed for more than a lease and looked at all open work twice."""
    seen = len(house.proxy.requests("dynamodb.UpdateItem"))
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 2 * LEASE_SECONDS, "a lease has passed")
    house.proxy.wait_for("dynamodb.UpdateItem", seen + 8)


# --- leases and looking for work --------------------------------------------------------------


def renewals_of(gateway_id: str) -> Callable[[Request], bool]:
    """Match the renewals of a gateway's own lease; of all gateways' if the id is empty."""
    return saying(b"ADD LeaseCounter", f"gateway#{gateway_id}".encode())


async def send_while(
    house: House,
    gateway: Gateway,
    path: str,
    plant: Callable[[str], None],
    seconds: float,
    status: str = "STARTED",
) -> Told:
    """
    Send half a file, plant faults for the gateway that takes it, wait, lift them, and send the rest.

    Waited is for so long at least, and until the record has the status.
    """
    told = Told(path, SMALL, acknowledged=False)
    house.told.append(told)
    try:
        async with gateway.client() as connection, connection.start_sftp_client() as sftp:
            file = await sftp.open(path, "wb")
            await file.write(SMALL[:100])
            plant(house.uploads(path)[0]["GatewayId"])
            began = time.monotonic()
            await asyncio.to_thread(
                wait_until,
                lambda: time.monotonic() - began > seconds and house.uploads(path)[0]["Status"] == status,
                "the fault has lasted",
            )
            house.proxy.clear()
            await asyncio.to_thread(sweep_twice, house)
            await file.write(SMALL[100:], 100)
            await file.close()
            told.acknowledged = True
    except (asyncssh.Error, OSError) as error:
        told.refusal = str(error)
    return told


@pytest.mark.lengthy
async def test_no_lease_can_be_renewed(house: House, gateway: Gateway) -> None:
    """All else works, renewing does not, for five leases: nobody is dead, and the upload is acknowledged."""
    await asyncio.to_thread(house.living, 2)
    rules: list[Rule] = []

    def plant(_gateway_id: str) -> None:
        rules.append(house.proxy.on("dynamodb.UpdateItem", FAULTS["throttled"], only=renewals_of("")))

    # Each renewal is sent twice, with a pause between: in less time too few of them fail to show anything.
    told = await send_while(house, gateway, "/no-lease.csv", plant, 5 * LEASE_SECONDS)
    assert rules[0].fired >= 10
    assert told.acknowledged, told.refusal
    await asyncio.to_thread(house.check)
    [record] = house.uploads(told.path)
    assert (record["Status"], record["Fence"]) == ("COMPLETED", 1)


@pytest.mark.lengthy
async def test_one_gateway_alone_cannot_renew(house: House, gateway: Gateway) -> None:
    """The others must take it for dead and end its upload; its client is told, and sends it again."""
    await asyncio.to_thread(house.living, 2)
    path = "/alone.csv"

    def plant(gateway_id: str) -> None:
        house.proxy.on("dynamodb.UpdateItem", cut_before, only=renewals_of(gateway_id))

    told = await send_while(house, gateway, path, plant, 3 * LEASE_SECONDS, "ABANDONED")
    assert not told.acknowledged
    await asyncio.to_thread(house.check)
    assert [record["Status"] for record in house.uploads(path)] == ["ABANDONED"]
    assert (await house.put(gateway, path, SMALL)).acknowledged
    await asyncio.to_thread(house.check)


@pytest.mark.lengthy
async def test_the_lease_of_a_delivery_cannot_be_renewed(house: House, gateway: Gateway) -> None:
    """A slow copy loses its lease, another worker makes it again and settles: delivered, and once."""
    await asyncio.to_thread(house.living, 2)
    slow = Gate()
    house.proxy.on("s3.CopyObject", slow, times=1, only=lambda request: "slow-copy" in request.target)
    renewing = house.proxy.on("dynamodb.UpdateItem", cut_before, only=saying(b'"SET DueAt = :until"'))
    assert (await house.put(gateway, "/slow-copy.csv", SMALL)).acknowledged
    [log_id] = [record["LogID"] for record in house.uploads("/slow-copy.csv")]

    def is_delivered() -> bool:
        return [item["Status"] for item in house.deliveries(log_id)] == ["DELIVERED"]

    await asyncio.to_thread(wait_until, is_delivered, "another worker has delivered it")
    assert renewing.fired
    settled = house.deliveries(log_id)
    slow.open()
    await mend_and_check(house, gateway, [])
    assert house.deliveries(log_id) == settled, "who lost its lease settles nothing"
    assert settled[0]["Attempts"] == 2


@pytest.mark.lengthy
async def test_nobody_can_look_for_work(house: House, gateway: Gateway) -> None:
    """The index cannot be read: uploads go on, what is owed and what is left waits, and is done after."""
    victim = await asyncio.to_thread(house.gateway)
    trap = house.steps.trap("put.before", pid=victim.process.pid)
    client = asyncio.create_task(house.put(victim, "/left.csv", SMALL))
    await asyncio.to_thread(trap.wait)
    looks = {
        kind: house.proxy.on("dynamodb.Query", FAULTS[fault], only=saying(b"open-work", kind))
        for kind, fault in ((b":transfer", "throttled"), (b":delivery", "internal-error"))
    }
    await asyncio.to_thread(victim.kill)
    trap.release()
    assert not (await client).acknowledged
    assert (await house.put(gateway, "/owed.csv", SMALL)).acknowledged
    began = time.monotonic()
    await asyncio.to_thread(
        wait_until,
        lambda: (
            time.monotonic() - began > 2 * LEASE_SECONDS and all(each.fired >= 4 for each in looks.values())
        ),
        "sweep and worker have looked in vain",
    )
    [owed], [left] = house.uploads("/owed.csv"), house.uploads("/left.csv")
    assert (left["Status"], left["Fence"]) == ("STARTED", 1)
    assert [item["Status"] for item in house.deliveries(owed["LogID"])] == ["PENDING"]
    await mend_and_check(house, gateway, [])
    assert [record["Status"] for record in house.uploads("/left.csv")] == ["ABANDONED"]
    assert [item["Status"] for item in house.deliveries(owed["LogID"])] == ["DELIVERED"]
