"""A request of the Transfer API that is carried out, and words that tables of them share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Members = dict[str, Any]

ACCOUNT, REGION = "123456789012", "us-east-1"
EXECUTION = "00000000-0000-4000-8000-000000000000"
UNKNOWN_SERVER, UNKNOWN_WORKFLOW = "s-ffffffffffffffff0", "w-ffffffffffffffff0"
POLICY = '{"Version":"2012-10-17","Statement":[]}'
LOGS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/sftp:*"
TAG: Members = {"Key": "team", "Value": "blue"}
ENDPOINT: Members = {"Key": "tidegate:sftp-endpoint", "Value": "127.0.0.1:2222"}
SERVER_ID = {"ServerId": "@server"}
ACME: Members = SERVER_ID | {"UserName": "acme"}
BOB: Members = SERVER_ID | {"UserName": "bob"}
HOST_KEY: Members = SERVER_ID | {"HostKeyId": "@host-key"}
WORKFLOW = {"WorkflowId": "@workflow"}
NEW_SERVER = {"ServerId": "@new"}


@dataclass(frozen=True)
class Success:
    """
    A request that is carried out.

    Args:
        answer: The whole of it.
        look: An operation and its members, asked next; `@new` is what was made.
        seen: All that it answers, or the name of the error.
        before: Operations and members that are carried out first.
    """

    operation: str
    members: Members
    answer: Any
    look: tuple[str, Members] | None = None
    seen: Any = None
    before: tuple[tuple[str, Members], ...] = ()
    about: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        return f"{self.operation} {self.about}".strip()
