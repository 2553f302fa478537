"""What a gateway counts of what happens in its sessions."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.core.activities import (
    Activity,
    AuthFailure,
    Changed,
    Closed,
    Connected,
    Disconnected,
    Failed,
    KexFailure,
    Opened,
)
from tidegate.core.metrics import Counter, Family

_DIRECTIONS = {"in": "upload", "out": "download"}


class ActivityCounters:
    """
    Counts activities for Prometheus.

    A partner's name becomes a label only after it has logged in: nobody makes series out of names he tries.
    """

    def __init__(self) -> None:
        self.transfers = Counter(
            "tidegate_transfers_total",
            "Files that were open and are no more, by how that ended.",
            ("server", "partner", "direction", "status"),
        )
        self.bytes = Counter(
            "tidegate_transfer_bytes_total",
            "Bytes of those files.",
            ("server", "partner", "direction"),
        )
        self.operations = Counter(
            "tidegate_operations_total",
            "Operations on files and names that were acknowledged or refused.",
            ("server", "operation", "status"),
        )
        self.logins = Counter(
            "tidegate_logins_total", "Logins, and handshakes that failed.", ("server", "result")
        )

    @property
    def families(self) -> list[Family]:
        return [self.transfers, self.bytes, self.operations, self.logins]

    def note(self, activity: Activity) -> None:
        server = activity.server.server_id
        match activity:
            case Connected():
                self.logins.add(1, server, "accepted")
            case AuthFailure():
                self.logins.add(1, server, "refused")
            case KexFailure():
                self.logins.add(1, server, "no_common_algorithm")
            case Opened() | Changed() | Closed() | Failed():
                self._operation(activity)

    def _operation(self, activity: Opened | Changed | Closed | Failed) -> None:
        server = activity.server.server_id
        match activity:
            case Opened():
                self.operations.add(1, server, "OPEN", "ok")
            case Changed():
                self.operations.add(1, server, activity.operation, "ok")
            case Closed(is_partial=True):
                self._transfer(activity, "partial")
            case Closed():
                self.operations.add(1, server, "CLOSE", "ok")
                self._transfer(activity, "completed")
            case Failed():
                self.operations.add(1, server, activity.operation, "error")
                if activity.operation == "CLOSE":
                    self._transfer(activity, "failed")

    def _transfer(self, activity: Closed | Failed, status: str) -> None:
        if activity.direction:
            who = (activity.server.server_id, activity.visitor.user_name, _DIRECTIONS[activity.direction])
            self.transfers.add(1, *who, status)
            self.bytes.add(activity.size, *who)


@dataclass(slots=True)
class ServerSums:
    """What CloudWatch is told of one server: since it was told last, and how many are connected now."""

    bytes_in: int = 0
    bytes_out: int = 0
    files_in: int = 0
    files_out: int = 0
    connections: int = 0

    def take(self) -> dict[str, int] | None:
        """Return the sums by AWS's names and begin anew; None if nobody was there and nothing happened."""
        sums = {
            "BytesIn": self.bytes_in,
            "BytesOut": self.bytes_out,
            "FilesIn": self.files_in,
            "FilesOut": self.files_out,
        }
        if not self.connections and not any(sums.values()):
            return None
        self.bytes_in = self.bytes_out = self.files_in = self.files_out = 0
        return sums


class TransferSums:
    """Counts what Transfer Family's metrics say: bytes and files of CLOSE, and of what was cut off."""

    def __init__(self) -> None:
        self._servers: dict[str, ServerSums] = {}

    def note(self, activity: Activity) -> None:
        sums = self._servers.setdefault(activity.server.server_id, ServerSums())
        match activity:
            case Connected():
                sums.connections += 1
            case Disconnected():
                sums.connections -= 1
            case Closed(direction="in"):
                sums.bytes_in += activity.size
                sums.files_in += 1
            case Closed():
                sums.bytes_out += activity.size
                sums.files_out += 1

    def take(self) -> dict[str, dict[str, int]]:
        """Return what is to be told, by server, and begin anew."""
        told = {server_id: sums.take() for server_id, sums in self._servers.items()}
        return {server_id: sums for server_id, sums in told.items() if sums is not None}
