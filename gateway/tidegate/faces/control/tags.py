"""Operations on the tags of servers and users."""

from __future__ import annotations

from tidegate.core.arns import Arns, Named
from tidegate.core.tags import Tags
from tidegate.faces.control.api import Members, Operation
from tidegate.faces.control.errors import ApiError, about, invalid, unknown
from tidegate.faces.control.paging import cut
from tidegate.faces.control.servers import tag_members, tags_in
from tidegate.services.servers import ServerRecord
from tidegate.services.users import Users


class TagOperations:
    """Operations of the API on tags; a resource is named by its ARN."""

    def __init__(self, record: ServerRecord, users: Users, arns: Arns) -> None:
        self._record = record
        self._users = users
        self._arns = arns

    def operations(self) -> dict[str, Operation]:
        return {
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list,
        }

    async def _tag(self, request: Members) -> None:
        named, tags = self._named(request["Arn"]), tags_in(request["Tags"])
        with about(*_resource(named)):
            if named.user_name is None:
                await self._record.tag(tags)
            else:
                await self._users.tag(named.user_name, tags)

    async def _untag(self, request: Members) -> None:
        named, keys = self._named(request["Arn"]), request["TagKeys"]
        with about(*_resource(named)):
            if named.user_name is None:
                await self._record.untag(keys)
            else:
                await self._users.untag(named.user_name, keys)

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
        named = self._named(arn)
        with about(*_resource(named)):
            if named.user_name is None:
                return (await self._record.get()).tags
            return (await self._users.get(named.user_name)).tags

    def _named(self, arn: str) -> Named:
        named = self._arns.named(arn)
        if named is None:
            raise invalid(f"{arn} is the ARN of no server or user that this endpoint serves")
        if named.server_id != self._record.server_id:
            raise unknown("Server", named.server_id)
        return named


def _resource(named: Named) -> tuple[str, str]:
    return ("Server", named.server_id) if named.user_name is None else ("User", named.user_name)
