"""Roles assumed through STS: whose credentials calls carry, when they are renewed, and what is denied."""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tidegate.adapters.aws.assumed import AssumedStore, StsRoles
from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.iam_roles import IamRoles
from tidegate.adapters.aws.s3 import S3ObjectStore
from tidegate.core.errors import AccessDenied, ChangedMeanwhile, NotFound, StoreUnavailable
from tidegate.core.objects import Location, NewObject, StoredObject, WholeObject
from tidegate.ports.rights import AssumedSession

ROLE = "arn:aws:iam::123456789012:role/sftp"
GATEWAY = "arn:aws:sts::123456789012:assumed-role/tidegate-gateway/i-0123456789"
WANTED = AssumedSession(ROLE, '{"Version":"2012-10-17","Statement":[]}', "acme.0123@s-0123456789abcdef0")
BODY = b"a,b\n"
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()


def policy(bucket: str) -> dict[str, Any]:
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return {"Version": "2012-10-17", "Statement": [allow]}


class Sts:
    """STS, with credentials that end when the test says, or none at all."""

    def __init__(self, lasts: timedelta = timedelta(hours=1)) -> None:
        self.lasts = lasts
        self.error: ClientError | None = None
        self.asked: list[dict[str, Any]] = []

    def assume_role(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.error:
            raise self.error
        key = f"SESSION{len(self.asked)}"
        ends = datetime.now(UTC) + self.lasts
        return {
            "Credentials": {
                "AccessKeyId": key,
                "SecretAccessKey": "secret",
                "SessionToken": f"token-of-{key}",
                "Expiration": ends,
            }
        }

    def get_caller_identity(self) -> dict[str, Any]:
        return {"Account": "123456789012", "Arn": GATEWAY}

    def deny(self, code: str) -> None:
        self.error = ClientError({"Error": {"Code": code, "Message": "not you"}}, "AssumeRole")


@pytest.fixture
def sts(aws_clients: AwsClients) -> Iterator[Sts]:
    kept = aws_clients.__dict__.pop("sts", None)
    aws_clients.__dict__["sts"] = made = Sts()
    yield made
    del aws_clients.__dict__["sts"]
    if kept is not None:
        aws_clients.__dict__["sts"] = kept


@pytest.fixture
def bucket(aws_clients: AwsClients) -> str:
    name = "assumed"
    aws_clients.s3.create_bucket(Bucket=name)
    aws_clients.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def tokens(store: AssumedStore) -> list[str]:
    """Return the session tokens of the requests that are sent from now on."""
    found: list[str] = []

    def note(request: Any, **_: Any) -> None:
        found.append(request.headers["X-Amz-Security-Token"].decode())

    for client in (store._acting.s3, store._acting.s3_once, store._acting.s3_patient):
        client.meta.events.register_last("before-send.s3", note)
    return found


async def assumed(clients: AwsClients, wanted: AssumedSession = WANTED) -> AssumedStore:
    store = await StsRoles(clients, S3ObjectStore(clients)).assume(wanted)
    assert isinstance(store, AssumedStore)
    return store


async def test_calls_carry_the_credentials_of_the_session(
    aws_clients: AwsClients, sts: Sts, bucket: str
) -> None:
    """All that write, read and list; STS is asked once, with the policy and the session's name."""
    store = await assumed(aws_clients)
    seen, here = tokens(store), Location(bucket, "acme/a.csv")
    await store.put(NewObject(here, None, {}), BODY, CRC32)
    stored = await store.head(here)
    assert await store.read(stored, 0, 4) == BODY
    upload_id = await store.create_multipart(NewObject(here, None, {}))
    part = await store.upload_part(here, upload_id, 1, BODY, CRC32)
    await store.complete_multipart(here, upload_id, [part], WholeObject(len(BODY), CRC32))
    await store.copy(stored, NewObject(Location(bucket, "acme/b.csv"), None, {}))
    assert [each.key for each in (await store.list_page(bucket, "acme/")).keys] == [
        "acme/a.csv",
        "acme/b.csv",
    ]
    await store.delete(here)
    assert seen == ["token-of-SESSION1"] * 9
    (asked,) = sts.asked
    assert asked == {
        "RoleArn": ROLE,
        "RoleSessionName": WANTED.name,
        "Policy": WANTED.policy,
        "DurationSeconds": 3600,
    }
    store.close()


async def test_what_is_looked_up_and_dropped_is_the_gateways_own(
    aws_clients: AwsClients, sts: Sts, bucket: str
) -> None:
    """Whoever may only write completes an upload; the gateway aborts one whatever the role may do."""
    store, here = await assumed(aws_clients), Location(bucket, "acme/own.csv")
    upload_id = await store.create_multipart(NewObject(here, None, {}))
    part = await store.upload_part(here, upload_id, 1, BODY, CRC32)
    seen = tokens(store)
    await store.complete_multipart(here, upload_id, [part], WholeObject(len(BODY), CRC32))
    assert len(seen) == 1  # and no HEAD after it
    another = await store.create_multipart(NewObject(here, None, {}))
    await store.abort_multipart(here, another)
    assert len(seen) == 2


async def test_credentials_are_renewed_before_they_end(
    aws_clients: AwsClients, sts: Sts, bucket: str
) -> None:
    """By the call that comes next, however many come at once, and with the same policy as before."""
    sts.lasts = timedelta(minutes=1)
    store, here = await assumed(aws_clients), Location(bucket, "acme/a.csv")
    sts.lasts = timedelta(hours=1)
    seen = tokens(store)
    new = NewObject(here, None, {})
    await asyncio.gather(*(store.put(new, BODY, CRC32) for _ in range(8)))
    assert set(seen) == {"token-of-SESSION2"}
    first, second = sts.asked
    assert first == second


async def test_credentials_that_are_not_renewed(aws_clients: AwsClients, sts: Sts, bucket: str) -> None:
    """Where STS refuses, calls are denied; where it does not answer, they may be tried again."""
    sts.lasts = timedelta(minutes=1)
    store, new = await assumed(aws_clients), NewObject(Location(bucket, "acme/a.csv"), None, {})
    sts.deny("AccessDenied")
    with pytest.raises(AccessDenied, match="AssumeRole: AccessDenied"):
        await store.put(new, BODY, CRC32)
    sts.deny("ServiceUnavailable")
    with pytest.raises(StoreUnavailable, match="AssumeRole"):
        await store.put(new, BODY, CRC32)


async def test_a_role_that_does_not_trust_the_gateway(aws_clients: AwsClients, sts: Sts) -> None:
    """The statement that is missing names the gateway's own role, and not its session."""
    sts.deny("AccessDenied")
    with pytest.raises(AccessDenied, match="may not assume arn:aws:iam::123456789012:role/sftp") as denied:
        await assumed(aws_clients)
    statement = json.loads(denied.value.hint.partition(": ")[2].rpartition(", and allow")[0])
    assert statement == {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:role/tidegate-gateway"},
        "Action": "sts:AssumeRole",
    }


@pytest.mark.parametrize("code", ["MalformedPolicyDocument", "PackedPolicyTooLarge"])
async def test_a_policy_that_sts_does_not_take(aws_clients: AwsClients, sts: Sts, code: str) -> None:
    """It is the policy that is to be corrected, and no trust."""
    sts.deny(code)
    with pytest.raises(AccessDenied, match="does not take the session policy") as denied:
        await assumed(aws_clients)
    assert denied.value.hint == "correct the user's Policy"


async def test_sts_that_does_not_answer(aws_clients: AwsClients, sts: Sts) -> None:
    """Nothing is said of rights then."""
    sts.deny("ServiceUnavailable")
    with pytest.raises(StoreUnavailable):
        await assumed(aws_clients)


# --- what roles commonly lack ---------------------------------------------------------------


async def test_a_role_that_may_name_no_version(
    aws_clients: AwsClients, sts: Sts, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads and copies what is current, as long as that has the ETag it had."""
    read, asked = S3ObjectStore._read_range, []

    def denying(self: S3ObjectStore, of: StoredObject, start: int, end: int) -> bytes:
        asked.append(of.version_id)
        if of.version_id is not None:
            raise AccessDenied("GetObject: AccessDenied: s3:GetObjectVersion")
        return read(self, of, start, end)

    store, here = await assumed(aws_clients), Location(bucket, "acme/versions.csv")
    await store.put(NewObject(here, None, {}), BODY, CRC32)
    stored = await store.head(here)
    monkeypatch.setattr(S3ObjectStore, "_read_range", denying)
    for _ in range(2):
        assert await store.read(stored, 0, 4) == BODY
    assert asked == [stored.version_id, None, None]  # once is enough to learn it
    await store.put(NewObject(here, None, {}), b"", base64.b64encode(bytes(4)).decode())
    with pytest.raises(ChangedMeanwhile):
        await store.read(stored, 0, 4)


async def test_a_missing_object_and_a_role_that_may_list_some_prefixes(
    aws_clients: AwsClients, sts: Sts, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 denies what is not there; whoever may list what begins with the key is told all the same."""
    store, here = await assumed(aws_clients), Location(bucket, "acme/not-there.csv")
    own_head = S3ObjectStore.head

    async def head(self: S3ObjectStore, location: Location, version_id: str | None = None) -> StoredObject:
        if isinstance(self, AssumedStore):
            raise AccessDenied("HeadObject: 403: Forbidden")
        return await own_head(self, location, version_id)

    monkeypatch.setattr(S3ObjectStore, "head", head)
    with pytest.raises(NotFound):
        await store.head(here)
    await store.put(NewObject(here, None, {}), BODY, CRC32)
    with pytest.raises(AccessDenied):
        await store.head(here)

    async def list_page(*_: Any, **__: Any) -> None:
        raise AccessDenied("ListObjectsV2: AccessDenied")

    monkeypatch.setattr(S3ObjectStore, "list_page", list_page)
    await store.delete(here)
    with pytest.raises(AccessDenied):
        await store.head(here)


async def test_closing_leaves_the_threads_and_the_others(
    aws_clients: AwsClients, sts: Sts, bucket: str
) -> None:
    """What is still under way may even go on."""
    one, other = await assumed(aws_clients), await assumed(aws_clients)
    new = NewObject(Location(bucket, "acme/closed.csv"), None, {})
    await one.put(new, BODY, CRC32)
    one.close()
    for store in (other, one, S3ObjectStore(aws_clients)):
        await store.put(new, BODY, CRC32)
    roles = StsRoles(aws_clients, S3ObjectStore(aws_clients))
    for store in (one, other, S3ObjectStore(aws_clients)):
        await roles.release(store)


# --- roles as IAM has them ------------------------------------------------------------------


async def test_a_role_with_all_of_its_policies(aws_clients: AwsClients) -> None:
    """Inline and attached, in the version that holds; another account's or path's role is not found."""
    iam, trust = aws_clients.iam, {"Version": "2012-10-17", "Statement": []}
    texts = {name: policy(name) for name in ("in", "old", "now")}
    arn = iam.create_role(RoleName="book", Path="/sftp/", AssumeRolePolicyDocument=json.dumps(trust))["Role"][
        "Arn"
    ]
    iam.put_role_policy(RoleName="book", PolicyName="inline", PolicyDocument=json.dumps(texts["in"]))
    attached = iam.create_policy(PolicyName="attached", PolicyDocument=json.dumps(texts["old"]))
    attached_arn = attached["Policy"]["Arn"]
    iam.create_policy_version(
        PolicyArn=attached_arn, PolicyDocument=json.dumps(texts["now"]), SetAsDefault=True
    )
    iam.attach_role_policy(RoleName="book", PolicyArn=attached_arn)
    role = await IamRoles(aws_clients).role(arn)
    assert (role.arn, role.trust) == (arn, trust)
    assert role.policies == [("inline", texts["in"]), ("attached", texts["now"])]
    for other in (
        arn.replace("123456789012", "999999999999"),
        arn.replace("/sftp/", "/"),
        "arn:aws:iam::123456789012:role/none",
        "no ARN",
    ):
        with pytest.raises(NotFound):
            await IamRoles(aws_clients).role(other)
