"""What a finished upload owes, and the states of a delivery."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.deliveries import (
    TERMINAL_STATUSES,
    TRANSITIONS,
    Delivery,
    DeliveryStatus,
    DeliveryTarget,
    advance,
    backoff,
    owed,
)
from tidegate.core.errors import IllegalTransition
from tidegate.core.ids import LogId
from tidegate.core.objects import Location

S = DeliveryStatus
NOW = datetime(2026, 3, 9, 14, 5, 59, tzinfo=UTC)
SOURCE = Location("landing", "acme/in/ä b.csv")


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


def test_what_is_final():
    """A delivery that is dead or held can still be asked for: it must not expire."""
    assert {S.DELIVERED, S.SUPERSEDED, S.DISCARDED} == TERMINAL_STATUSES


def test_a_failed_attempt_leaves_it_pending():
    """PENDING leads to itself: the next attempt is due later."""
    assert S.PENDING in TRANSITIONS[S.PENDING]


def test_one_delivery_a_target():
    """Each target is owed exactly this version, at the place its prefix says, from now on."""
    targets = (
        DeliveryTarget("archive", "archive-bucket", "2026/", "key-1"),
        DeliveryTarget("lake", "lake-bucket", "", None),
    )
    first, second = owed(LogId("01"), SOURCE, "v1", '"e1"', targets, NOW)
    assert first == Delivery(
        log_id=LogId("01"),
        target="archive",
        status=S.PENDING,
        source=SOURCE,
        version_id="v1",
        etag='"e1"',
        destination=Location("archive-bucket", "2026/acme/in/ä b.csv"),
        timestamp=NOW,
        due_at=NOW,
    )
    assert (second.target, second.destination) == ("lake", Location("lake-bucket", SOURCE.key))


def test_nothing_is_owed_without_targets():
    """No targets, no deliveries."""
    assert owed(LogId("01"), SOURCE, None, '"e1"', (), NOW) == ()


def test_the_pause_doubles_up_to_a_quarter_of_an_hour():
    """Without jitter the pauses are 1, 2, 4 … 512 and then 900 seconds."""
    pauses = [backoff(attempts, 0).total_seconds() for attempts in range(1, 13)]
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


@given(st.integers(0, 100_000), st.floats(0, 1))
def test_jitter_takes_away_up_to_half(attempts, jitter):
    """However often it failed, the pause is between half of the plain one and all of it."""
    plain = backoff(attempts, 0)
    assert plain / 2 <= backoff(attempts, jitter) <= plain <= timedelta(minutes=15)


def test_the_pause_never_shrinks():
    """A later attempt waits at least as long as an earlier one with the same jitter."""
    pauses = [backoff(attempts, 0.7) for attempts in range(2000)]
    assert all(earlier <= later for earlier, later in pairwise(pauses))
