"""Temporary names, and what their files owe."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tidegate.core.behaviour import PRESETS, TEMPORARY_NAMES
from tidegate.core.deliveries import DeliveryStatus, DeliveryTarget
from tidegate.core.errors import IllegalTransition
from tidegate.core.holding import NOTHING_HELD, Holding, held_at, moved, owed_by, renamed
from tidegate.core.ids import GatewayId
from tidegate.core.objects import Location, StoredObject
from tidegate.core.sessions import Session
from tidegate.core.transfers import Direction, TransferRecord

S = DeliveryStatus
NOW = datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC)
TEMPORARY, FINAL = Location("landing", "acme/in/x.csv.filepart"), Location("landing", "acme/in/x.csv")
TARGETS = (DeliveryTarget("archive", "archive", "2026/", None), DeliveryTarget("lake", "lake", "", None))
SESSION = Session("0123456789abcdef", "s-0123456789abcdef0", "acme", "192.0.2.7", "", "")
STORED = StoredObject(TEMPORARY, 3, '"e1"', "v1")
COPY = StoredObject(FINAL, 3, '"e1"', "v2")

# What clients call a file until it is whole, as their own documents and sources have it.
OF_CLIENTS = [
    "june.csv.filepart",  # WinSCP
    ".in.june.csv",  # lftp with xfer:use-temp-file
    "june.csv.1a2b3c4d.partial",  # rclone
    "june.csv.writing",  # Spring Integration
    "june.csv.part",
    "june.csv.crdownload",
    "june.csv.tmp",
    "JUNE.TMP",
    "june.temp",
]
OTHERS = ["june.csv", "filepart", "june.parts", "template.csv", ".in", "tmp", "june.tmp.csv", ".hid", "in.x"]


def record(hold_seconds: int | None) -> TransferRecord:
    path, owed_to = "/in/x.csv.filepart", ("archive", "lake")
    begun = TransferRecord.begun(Direction.UPLOAD, SESSION, path, TEMPORARY, GatewayId("gw-1"), NOW, owed_to)
    return replace(begun, hold_seconds=hold_seconds)


@pytest.mark.parametrize("name", OF_CLIENTS)
def test_what_clients_make_up_is_temporary(name):
    """In partner-safe each of these is, in any directory; in transfer-family none."""
    assert Holding(PRESETS["partner-safe"].temporary_names).is_temporary(f"/in/{name}")
    assert Holding(PRESETS["partner-safe"].temporary_names).is_temporary(name)
    assert not Holding(PRESETS["transfer-family"].temporary_names).is_temporary(f"/in/{name}")


@pytest.mark.parametrize("name", OTHERS)
def test_other_names_are_final(name):
    """A name is final unless a pattern matches all of it."""
    assert not Holding(TEMPORARY_NAMES).is_temporary(f"/in/{name}")


def test_only_the_last_component_counts():
    """A directory of such a name holds files like any other."""
    assert not Holding(TEMPORARY_NAMES).is_temporary("/june.tmp/x.csv")
    assert not NOTHING_HELD.is_temporary("/x.tmp")


def test_how_long():
    """Temporary names are held for so long, others not at all."""
    holding = Holding(("*.tmp",), 60)
    assert (holding.seconds_of("/x.tmp"), holding.seconds_of("/x")) == (60, None)


def test_what_is_held():
    """One a target, HELD, due when it has been held long enough, under the temporary name until then."""
    held = owed_by(record(60), STORED, TARGETS, NOW)
    assert [each.target for each in held] == ["archive", "lake"]
    assert {(each.status, each.due_at, each.timestamp) for each in held} == {
        (S.HELD, NOW + timedelta(seconds=60), NOW)
    }
    assert held[0].destination == Location("archive", "2026/acme/in/x.csv.filepart")
    assert held_at(held, TEMPORARY) == list(held)
    assert held_at(held, FINAL) == []


def test_what_is_not_held():
    """A final name owes at once."""
    plain = owed_by(record(None), STORED, TARGETS, NOW)
    assert {(each.status, each.due_at) for each in plain} == {(S.PENDING, NOW)}
    assert held_at(plain, TEMPORARY) == []


def test_under_its_new_name():
    """A renamed file is owed as it is there: version, ETag, and its target's destination for the name."""
    for held, prefix in zip(owed_by(record(60), STORED, TARGETS, NOW), ("2026/", ""), strict=True):
        now = renamed(held, COPY)
        assert (now.source, now.version_id, now.etag) == (FINAL, "v2", '"e1"')
        assert now.destination == Location(held.destination.bucket, f"{prefix}acme/in/x.csv")
        assert (now.status, now.due_at, now.target) == (held.status, held.due_at, held.target)


def test_a_move():
    """What becomes PENDING is due at once, untried, nobody's; each change counts the fence up."""
    held = replace(
        owed_by(record(60), STORED, TARGETS, NOW)[0], attempts=3, lease_owner=GatewayId("gw-2"), lease_fence=4
    )
    later = NOW + timedelta(hours=1)
    now = moved(held, S.PENDING, later)
    assert (now.status, now.due_at, now.timestamp) == (S.PENDING, later, later)
    assert (now.attempts, now.lease_owner, now.lease_fence, now.error) == (0, None, 5, None)
    assert moved(held, S.DISCARDED, later, "removed").error == "removed"


@pytest.mark.parametrize("to", [S.DELIVERED, S.DEAD])
def test_no_other_moves(to):
    """What is HELD is neither delivered nor given up without having been PENDING."""
    held = owed_by(record(60), STORED, TARGETS, NOW)[0]
    with pytest.raises(IllegalTransition):
        moved(held, to, NOW)
