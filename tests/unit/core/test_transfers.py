"""The states of a transfer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from tidegate.core.errors import IllegalTransition
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.transfers import (
    ENDS_WITHOUT_DELIVERIES,
    OPEN_STATUSES,
    TERMINAL_STATUSES,
    TRANSITIONS,
    Direction,
    Owner,
    TransferQuery,
    TransferRecord,
    TransferStatus,
    advance,
    sources_of,
)

S = TransferStatus
AT = datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC)

RECORD = TransferRecord(
    log_id=LogId("01"),
    direction=Direction.UPLOAD,
    status=S.STARTED,
    user_name="acme",
    server_id="s-0123456789abcdef0",
    session_id="0123456789abcdef",
    client_ip="192.0.2.7",
    client_version="SSH-2.0-OpenSSH_9.2",
    key_fingerprint="SHA256:abc",
    path="/in/report.csv",
    bucket="landing",
    object_key="acme/in/report.csv",
    started_at=AT,
    timestamp=AT,
    gateway_id=GatewayId("gw-1"),
)


@pytest.mark.parametrize(("current", "to"), list(product(S, S)))
def test_the_table_is_the_only_judge(current, to):
    """A move is made where the table has an arrow, and refused everywhere else."""
    if to in TRANSITIONS[current]:
        assert advance(current, to) is to
    else:
        with pytest.raises(IllegalTransition, match=f"from {current} to {to}"):
            advance(current, to)


def test_every_state_has_a_row():
    """No state is missing from the table."""
    assert set(TRANSITIONS) == set(S)


def test_every_open_state_reaches_every_end_it_may_need():
    """From any open state a transfer can be completed, held back, failed and swept."""
    for status in OPEN_STATUSES:
        assert {S.COMPLETED, S.SUSPECT, S.FAILED, S.SWEEPING} <= TRANSITIONS[status]


def test_what_was_to_be_whole_never_becomes_partial():
    """Once CLOSE was asked for, the client's own way to an end is never PARTIAL or ABANDONED."""
    assert not {S.PARTIAL, S.ABANDONED} & TRANSITIONS[S.FINISHING]


def test_an_end_is_an_end():
    """Nothing leads out of a final state, and back into an open one only what is kept to be continued."""
    assert {S.COMPLETED, S.PARTIAL, S.FAILED, S.ABANDONED} == TERMINAL_STATUSES
    for status in set(S) - OPEN_STATUSES - {S.KEPT}:
        assert not TRANSITIONS[status] & OPEN_STATUSES


def test_a_file_held_back_does_not_expire():
    """SUSPECT waits for an administrator: it is neither open work nor final."""
    assert S.SUSPECT not in OPEN_STATUSES | TERMINAL_STATUSES
    assert TRANSITIONS[S.SUSPECT] == {S.COMPLETED, S.FAILED}


def test_only_completed_owes():
    """Every state but COMPLETED that is an end is one without deliveries; what is kept has not ended."""
    assert set(S) - OPEN_STATUSES - {S.COMPLETED, S.KEPT} == ENDS_WITHOUT_DELIVERIES


def test_what_is_kept_waits():
    """KEPT is neither open work nor final: its partner goes on with it, or a sweep ends it."""
    assert S.KEPT not in OPEN_STATUSES | TERMINAL_STATUSES
    assert TRANSITIONS[S.KEPT] == {S.STARTED, S.SWEEPING}


@pytest.mark.parametrize("to", S)
def test_sources_are_the_table_read_backwards(to):
    """`sources_of` names exactly the states with an arrow to it."""
    assert sources_of(to) == [status for status in S if to in TRANSITIONS[status]]


def test_a_record_moves_with_its_changes():
    """A move sets status, time and what it brings, and leaves the old record as it was."""
    later = AT + timedelta(seconds=5)
    moved = RECORD.moved(S.FINISHING, later, size=3, sha256="00")
    assert moved == replace(RECORD, status=S.FINISHING, timestamp=later, size=3, sha256="00")
    assert RECORD.status is S.STARTED


def test_a_record_moves_by_the_table_alone():
    """An illegal move raises."""
    with pytest.raises(IllegalTransition):
        RECORD.moved(S.COMPLETED, AT).moved(S.FAILED, AT)


@pytest.mark.parametrize("status", S)
def test_open_is_what_a_sweep_looks_for(status):
    """A record is open in the open states and in no other."""
    assert replace(RECORD, status=status).is_open == (status in OPEN_STATUSES)


def test_the_owner_is_id_gateway_and_fence():
    """Whoever takes a record over is another owner."""
    assert RECORD.owner == Owner(LogId("01"), GatewayId("gw-1"), 1)
    assert replace(RECORD, fence=2).owner != RECORD.owner


def test_a_query_asks_for_every_direction_unless_told():
    """The plainest query is for the newest hundred of all."""
    assert TransferQuery() == TransferQuery(limit=100, directions=frozenset(Direction))
