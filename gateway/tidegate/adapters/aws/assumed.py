"""
Roles assumed through STS, and S3 with the rights of one: IAM itself decides what a session may do.

Credentials last an hour and are renewed a quarter of an hour before their end, by whichever call comes first
then. Where STS refuses to renew them, calls are denied from ten minutes before their end on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from botocore.credentials import RefreshableCredentials
from botocore.exceptions import ClientError

from tidegate.adapters.aws.account.caller import caller_of
from tidegate.adapters.aws.clients import ActingClients, AwsClients
from tidegate.adapters.aws.s3 import S3ObjectStore
from tidegate.core.errors import AccessDenied, GatewayError, NotFound
from tidegate.core.iam.roles import statement_for_role
from tidegate.core.ids import UploadId
from tidegate.core.objects import Location, NewObject, PartReceipt, StoredObject
from tidegate.ports.objects import ObjectStore
from tidegate.ports.rights import AssumedSession

T = TypeVar("T")

_DURATION_SECONDS = 3600
_DENIED = "AccessDenied"
# What STS says of a session policy that it does not take.
_BAD_POLICY = ("MalformedPolicyDocument", "PackedPolicyTooLarge", "ValidationError")
_ASSUMED = ":assumed-role/"


class StsRoles:
    """
    The `RoleAssumer` port.

    Args:
        own: The gateway's own store, for what is looked up and ended with its rights.
    """

    def __init__(self, clients: AwsClients, own: ObjectStore) -> None:
        self._clients = clients
        self._own = own

    async def assume(self, wanted: AssumedSession) -> ObjectStore:
        try:
            clients = await self._clients.run(self._acting, wanted)
        except GatewayError as error:
            raise await self._explained(error, wanted) from error
        return AssumedStore(clients, self._own)

    async def release(self, store: ObjectStore) -> None:
        if isinstance(store, AssumedStore):
            store.close()

    def _acting(self, wanted: AssumedSession) -> ActingClients:
        def fresh() -> dict[str, str]:
            return self._credentials(wanted)

        credentials = RefreshableCredentials.create_from_metadata(fresh(), fresh, "sts-assume-role")
        acting = self._clients.acting(credentials)
        _ = acting.s3  # made here, in a thread, and not when the loop asks for it
        return acting

    def _credentials(self, wanted: AssumedSession) -> dict[str, str]:
        policy = {} if wanted.policy is None else {"Policy": wanted.policy}
        answer: Any = self._clients.sts.assume_role(
            RoleArn=wanted.role,
            RoleSessionName=wanted.name,
            DurationSeconds=_DURATION_SECONDS,
            **policy,
        )
        found = answer["Credentials"]
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }

    async def _explained(self, error: GatewayError, wanted: AssumedSession) -> GatewayError:
        code = _code_of(error)
        if code == _DENIED:
            return AccessDenied(
                f"the gateway may not assume {wanted.role}: {error.detail}",
                hint=f"add this statement to its trust policy: {statement_for_role(await self._own_arn())}, "
                "and allow sts:AssumeRole on it to the gateway's role",
            )
        if code in _BAD_POLICY:
            return AccessDenied(
                f"STS does not take the session policy for {wanted.role}: {error.detail}",
                hint="correct the user's Policy",
            )
        return error

    async def _own_arn(self) -> str:
        try:
            arn = (await caller_of(self._clients)).arn
        except GatewayError:
            return "the ARN of the gateway's role"
        if _ASSUMED not in arn:
            return arn
        # A session's ARN; its role's differs by the service, and ends before the session's name.
        start, _, rest = arn.partition(_ASSUMED)
        return f"{start.replace(':sts:', ':iam:')}:role/{rest.split('/')[0]}"


class AssumedStore(S3ObjectStore):
    """The object store with the rights of a session: its credentials write, read and list."""

    def __init__(self, clients: ActingClients, own: ObjectStore) -> None:
        super().__init__(clients)
        self._acting = clients
        self._own = own
        self._names_versions = True

    def close(self) -> None:
        """Let go of its connections. What is under way still ends."""
        self._acting.close()

    async def head(self, location: Location, version_id: str | None = None) -> StoredObject:
        try:
            return await super().head(location, version_id)
        except AccessDenied:
            # S3 says this of what is not there to whoever may not list the whole bucket. Who may list what
            # begins with the key would see that nothing does.
            if version_id is None and await self._is_missing(location):
                await self.list_page(location.bucket, location.key, limit=1)
                raise NotFound(f"{location} is not there") from None
            raise

    async def _is_missing(self, location: Location) -> bool:
        try:
            await self._own.head(location)
        except NotFound:
            return True
        return False

    async def read(self, of: StoredObject, start: int, length: int) -> bytes:
        read = super().read
        return await self._named_or_not(of, lambda each: read(each, start, length))

    async def copy_part(
        self, location: Location, upload_id: UploadId, number: int, of: StoredObject, start: int, length: int
    ) -> PartReceipt:
        copy_part = super().copy_part
        return await self._named_or_not(
            of, lambda each: copy_part(location, upload_id, number, each, start, length)
        )

    async def copy(
        self, source: StoredObject, new: NewObject, *, replacing: str | None = None
    ) -> StoredObject:
        copy = super().copy
        return await self._named_or_not(source, lambda each: copy(each, new, replacing=replacing))

    async def _named_or_not(self, of: StoredObject, call: Callable[[StoredObject], Awaitable[T]]) -> T:
        """Name the version; where the role lacks s3:GetObjectVersion, the object by its ETag alone."""
        unnamed = replace(of, version_id=None)
        named = of if self._names_versions else unnamed
        try:
            return await call(named)
        except AccessDenied:
            if named.version_id is None:
                raise
        answer = await call(unnamed)
        self._names_versions = False
        return answer

    async def abort_multipart(self, location: Location, upload_id: UploadId) -> None:
        await self._own.abort_multipart(location, upload_id)

    async def _abort(self, where: dict[str, Any]) -> None:
        location = Location(where["Bucket"], where["Key"])
        with suppress(GatewayError):  # as S3Copier has it
            await self._own.abort_multipart(location, UploadId(where["UploadId"]))

    async def _completed(self, location: Location, version_id: str | None) -> StoredObject:
        # Whoever may only write has written: what came of it is for the gateway to know.
        return await self._own.head(location, version_id)


def _code_of(error: GatewayError) -> str:
    cause = error.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""
