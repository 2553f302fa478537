"""The servers of a directory: those of gateways' configurations, and those that the Transfer API made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tidegate.core.servers import Server


class ServerDirectory(Protocol):
    """
    Servers. Reads are strongly consistent, writes conditional, as `UserDirectory` has them.

    Every method may raise `StoreUnavailable` or `AccessDenied`.
    """

    async def register_server(self, server_id: str) -> None:
        """Note that a gateway's configuration names this server. Idempotent; one that is there stays."""
        ...

    async def add_server(self, server: Server) -> None:
        """Write a new server. Raises `AlreadyExists`."""
        ...

    async def server(self, server_id: str) -> Server:
        """Return the server. Raises `NotFound`."""
        ...

    async def servers(self) -> list[Server]:
        """Return all servers, in order of their ids."""
        ...

    async def server_ids(self) -> list[str]:
        """Return the ids of all servers, in order."""
        ...

    async def change_server(self, server_id: str, change: Callable[[Server], Server]) -> Server:
        """
        Put what `change` makes of the server in its place, and return it; its revocations stay.

        `change` is called again if somebody else changed it meanwhile. Raises `NotFound`, and what it raises.
        """
        ...

    async def remove_server(self, server_id: str) -> None:
        """
        Remove the server, then all that is its own: users, keys, host keys. Raises `NotFound`.

        Nobody finds the server from the first moment on; repeated after a fault, the rest goes too.
        """
        ...
