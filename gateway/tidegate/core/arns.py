"""ARNs of what Transfer Family has, as it forms them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

# AWS General Reference, "Amazon Resource Names": partitions, by how their Regions begin.
_PARTITIONS = (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"))

# By the words of ResourceType.
ResourceKind: TypeAlias = Literal["Server", "User", "Workflow", "HostKey"]
# No page says how ARNs of host keys are formed: this is how those of users are.
_FORMS = {
    "Server": r"server/(?P<name>[^/]+)",
    "User": r"user/(?P<server>[^/]+)/(?P<name>[^/]+)",
    "Workflow": r"workflow/(?P<name>[^/]+)",
    "HostKey": r"host-key/(?P<server>[^/]+)/(?P<name>[^/]+)",
}


@dataclass(frozen=True, slots=True)
class Named:
    """
    What an ARN names.

    Args:
        name: Its id; of a user the name.
        server_id: The server that it is, or belongs to; empty of a workflow.
    """

    kind: ResourceKind
    name: str
    server_id: str = ""


@dataclass(frozen=True, slots=True)
class Arns:
    """The ARNs of one account in one Region."""

    region: str
    account_id: str

    def server(self, server_id: str) -> str:
        return f"{self._start}server/{server_id}"

    def user(self, server_id: str, user_name: str) -> str:
        return f"{self._start}user/{server_id}/{user_name}"

    def workflow(self, workflow_id: str) -> str:
        return f"{self._start}workflow/{workflow_id}"

    def host_key(self, server_id: str, host_key_id: str) -> str:
        return f"{self._start}host-key/{server_id}/{host_key_id}"

    def named(self, arn: str) -> Named | None:
        """Return what the ARN names; None if it is nothing of the kind in this account and Region."""
        if not arn.startswith(self._start):
            return None
        for kind, form in _FORMS.items():
            found = re.fullmatch(form, arn.removeprefix(self._start))
            if found:
                name, parts = found["name"], found.groupdict()
                server = name if kind == "Server" else parts.get("server", "")
                return Named(cast(ResourceKind, kind), name, server)
        return None

    @property
    def _start(self) -> str:
        partition = next((name for start, name in _PARTITIONS if self.region.startswith(start)), "aws")
        return f"arn:{partition}:transfer:{self.region}:{self.account_id}:"
