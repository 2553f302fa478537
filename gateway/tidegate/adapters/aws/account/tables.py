"""The two tables: shape, indexes, encryption, recovery, expiry and protection."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from tidegate.adapters.aws.account.keys import TAGS, KmsKeys
from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.tables import directory_table, transfers_table
from tidegate.core.audit import Finding, WantedTable
from tidegate.core.errors import NotFound
from tidegate.ports.account import Aspect

_SHAPES = {"transfers": transfers_table, "directory": directory_table}
_EXPIRES = "ExpiresAt"
# DynamoDB builds an index of a large table for hours; setup waits for small ones only.
_WAIT = {"Delay": 2, "MaxAttempts": 90}


class TableResource:
    """One table that the configuration names."""

    asks = "dynamodb:DescribeTable"

    def __init__(self, clients: AwsClients, keys: KmsKeys, wanted: WantedTable) -> None:
        self.name = f"table {wanted.name}"
        self._clients, self._keys, self._wanted = clients, keys, wanted
        self._shape = _SHAPES[wanted.holds](wanted.name)
        self._finding = partial(Finding, self.name)

    async def missing(self) -> Finding | None:
        try:
            await self._table()
        except NotFound:
            return self._finding("existence", "does not exist", by_setup=True)
        return None

    async def create(self) -> None:
        request = {
            **self._shape,
            "SSESpecification": await self._encrypted(),
            "DeletionProtectionEnabled": self._wanted.deletion_protection,
            "Tags": [{"Key": name, "Value": value} for name, value in TAGS.items()],
        }
        await self._clients.run(self._clients.dynamodb.create_table, **request)
        await self._settled()

    def aspects(self) -> Sequence[Aspect]:
        asks, takes = "dynamodb:DescribeTable", "dynamodb:UpdateTable"
        found = [
            Aspect("key schema", asks, self._schema),
            Aspect("indexes", asks, self._indexes, self._add_indexes, takes),
            Aspect("encryption", asks, self._encryption, self._encrypt, takes),
            Aspect(
                "recovery",
                "dynamodb:DescribeContinuousBackups",
                self._recovery,
                self._enable_recovery,
                "dynamodb:UpdateContinuousBackups",
            ),
        ]
        if self._wanted.holds == "transfers":
            asked, taken = "dynamodb:DescribeTimeToLive", "dynamodb:UpdateTimeToLive"
            found.append(Aspect("expiry", asked, self._expiry, self._enable_expiry, taken))
        if self._wanted.deletion_protection:
            found.append(Aspect("deletion protection", asks, self._protection, self._protect, takes))
        return found

    # --- shape ------------------------------------------------------------------------------

    async def _schema(self) -> list[Finding]:
        table = await self._table()
        if _same_keys(table["KeySchema"], self._shape["KeySchema"]):
            return []
        found, wanted = (_keys_of(each["KeySchema"]) for each in (table, self._shape))
        mend = (
            f"it is no table of tidegate, and cannot become one: name another in tables.{self._wanted.holds}"
        )
        return [self._finding("key schema", f"has the keys {found}, not {wanted}", mend)]

    async def _indexes(self) -> list[Finding]:
        there = {each["IndexName"]: each for each in (await self._table()).get("GlobalSecondaryIndexes", ())}
        found = []
        for wanted in self._shape.get("GlobalSecondaryIndexes", ()):
            name = wanted["IndexName"]
            index = there.get(name)
            if index is None:
                found.append(self._finding("indexes", f"has no index {name}", by_setup=True))
            elif not _is_as(index, wanted):
                mend = f"delete the index {name} while no gateway runs, and run tidegate setup again"
                found.append(self._finding("indexes", f"index {name} has other keys or attributes", mend))
            elif index.get("IndexStatus", "ACTIVE") != "ACTIVE":
                mend = "wait: DynamoDB builds it"
                found.append(
                    self._finding("indexes", f"index {name} is {index['IndexStatus'].lower()}", mend)
                )
        return found

    async def _add_indexes(self) -> None:
        there = {each["IndexName"] for each in (await self._table()).get("GlobalSecondaryIndexes", ())}
        for wanted in self._shape["GlobalSecondaryIndexes"]:
            if wanted["IndexName"] not in there:
                # DynamoDB makes one at a time.
                await self._update(
                    AttributeDefinitions=self._shape["AttributeDefinitions"],
                    GlobalSecondaryIndexUpdates=[{"Create": wanted}],
                )

    # --- encryption -------------------------------------------------------------------------

    async def _encryption(self) -> list[Finding]:
        described = (await self._table()).get("SSEDescription", {})
        wanted = self._wanted.kms_key
        if described.get("SSEType") != "KMS" or described.get("Status") not in ("ENABLED", "UPDATING"):
            problem = "is encrypted by a key of DynamoDB's own, which nobody can audit"
            return [self._finding("encryption", problem, by_setup=True)]
        if wanted is None:
            return []
        key = described.get("KMSMasterKeyArn", "")
        if not key or await self._keys.is_of_aws(key):
            return [self._finding("encryption", f"is encrypted by AWS's key, not by {wanted}", by_setup=True)]
        if await self._keys.arn(key) != await self._keys.arn(wanted):
            mend = f"name this key in tables.kms_key, or give the table {wanted} yourself"
            return [self._finding("encryption", f"is encrypted by {key}, not by {wanted}", mend)]
        return []

    async def _encrypt(self) -> None:
        await self._update(SSESpecification=await self._encrypted())

    async def _encrypted(self) -> Any:
        specification = {"Enabled": True, "SSEType": "KMS"}
        key = self._wanted.kms_key
        arn = await self._keys.arn(key) if key else None
        return {**specification, "KMSMasterKeyId": arn} if arn else specification

    # --- recovery, expiry, protection -------------------------------------------------------

    async def _recovery(self) -> list[Finding]:
        answer: Any = await self._clients.run(
            self._clients.dynamodb.describe_continuous_backups, TableName=self._wanted.name
        )
        point_in_time = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        if point_in_time.get("PointInTimeRecoveryStatus") == "ENABLED":
            return []
        return [self._finding("recovery", "has no point-in-time recovery", by_setup=True)]

    async def _enable_recovery(self) -> None:
        await self._clients.run(
            self._clients.dynamodb.update_continuous_backups,
            TableName=self._wanted.name,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )

    async def _expiry(self) -> list[Finding]:
        answer: Any = await self._clients.run(
            self._clients.dynamodb.describe_time_to_live, TableName=self._wanted.name
        )
        found = answer["TimeToLiveDescription"]
        if found.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
            return [self._finding("expiry", "old records never expire", severity="warning", by_setup=True)]
        if found.get("AttributeName") != _EXPIRES:
            mend = f"turn it off, wait an hour as DynamoDB asks, and let tidegate setup turn {_EXPIRES} on"
            return [self._finding("expiry", f"records expire by {found.get('AttributeName')}", mend)]
        return []

    async def _enable_expiry(self) -> None:
        await self._clients.run(
            self._clients.dynamodb.update_time_to_live,
            TableName=self._wanted.name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": _EXPIRES},
        )

    async def _protection(self) -> list[Finding]:
        if (await self._table()).get("DeletionProtectionEnabled"):
            return []
        problem = "can be deleted by one call"
        return [self._finding("deletion protection", problem, severity="warning", by_setup=True)]

    async def _protect(self) -> None:
        await self._update(DeletionProtectionEnabled=True)

    # --- the table --------------------------------------------------------------------------

    async def _table(self) -> Any:
        answer = await self._clients.run(self._clients.dynamodb.describe_table, TableName=self._wanted.name)
        return answer["Table"]

    async def _update(self, **changes: Any) -> None:
        await self._clients.run(self._clients.dynamodb.update_table, TableName=self._wanted.name, **changes)
        await self._settled()

    async def _settled(self) -> None:
        """Return when the table takes changes again: DynamoDB makes one at a time."""
        waiter: Any = self._clients.dynamodb.get_waiter("table_exists")
        await self._clients.run(waiter.wait, TableName=self._wanted.name, WaiterConfig=_WAIT)


def _is_as(index: Any, wanted: Any) -> bool:
    found, asked = index["Projection"], wanted["Projection"]
    return (
        _same_keys(index["KeySchema"], wanted["KeySchema"])
        and found["ProjectionType"] in (asked["ProjectionType"], "ALL")
        and (
            found["ProjectionType"] == "ALL"
            or set(asked.get("NonKeyAttributes", ())) <= set(found.get("NonKeyAttributes", ()))
        )
    )


def _same_keys(one: Any, other: Any) -> bool:
    return _keys_of(one) == _keys_of(other)


def _keys_of(schema: Any) -> str:
    """Return the attributes of a key schema, the partition key first."""
    in_order = sorted(schema, key=lambda each: str(each["KeyType"]))
    return ", ".join(each["AttributeName"] for each in in_order)
