"""Operations on users and their keys."""

from __future__ import annotations

from collections.abc import Callable

from tidegate.core.arns import Arns
from tidegate.core.user_updates import HomeUpdate, UserUpdate
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType, PosixProfile, User
from tidegate.faces.control.api import Members, Operation
from tidegate.faces.control.errors import about
from tidegate.faces.control.paging import first_of, page_size, place_of
from tidegate.faces.control.servers import tag_members, tags_in, users_in
from tidegate.services.servers import Servers
from tidegate.services.user_counts import UserCounts
from tidegate.services.users import NewUser, Users


class UserOperations:
    """Operations of the API on users."""

    def __init__(
        self, servers: Servers, users_of: Callable[[str], Users], arns: Arns, counts: UserCounts
    ) -> None:
        self._servers = servers
        self._users_of = users_of
        self._arns = arns
        self._counts = counts

    def operations(self) -> dict[str, Operation]:
        return {
            "CreateUser": self._create,
            "DescribeUser": self._describe,
            "ListUsers": self._list,
            "UpdateUser": self._update,
            "DeleteUser": self._delete,
            "ImportSshPublicKey": self._import_key,
            "DeleteSshPublicKey": self._delete_key,
        }

    async def _create(self, request: Members) -> Members:
        users, name = await self._named(request)
        body = request.get("SshPublicKeyBody")
        new = NewUser(
            name,
            _home(_home_update(request)),
            () if body is None else (body,),
            role=request["Role"],
            policy=request.get("Policy", ""),
            posix_profile=_posix_profile(request),
            tags=tags_in(request.get("Tags", [])),
        )
        await self._counts.make_room(users.server_id)
        with about("User", name):
            await users.create(new)
        return _ids(request)

    async def _describe(self, request: Members) -> Members:
        users, name = await self._named(request)
        with about("User", name):
            user = await users.get(name)
        posix = user.posix_profile
        described = {
            **self._common(user),
            "HomeDirectoryMappings": [_mapping_members(each) for each in user.home.mappings] or None,
            "Policy": user.policy or None,
            "PosixProfile": _posix_members(posix) if posix else None,
            "SshPublicKeys": [
                {
                    "DateImported": key.imported_at,
                    "SshPublicKeyBody": key.line,
                    "SshPublicKeyId": key.key_id,
                }
                for key in user.keys
            ],
            "Tags": tag_members(user.tags),
        }
        return {"ServerId": users.server_id, "User": described}

    async def _list(self, request: Members) -> Members:
        users = await users_in(self._servers, self._users_of, request)
        server_id = users.server_id
        listing, size = f"ListUsers {server_id}", page_size(request)
        found = await users.page(place_of(request, listing) or "", size + 1)
        page, token = first_of(found, size, listing, lambda user: user.user_name)
        listed = [{**self._common(user), "SshPublicKeyCount": len(user.keys)} for user in page]
        return {"ServerId": server_id, "Users": listed, "NextToken": token}

    async def _update(self, request: Members) -> Members:
        users, name = await self._named(request)
        update = UserUpdate(
            _home_update(request), request.get("Role"), request.get("Policy"), _posix_profile(request)
        )
        with about("User", name):
            await users.update(name, update)
        return _ids(request)

    async def _delete(self, request: Members) -> None:
        users, name = await self._named(request)
        with about("User", name):
            await users.remove(name)

    async def _import_key(self, request: Members) -> Members:
        users, name = await self._named(request)
        with about("User", name):
            await users.get(name)
        with about("SshPublicKey", name):
            key = await users.add_key(name, request["SshPublicKeyBody"])
        return {**_ids(request), "SshPublicKeyId": key.key_id}

    async def _delete_key(self, request: Members) -> None:
        (users, name), key_id = await self._named(request), request["SshPublicKeyId"]
        with about("User", name):
            await users.get(name)
        with about("SshPublicKey", key_id):
            await users.remove_key(name, key_id)

    # --- members ------------------------------------------------------------------------------

    async def _named(self, request: Members) -> tuple[Users, str]:
        return await users_in(self._servers, self._users_of, request), str(request["UserName"])

    def _common(self, user: User) -> Members:
        return {
            "Arn": self._arns.user(user.server_id, user.user_name),
            "HomeDirectory": user.home.directory or None,
            "HomeDirectoryType": user.home.type.value,
            "Role": user.role or None,
            "UserName": user.user_name,
        }


def _ids(request: Members) -> Members:
    return {name: request[name] for name in ("ServerId", "UserName")}


def _home_update(request: Members) -> HomeUpdate:
    kind, mappings = request.get("HomeDirectoryType"), request.get("HomeDirectoryMappings")
    return HomeUpdate(
        HomeDirectoryType(kind) if kind else None,
        request.get("HomeDirectory"),
        None if mappings is None else tuple(map(_mapping, mappings)),
    )


def _mapping(members: Members) -> Mapping:
    kind = MappingType(members.get("Type", MappingType.DIRECTORY))
    return Mapping(members["Entry"], members["Target"], kind, "Type" in members)


def _mapping_members(mapping: Mapping) -> Members:
    says = mapping.says_type or mapping.type is MappingType.FILE
    return {"Entry": mapping.entry, "Target": mapping.target, "Type": mapping.type.value if says else None}


def _posix_profile(request: Members) -> PosixProfile | None:
    members = request.get("PosixProfile")
    if members is None:
        return None
    return PosixProfile(members["Uid"], members["Gid"], tuple(members.get("SecondaryGids", ())))


def _posix_members(posix: PosixProfile) -> Members:
    gids = list(posix.secondary_gids) or None
    return {"Uid": posix.uid, "Gid": posix.gid, "SecondaryGids": gids}


def _home(update: HomeUpdate) -> Home:
    return update.applied(Home(update.type or HomeDirectoryType.PATH, ""))
