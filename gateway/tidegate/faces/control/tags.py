"""Operations on tags, of whatever has some."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from tidegate.core.arns import Arns, Named, ResourceKind
from tidegate.core.tags import Tags, tagged, untagged
from tidegate.faces.control.api import Members, Operation
from tidegate.faces.control.errors import ApiError, about, invalid
from tidegate.faces.control.paging import cut
from tidegate.faces.control.servers import tag_members, tags_in
from tidegate.services.host_keys import HostKeyRing
from tidegate.services.servers import Servers
from tidegate.services.users import Users
from tidegate.services.workflows import Workflows


class Tagged(Protocol):
    """One resource that has tags. Every method raises `NotFound` if it is not there."""

    async def tags(self) -> Tags: ...

    async def tag(self, tags: Tags) -> object:
        """Add tags, or give them other values. Raises `InvalidName`."""
        ...

    async def untag(self, keys: list[str]) -> object:
        """Take tags away; one that is not there is no error."""
        ...


# Finds what an ARN names; raises `ApiError` for a resource of a server that is not there.
FindTagged: TypeAlias = Callable[[Named], Tagged]


class TagOperations:
    """
    Operations of the API on tags; a resource is named by its ARN.

    Args:
        kinds: What is found where. A kind that is not in it has no tags here.
    """

    def __init__(self, arns: Arns, kinds: Mapping[ResourceKind, FindTagged]) -> None:
        self._arns = arns
        self._kinds = kinds

    def operations(self) -> dict[str, Operation]:
        return {
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list,
        }

    async def _tag(self, request: Members) -> None:
        named, resource = self._found(request["Arn"])
        with about(named.kind, named.name):
            await resource.tag(tags_in(request["Tags"]))

    async def _untag(self, request: Members) -> None:
        named, resource = self._found(request["Arn"])
        with about(named.kind, named.name):
            await resource.untag(request["TagKeys"])

    async def _list(self, request: Members) -> Members:
        arn = request["Arn"]
        try:
            found = await self._tags(arn)
        except ApiError as error:
            # The one operation that has no word for what is not there.
            raise invalid(f"{error.text}: {arn}") from error
        tags, token = cut(found, request, f"ListTagsForResource {arn}", lambda tag: tag[0])
        return {"Arn": arn, "Tags": tag_members(tuple(tags)), "NextToken": token}

    async def _tags(self, arn: str) -> Tags:
        named, resource = self._found(arn)
        with about(named.kind, named.name):
            return await resource.tags()

    def _found(self, arn: str) -> tuple[Named, Tagged]:
        named = self._arns.named(arn)
        find = self._kinds.get(named.kind) if named else None
        if named is None or find is None:
            raise invalid(f"{arn} is the ARN of nothing that has tags at this endpoint")
        return named, find(named)


@dataclass(frozen=True, slots=True)
class TaggedBy:
    """One resource by the three things that can be done with its tags."""

    read: Callable[[], Awaitable[Tags]]
    add: Callable[[Tags], Awaitable[object]]
    remove: Callable[[list[str]], Awaitable[object]]

    async def tags(self) -> Tags:
        return await self.read()

    async def tag(self, tags: Tags) -> object:
        return await self.add(tags)

    async def untag(self, keys: list[str]) -> object:
        return await self.remove(keys)


def tagged_server(servers: Servers) -> FindTagged:
    """Return what finds servers."""

    def find(named: Named) -> Tagged:
        async def tags() -> Tags:
            return (await servers.get(named.name)).tags

        return TaggedBy(
            tags, lambda added: servers.tag(named.name, added), lambda keys: servers.untag(named.name, keys)
        )

    return find


def tagged_user(servers: Servers, users_of: Callable[[str], Users]) -> FindTagged:
    """Return what finds users of servers that are there."""

    def find(named: Named) -> Tagged:
        async def users() -> Users:
            return users_of(await _known_server(servers, named))

        async def tags() -> Tags:
            return (await (await users()).get(named.name)).tags

        async def tag(added: Tags) -> object:
            return await (await users()).tag(named.name, added)

        async def untag(keys: list[str]) -> object:
            return await (await users()).untag(named.name, keys)

        return TaggedBy(tags, tag, untag)

    return find


def tagged_host_key(servers: Servers, ring_of: Callable[[str], HostKeyRing]) -> FindTagged:
    """Return what finds host keys of servers that are there."""

    def find(named: Named) -> Tagged:
        async def ring() -> HostKeyRing:
            return ring_of(await _known_server(servers, named))

        async def tags() -> Tags:
            return (await (await ring()).get(named.name)).tags

        async def change(change: Callable[[Tags], Tags]) -> object:
            kept = await ring()
            return await kept.change(named.name, lambda key: replace(key, tags=change(key.tags)))

        return TaggedBy(
            tags,
            lambda added: change(lambda there: tagged(there, added)),
            lambda keys: change(lambda there: untagged(there, keys)),
        )

    return find


def tagged_workflow(workflows: Workflows) -> FindTagged:
    """Return what finds workflows."""

    def find(named: Named) -> Tagged:
        async def tags() -> Tags:
            return (await workflows.get(named.name)).tags

        return TaggedBy(
            tags,
            lambda added: workflows.tag(named.name, added),
            lambda keys: workflows.untag(named.name, keys),
        )

    return find


async def _known_server(servers: Servers, named: Named) -> str:
    with about("Server", named.server_id):
        return (await servers.get(named.server_id)).server_id
