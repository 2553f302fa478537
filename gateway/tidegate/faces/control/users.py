"""Operations on users and their keys."""

from __future__ import annotations

import structlog

from tidegate.core.arns import Arns
from tidegate.core.user_updates import HomeUpdate, UserUpdate
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType, PosixProfile, User
from tidegate.faces.control.api import Members, Operation
from tidegate.faces.control.errors import about
from tidegate.faces.control.paging import first_of, page_size, place_of
from tidegate.faces.control.servers import known_server, tag_members, tags_in
from tidegate.services.users import NewUser, Users

_log = structlog.get_logger("tidegate.api")


class UserOperations:
    """Operations of the API on users."""

    def __init__(self, users: Users, arns: Arns) -> None:
        self._users = users
        self._arns = arns

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
        name = self._user_name(request)
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
        with about("User", name):
            await self._users.create(new)
        _tell_of_policy(name, new.policy)
        return self._ids(name)

    async def _describe(self, request: Members) -> Members:
        name = self._user_name(request)
        with about("User", name):
            user = await self._users.get(name)
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
        return {"ServerId": self._users.server_id, "User": described}

    async def _list(self, request: Members) -> Members:
        server_id = known_server(self._users.server_id, request)
        listing, size = f"ListUsers {server_id}", page_size(request)
        found = await self._users.page(place_of(request, listing) or "", size + 1)
        page, token = first_of(found, size, listing, lambda user: user.user_name)
        listed = [{**self._common(user), "SshPublicKeyCount": len(user.keys)} for user in page]
        return {"ServerId": server_id, "Users": listed, "NextToken": token}

    async def _update(self, request: Members) -> Members:
        name = self._user_name(request)
        update = UserUpdate(
            _home_update(request), request.get("Role"), request.get("Policy"), _posix_profile(request)
        )
        with about("User", name):
            await self._users.update(name, update)
        _tell_of_policy(name, update.policy)
        return self._ids(name)

    async def _delete(self, request: Members) -> None:
        name = self._user_name(request)
        with about("User", name):
            await self._users.remove(name)

    async def _import_key(self, request: Members) -> Members:
        name = self._user_name(request)
        with about("User", name):
            await self._users.get(name)
        with about("SshPublicKey", name):
            key = await self._users.add_key(name, request["SshPublicKeyBody"])
        return {**self._ids(name), "SshPublicKeyId": key.key_id}

    async def _delete_key(self, request: Members) -> None:
        name, key_id = self._user_name(request), request["SshPublicKeyId"]
        with about("User", name):
            await self._users.get(name)
        with about("SshPublicKey", key_id):
            await self._users.remove_key(name, key_id)

    # --- members ------------------------------------------------------------------------------

    def _user_name(self, request: Members) -> str:
        known_server(self._users.server_id, request)
        return str(request["UserName"])

    def _ids(self, user_name: str) -> Members:
        return {"ServerId": self._users.server_id, "UserName": user_name}

    def _common(self, user: User) -> Members:
        return {
            "Arn": self._arns.user(user.server_id, user.user_name),
            "HomeDirectory": user.home.directory or None,
            "HomeDirectoryType": user.home.type.value,
            "Role": user.role or None,
            "UserName": user.user_name,
        }


def _tell_of_policy(user_name: str, policy: str | None) -> None:
    if policy:
        _log.warning("a session policy is kept, and not applied: the home alone decides", user=user_name)


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
