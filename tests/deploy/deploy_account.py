"""The two stacks in an emulator of AWS, with the parameters that CloudFormation would be given."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.request import Request, urlopen

import boto3
from deploy_templates import template

REGION = "eu-central-1"
# A key id of twelve digits is an account to the emulator.
ACCOUNT = "000000000000"
PREFIX = "acme"
STORAGE, GATEWAY = f"{PREFIX}-storage", f"{PREFIX}-gateway"
CODE_BUCKET, CODE_KEY = f"{PREFIX}-code", "tidegate-lambda-1.zip"
SERVER_ID = "s-0123456789abcdef0"
_PATIENCE_SECONDS = 60


@dataclass
class Account:
    """An account at an endpoint, and its clients by the names of the services."""

    url: str
    clients: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service,
                endpoint_url=self.url,
                region_name=REGION,
                aws_access_key_id=ACCOUNT,
                aws_secret_access_key="any",
            )
        return self.clients[service]

    def deploy_storage(self, code: bytes) -> None:
        """Deploy storage.yaml, whose functions have this code."""
        location = {"LocationConstraint": REGION}
        self["s3"].create_bucket(Bucket=CODE_BUCKET, CreateBucketConfiguration=location)
        self["s3"].put_object(Bucket=CODE_BUCKET, Key=CODE_KEY, Body=code)
        self._deploy(
            STORAGE,
            template("storage"),
            NamePrefix=PREFIX,
            ServerId=SERVER_ID,
            CodeBucket=CODE_BUCKET,
            CodeKey=CODE_KEY,
        )

    def deploy_gateway(self) -> None:
        """Deploy gateway.yaml into a VPC of its own, over the stack of storage.yaml."""
        ec2 = self["ec2"]
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"]
            for number in range(4)
        ]
        wanted = template("gateway")
        # The emulator takes a parameter for text where CloudFormation makes it the number it stands for.
        wanted["Resources"]["Service"]["Properties"]["DesiredCount"] = wanted["Parameters"]["Tasks"][
            "Default"
        ]
        self._deploy(
            GATEWAY,
            wanted,
            StorageStack=STORAGE,
            VpcId=vpc,
            VpcCidr="10.0.0.0/16",
            LoadBalancerSubnets=",".join(subnets[:2]),
            TaskSubnets=",".join(subnets[2:]),
            TaskRouteTables=ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"],
            Image="tidegate:1",
            HostName="sftp.example.com",
            PartnerCidr="0.0.0.0/0",
        )

    def delete(self, stack: str) -> None:
        """Delete a stack, and return when it is gone."""
        formation = self["cloudformation"]
        formation.delete_stack(StackName=stack)
        formation.get_waiter("stack_delete_complete").wait(
            StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": _PATIENCE_SECONDS}
        )

    def made(self, stack: str) -> dict[str, tuple[str, str]]:
        """Return the type and the physical id of each resource of a stack, by its logical id."""
        found = self["cloudformation"].describe_stack_resources(StackName=stack)["StackResources"]
        return {
            each["LogicalResourceId"]: (each["ResourceType"], each.get("PhysicalResourceId", ""))
            for each in found
        }

    def physical(self, stack: str, logical_id: str) -> str:
        return self.made(stack)[logical_id][1]

    def _deploy(self, name: str, wanted: dict[str, Any], **parameters: str) -> None:
        formation = self["cloudformation"]
        formation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(wanted),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (status := self._status(name)).endswith("IN_PROGRESS"):
            assert time.monotonic() < deadline, f"{name} is still {status}"
        assert status == "CREATE_COMPLETE", self._failures(name)

    def _status(self, name: str) -> str:
        found: str = self["cloudformation"].describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        return found

    def _failures(self, name: str) -> list[str]:
        events = self["cloudformation"].describe_stack_events(StackName=name)["StackEvents"]
        return [
            f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason')}"
            for each in events
            if "FAILED" in each["ResourceStatus"]
        ]

    @cached_property
    def gateway_config(self) -> str:
        """The configuration in the gateways' task, as they would read it."""
        family = f"{GATEWAY}-gateway"
        task = self["ecs"].describe_task_definition(taskDefinition=family)["taskDefinition"]
        (container,) = task["containerDefinitions"]
        return str({each["name"]: each["value"] for each in container["environment"]}["TIDEGATE_CONFIG"])

    def empty(self) -> None:
        """Make the emulator forget everything: what one module mends, the next has to find as it was."""
        with urlopen(Request(f"{self.url}/_ministack/reset", method="POST")):
            pass

    def close(self) -> None:
        for client in self.clients.values():
            client.close()
