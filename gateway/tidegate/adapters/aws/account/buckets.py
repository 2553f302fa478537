"""Buckets: private, versioned, encrypted, over TLS only, with our lifecycle rules and notifications."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from tidegate.adapters.aws.account.bucket_encryption import BucketEncryption
from tidegate.adapters.aws.account.bucket_policy import BucketPolicy
from tidegate.adapters.aws.account.bucket_rules import BucketEvents, BucketLifecycle
from tidegate.adapters.aws.account.keys import KmsKeys
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.audit import Finding, WantedBucket
from tidegate.core.errors import AccessDenied, NotFound
from tidegate.ports.account import Aspect

_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_OWNERSHIP = "BucketOwnerEnforced"


class BucketResource:
    """
    One bucket that the configuration names.

    Args:
        account: Whose it has to be; None: nobody said.
    """

    asks = "s3:ListBucket"

    def __init__(
        self, clients: AwsClients, keys: KmsKeys, wanted: WantedBucket, partition: str, account: str | None
    ) -> None:
        self.name = f"bucket {wanted.name}"
        self._clients, self._wanted, self._account = clients, wanted, account
        self._finding = partial(Finding, self.name)
        self._encryption = BucketEncryption(clients, keys, wanted)
        self._policy = BucketPolicy(clients, keys, wanted, partition)
        self._lifecycle = BucketLifecycle(clients, wanted)
        self._events = BucketEvents(clients, wanted)

    async def missing(self) -> Finding | None:
        try:
            await self._head()
        except NotFound:
            return self._finding("existence", "does not exist", by_setup=True)
        except AccessDenied as error:
            return self._finding(
                "existence",
                f"cannot be looked at: {error.detail}",
                "if it is another account's, take another name; otherwise allow s3:ListBucket on it",
            )
        return None

    async def create(self) -> None:
        wanted, region = self._wanted, self._clients.endpoint.region
        request: dict[str, Any] = {"Bucket": wanted.name, "ObjectOwnership": _OWNERSHIP}
        if region != "us-east-1":
            request["CreateBucketConfiguration"] = {"LocationConstraint": region}
        if wanted.object_lock_days:
            request["ObjectLockEnabledForBucket"] = True
        s3 = self._clients.s3
        await self._clients.run_s3(s3.create_bucket, **request)
        self._encryption.is_new = True
        if wanted.object_lock_days:
            retention: Any = {"Mode": "GOVERNANCE", "Days": wanted.object_lock_days}
            await self._clients.run_s3(
                s3.put_object_lock_configuration,
                Bucket=wanted.name,
                ObjectLockConfiguration={
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": retention},
                },
            )

    def aspects(self) -> Sequence[Aspect]:
        found = [Aspect("place", "s3:ListBucket", self._place)]
        found.append(
            Aspect(
                "public access",
                "s3:GetBucketPublicAccessBlock",
                self._public_access,
                self._block_public_access,
                "s3:PutBucketPublicAccessBlock",
            )
        )
        found.append(
            Aspect(
                "ownership",
                "s3:GetBucketOwnershipControls",
                self._ownership,
                self._enforce_ownership,
                "s3:PutBucketOwnershipControls",
            )
        )
        if self._wanted.versioned:
            found.append(
                Aspect(
                    "versioning",
                    "s3:GetBucketVersioning",
                    self._versioning,
                    self._version,
                    "s3:PutBucketVersioning",
                )
            )
        found += [*self._encryption.aspects(), *self._policy.aspects(), *self._lifecycle.aspects()]
        if self._wanted.object_lock_days:
            found.append(Aspect("object lock", "s3:GetBucketObjectLockConfiguration", self._object_lock))
        return [*found, *self._events.aspects()]

    async def _head(self, **more: Any) -> Any:
        return await self._clients.run_s3(self._clients.s3.head_bucket, Bucket=self._wanted.name, **more)

    async def _place(self) -> list[Finding]:
        expected = {"ExpectedBucketOwner": self._account} if self._account else {}
        try:
            answer = await self._head(**expected)
        except AccessDenied:
            mend = "take another name: what lands there is not yours"
            return [self._finding("account", f"is not of account {self._account}", mend)]
        region = answer.get("BucketRegion") or self._clients.endpoint.region
        if region == self._clients.endpoint.region:
            return []
        mend = "take another name, or correct aws.region: buckets cannot move"
        return [self._finding("region", f"is in {region}, not in {self._clients.endpoint.region}", mend)]

    async def _public_access(self) -> list[Finding]:
        s3 = self._clients.s3
        try:
            answer = await self._clients.run_s3(s3.get_public_access_block, Bucket=self._wanted.name)
        except NotFound:
            missing = list(_BLOCKS)
        else:
            blocks: Any = answer["PublicAccessBlockConfiguration"]
            missing = [each for each in _BLOCKS if not blocks.get(each)]
        if not missing:
            return []
        problem = f"may be made public: {', '.join(missing)} off"
        return [self._finding("public access", problem, by_setup=True)]

    async def _block_public_access(self) -> None:
        all_of_them: Any = dict.fromkeys(_BLOCKS, True)
        await self._clients.run_s3(
            self._clients.s3.put_public_access_block,
            Bucket=self._wanted.name,
            PublicAccessBlockConfiguration=all_of_them,
        )

    async def _ownership(self) -> list[Finding]:
        s3 = self._clients.s3
        found = "ObjectWriter"
        try:
            answer = await self._clients.run_s3(s3.get_bucket_ownership_controls, Bucket=self._wanted.name)
            found = answer["OwnershipControls"]["Rules"][0]["ObjectOwnership"]
        except NotFound:
            pass
        if found == _OWNERSHIP:
            return []
        problem = f"has object ownership {found}: ACLs count, and objects may be others'"
        return [self._finding("ownership", problem, severity="warning", by_setup=True)]

    async def _enforce_ownership(self) -> None:
        enforced: Any = {"Rules": [{"ObjectOwnership": _OWNERSHIP}]}
        await self._clients.run_s3(
            self._clients.s3.put_bucket_ownership_controls,
            Bucket=self._wanted.name,
            OwnershipControls=enforced,
        )

    async def _versioning(self) -> list[Finding]:
        s3 = self._clients.s3
        answer: Any = await self._clients.run_s3(s3.get_bucket_versioning, Bucket=self._wanted.name)
        status = answer.get("Status")
        if status == "Enabled":
            return []
        problem = "versioning is suspended" if status else "is not versioned"
        return [self._finding("versioning", f"{problem}: what is replaced is lost", by_setup=True)]

    async def _version(self) -> None:
        await self._clients.run_s3(
            self._clients.s3.put_bucket_versioning,
            Bucket=self._wanted.name,
            VersioningConfiguration={"Status": "Enabled"},
        )

    async def _object_lock(self) -> list[Finding]:
        days = self._wanted.object_lock_days
        mend = (
            f"it cannot be taken back, so do it yourself: aws s3api put-object-lock-configuration --bucket "
            f"{self._wanted.name} --object-lock-configuration 'ObjectLockEnabled=Enabled,"
            f"Rule={{DefaultRetention={{Mode=GOVERNANCE,Days={days}}}}}'; or leave setup.object_lock_days out"
        )
        s3 = self._clients.s3
        try:
            answer = await self._clients.run_s3(s3.get_object_lock_configuration, Bucket=self._wanted.name)
        except NotFound:
            return [self._finding("object lock", "has no Object Lock", mend, "warning")]
        retention: Any = answer["ObjectLockConfiguration"].get("Rule", {}).get("DefaultRetention", {})
        kept = retention.get("Days") or 365 * (retention.get("Years") or 0)
        if kept >= (days or 0):
            return []
        return [self._finding("object lock", f"locks versions for {kept} days, not {days}", mend, "warning")]
