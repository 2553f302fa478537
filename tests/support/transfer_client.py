"""boto3's client of the Transfer Family API, as tests of a running gateway want it."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tidegate.testing.gateway import LocalGateway

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/sftp"
OTHER_SERVER = "s-0123456789abcdef0"


class Transfer:
    """boto3's client with the server filled in, and without what HTTP adds to an answer."""

    def __init__(self, gateway: LocalGateway) -> None:
        self.client = gateway.client("transfer")
        self.server_id = gateway.server_id
        self.landing = gateway.landing_bucket
        self.arn = f"arn:aws:transfer:{gateway.region}:{ACCOUNT}:server/{gateway.server_id}"

    def __call__(self, operation: str, **members: Any) -> dict[str, Any]:
        takes = self.client.meta.service_model.operation_model(
            self.client.meta.method_to_api_mapping[operation]
        ).input_shape.members
        server = {"ServerId": self.server_id} if "ServerId" in takes else {}
        answer = getattr(self.client, operation)(**(server | members))
        assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
        return dict(answer)

    def user(self, name: str) -> dict[str, Any]:
        described: dict[str, Any] = self("describe_user", UserName=name)["User"]
        return described

    def user_arn(self, name: str) -> str:
        return f"{self.arn.replace(':server/', ':user/')}/{name}"

    def refused(self, operation: str, **members: Any) -> dict[str, Any]:
        """Return the error that an operation of the model answers: of the kinds that the model gives it."""
        with pytest.raises(ClientError) as refused:
            self(operation, **members)
        answer = refused.value.response
        name = self.client.meta.method_to_api_mapping[operation]
        errors = self.client.meta.service_model.operation_model(name).error_shapes
        assert answer["Error"]["Code"] in {error.name for error in errors}
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert answer["ResponseMetadata"]["RequestId"]
        return answer | {"Code": answer["Error"]["Code"]}

    def unchecked(self) -> Any:
        """Return a client that sends whatever it is given: what the server checks, the client does, too."""
        return boto3.client(
            "transfer",
            endpoint_url=self.client.meta.endpoint_url,
            region_name=self.client.meta.region_name,
            aws_access_key_id="any",
            aws_secret_access_key="thing",
            config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
        )
