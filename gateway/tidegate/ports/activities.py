"""Where activities are written to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tidegate.core.activities import Activity


@dataclass(frozen=True, slots=True)
class Written:
    """
    What became of a batch.

    Args:
        again: What was not taken, and may be taken if it is sent again.
        lost: How many will never be taken.
        why: Why not, if any were not.
    """

    again: tuple[Activity, ...] = ()
    lost: int = 0
    why: str = ""


class ActivitySink(Protocol):
    """
    One place that activities are written to, by one caller at a time.

    Slow or broken, it holds up nobody: whoever calls it keeps what comes meanwhile, as far as its queue goes.
    """

    @property
    def name(self) -> str:
        """What it is called in the log and in metrics."""
        ...

    @property
    def batch_size(self) -> int:
        """How many it takes at once."""
        ...

    @property
    def linger_seconds(self) -> float:
        """How long more are waited for, once there is one."""
        ...

    def wants(self, activity: Activity) -> bool:
        """Tell whether it would write the activity at all. Quick, and never raises."""
        ...

    async def write(self, batch: Sequence[Activity]) -> Written:
        """
        Write them in their order.

        Raises:
            StoreUnavailable: None was taken, and all may be sent again.
            GatewayError: None was taken, nor would be if it were sent again.
        """
        ...


class MetricSink(Protocol):
    """Where sums of transfers are told at regular times."""

    async def put_sums(self, sums: Mapping[str, Mapping[str, int]]) -> None:
        """
        Tell the sums of each server, by the names of their metrics.

        Raises:
            GatewayError: They were not taken, or not all of them.
        """
        ...
