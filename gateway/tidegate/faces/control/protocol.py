"""
AWS JSON 1.1 at the border: which requests are for Transfer Family, and how it answers.

Until the Transfer API is offered, every operation is answered by a proper AWS error that says so:
never by an emulator's half of it, whose servers nobody could log in to.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

_TARGET_PREFIX = "TransferService."
_SCOPE = re.compile(r"Credential=[^,\s]*/transfer/aws4_request", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: str
    body: dict[str, Any]
    headers: dict[str, str]


def is_transfer_request(target: str, authorization: str) -> bool:
    """
    Tell whether a request is for Transfer Family.

    Args:
        target: The header X-Amz-Target.
        authorization: The header Authorization; its credential scope names the service.
    """
    return target.startswith(_TARGET_PREFIX) or _SCOPE.search(authorization) is not None


def transfer_answer(target: str) -> Answer:
    """Return the answer to a Transfer Family request."""
    operation = target.removeprefix(_TARGET_PREFIX) or "This operation"
    message = (
        f"{operation} is not offered by this version of tidegate. "
        "Manage partners and keys with: tidegate partners, tidegate keys."
    )
    return Answer(
        "501 Not Implemented",
        {"__type": "NotImplementedException", "Message": message},
        {
            "Content-Type": "application/x-amz-json-1.1",
            "x-amzn-RequestId": str(uuid.uuid4()),
            "x-amzn-ErrorType": "NotImplementedException",
        },
    )
