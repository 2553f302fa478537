"""Lifecycle rules and notifications of a bucket: ours are added to whatever is there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from tidegate.adapters.aws.clients import AwsClients
from tidegate.core import bucket_rules
from tidegate.core.audit import Finding, WantedBucket
from tidegate.core.errors import NotFound
from tidegate.ports.account import Aspect


class BucketLifecycle:
    """Unfinished uploads are cleared away; replaced versions expire if the configuration says so."""

    def __init__(self, clients: AwsClients, wanted: WantedBucket) -> None:
        self._clients, self._wanted = clients, wanted
        self._finding = partial(Finding, f"bucket {wanted.name}")

    def aspects(self) -> Sequence[Aspect]:
        asks, takes = "s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"
        found = [
            Aspect(
                "unfinished uploads",
                asks,
                self._unfinished,
                partial(self._add, bucket_rules.abort_rule()),
                takes,
            )
        ]
        if self._wanted.noncurrent_days:
            rule = bucket_rules.noncurrent_rule(self._wanted.noncurrent_days)
            found.append(Aspect("replaced versions", asks, self._replaced, partial(self._add, rule), takes))
        return found

    async def _unfinished(self) -> list[Finding]:
        if bucket_rules.aborts_incomplete((await self._configuration())["Rules"]):
            return []
        problem = "no rule clears unfinished uploads away, and their parts cost money"
        return [self._finding("unfinished uploads", problem, severity="warning", by_setup=True)]

    async def _replaced(self) -> list[Finding]:
        days, rules = self._wanted.noncurrent_days, (await self._configuration())["Rules"]
        kept = bucket_rules.noncurrent_days(rules)
        if kept == days:
            return []
        others = [each for each in rules if each.get("ID") != bucket_rules.NONCURRENT_RULE]
        kept_by_others = bucket_rules.noncurrent_days(others)
        if kept_by_others is not None and days and kept_by_others < days:
            mend = "change that rule, or setup.noncurrent_days"
            problem = f"another rule keeps replaced versions for {kept_by_others} days only, not {days}"
            return [self._finding("replaced versions", problem, mend, "warning")]
        problem = f"keeps replaced versions {f'for {kept} days' if kept else 'for ever'}, not {days} days"
        return [self._finding("replaced versions", problem, severity="warning", by_setup=True)]

    async def _add(self, rule: bucket_rules.Document) -> None:
        configuration = await self._configuration()
        rules: Any = bucket_rules.with_rule(configuration.pop("Rules"), rule)
        await self._clients.run_s3(
            self._clients.s3.put_bucket_lifecycle_configuration,
            Bucket=self._wanted.name,
            LifecycleConfiguration={"Rules": rules},
            **configuration,
        )

    async def _configuration(self) -> dict[str, Any]:
        """Return the rules, and what has to be sent back with them."""
        s3 = self._clients.s3
        try:
            answer: Any = await self._clients.run_s3(
                s3.get_bucket_lifecycle_configuration, Bucket=self._wanted.name
            )
        except NotFound:
            return {"Rules": []}
        kept = ("Rules", "TransitionDefaultMinimumObjectSize")
        return {name: answer[name] for name in kept if name in answer}


class BucketEvents:
    """New objects are announced where handlers wait for them."""

    def __init__(self, clients: AwsClients, wanted: WantedBucket) -> None:
        self._clients, self._wanted = clients, wanted

    def aspects(self) -> Sequence[Aspect]:
        if self._wanted.events is None:
            return []
        asks, takes = "s3:GetBucketNotification", "s3:PutBucketNotification"
        return [Aspect("notifications", asks, self._look, self._mend, takes)]

    async def _look(self) -> list[Finding]:
        destination = self._wanted.events or ""
        if bucket_rules.announces(await self._configuration(), destination):
            return []
        problem = f"does not announce new objects to {destination}: nothing would be delivered"
        return [Finding(f"bucket {self._wanted.name}", "notifications", problem, by_setup=True)]

    async def _mend(self) -> None:
        merged: Any = bucket_rules.with_announcement(await self._configuration(), self._wanted.events or "")
        await self._clients.run_s3(
            self._clients.s3.put_bucket_notification_configuration,
            Bucket=self._wanted.name,
            NotificationConfiguration=merged,
        )

    async def _configuration(self) -> dict[str, Any]:
        answer: Any = await self._clients.run_s3(
            self._clients.s3.get_bucket_notification_configuration, Bucket=self._wanted.name
        )
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
