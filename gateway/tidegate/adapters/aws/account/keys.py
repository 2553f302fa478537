"""KMS keys: made with rotation under an alias; those named by id or ARN are only looked at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.audit import Finding
from tidegate.core.errors import NotFound
from tidegate.core.resource_policies import open_faults, parsed
from tidegate.ports.account import Aspect

TAGS = {"CreatedBy": "tidegate"}
_ALIAS = "alias/"
_AWS_ALIAS = "alias/aws/"


class KmsKeys:
    """What KMS says of keys, asked once for each that is there."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients
        self._found: dict[str, Any] = {}

    async def facts(self, key: str) -> Any:
        """Return the key's metadata; None if there is no such key."""
        if key not in self._found:
            try:
                answer = await self._clients.run(self._clients.kms.describe_key, KeyId=key)
            except NotFound:
                return None
            self._found[key] = answer["KeyMetadata"]
        return self._found[key]

    async def arn(self, key: str) -> str | None:
        facts = await self.facts(key)
        return str(facts["Arn"]) if facts else None

    async def is_of_aws(self, key: str) -> bool:
        """Tell whether AWS keeps the key, such as aws/s3, and nobody chose it."""
        facts = await self.facts(key)
        return bool(facts) and facts.get("KeyManager") == "AWS"


class KeyResource:
    """One key that the configuration names."""

    asks = "kms:DescribeKey"

    def __init__(self, clients: AwsClients, keys: KmsKeys, key: str) -> None:
        self.name = f"KMS key {key}"
        self._clients, self._keys, self._key = clients, keys, key
        self._finding = partial(Finding, self.name)

    async def missing(self) -> Finding | None:
        if await self._keys.facts(self._key):
            return None
        if self._key.startswith(_ALIAS) and not self._key.startswith(_AWS_ALIAS):
            return self._finding("existence", "does not exist", by_setup=True)
        return self._finding("existence", "does not exist", "correct the name, or name an alias to be made")

    async def create(self) -> None:
        kms = self._clients.kms
        # Without a policy of its own the key leaves all to the IAM policies of its account.
        made = await self._clients.run(
            kms.create_key,
            Description="tidegate",
            Tags=[{"TagKey": name, "TagValue": value} for name, value in TAGS.items()],
        )
        key_id = made["KeyMetadata"]["KeyId"]
        await self._clients.run(kms.create_alias, AliasName=self._key, TargetKeyId=key_id)

    def aspects(self) -> Sequence[Aspect]:
        return (
            Aspect("state", "kms:DescribeKey", self._state),
            Aspect(
                "rotation", "kms:GetKeyRotationStatus", self._rotation, self._rotate, "kms:EnableKeyRotation"
            ),
            Aspect("policy", "kms:GetKeyPolicy", self._policy),
        )

    async def _state(self) -> list[Finding]:
        facts = await self._keys.facts(self._key)
        found = []
        key_id = facts["KeyId"]
        if facts["KeyState"] == "PendingDeletion":
            found.append(
                self._finding(
                    "state",
                    "is about to be deleted, and everything under it lost",
                    f"aws kms cancel-key-deletion --key-id {key_id}; aws kms enable-key --key-id {key_id}",
                )
            )
        elif facts["KeyState"] != "Enabled":
            mend = f"find out who disabled it and why; aws kms enable-key --key-id {key_id}"
            found.append(self._finding("state", f"is {facts['KeyState'].lower()}", mend))
        kind = (facts.get("KeySpec", "SYMMETRIC_DEFAULT"), facts.get("KeyUsage", "ENCRYPT_DECRYPT"))
        if kind != ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"):
            problem = f"is a {kind[0]} key for {kind[1]}: S3 and DynamoDB use symmetric keys"
            found.append(self._finding("kind", problem, "name another key in the configuration"))
        region = facts["Arn"].split(":")[3]
        if region != self._clients.endpoint.region:
            mend = "name a key of aws.region"
            found.append(self._finding("region", f"is in {region}: S3 and DynamoDB cannot use it", mend))
        return found

    async def _rotation(self) -> list[Finding]:
        facts = await self._keys.facts(self._key)
        # AWS rotates its own; key material that was imported, or asymmetric, is rotated by hand.
        can_rotate = (
            facts.get("Origin", "AWS_KMS") == "AWS_KMS"
            and facts.get("KeyUsage", "ENCRYPT_DECRYPT") == "ENCRYPT_DECRYPT"
        )
        if facts.get("KeyManager") == "AWS" or facts["KeyState"] != "Enabled" or not can_rotate:
            return []
        status = await self._clients.run(self._clients.kms.get_key_rotation_status, KeyId=facts["KeyId"])
        if status["KeyRotationEnabled"]:
            return []
        if self._key.startswith(_ALIAS):
            return [self._finding("rotation", "is never rotated", by_setup=True)]
        mend = f"aws kms enable-key-rotation --key-id {facts['KeyId']}"
        return [self._finding("rotation", "is never rotated", mend, "warning")]

    async def _rotate(self) -> None:
        facts = await self._keys.facts(self._key)
        await self._clients.run(self._clients.kms.enable_key_rotation, KeyId=facts["KeyId"])

    async def _policy(self) -> list[Finding]:
        facts = await self._keys.facts(self._key)
        if facts.get("KeyManager") == "AWS":
            return []
        answer = await self._clients.run(
            self._clients.kms.get_key_policy, KeyId=facts["KeyId"], PolicyName="default"
        )
        faults = open_faults(parsed(answer["Policy"]))
        return [self._finding(each.what, each.problem, each.mend, each.severity) for each in faults]
