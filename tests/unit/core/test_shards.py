"""Shards of the open-work index."""

from __future__ import annotations

from tidegate.core.ids import new_log_id
from tidegate.core.shards import SHARD_COUNT, shard_of
from tidegate.ports.transfer_log import OPEN_WORK_SHARDS


def test_is_the_same_in_every_release():
    """Rows written by an older release are looked for in the shard they were written to."""
    assert [shard_of(log_id) for log_id in ("", "a", "01j9zq3m7v0000000000000001")] == [0, 3, 6]


def test_uses_every_shard():
    """Ids of one moment spread over all shards, and over no others."""
    shards = {shard_of(new_log_id(1_700_000_000_000)) for _ in range(2000)}
    assert shards == set(range(SHARD_COUNT))


def test_count_is_what_the_port_says():
    """A worker that goes through the port's shards meets every item."""
    assert SHARD_COUNT == OPEN_WORK_SHARDS
