"""ARNs of servers and users, as Transfer Family forms them."""

from __future__ import annotations

import re
from dataclasses import dataclass

# AWS General Reference, "Amazon Resource Names": partitions, by how their Regions begin.
_PARTITIONS = (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"))
_RESOURCE = re.compile(r"server/(?P<server>[^/]+)|user/(?P<of>[^/]+)/(?P<user>[^/]+)")


@dataclass(frozen=True, slots=True)
class Named:
    """What an ARN names: a server, or one of its users."""

    server_id: str
    user_name: str | None = None


@dataclass(frozen=True, slots=True)
class Arns:
    """The ARNs of one account in one Region."""

    region: str
    account_id: str

    def server(self, server_id: str) -> str:
        return f"{self._start}server/{server_id}"

    def user(self, server_id: str, user_name: str) -> str:
        return f"{self._start}user/{server_id}/{user_name}"

    def host_key(self, server_id: str, host_key_id: str) -> str:
        return f"{self._start}host-key/{server_id}/{host_key_id}"

    def named(self, arn: str) -> Named | None:
        """Return what the ARN names; None if it is no server or user of this account and Region."""
        found = _RESOURCE.fullmatch(arn.removeprefix(self._start)) if arn.startswith(self._start) else None
        if found is None:
            return None
        return Named(found["server"] or found["of"], found["user"])

    @property
    def _start(self) -> str:
        partition = next((name for start, name in _PARTITIONS if self.region.startswith(start)), "aws")
        return f"arn:{partition}:transfer:{self.region}:{self.account_id}:"
