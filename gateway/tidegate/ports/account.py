"""
An account as `setup` sees it: resources that can be looked at and mended, side by side.

Nothing here deletes, and nothing replaces what somebody else wrote. Looking changes nothing. Methods may
raise `AccessDenied`, `StoreUnavailable` and `Throttled`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tidegate.core.audit import Finding


@dataclass(frozen=True, slots=True)
class Aspect:
    """
    One side of a resource that is there.

    Args:
        what: Its word in findings.
        asks: The IAM actions that looking takes.
        look: Returns what is wrong; nothing if all is well.
        mend: Puts right what `look` found `by_setup`; may be called again. None: a person must.
        takes: The IAM actions that mending takes.
    """

    what: str
    asks: str
    look: Callable[[], Awaitable[Sequence[Finding]]]
    mend: Callable[[], Awaitable[None]] | None = None
    takes: str = ""


class Resource(Protocol):
    """One thing in the account: a bucket, a key, a table, a role, the host keys."""

    @property
    def name(self) -> str:
        """What people call it, such as `bucket example-landing`."""
        ...

    @property
    def asks(self) -> str:
        """Return the IAM actions that `missing` takes."""
        ...

    async def missing(self) -> Finding | None:
        """Return None if it is there; otherwise what to do, `by_setup` if `create` can make it."""
        ...

    async def create(self) -> None:
        """Make it. Its aspects may still be wrong, and are mended after it."""
        ...

    def aspects(self) -> Sequence[Aspect]:
        """Return its sides, in the order in which they are to be mended."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose credentials are used: AWS account id, and the ARN of user or role."""

    account: str
    arn: str
