"""What is kept of the server that the gateways of one configuration are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tidegate.core.servers import Server
from tidegate.core.tags import tagged, untagged
from tidegate.ports.directory import UserDirectory


class ServerRecord:
    """One server in the directory."""

    def __init__(self, directory: UserDirectory, server_id: str) -> None:
        self._directory = directory
        self.server_id = server_id

    async def get(self) -> Server:
        """Return it. Raises `NotFound`."""
        return await self._directory.server(self.server_id)

    async def tag(self, tags: Iterable[tuple[str, str]]) -> Server:
        """Add tags, or give them other values. Raises `NotFound`, `InvalidName`."""
        added = tuple(tags)
        return await self._directory.change_server(
            self.server_id, lambda server: replace(server, tags=tagged(server.tags, added))
        )

    async def untag(self, keys: Iterable[str]) -> Server:
        """Take tags away; one that is not there is no error. Raises `NotFound`."""
        gone = frozenset(keys)
        return await self._directory.change_server(
            self.server_id, lambda server: replace(server, tags=untagged(server.tags, gone))
        )
