"""
What the users of a server may do: a store for each session, with its rights and no others.

What a partner asks for goes through its session's store. What the gateway looks up, ends and takes up again
for its own certainty goes through its own: docs/decisions/0027-rights-of-a-user.md says where the line is.
"""

from __future__ import annotations

from typing import Protocol
from weakref import WeakValueDictionary

import structlog

from tidegate.core.arns import Arns
from tidegate.core.errors import AccessDenied, InvalidName, NotFound
from tidegate.core.iam import conditions
from tidegate.core.iam.documents import Policy, policy_of
from tidegate.core.iam.evaluation import Entitlement, Layer
from tidegate.core.iam.roles import TRANSFER_SERVICE, account_of, statement_for_service
from tidegate.core.iam.session_policies import session_document, session_text
from tidegate.core.policies import partition_of
from tidegate.core.sessions import Session
from tidegate.core.users import User
from tidegate.ports.objects import ObjectStore
from tidegate.ports.rights import AssumedSession, RoleAssumer, RoleBook
from tidegate.services.authorised_store import AuthorisedStore

_log = structlog.get_logger("tidegate.rights")

# AWS STS API, AssumeRole, RoleSessionName.
_SESSION_NAME_CHARS = 64


class Rights(Protocol):
    """Who may do what, in one server."""

    async def store_for(self, user: User, session: Session) -> ObjectStore:
        """
        Return the store for what this session asks for; `left` is called once nothing of it is left.

        Raises:
            AccessDenied: The user's role or policy cannot be used; `detail` and `hint` are for whoever
                administers it.
            StoreUnavailable: It cannot be told now what the user may do.
        """
        ...

    async def left(self, session: Session) -> None:
        """Note that a session and all that it began has ended. May be repeated."""
        ...


class HomeRights:
    """The home alone decides, and everything is done with the gateway's own rights."""

    def __init__(self, own: ObjectStore) -> None:
        self._own = own
        self._told: set[tuple[str, str]] = set()

    async def store_for(self, user: User, session: Session) -> ObjectStore:  # noqa: ARG002 - as `Rights`
        who = (user.server_id, user.user_name)
        if (user.role or user.policy) and who not in self._told:
            self._told.add(who)
            _log.warning(
                "role and session policy are not applied: the home alone decides",
                user=user.user_name,
                role=user.role,
                hint="set rights.mode to assume",
            )
        return self._own

    async def left(self, session: Session) -> None:
        """Nothing is kept of a session."""


class EvaluatedRights:
    """
    The policies of the user's role and its session policy, read at each login and evaluated here.

    Args:
        strict: As AWS has it: a role that IAM does not know is refused, and KMS keys must be allowed.
            Otherwise such a role allows everything, and policies that do not speak of KMS allow its use.
    """

    def __init__(self, own: ObjectStore, roles: RoleBook, region: str, *, strict: bool) -> None:
        self._own = own
        self._roles = roles
        self._region = region
        self._strict = strict
        self._told: set[tuple[str, str]] = set()

    async def store_for(self, user: User, session: Session) -> ObjectStore:
        if not user.role and not user.policy:
            return self._own
        try:
            layers = [*await self._of_role(user), *_of_session(user)]
        except InvalidName as error:
            raise AccessDenied(f"what {user.user_name} may do: {error.detail}", hint=error.hint) from error
        rights = Entitlement(tuple(layers))
        for statement in rights.strange:
            _log.warning(
                "policy statement not understood: it allows nothing",
                user=user.user_name,
                session=session.session_id,
                role=user.role,
                statement=statement.label,
                constructs=list(statement.strange),
                denies=not statement.allows,
            )
        return AuthorisedStore(
            self._own, rights, kms=self._with_keys(rights, user), partition=partition_of(self._region)
        )

    async def left(self, session: Session) -> None:
        """Nothing is kept of a session."""

    async def _of_role(self, user: User) -> tuple[Layer, ...]:
        if not user.role:
            return ()
        try:
            role = await self._roles.role(user.role)
        except NotFound as error:
            if self._strict:
                raise AccessDenied(
                    f"IAM knows no role {user.role}, and {user.user_name} has it: {error.detail}",
                    hint="create the role, or correct the user's Role",
                ) from error
            self._tell_once("a role that IAM does not know allows everything", user.role)
            return ()
        facts = {
            conditions.SOURCE_ACCOUNT: account_of(user.role),
            conditions.SOURCE_ARN: Arns(self._region, account_of(user.role)).user(
                user.server_id, user.user_name
            ),
            conditions.SECURE_TRANSPORT: "true",
        }
        if not role.trusts(TRANSFER_SERVICE, facts):
            raise AccessDenied(
                f"{TRANSFER_SERVICE} may not assume {user.role}, the role of {user.user_name}",
                hint=f"add this statement to its trust policy: {statement_for_service(TRANSFER_SERVICE)}",
            )
        return (Layer("the role's policies", role.identity()),)

    def _with_keys(self, rights: Entitlement, user: User) -> Entitlement:
        if self._strict:
            return rights
        spoken = rights.but_silent("kms")
        if len(spoken.layers) < len(rights.layers):
            self._tell_once("policies that say nothing of KMS allow the use of keys here", user.role)
        return spoken

    def _tell_once(self, what: str, role: str) -> None:
        if (what, role) not in self._told:
            self._told.add((what, role))
            _log.warning(what, role=role, hint="at AWS they do not: rights.roles: strict has it so here")


class AssumedRights:
    """The user's role, assumed with its session policy: S3 and KMS themselves decide."""

    def __init__(self, own: ObjectStore, assumer: RoleAssumer) -> None:
        self._own = own
        self._assumer = assumer
        # What nobody acts with any more need not be closed: it has no connection left.
        self._stores: WeakValueDictionary[Session, ObjectStore] = WeakValueDictionary()

    async def store_for(self, user: User, session: Session) -> ObjectStore:
        if not user.role:
            if user.policy:
                raise AccessDenied(
                    f"{user.user_name} has a session policy and no role", hint="give the user a Role"
                )
            return self._own
        try:
            policy = session_text(user)
        except InvalidName as error:
            raise AccessDenied(f"what {user.user_name} may do: {error.detail}", hint=error.hint) from error
        store = await self._assumer.assume(AssumedSession(user.role, policy, session_name(session)))
        self._stores[session] = store
        return store

    async def left(self, session: Session) -> None:
        store = self._stores.pop(session, None)
        if store is not None:
            await self._assumer.release(store)


def session_name(session: Session) -> str:
    """Return what CloudTrail calls a session, as Transfer Family forms it: the server's id is cut first."""
    whole = f"{session.user_name}.{session.session_id}@{session.server_id}"
    return whole[:_SESSION_NAME_CHARS]


def _of_session(user: User) -> tuple[Layer, ...]:
    document = session_document(user)
    if document is None:
        return ()
    policy: Policy = policy_of("the session policy", document)
    return (Layer("the session policy", (policy,)),)
