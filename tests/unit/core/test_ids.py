"""Identifiers, ours and Transfer Family's."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.ids import (
    key_id_for,
    new_error_id,
    new_gateway_id,
    new_log_id,
    new_server_id,
    new_session_id,
)

MOMENTS = st.integers(0, 2**48 - 1)


@given(MOMENTS, MOMENTS)
def test_log_ids_sort_as_time_passes(earlier, later):
    """An id of an earlier millisecond is less than one of a later, whatever the random rest."""
    if earlier < later:
        assert new_log_id(earlier) < new_log_id(later)


def test_log_ids_of_now():
    """Without a moment the id is one of this millisecond."""
    before = int(time.time() * 1000)
    made = new_log_id()
    after = int(time.time() * 1000)
    assert new_log_id(before)[:10] <= made[:10] <= new_log_id(after)[:10]


@pytest.mark.parametrize(
    ("made", "form"),
    [
        (new_log_id, r"[0-9a-hjkmnp-tv-z]{26}"),
        (new_gateway_id, r"gw-[0-9a-f]{16}"),
        (new_server_id, r"s-[0-9a-f]{17}"),
        (new_session_id, r"[0-9a-f]{16}"),
        (new_error_id, r"[0-9a-f]{8}"),
    ],
)
def test_form_and_chance(made, form):
    """Each kind of id has its form, and a thousand of them are all different."""
    ids = {made() for _ in range(1000)}
    assert all(re.fullmatch(form, each) for each in ids)
    # Error ids are short: that two of a thousand meet has a chance of one in ten thousand.
    assert len(ids) >= 999


def test_a_key_of_a_user_has_one_id():
    """The same pair gives the same id, in every process; another user or key another one."""
    made = key_id_for("acme", "SHA256:abc")
    assert made == "key-0a2f13297845c5da3"
    assert re.fullmatch(r"key-[0-9a-f]{17}", made)
    assert len({made, key_id_for("acme", "SHA256:abd"), key_id_for("acmf", "SHA256:abc")}) == 3


def test_names_and_fingerprints_cannot_be_mixed_up():
    """Where the name ends and the fingerprint begins is part of the id."""
    assert key_id_for("acmeS", "HA256:abc") != key_id_for("acme", "SHA256:abc")
