"""Making buckets, keys and tables where they are missing. What is there is kept as it is."""

from __future__ import annotations

from typing import Any

from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.tables import directory_table, transfers_table
from tidegate.core.bucket_rules import abort_rule
from tidegate.core.errors import GatewayError, NotFound


class Provisioner:
    """Brings one endpoint to what the gateway needs. Every method may be repeated."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    async def ensure_key(self, alias: str) -> str:
        """Return the ARN of the key behind the alias, making both if missing."""
        kms = self._clients.kms
        try:
            return await self.key_arn(alias)
        except NotFound:
            made = await self._clients.run(kms.create_key, Description="tidegate")
            key = made["KeyMetadata"]
            await self._clients.run(kms.create_alias, AliasName=alias, TargetKeyId=key["KeyId"])
            return key["Arn"]

    async def key_arn(self, key: str) -> str:
        """Return the ARN of a key named by id, ARN or alias. Raises `NotFound`."""
        answer = await self._clients.run(self._clients.kms.describe_key, KeyId=key)
        return answer["KeyMetadata"]["Arn"]

    async def ensure_bucket(self, name: str, kms_key_arn: str | None, *, versioned: bool = True) -> bool:
        """Make the bucket, encrypted and versioned, with our rules; return whether it was missing."""
        if await self.has_bucket(name):
            return False
        s3 = self._clients.s3
        await self._clients.run_s3(s3.create_bucket, Bucket=name, **self._constraint())
        if versioned:
            await self._clients.run_s3(
                s3.put_bucket_versioning, Bucket=name, VersioningConfiguration={"Status": "Enabled"}
            )
        if kms_key_arn:
            await self._clients.run_s3(
                s3.put_bucket_encryption,
                Bucket=name,
                ServerSideEncryptionConfiguration=_default_encryption(kms_key_arn),
            )
        rules: Any = {"Rules": [abort_rule()]}
        await self._clients.run_s3(
            s3.put_bucket_lifecycle_configuration, Bucket=name, LifecycleConfiguration=rules
        )
        return True

    async def has_bucket(self, name: str) -> bool:
        """Return whether the bucket is there and ours to use; raises `AccessDenied` if it is not."""
        try:
            await self._clients.run_s3(self._clients.s3.head_bucket, Bucket=name)
        except NotFound:
            return False
        return True

    async def region_of(self, bucket: str) -> str | None:
        """Return the Region of a bucket; None if the endpoint does not say. Raises `NotFound`."""
        answer: Any = await self._clients.run_s3(self._clients.s3.head_bucket, Bucket=bucket)
        region: str | None = answer.get("BucketRegion")
        return region

    async def is_versioned(self, name: str) -> bool:
        answer = await self._clients.run_s3(self._clients.s3.get_bucket_versioning, Bucket=name)
        return answer.get("Status") == "Enabled"

    async def ensure_transfers_table(self, name: str) -> bool:
        """Make the transfers table with its indexes and TTL; return whether it was missing."""
        return await self._ensure_table(transfers_table(name), ttl=True)

    async def ensure_directory_table(self, name: str) -> bool:
        """Make the directory table; return whether it was missing."""
        return await self._ensure_table(directory_table(name), ttl=False)

    async def has_table(self, name: str) -> bool:
        try:
            await self._clients.run(self._clients.dynamodb.describe_table, TableName=name)
        except NotFound:
            return False
        return True

    async def lacking_indexes(self, shape: dict[str, Any]) -> list[str]:
        """Return the indexes of the shape that its table does not have, or that are still being built."""
        answer: Any = await self._clients.run(
            self._clients.dynamodb.describe_table, TableName=shape["TableName"]
        )
        ready = {
            each["IndexName"]
            for each in answer["Table"].get("GlobalSecondaryIndexes", ())
            if each.get("IndexStatus", "ACTIVE") == "ACTIVE"
        }
        wanted = [each["IndexName"] for each in shape.get("GlobalSecondaryIndexes", ())]
        return [name for name in wanted if name not in ready]

    async def _ensure_table(self, shape: dict[str, Any], *, ttl: bool) -> bool:
        name = shape["TableName"]
        if await self.has_table(name):
            return False
        dynamodb = self._clients.dynamodb
        await self._clients.run(dynamodb.create_table, **shape)
        waiter = dynamodb.get_waiter("table_exists")
        await self._clients.run(waiter.wait, TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        if ttl:
            await self._clients.run(
                dynamodb.update_time_to_live,
                TableName=name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": "ExpiresAt"},
            )
        await self._enable_recovery(name)
        return True

    async def _enable_recovery(self, name: str) -> None:
        try:
            await self._clients.run(
                self._clients.dynamodb.update_continuous_backups,
                TableName=name,
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            )
        except GatewayError:
            # Some look-alikes have no backups; only local mode makes tables, and its data are no one's.
            return

    def _constraint(self) -> Any:
        region = self._clients.endpoint.region
        if region == "us-east-1":
            return {}
        return {"CreateBucketConfiguration": {"LocationConstraint": region}}


def _default_encryption(kms_key_arn: str) -> Any:
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": kms_key_arn}
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": rule, "BucketKeyEnabled": True}]}
