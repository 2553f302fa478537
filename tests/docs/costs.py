"""
What a file costs: calls, units and cents, for the generated tables of docs/cost.md.

The numbers of calls below are measured: tests/docs/test_docs_cost.py counts them at a gateway and fails when
they differ. Prices are written down here by hand; no program looks them up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# US dollars, us-east-1, November 2026.
PUT_PRICE = 0.005 / 1000  # PUT, COPY, POST and LIST of S3 Standard
GET_PRICE = 0.0004 / 1000  # GET, HEAD and all else
WRITE_PRICE = 0.625 / 1_000_000  # a write request unit, on demand
READ_PRICE = 0.125 / 1_000_000
KMS_PRICE = 0.03 / 10_000
KEY_MONTH = 1.0
FARGATE_CPU_HOUR, FARGATE_GIB_HOUR = 0.04048, 0.004445
BALANCER_HOUR, BALANCER_UNIT_HOUR = 0.0225, 0.006
ENDPOINT_HOUR = 0.01  # an interface endpoint in one zone
TRANSFER_FAMILY_HOUR, TRANSFER_FAMILY_GB = 0.30, 0.04

HOURS, DAYS = 730, 30
SMALL_BYTES, LARGE_BYTES, PART_BYTES = 10 * 1024, 1024**3, 8 * 1024**2
LARGE_PARTS = LARGE_BYTES // PART_BYTES
SHARDS = 16
# What the template deploy/gateway.yaml makes.
TASKS, TASK_CPUS, TASK_GIB, ZONES, KMS_KEYS = 2, 1, 4, 2, 4
# The workload of the comparison.
SMALL_FILES, LARGE_FILES = 10_000, 100


@dataclass(frozen=True, slots=True)
class Call:
    """A kind of call: how often for a file of one part, for one of several, and for each part of it."""

    name: str
    why: str
    small: int
    large: int
    per_part: int = 0
    price: float = 0.0

    def count(self, parts: int) -> int:
        return self.small if parts == 1 else self.large + self.per_part * parts


CALLS = (
    Call("s3.ListObjectsV2", "is there a directory of that name?", 1, 1, price=PUT_PRICE),
    Call("s3.PutObject", "the object", 1, 0, price=PUT_PRICE),
    Call("s3.CreateMultipartUpload", "the object, begun", 0, 1, price=PUT_PRICE),
    Call("s3.UploadPart", "a part", 0, 0, 1, price=PUT_PRICE),
    Call("s3.CompleteMultipartUpload", "the object, put together", 0, 1, price=PUT_PRICE),
    Call("s3.CopyObject", "the copy", 1, 1, price=PUT_PRICE),
    Call("s3.ListObjectVersions", "is there a newer one? before the copy and after", 2, 2, price=PUT_PRICE),
    Call(
        "s3.HeadObject", "is it there whole; is it the owed one; what is at the target", 3, 4, price=GET_PRICE
    ),
    Call("dynamodb.PutItem transfers", "STARTED", 1, 1),
    Call("dynamodb.UpdateItem transfers", "large: upload id, FINISHING; the delivery: claimed, done", 2, 4),
    Call("dynamodb.TransactWriteItems transfers", "COMPLETED, and what it owes", 1, 1),
    Call("dynamodb.Query transfers", "was an upload of that name cut off?", 1, 1, price=READ_PRICE),
    Call("dynamodb.Query open-work", "what is due? asked of each shard", SHARDS, SHARDS),
)
# A connection that logs in with its first key.
LOGIN = Call("dynamodb.Query directory", "the partner and its keys: key offered, key proved", 2, 2)


@dataclass(frozen=True, slots=True)
class Write:
    """
    One write of an item.

    Args:
        item: "record" or "delivery". Two indexes, `by-user` and `by-day`, hold the whole of each record.
        open_work: Writes of the index `open-work`, whose entries are small: 2 where the sort key moves.
    """

    what: str
    item: str
    open_work: int
    only_large: bool = False
    in_transaction: bool = False

    def units(self, record_kib: int) -> int:
        whole = 3 * record_kib if self.item == "record" else 1
        return (whole + self.open_work) * (2 if self.in_transaction else 1)


WRITES = (
    Write("STARTED", "record", 1),
    Write("upload id", "record", 1, only_large=True),
    Write("FINISHING", "record", 0, only_large=True),
    Write("COMPLETED", "record", 1, in_transaction=True),
    Write("delivery, owed", "delivery", 1, in_transaction=True),
    Write("delivery, claimed", "delivery", 2),
    Write("delivery, done", "delivery", 1),
)
# Once the upload id of S3 is on a record, it may be above 1 KiB.
SMALL_RECORD_KIB, LARGE_RECORD_KIB = 1, 2


def write_units(parts: int) -> int:
    """Return the write units of one file and its delivery."""
    if parts == 1:
        return sum(write.units(SMALL_RECORD_KIB) for write in WRITES if not write.only_large)
    started, *others = WRITES
    return started.units(SMALL_RECORD_KIB) + sum(write.units(LARGE_RECORD_KIB) for write in others)


def read_units() -> float:
    """Return the read units of one file: empty index queries at a half, and one login at 1 a query."""
    return SHARDS * 0.5 + LOGIN.small


def kms_requests(parts: int) -> int:
    """Return the most requests S3 makes of KMS without bucket keys: object, parts, end, copy from and to."""
    return 3 if parts == 1 else 1 + parts + 1 + 2


def s3_dollars(parts: int) -> float:
    return sum(call.count(parts) * call.price for call in CALLS)


def dynamodb_dollars(parts: int) -> float:
    return write_units(parts) * WRITE_PRICE + read_units() * READ_PRICE


def kms_dollars(parts: int) -> float:
    """With bucket keys, taken at the 99 percent less that AWS names as the best case."""
    return kms_requests(parts) * KMS_PRICE / 100


def file_dollars(parts: int) -> float:
    return s3_dollars(parts) + dynamodb_dollars(parts) + kms_dollars(parts)


@dataclass(frozen=True, slots=True)
class Idle:
    """What a gateway asks of DynamoDB while nobody sends anything, each `seconds`."""

    what: str
    seconds: float
    queries: int
    writes: int = 0
    units_a_query: float = 0.5

    @property
    def calls_a_day(self) -> int:
        return int(86_400 / self.seconds) * (self.queries + self.writes)

    @property
    def dollars_a_month(self) -> float:
        times = int(86_400 / self.seconds) * DAYS
        return times * (self.queries * self.units_a_query * READ_PRICE + self.writes * WRITE_PRICE)


DELIVERIES_DUE = Idle("deliveries that are due", 5, SHARDS)
# A sweep asks each shard for open transfers, for open renames, and for what was kept long enough.
SWEEPS = Idle("sweep of open transfers, renames, kept uploads", 60, 3 * SHARDS)
LEASES = Idle("own lease renewed, others looked at", 20, 1, writes=1, units_a_query=1)
SERVERS = Idle("servers, and whether a key was removed", 3, 1, units_a_query=1)
IDLE = (DELIVERIES_DUE, SWEEPS, LEASES, SERVERS)


def idle_dollars() -> float:
    """Return what an idle gateway costs a month in calls."""
    return sum(each.dollars_a_month for each in IDLE)


# --- the tables -----------------------------------------------------------------------------


def prices_table() -> str:
    million, thousand = 1_000_000, 1000
    rows = [
        ("S3 Standard: PUT, COPY, POST, LIST", f"{PUT_PRICE * thousand:g} per 1,000"),
        ("S3 Standard: GET, HEAD and all else", f"{GET_PRICE * thousand:g} per 1,000"),
        ("DynamoDB on demand: write request units", f"{WRITE_PRICE * million:g} per million"),
        ("DynamoDB on demand: read request units", f"{READ_PRICE * million:g} per million"),
        ("KMS requests", f"{KMS_PRICE * 10_000:g} per 10,000"),
        ("a KMS key", f"{KEY_MONTH:g} a month"),
        ("Fargate, Linux on x86", f"{FARGATE_CPU_HOUR:g} per vCPU hour, {FARGATE_GIB_HOUR:g} per GB hour"),
        (
            "network load balancer",
            f"{BALANCER_HOUR:g} an hour, {BALANCER_UNIT_HOUR:g} per capacity unit hour",
        ),
        ("interface endpoint of a VPC", f"{ENDPOINT_HOUR:g} per zone and hour"),
        ("Transfer Family: an endpoint", f"{TRANSFER_FAMILY_HOUR:.2f} per protocol and hour"),
        ("Transfer Family: data", f"{TRANSFER_FAMILY_GB:.2f} per GB up or down"),
    ]
    return _table(["what", "USD"], [list(row) for row in rows])


def calls_table() -> str:
    head = ["call", "10 KiB", "1 GiB", "for"]
    rows = [
        [f"`{call.name}`", f"{call.count(1)}", f"{call.count(LARGE_PARTS)}", call.why]
        for call in (*CALLS, LOGIN)
    ]
    return _table(head, rows)


def writes_table() -> str:
    rows = []
    for write in WRITES:
        small = "0" if write.only_large else str(write.units(SMALL_RECORD_KIB))
        kib = SMALL_RECORD_KIB if write is WRITES[0] else LARGE_RECORD_KIB
        note = "twice, in a transaction" if write.in_transaction else ""
        rows.append([write.what, small, str(write.units(kib)), note])
    rows.append(["**write units**", f"**{write_units(1)}**", f"**{write_units(LARGE_PARTS)}**", ""])
    rows.append(["**read units**", f"**{read_units():g}**", f"**{read_units():g}**", "login included"])
    return _table(["write", "10 KiB", "1 GiB", ""], rows)


def file_table() -> str:
    parts = (1, LARGE_PARTS)
    rows = [
        ["S3 requests", *(_cents(s3_dollars(each)) for each in parts)],
        ["DynamoDB units", *(_cents(dynamodb_dollars(each)) for each in parts)],
        ["KMS requests, with bucket keys", *(_cents(kms_dollars(each)) for each in parts)],
        ["**together**", *(f"**{_cents(file_dollars(each))}**" for each in parts)],
        ["KMS, were there no bucket keys", *(_cents(kms_dollars(each) * 100) for each in parts)],
    ]
    return _table(["US cents", "10 KiB", "1 GiB"], rows)


def idle_table() -> str:
    rows = [
        [each.what, f"{each.seconds:g} s", f"{each.calls_a_day:,}", f"{each.dollars_a_month:.2f}"]
        for each in IDLE
    ]
    calls = sum(each.calls_a_day for each in IDLE)
    rows.append(["**together**", "", f"**{calls:,}**", f"**{idle_dollars():.2f}**"])
    return _table(["one idle gateway", "each", "calls a day", "USD a month"], rows)


def month_table() -> str:
    """Return the month of the named workload, beside Transfer Family's price for it."""
    gateways = TASKS * HOURS * (TASK_CPUS * FARGATE_CPU_HOUR + TASK_GIB * FARGATE_GIB_HOUR)
    gib = (SMALL_FILES * SMALL_BYTES + LARGE_FILES * LARGE_BYTES) / 1024**3
    # A capacity unit carries 1 GB; connections and bandwidth, the other measures, stay below that here.
    balancer = HOURS * BALANCER_HOUR + gib * 1.073741824 * BALANCER_UNIT_HOUR
    ours = [
        ("gateways: Fargate, two tasks of 1 vCPU and 4 GiB", gateways),
        ("network load balancer", balancer),
        ("four KMS keys", KMS_KEYS * KEY_MONTH),
        ("calls of two idle gateways", TASKS * idle_dollars()),
        (f"{SMALL_FILES:,} files of 10 KiB", SMALL_FILES * file_dollars(1)),
        (f"{LARGE_FILES:,} files of 1 GiB", LARGE_FILES * file_dollars(LARGE_PARTS)),
    ]
    endpoints = math.prod((4, ZONES, HOURS)) * ENDPOINT_HOUR
    family = HOURS * TRANSFER_FAMILY_HOUR + gib * 1.073741824 * TRANSFER_FAMILY_GB
    total = sum(dollars for _, dollars in ours)
    rows = [[what, f"{dollars:.2f}"] for what, dollars in ours]
    rows += [
        ["**tidegate, together**", f"**{total:.2f}**"],
        ["four VPC endpoints in two zones, if the VPC has none", f"{endpoints:.2f}"],
        ["**tidegate with them**", f"**{total + endpoints:.2f}**"],
        ["**Transfer Family: one endpoint with one protocol, and its data**", f"**{family:.2f}**"],
    ]
    return _table(["USD a month", ""], rows)


def _cents(dollars: float) -> str:
    """Return US cents with two digits that count."""
    cents = dollars * 100
    digits = max(2, 1 - math.floor(math.log10(cents)))
    return f"{cents:.{digits}f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---"] * len(head)
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, rule, *rows])


GENERATED = {
    "cost prices": prices_table,
    "cost calls": calls_table,
    "cost units": writes_table,
    "cost of a file": file_table,
    "cost of waiting": idle_table,
    "cost of a month": month_table,
}
