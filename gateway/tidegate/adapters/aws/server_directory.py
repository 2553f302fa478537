"""The servers of a directory in DynamoDB."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.directory_table import ABSENT, DirectoryTable
from tidegate.adapters.aws.items import Item
from tidegate.adapters.aws.server_items import (
    FIRST,
    LAST,
    PARTITION,
    new_revision,
    server_item,
    server_members,
    server_of,
)
from tidegate.core.errors import AlreadyExists, ChangedMeanwhile, NotFound
from tidegate.core.servers import Server

# Rivals that change one row this often in a row are not people.
TRIES = 5
# Every entry of a server's own partition lies between these.
_ALL = ("!", "~")


class DynamoServerDirectory:
    """The port `ServerDirectory` over the directory table."""

    def __init__(self, clients: AwsClients, table_name: str) -> None:
        self._table = DirectoryTable(clients, table_name)

    async def register_server(self, server_id: str) -> None:
        with suppress(ChangedMeanwhile):  # it is there, perhaps changed since
            await self._table.put(server_item(Server.configured(server_id)), ABSENT)

    async def add_server(self, server: Server) -> None:
        row = server_item(server)
        try:
            # Our own row, sent again after a lost answer, has our revision.
            await self._table.put(row, f"{ABSENT} OR Revision = :own", own=row["Revision"])
        except ChangedMeanwhile as error:
            raise AlreadyExists(f"there is a server {server.server_id} already") from error

    async def server(self, server_id: str) -> Server:
        return server_of(await self._server_row(server_id))

    async def servers(self) -> list[Server]:
        return [server_of(row) async for row in self._table.rows(PARTITION, FIRST, LAST)]

    async def server_ids(self) -> list[str]:
        return [server.server_id for server in await self.servers()]

    async def change_server(self, server_id: str, change: Callable[[Server], Server]) -> Server:
        for _ in range(TRIES):
            row, after = await self._server_row(server_id), new_revision()
            before = server_of(row)
            changed = replace(change(before), revocations=before.revocations)
            with suppress(ChangedMeanwhile):
                await self._table.change(
                    row,
                    {**server_members(changed), "Revision": after},
                    "Revision IN (:before, :after)",
                    after=after,
                    before=row["Revision"],
                )
                return changed
        raise ChangedMeanwhile(f"server {server_id} is being changed by others all the time")

    async def remove_server(self, server_id: str) -> None:
        was_there = await self._table.delete_now(PARTITION, server_id)
        found = [row["Entry"] async for row in self._table.rows(server_id, *_ALL)]
        for entry in found:
            await self._table.delete_now(server_id, entry)
        if not was_there and not found:
            raise _no_server(server_id)

    async def _note_revocation(self, server_id: str) -> None:
        """Let the gateways of a server know that somebody may not log in any more who could."""
        with suppress(ChangedMeanwhile):  # nobody listens for a server that is not there
            await self._table.count_on(PARTITION, server_id, "Revocations")

    async def _server_row(self, server_id: str) -> Item:
        row = await self._table.row(PARTITION, server_id)
        if row is None:
            raise _no_server(server_id)
        return row


def _no_server(server_id: str) -> NotFound:
    return NotFound(f"there is no server {server_id}")
