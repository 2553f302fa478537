"""Calls made only to learn whether they may be made. What they leave behind expires by itself."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.errors import GatewayError, StoreUnavailable

_ENABLED = "Enabled"
_EXPIRES_SECONDS = 3600
_DATA_KEY_CONTEXT = {"tidegate": "doctor"}


class AwsProbes:
    """Questions about the account that no port of the gateway asks."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    async def caller(self) -> str:
        """Return the ARN that calls are made as. Needs no permission."""
        answer = await self._clients.run(self._clients.sts.get_caller_identity)
        return str(answer["Arn"])

    async def clock_ahead_seconds(self, bucket: str) -> float:
        """
        Return by how many seconds this machine's clock is ahead of S3's; negative if it is behind.

        Half a second of error is the least there can be: the header has whole seconds. A refusal tells
        the time as well, and one because of the clock is a refusal. Raises `StoreUnavailable` if
        nothing tells it.
        """
        try:
            answer: Any = await self._clients.run_s3(self._clients.s3.head_bucket, Bucket=bucket)
        except GatewayError as error:
            if not isinstance(error.__cause__, ClientError):
                raise StoreUnavailable(error.detail) from error
            answer = error.__cause__.response
        told = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
        if not told:
            raise StoreUnavailable("the answer has no Date header")
        return (datetime.now(UTC) - parsedate_to_datetime(told)).total_seconds()

    async def key(self, key: str) -> tuple[str, str]:
        """Return the ARN and the state of a key, such as `Enabled`. Raises `NotFound`."""
        answer = await self._clients.run(self._clients.kms.describe_key, KeyId=key)
        return answer["KeyMetadata"]["Arn"], answer["KeyMetadata"].get("KeyState", _ENABLED)

    async def use_key(self, key: str) -> None:
        """Have the key make a data key, and decrypt it again, as S3 does for each object."""
        kms = self._clients.kms
        made = await self._clients.run(
            kms.generate_data_key, KeyId=key, KeySpec="AES_256", EncryptionContext=_DATA_KEY_CONTEXT
        )
        await self._clients.run(
            kms.decrypt, CiphertextBlob=made["CiphertextBlob"], EncryptionContext=_DATA_KEY_CONTEXT
        )

    async def write_record(self, table: str, log_id: str) -> None:
        """Put, change and read an item of the transfers table, from which nobody may delete."""
        key = {"LogID": {"S": log_id}, "Item": {"S": "probe"}}
        expires = {"N": str(int(time.time()) + _EXPIRES_SECONDS)}
        dynamodb = self._clients.dynamodb
        await self._clients.run(dynamodb.put_item, TableName=table, Item={**key, "ExpiresAt": expires})
        await self._clients.run(
            dynamodb.update_item,
            TableName=table,
            Key=key,
            UpdateExpression="SET ProbedAt = :now",
            ExpressionAttributeValues={":now": {"S": datetime.now(UTC).isoformat()}},
        )
        answer = await self._clients.run(
            dynamodb.query,
            TableName=table,
            ConsistentRead=True,
            KeyConditionExpression="LogID = :id",
            ExpressionAttributeValues={":id": {"S": log_id}},
        )
        if answer["Count"] != 1:
            raise StoreUnavailable(f"an item just written to {table} is not found in it")
