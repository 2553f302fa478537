"""How a bucket encrypts what names no key."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from tidegate.adapters.aws.account.keys import KmsKeys
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.audit import Finding, WantedBucket
from tidegate.core.errors import NotFound
from tidegate.ports.account import Aspect

_KMS = ("aws:kms", "aws:kms:dsse")


class BucketEncryption:
    """
    The default encryption: SSE-KMS under the configured key, with a bucket key.

    A key of a customer that somebody chose is left as it is, even if the configuration names another.
    """

    def __init__(self, clients: AwsClients, keys: KmsKeys, wanted: WantedBucket) -> None:
        self.is_new = False
        self._clients, self._keys, self._wanted = clients, keys, wanted
        self._name = f"bucket {wanted.name}"
        self._finding = partial(Finding, self._name, "encryption")

    def aspects(self) -> Sequence[Aspect]:
        asks, takes = "s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration"
        return [Aspect("encryption", asks, self._look, self._mend, takes)]

    async def _look(self) -> list[Finding]:
        rule = await self._rule()
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        found = await self._look_at_key(default.get("SSEAlgorithm"), default.get("KMSMasterKeyID"))
        if default.get("SSEAlgorithm") == "aws:kms" and not rule.get("BucketKeyEnabled"):
            problem = "has no bucket key: each object costs a call to KMS"
            found.append(Finding(self._name, "bucket key", problem, severity="warning", by_setup=True))
        return found

    async def _look_at_key(self, algorithm: str | None, key: str | None) -> list[Finding]:
        wanted = self._wanted.kms_key
        if algorithm not in _KMS:
            problem = f"encrypts by {algorithm or 'nothing'}, not by SSE-KMS"
            if wanted or self.is_new:
                return [self._finding(problem, by_setup=True)]
            return [self._finding(problem, "name a KMS key for it in the configuration", "warning")]
        if wanted is None:
            return []
        if key is None or await self._keys.is_of_aws(key):
            return [self._finding(f"encrypts by AWS's own key, not by {wanted}", by_setup=True)]
        if await self._keys.arn(key) != await self._keys.arn(wanted):
            mend = f"name this key in the configuration, or make {wanted} the bucket's default yourself"
            return [self._finding(f"encrypts by {key}, not by {wanted}", mend)]
        return []

    async def _mend(self) -> None:
        rule = await self._rule()
        default = dict(rule.get("ApplyServerSideEncryptionByDefault", {}))
        key = default.get("KMSMasterKeyID")
        if default.get("SSEAlgorithm") not in _KMS:
            default = {"SSEAlgorithm": "aws:kms"}
        if self._wanted.kms_key and (key is None or await self._keys.is_of_aws(key)):
            # By its ARN: an alias may come to mean another key.
            default["KMSMasterKeyID"] = await self._keys.arn(self._wanted.kms_key)
        mended: Any = {**rule, "ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
        await self._clients.run_s3(
            self._clients.s3.put_bucket_encryption,
            Bucket=self._wanted.name,
            ServerSideEncryptionConfiguration={"Rules": [mended]},
        )

    async def _rule(self) -> Any:
        s3 = self._clients.s3
        try:
            answer = await self._clients.run_s3(s3.get_bucket_encryption, Bucket=self._wanted.name)
        except NotFound:
            return {}
        return answer["ServerSideEncryptionConfiguration"]["Rules"][0]
