"""Which store a session gets, and who gets none."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from tidegate.adapters.memory.objects import MemoryObjectStore
from tidegate.adapters.memory.roles import MemoryRoleAssumer, MemoryRoleBook
from tidegate.core.errors import AccessDenied
from tidegate.core.iam.roles import RoleDocuments
from tidegate.core.objects import Location, NewObject
from tidegate.core.users import Home, User
from tidegate.ports.objects import ObjectStore
from tidegate.services.authorised_store import AuthorisedStore
from tidegate.services.rights import AssumedRights, EvaluatedRights, HomeRights, session_name
from unit.services.world import SESSION

AT = datetime(2026, 3, 9, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/sftp"
USER = User(SESSION.server_id, SESSION.user_name, Home.chroot("/landing/acme"), AT)
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "transfer.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": "123456789012"},
                "ArnLike": {
                    "aws:SourceArn": f"arn:aws:transfer:us-east-1:123456789012:user/{SESSION.server_id}/*"
                },
            },
        }
    ],
}
KMS_KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
HERE = Location("landing", "acme/in/a.csv")


def document(*actions: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def assumer() -> MemoryRoleAssumer:
    return MemoryRoleAssumer({ROLE: MemoryObjectStore(["landing"])})


@pytest.fixture
def own() -> MemoryObjectStore:
    return MemoryObjectStore(["landing"])


def role(*policies: dict[str, Any], trust: dict[str, Any] = TRUST) -> RoleDocuments:
    return RoleDocuments(ROLE, trust, [(f"p{number}", each) for number, each in enumerate(policies)])


def evaluated(own: ObjectStore, *roles: RoleDocuments, strict: bool = False) -> EvaluatedRights:
    return EvaluatedRights(own, MemoryRoleBook(roles), "us-east-1", strict=strict)


def refused(store: ObjectStore, at: Location = HERE, key: str | None = KMS_KEY) -> str | None:
    """Return why an object could not be put."""
    assert isinstance(store, AuthorisedStore)
    try:
        store.foresee_put(NewObject(at, key, {}))
    except AccessDenied as error:
        return error.detail
    return None


# --- evaluated ------------------------------------------------------------------------------


async def test_a_user_without_role_and_policy_has_the_gateways_own_store(own: MemoryObjectStore) -> None:
    """Whoever made it by command or configuration confined it by its home."""
    for rights in (HomeRights(own), evaluated(own, strict=True), AssumedRights(own, assumer())):
        assert await rights.store_for(USER, SESSION) is own
        await rights.left(SESSION)


async def test_role_and_session_policy_together(own: MemoryObjectStore) -> None:
    """Every policy of the role counts, and the session policy narrows what they allow."""
    rights = evaluated(own, role(document("s3:Get*"), document("s3:PutObject", "kms:*")), strict=True)
    user = replace(USER, role=ROLE)
    assert refused(await rights.store_for(user, SESSION)) is None
    policy = document("s3:*", "kms:*", resource="arn:aws:s3:::landing/${transfer:UserName}/in/*")
    narrowed = await rights.store_for(replace(user, policy=json.dumps(policy)), SESSION)
    assert refused(narrowed, key=None) is None
    said = refused(narrowed, Location("landing", "acme/out/a.csv"))
    assert said is not None
    assert said.endswith("is allowed by no statement of the session policy")


async def test_a_role_that_iam_does_not_know(own: MemoryObjectStore) -> None:
    """Lenient, it allows everything, and the log says so once; strict, nobody gets a session with it."""
    user = replace(USER, role=ROLE, policy=json.dumps(document("s3:GetObject")))
    rights = evaluated(own)
    with structlog.testing.capture_logs() as logged:
        for _ in range(2):
            store = await rights.store_for(user, SESSION)
    assert refused(store) is not None
    assert refused(await rights.store_for(replace(user, policy=""), SESSION)) is None
    assert [line["role"] for line in logged if "does not know" in line["event"]] == [ROLE]
    with pytest.raises(AccessDenied, match="IAM knows no role"):
        await evaluated(own, strict=True).store_for(user, SESSION)


async def test_keys_that_policies_say_nothing_of(own: MemoryObjectStore) -> None:
    """Lenient, they may be used; strict, as at AWS, they may not. A policy that speaks of keys decides."""
    user = replace(USER, role=ROLE)
    silent, other = (
        role(document("s3:*")),
        role(document("s3:*"), document("kms:*", resource="arn:aws:kms:*:*:key/2")),
    )
    with structlog.testing.capture_logs() as logged:
        assert refused(await evaluated(own, silent).store_for(user, SESSION)) is None
    assert any("KMS" in line["event"] for line in logged)
    for rights in (evaluated(own, silent, strict=True), evaluated(own, other)):
        said = refused(await rights.store_for(user, SESSION))
        assert said is not None
        assert said.startswith("kms:GenerateDataKey")


@pytest.mark.parametrize("strict", [False, True])
async def test_a_role_that_transfer_family_may_not_assume(own: MemoryObjectStore, strict: bool) -> None:
    """No session; whoever mends it is given the statement."""
    trust = {"Version": "2012-10-17", "Statement": []}
    rights = evaluated(own, role(document("*"), trust=trust), strict=strict)
    with pytest.raises(AccessDenied, match="may not assume") as denied:
        await rights.store_for(replace(USER, role=ROLE), SESSION)
    assert '"Service": "transfer.amazonaws.com"' in denied.value.hint


@pytest.mark.parametrize("policy", ["no JSON", "{}", '{"Statement": [{"Effect": "Allow"}]}'])
async def test_a_policy_that_iam_would_not_take(own: MemoryObjectStore, policy: str) -> None:
    """No session, of the user's policy as of its role's."""
    with pytest.raises(AccessDenied, match=f"what {USER.user_name} may do"):
        await evaluated(own).store_for(replace(USER, policy=policy), SESSION)
    with pytest.raises(AccessDenied):
        await evaluated(own, role({})).store_for(replace(USER, role=ROLE), SESSION)


async def test_a_construct_that_is_not_understood_is_named(own: MemoryObjectStore) -> None:
    """In one line of the log for each statement."""
    strange = document("s3:*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, Sid="Office")
    user = replace(USER, role=ROLE, policy=json.dumps(strange))
    with structlog.testing.capture_logs() as logged:
        store = await evaluated(own, role(document("*"))).store_for(user, SESSION)
    assert refused(store) is not None
    (line,) = [line for line in logged if "not understood" in line["event"]]
    assert line["statement"] == "statement 1 (Office) of the session policy"
    assert line["constructs"] == ["the condition operator IpAddress"]


# --- the home alone -------------------------------------------------------------------------


async def test_a_role_that_is_not_used_is_told_of_once(own: MemoryObjectStore) -> None:
    """Whoever gave it believes that it narrows what the user may do."""
    rights = HomeRights(own)
    with structlog.testing.capture_logs() as logged:
        for user in (USER, replace(USER, role=ROLE), replace(USER, role=ROLE)):
            assert await rights.store_for(user, SESSION) is own
    assert [line["role"] for line in logged] == [ROLE]


# --- assumed --------------------------------------------------------------------------------


async def test_the_role_is_assumed_for_the_session(own: MemoryObjectStore) -> None:
    """With its policy as STS takes it, under the name Transfer Family gives sessions; closed in the end."""
    roles = assumer()
    rights = AssumedRights(own, roles)
    policy = json.dumps(document("s3:*", resource="arn:aws:s3:::landing/${transfer:UserName}/*"), indent=4)
    store = await rights.store_for(replace(USER, role=ROLE, policy=policy), SESSION)
    (asked,) = roles.asked
    assert asked.role == ROLE
    assert asked.policy == policy.replace("${transfer:UserName}", USER.user_name).replace("\n", "").replace(
        " ", ""
    )
    assert asked.name == "acme.0123456789abcdef@s-0123456789abcdef0"
    await rights.left(SESSION)
    await rights.left(SESSION)
    assert roles.released == [store]


async def test_what_cannot_be_assumed(own: MemoryObjectStore) -> None:
    """A policy without a role, and one that is longer than STS takes."""
    rights = AssumedRights(own, assumer())
    with pytest.raises(AccessDenied, match="no role"):
        await rights.store_for(replace(USER, policy="{}"), SESSION)
    long = json.dumps(document("s3:*", resource="arn:aws:s3:::" + "x" * 2000))
    with pytest.raises(AccessDenied, match="characters once its variables are replaced"):
        await rights.store_for(replace(USER, role=ROLE, policy=long), SESSION)


async def test_a_store_that_nobody_took_is_forgotten(own: MemoryObjectStore) -> None:
    """A connection can be lost while its role is assumed."""
    stores: dict[str, ObjectStore] = {ROLE: MemoryObjectStore(["landing"])}
    rights = AssumedRights(own, MemoryRoleAssumer(stores))
    await rights.store_for(replace(USER, role=ROLE), SESSION)
    stores.clear()
    gc.collect()
    assert not list(rights._stores)


def test_the_name_of_a_session_is_cut_at_its_end() -> None:
    """64 characters are STS's most: the server's id goes first."""
    long = replace(SESSION, user_name="u" * 45)
    assert session_name(long) == f"{'u' * 45}.0123456789abcdef@s"
    assert len(session_name(replace(SESSION, user_name="u" * 100))) == 64
