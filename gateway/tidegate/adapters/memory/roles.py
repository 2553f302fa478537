"""Roles in memory: what IAM would say of them, and stores that act for them."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.core.errors import AccessDenied, NotFound
from tidegate.core.iam.roles import RoleDocuments
from tidegate.ports.objects import ObjectStore
from tidegate.ports.rights import AssumedSession


class MemoryRoleBook:
    """The `RoleBook` port for tests."""

    def __init__(self, roles: Iterable[RoleDocuments] = ()) -> None:
        self._roles = {role.arn: role for role in roles}

    async def role(self, arn: str) -> RoleDocuments:
        if arn not in self._roles:
            raise NotFound(f"there is no role {arn}")
        return self._roles[arn]


class MemoryRoleAssumer:
    """
    The `RoleAssumer` port for tests.

    Args:
        stores: By role, what acts for it; other roles are not assumed.

    Attributes:
        asked: What was asked so far.
        released: The stores that were let go of.
    """

    def __init__(self, stores: dict[str, ObjectStore]) -> None:
        self._stores = stores
        self.asked: list[AssumedSession] = []
        self.released: list[ObjectStore] = []

    async def assume(self, wanted: AssumedSession) -> ObjectStore:
        self.asked.append(wanted)
        if wanted.role not in self._stores:
            raise AccessDenied(f"the gateway may not assume {wanted.role}")
        return self._stores[wanted.role]

    async def release(self, store: ObjectStore) -> None:
        self.released.append(store)
