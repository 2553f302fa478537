"""How many users a server has, without counting them for each one that is added."""

from __future__ import annotations

from tidegate.core.errors import InvalidName
from tidegate.core.limits import TRANSFER_USERS_PER_SERVER
from tidegate.ports.clock import Clock
from tidegate.ports.directory import UserDirectory

_GOOD_FOR_SECONDS = 300.0
# So near to the limit each addition counts anew: others may have added some meanwhile.
_NEAR = 500


class UserCounts:
    """Keeps the quota of users for each server. Two gateways at its very end may go over it by a few."""

    def __init__(
        self, directory: UserDirectory, clock: Clock, limit: int = TRANSFER_USERS_PER_SERVER
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._limit = limit
        self._counts: dict[str, tuple[int, float]] = {}

    async def make_room(self, server_id: str) -> None:
        """Note that a user is about to be added. Raises `InvalidName` if there are as many as can be."""
        now = self._clock.monotonic()
        count, at = self._counts.get(server_id, (self._limit, now))
        if count >= self._limit - _NEAR or now - at > _GOOD_FOR_SECONDS:
            count, at = await self._counted(server_id), now
        if count >= self._limit:
            raise InvalidName(f"server {server_id} has {count:,} users, the most it can have")
        self._counts[server_id] = (count + 1, at)

    async def _counted(self, server_id: str) -> int:
        count = 0
        async for _ in self._directory.users(server_id):
            count += 1
        return count
