"""What decides about sessions: roles as IAM has them, and stores that act for a role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tidegate.core.iam.roles import RoleDocuments
from tidegate.ports.objects import ObjectStore


class RoleBook(Protocol):
    """Reads roles."""

    async def role(self, arn: str) -> RoleDocuments:
        """Return what IAM has. Raises `NotFound`: it knows no role of this ARN; `StoreUnavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class AssumedSession:
    """
    What a role is assumed for.

    Args:
        role: Its ARN.
        policy: The session policy as STS takes it; None: the role alone decides.
        name: What the session is called in CloudTrail: 2 to 64 characters of STS's.
    """

    role: str
    policy: str | None
    name: str


class RoleAssumer(Protocol):
    """Assumes roles for sessions."""

    async def assume(self, wanted: AssumedSession) -> ObjectStore:
        """
        Return a store that acts for the role, and takes new credentials before the old ones end.

        Raises:
            AccessDenied: The role may not be assumed, or STS does not take the policy. `hint` says what is
                to be added where.
            StoreUnavailable: STS did not answer.
        """
        ...

    async def release(self, store: ObjectStore) -> None:
        """Let go of the connections of a store that was returned. What is under way still ends."""
        ...
