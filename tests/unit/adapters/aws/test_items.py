"""Records as DynamoDB items, and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.adapters.aws import items
from tidegate.core.deliveries import Delivery, DeliveryStatus
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.objects import Location
from tidegate.core.shards import shard_of
from tidegate.core.transfers import OPEN_STATUSES, Direction, TransferRecord, TransferStatus
from tidegate.core.users import RefusedLogin

AT = datetime(2026, 3, 9, 14, 5, 59, 123_000, tzinfo=UTC)
OPEN = TransferRecord(
    log_id=LogId("01j9zq3m7v0000000000000001"),
    direction=Direction.UPLOAD,
    status=TransferStatus.STARTED,
    user_name="acme",
    server_id="s-0123456789abcdef0",
    session_id="0123456789abcdef",
    client_ip="192.0.2.7",
    client_version="SSH-2.0-OpenSSH_9.2",
    key_fingerprint="SHA256:abc",
    path="/in/größe 💶.csv",
    bucket="landing",
    object_key="acme/in/größe 💶.csv",
    started_at=AT,
    timestamp=AT + timedelta(seconds=1),
    gateway_id=GatewayId("gw-1"),
)
DONE = replace(
    OPEN,
    status=TransferStatus.COMPLETED,
    fence=3,
    upload_id="upload",
    version_id="v1",
    etag='"e1"',
    size=5 * 1024**4,
    sha256="00",
    kms_key_id="key",
    delivery_targets=("archive", "lake"),
    superseded=True,
    error="why",
)
DELIVERY = Delivery(
    log_id=OPEN.log_id,
    target="archive",
    status=DeliveryStatus.PENDING,
    source=Location("landing", "acme/a"),
    version_id="v1",
    etag='"e1"',
    destination=Location("archive", "2026/acme/a"),
    timestamp=AT,
    due_at=AT,
)
REFUSED = RefusedLogin("01", "s-1", "acme", "192.0.2.7", "SSH-2.0-x", "SHA256:x", "why", AT)


def there_and_back(item: items.Item) -> items.Item:
    return items.plain(items.wire(item))


@pytest.mark.parametrize("record", [OPEN, DONE], ids=["open", "done"])
def test_a_transfer_comes_back(record):
    """A record read is the record written, with all attributes set or with few."""
    assert items.transfer_record(there_and_back(items.transfer_item(record))) == record


@pytest.mark.parametrize(
    "delivery",
    [
        DELIVERY,
        replace(DELIVERY, version_id=None),
        replace(DELIVERY, lease_owner=GatewayId("gw-1"), lease_fence=2, attempts=7, error="why"),
        replace(DELIVERY, status=DeliveryStatus.DEAD),
    ],
)
def test_a_delivery_comes_back(delivery):
    """A delivery read is the delivery written."""
    assert items.delivery_record(there_and_back(items.delivery_item(delivery))) == delivery


def test_a_refused_login_comes_back():
    """A refusal read is the refusal written; what the client left out stays out."""
    bare = replace(REFUSED, client_version="", key_fingerprint="")
    for refused in (REFUSED, bare):
        item = there_and_back(items.login_item(refused, 90))
        assert items.refused_login(item) == refused
    assert not {"ClientVersion", "KeyFingerprint"} & item.keys()


def test_a_guessed_name_is_in_no_index():
    """An attacker's guesses appear in no real user's transfers, and expire."""
    item = items.login_item(REFUSED, 90)
    assert "UserName" not in item
    assert item["ClaimedUserName"] == "acme"
    assert item["Day"] == "LOGINS#2026-03-09"
    assert item["ExpiresAt"] == int((AT + timedelta(days=90)).timestamp())


@pytest.mark.parametrize("status", TransferStatus)
def test_open_transfers_are_open_work(status):
    """Only an open record is in the sparse index that the sweep reads."""
    wire = items.wire(items.transfer_item(replace(OPEN, status=status)))
    is_open = status in OPEN_STATUSES
    assert ("OpenWork" in wire, "DueAt" in wire) == (is_open, is_open)


@pytest.mark.parametrize("status", DeliveryStatus)
def test_what_is_not_done_of_deliveries_is_open_work(status):
    """In the sparse index PENDING and HELD ones are where workers look, DEAD ones where only people do."""
    wire = items.wire(items.delivery_item(replace(DELIVERY, status=status)))
    shard = shard_of(DELIVERY.log_id)
    waiting, dead = f"OPEN#{shard}", f"DEAD#{shard}"
    expected = {DeliveryStatus.PENDING: waiting, DeliveryStatus.HELD: waiting, DeliveryStatus.DEAD: dead}
    assert items.plain(wire).get("OpenWork") == expected.get(status)


TRANSFER_ATTRIBUTES = """
    LogID Item Direction Status UserName ServerId SessionId ClientIp ClientVersion KeyFingerprint Path
    Bucket ObjectKey VersionId ETag Bytes Sha256 KmsKeyId StartedAt Timestamp GatewayId Fence UploadId
    DeliveryTargets Superseded Error Day
    """
DELIVERY_ATTRIBUTES = """
    LogID Item SourceBucket ObjectKey DestinationBucket DestinationKey Status Timestamp VersionId ETag
    Attempts DueAt LeaseFence OpenWork
    """


def test_attribute_names():
    """The names are those the design gives, so that a stranger can read the table."""
    assert set(items.wire(items.transfer_item(DONE))) == set(TRANSFER_ATTRIBUTES.split())
    assert set(items.wire(items.delivery_item(DELIVERY))) == set(DELIVERY_ATTRIBUTES.split())


def test_nothing_is_stored_as_null():
    """None is left out: an index takes no NULL."""
    assert items.wire({"a": None, "b": 0, "c": "", "d": False}) == {
        "b": {"N": "0"},
        "c": {"S": ""},
        "d": {"BOOL": False},
    }


def test_numbers_are_whole():
    """Numbers come back as int, in lists too."""
    assert there_and_back({"n": 5 * 1024**4, "l": [1, 2]}) == {"n": 5 * 1024**4, "l": [1, 2]}
    assert type(there_and_back({"n": 1})["n"]) is int


moments = st.integers(10**9, 32 * 10**9).map(lambda at: datetime.fromtimestamp(at, UTC)) | st.floats(
    10**9, 32 * 10**9
).map(lambda at: datetime.fromtimestamp(at, UTC))


@given(moments, moments)
def test_stamps_sort_as_time_passes(one, two):
    """To the millisecond, the order of stamps as text is the order in time."""
    whole_one, whole_two = (int(at.timestamp() * 1000) for at in (one, two))
    if whole_one < whole_two:
        assert items.stamp(one) < items.stamp(two)


@given(moments)
def test_stamps_come_back(at):
    """A stamp read is the moment written, to the millisecond."""
    whole = at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert items.moment(items.stamp(at)) == whole


def test_stamps_are_in_utc():
    """A moment of another zone is written in UTC, and falls on UTC's day."""
    abroad = datetime(2026, 3, 10, 1, 0, tzinfo=timezone(timedelta(hours=9)))
    assert items.stamp(abroad) == "2026-03-09T16:00:00.000Z"
    assert items.day_of(abroad) == "2026-03-09"
