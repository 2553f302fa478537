"""
The directory of users and keys at a Transfer endpoint: AWS's own, or another gateway's.

What is kept there is Transfer Family's: ids of keys are the endpoint's, a user has no time of creation, and
what it has no place for is refused by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from botocore.exceptions import ParamValidationError

from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.transfer_members import (
    Members,
    creation,
    server_of,
    server_update,
    tag_changes,
    user_of,
    user_update,
)
from tidegate.core.errors import AlreadyExists, GatewayError, InvalidName, NotFound, Unsupported
from tidegate.core.ids import KeyId
from tidegate.core.servers import Server
from tidegate.core.users import Home, SshPublicKey, User

# As many as AwsClients has threads for.
_AT_ONCE = 8


class TransferUserDirectory:
    """
    The port `UserDirectory` over the Transfer Family API.

    Less than the port promises, since the API has no conditions:

    * `change_user`, `set_home` and `change_server` read, change and write what differs. Of two who change one
      member at once the later wins; members that only one of them changes are kept.
    * A change of members and of tags is two requests: the first may take effect without the second.
    * A user with several keys is made with the first; if another is refused, the user is removed again.
    * The times of keys are those of their import here, and come back in whole seconds from AWS.
    * Servers are not made here: `register_server` only looks whether there is one.

    Raises, beside what the port says: `Unsupported` for what Transfer Family cannot hold, and for operations
    that the endpoint does not offer; `Throttled` once adaptive retries have not helped.
    """

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    # --- servers --------------------------------------------------------------------------------

    async def register_server(self, server_id: str) -> None:
        try:
            await self._server(server_id)
        except NotFound as error:
            raise NotFound(error.detail, hint="make it first, by CreateServer") from error

    async def add_server(self, server: Server) -> None:
        """Refuse: `Unsupported`. CreateServer gives ids, and takes none."""
        raise Unsupported(
            f"the server {server.server_id} cannot be made at a Transfer endpoint under an id of ours",
            hint="make one by CreateServer",
        )

    async def remove_server(self, server_id: str) -> None:
        """Refuse: `Unsupported`. With a server go all its users, which nobody asks for by a file of users."""
        raise Unsupported(f"the server {server_id} is not removed here", hint="remove it by DeleteServer")

    async def servers(self) -> list[Server]:
        """Return all servers, in order of their ids."""
        return [await self.server(server_id) for server_id in await self.server_ids()]

    async def server(self, server_id: str) -> Server:
        return server_of(await self._server(server_id))

    async def change_server(self, server_id: str, change: Callable[[Server], Server]) -> Server:
        members = await self._server(server_id)
        there = server_of(members)
        changed = replace(change(there), server_id=server_id)
        if update := server_update(there, changed):
            await self._update_server(server_id, update)
        await self._retag(members["Arn"], there, changed)
        return changed

    async def server_ids(self) -> list[str]:
        found = await self._clients.run(lambda: list(self._pages("list_servers", "Servers")))
        return sorted(members["ServerId"] for members in found)

    # --- workflows ------------------------------------------------------------------------------

    async def workflow(self, workflow_id: str) -> Members:
        """Return what DescribeWorkflow tells of a workflow. Raises `NotFound`, `Unsupported`."""
        answer = await self._call("describe_workflow", WorkflowId=workflow_id)
        members: Members = answer["Workflow"]
        return members

    async def workflow_ids(self) -> list[str]:
        """Return the ids of all workflows, in order. Raises `Unsupported`."""
        found = await self._clients.run(lambda: list(self._pages("list_workflows", "Workflows")))
        return sorted(members["WorkflowId"] for members in found)

    async def make_workflow(self, members: Members) -> str:
        """Make a workflow of what CreateWorkflow takes, and return its id. Raises `InvalidName`."""
        answer = await self._call("create_workflow", **members)
        return str(answer["WorkflowId"])

    # --- users ----------------------------------------------------------------------------------

    async def user(self, server_id: str, user_name: str) -> User:
        return user_of(server_id, await self._user(server_id, user_name))

    async def users(self, server_id: str, after: str = "") -> AsyncIterator[User]:
        try:
            listed = await self._clients.run(
                lambda: [each["UserName"] for each in self._pages("list_users", "Users", ServerId=server_id)]
            )
        except NotFound:
            # The port asks nobody to register a server before it is listed.
            return
        names = sorted(name for name in listed if name > after)
        for start in range(0, len(names), _AT_ONCE):
            # All of them are waited for, so that none is left behind when one fails.
            found = await asyncio.gather(
                *(self.user(server_id, name) for name in names[start : start + _AT_ONCE]),
                return_exceptions=True,
            )
            for user in found:
                if isinstance(user, User):
                    yield user
                elif not isinstance(user, NotFound):  # else it was removed meanwhile
                    raise user

    async def add_user(self, user: User) -> None:
        if len({key.fingerprint for key in user.keys}) < len(user.keys):
            raise AlreadyExists(f"user {user.user_name} of server {user.server_id} is given one key twice")
        await self._call("create_user", ServerId=user.server_id, **creation(user))
        try:
            for key in user.keys[1:]:
                await self.add_key(user.server_id, user.user_name, key)
        except GatewayError:
            with suppress(GatewayError):  # what went wrong is said by the first error
                await self.remove_user(user.server_id, user.user_name)
            raise

    async def set_home(self, server_id: str, user_name: str, home: Home) -> None:
        await self.change_user(server_id, user_name, lambda user: replace(user, home=home))

    async def change_user(self, server_id: str, user_name: str, change: Callable[[User], User]) -> User:
        members = await self._user(server_id, user_name)
        there = user_of(server_id, members)
        changed = replace(
            change(there),
            server_id=server_id,
            user_name=user_name,
            created_at=there.created_at,
            keys=there.keys,
        )
        if update := user_update(there, changed):
            await self._call("update_user", ServerId=server_id, UserName=user_name, **update)
        await self._retag(members["Arn"], there, changed)
        return changed

    async def remove_user(self, server_id: str, user_name: str) -> None:
        await self._call("delete_user", ServerId=server_id, UserName=user_name)

    # --- keys -----------------------------------------------------------------------------------

    async def add_key(self, server_id: str, user_name: str, key: SshPublicKey) -> None:
        """Add a key; its id is the endpoint's, and that of `key` is not looked at."""
        await self._call(
            "import_ssh_public_key", ServerId=server_id, UserName=user_name, SshPublicKeyBody=key.line
        )

    async def remove_key(self, server_id: str, user_name: str, key_id: KeyId) -> None:
        await self._call(
            "delete_ssh_public_key", ServerId=server_id, UserName=user_name, SshPublicKeyId=key_id
        )

    # --- requests -------------------------------------------------------------------------------

    async def _update_server(self, server_id: str, update: Members) -> None:
        try:
            await self._call("update_server", ServerId=server_id, **update)
        except Unsupported as error:
            members = ", ".join(update)
            raise Unsupported(
                f"the endpoint does not let settings of a server be changed ({members}): {error.detail}",
                hint="leave them out of `server` in the file",
            ) from error

    async def _server(self, server_id: str) -> Members:
        answer = await self._call("describe_server", ServerId=server_id)
        members: Members = answer["Server"]
        return members

    async def _user(self, server_id: str, user_name: str) -> Members:
        answer = await self._call("describe_user", ServerId=server_id, UserName=user_name)
        members: Members = answer["User"]
        return members

    async def _retag(self, arn: str, there: User | Server, changed: User | Server) -> None:
        gone, new = tag_changes(there.tags, changed.tags)
        if gone:
            await self._call("untag_resource", Arn=arn, TagKeys=gone)
        if new:
            await self._call("tag_resource", Arn=arn, Tags=new)

    async def _call(self, operation: str, **members: Any) -> Members:
        answer: Members = await self._clients.run(self._answer, operation, members)
        return answer

    def _answer(self, operation: str, members: Members) -> Members:
        try:
            answer: Members = getattr(self._clients.transfer, operation)(**members)
        except ParamValidationError as error:
            # Not sent: the model of the API knows that it could not be taken.
            raise InvalidName(f"{operation}: {error}") from error
        return answer

    def _pages(self, operation: str, members: str, **request: Any) -> Iterator[Members]:
        for page in self._clients.transfer.get_paginator(operation).paginate(**request):
            yield from page[members]
