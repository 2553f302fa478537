"""Operations on the host keys of servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from tidegate.core.arns import Arns
from tidegate.core.errors import AlreadyExists, InvalidKey, InvalidSettings, NotFound
from tidegate.core.host_keys import HostKey
from tidegate.core.server_members import check_host_key_storage
from tidegate.faces.control.api import Members, Operation
from tidegate.faces.control.errors import about, invalid
from tidegate.faces.control.paging import cut
from tidegate.faces.control.servers import known_server, tag_members, tags_in
from tidegate.services.host_keys import HostKeyRing
from tidegate.services.servers import Servers


class HostKeyOperations:
    """
    Operations of the API on host keys.

    Args:
        ring_of: The host keys of a server; raises `InvalidSettings` where they are not in the directory.
        kms_key_arn: What they are encrypted under.
    """

    def __init__(
        self,
        servers: Servers,
        ring_of: Callable[[str], HostKeyRing],
        kms_key_arn: Callable[[], Awaitable[str]],
        arns: Arns,
    ) -> None:
        self._servers = servers
        self._ring_of = ring_of
        self._kms_key_arn = kms_key_arn
        self._arns = arns

    def operations(self) -> dict[str, Operation]:
        return {
            "ImportHostKey": self._import,
            "DescribeHostKey": self._describe,
            "ListHostKeys": self._list,
            "UpdateHostKey": self._update,
            "DeleteHostKey": self._delete,
        }

    async def _import(self, request: Members) -> Members:
        server_id, ring = await self._ring(request)
        tags = tags_in(request.get("Tags", []))
        check_host_key_storage(request.get("StorageType"), request.get("KmsKey"))
        with about("HostKey", server_id), _readable():
            arn = await self._kms_key_arn()
            async with self._told(server_id):
                key = await ring.bring(request["HostKeyBody"], arn, request.get("Description", ""), tags)
        return {"ServerId": server_id, "HostKeyId": key.host_key_id}

    async def _describe(self, request: Members) -> Members:
        server_id, ring = await self._ring(request)
        with about("HostKey", request["HostKeyId"]):
            key = await ring.get(request["HostKeyId"])
        described = {
            **self._common(server_id, key),
            "HostKeyFingerprint": key.fingerprint,
            "Tags": tag_members(key.tags),
        }
        return {"HostKey": described}

    async def _list(self, request: Members) -> Members:
        server_id, ring = await self._ring(request)
        page, token = cut(
            await ring.kept(), request, f"ListHostKeys {server_id}", lambda key: key.host_key_id
        )
        listed = [{**self._common(server_id, key), "Fingerprint": key.fingerprint} for key in page]
        return {"ServerId": server_id, "HostKeys": listed, "NextToken": token}

    async def _update(self, request: Members) -> Members:
        server_id, ring = await self._ring(request)
        host_key_id, said = request["HostKeyId"], request.get("Description")
        check_host_key_storage(request.get("StorageType"), request.get("KmsKey"))
        with about("HostKey", host_key_id):
            await ring.change(
                host_key_id, lambda key: replace(key, description=key.description if said is None else said)
            )
        return {"ServerId": server_id, "HostKeyId": host_key_id}

    async def _delete(self, request: Members) -> None:
        server_id, ring = await self._ring(request)
        with about("HostKey", request["HostKeyId"]), _readable():
            async with self._told(server_id):
                await ring.remove(request["HostKeyId"])

    @asynccontextmanager
    async def _told(self, server_id: str) -> AsyncIterator[None]:
        """
        Let gateways know of a key that came or went: also of one that had, when a request comes again.

        The first time they may not have been told, and nobody would tell them ever after.
        """
        try:
            yield
        except (AlreadyExists, NotFound):
            await self._servers.host_keys_changed(server_id)
            raise
        await self._servers.host_keys_changed(server_id)

    async def _ring(self, request: Members) -> tuple[str, HostKeyRing]:
        server = await known_server(self._servers, request)
        try:
            return server.server_id, self._ring_of(server.server_id)
        except InvalidSettings as error:
            raise invalid(str(error)) from error

    def _common(self, server_id: str, key: HostKey) -> Members:
        return {
            "Arn": self._arns.host_key(server_id, key.host_key_id),
            "HostKeyId": key.host_key_id,
            "Description": key.description or None,
            "Type": key.type,
            "DateImported": key.imported_at,
        }


@contextmanager
def _readable() -> Iterator[None]:
    """Answer what is wrong with a host key: elsewhere the same error is about a user's key."""
    try:
        yield
    except (InvalidKey, InvalidSettings) as error:
        raise invalid(str(error)) from error
