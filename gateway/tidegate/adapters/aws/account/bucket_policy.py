"""What the policy of a bucket lets others do, and whether it lets us."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from tidegate.adapters.aws.account.keys import KmsKeys
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.audit import Finding, WantedBucket
from tidegate.core.errors import NotFound
from tidegate.core.resource_policies import (
    Document,
    is_tls_only,
    open_faults,
    parsed,
    tls_only_statement,
    upload_faults,
    wildcard_faults,
    with_statement,
)
from tidegate.ports.account import Aspect


class BucketPolicy:
    """The policy: only the statement that asks for TLS is added; what else is wrong is a person's."""

    def __init__(self, clients: AwsClients, keys: KmsKeys, wanted: WantedBucket, partition: str) -> None:
        self._clients, self._keys, self._wanted, self._partition = clients, keys, wanted, partition
        self._finding = partial(Finding, f"bucket {wanted.name}")

    def aspects(self) -> Sequence[Aspect]:
        asks, takes = "s3:GetBucketPolicy", "s3:PutBucketPolicy"
        return [Aspect("policy", asks, self._look, self._ask_for_tls, takes)]

    async def _look(self) -> list[Finding]:
        document = await self._document() or {}
        found = [] if not document else await self._faults(document)
        if self._wanted.tls_only and not is_tls_only(document, self._wanted.name, self._partition):
            problem = "its policy does not refuse requests without TLS"
            found.append(self._finding("TLS", problem, by_setup=True))
        return found

    async def _ask_for_tls(self) -> None:
        statement = tls_only_statement(self._wanted.name, self._partition)
        await self._clients.run_s3(
            self._clients.s3.put_bucket_policy,
            Bucket=self._wanted.name,
            Policy=json.dumps(with_statement(await self._document(), statement)),
        )

    async def _faults(self, document: Document) -> list[Finding]:
        key = self._wanted.kms_key
        arn = await self._keys.arn(key) if key else None
        faults = [
            *open_faults(document),
            *wildcard_faults(document),
            *upload_faults(document, arn, header_sent=key is not None),
        ]
        return [self._finding(each.what, each.problem, each.mend, each.severity) for each in faults]

    async def _document(self) -> Document | None:
        s3 = self._clients.s3
        try:
            answer = await self._clients.run_s3(s3.get_bucket_policy, Bucket=self._wanted.name)
        except NotFound:
            return None
        return parsed(answer["Policy"])
