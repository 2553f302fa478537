"""How open work is spread: one partition of the index would be a hot one."""

from __future__ import annotations

import zlib

SHARD_COUNT = 16


def shard_of(log_id: str) -> int:
    """Return the shard, 0 to 15, of every item of this LogID: the same in every process and release."""
    # Not hash(): that differs between processes, and rows already written would not be found again.
    return zlib.crc32(log_id.encode()) % SHARD_COUNT
