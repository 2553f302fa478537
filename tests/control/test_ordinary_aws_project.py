"""An ordinary integration test against AWS, by boto3 and by the AWS CLI; the environment says where it is."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import paramiko
import pytest

from support import ordinary_project as project
from support.ordinary_project import SOON, USER, Key, sftp
from tidegate.testing.gateway import LocalGateway

BUCKET, GROUP = "partners-inbox", "/sftp/partners"
REFUSED = (paramiko.SSHException, OSError)


@pytest.fixture(autouse=True)
def aws_environment(tidegate: LocalGateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The whole of what is tidegate's here."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": tidegate.endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


# --- by boto3 -----------------------------------------------------------------------------------


@dataclass
class Deployed:
    """What the project has in its account."""

    server_id: str
    queue_url: str
    host_key: Key
    key: Key
    key_id: str

    def server(self) -> dict[str, Any]:
        described: dict[str, Any] = boto3.client("transfer").describe_server(ServerId=self.server_id)[
            "Server"
        ]
        return described


def deploy() -> Deployed:
    """Make everything: bucket, logs, queue and rule, role, server, partner."""
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    group = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]["arn"]
    return _server(group if group.endswith(":*") else f"{group}:*", _queue(), _role())


def _queue() -> str:
    sqs, events = boto3.client("sqs"), boto3.client("events")
    url: str = sqs.create_queue(QueueName="uploads")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": project.queue_policy(arn)})
    events.put_rule(Name="uploads", EventPattern=project.pattern_of_uploads())
    events.put_targets(Rule="uploads", Targets=[{"Id": "queue", "Arn": arn}])
    return url


def _role() -> str:
    iam = boto3.client("iam")
    role: str = iam.create_role(RoleName="partners", AssumeRolePolicyDocument=project.trust())["Role"]["Arn"]
    iam.put_role_policy(RoleName="partners", PolicyName="inbox", PolicyDocument=project.role_policy(BUCKET))
    return role


def _server(logs: str, queue_url: str, role: str) -> Deployed:
    transfer, host_key, key = boto3.client("transfer"), Key(), Key()
    server_id = transfer.create_server(
        Domain="S3",
        EndpointType="PUBLIC",
        HostKey=host_key.private,
        IdentityProviderType="SERVICE_MANAGED",
        Protocols=["SFTP"],
        S3StorageOptions={"DirectoryListingOptimization": "ENABLED"},
        SecurityPolicyName="TransferSecurityPolicy-2024-01",
        StructuredLogDestinations=[logs],
        Tags=[{"Key": "project", "Value": "partners"}],
    )["ServerId"]
    transfer.get_waiter("server_online").wait(ServerId=server_id, WaiterConfig=SOON)
    transfer.create_user(
        ServerId=server_id,
        UserName=USER,
        Role=role,
        HomeDirectoryType="LOGICAL",
        HomeDirectoryMappings=project.mappings(BUCKET),
        Policy=project.session_policy(BUCKET),
    )
    imported = transfer.import_ssh_public_key(ServerId=server_id, UserName=USER, SshPublicKeyBody=key.public)
    return Deployed(server_id, queue_url, host_key, key, imported["SshPublicKeyId"])


def use(at: Deployed) -> None:
    """A partner sends a file and fetches one."""
    s3, server = boto3.client("s3"), at.server()
    assert server["HostKeyFingerprint"] == at.host_key.fingerprint
    s3.put_object(Bucket=BUCKET, Key=f"{USER}/out/answer.csv", Body=b"ok\n")
    with sftp(server, at.key) as client:
        assert sorted(client.listdir("/")) == ["in", "out"]
        project.send(client, "/in/report.csv", b"a,b\n")
        assert client.listdir("/in") == ["report.csv"]
        assert client.open("/out/answer.csv").read() == b"ok\n"
        with pytest.raises(FileNotFoundError):
            project.send(client, "/elsewhere.csv", b"x")
    stored = s3.get_object(Bucket=BUCKET, Key=f"{USER}/in/report.csv")
    assert stored["Body"].read() == b"a,b\n"
    assert stored["Metadata"]["user-agent"] == "AWSTransfer"
    assert stored["Metadata"]["user-agent-id"] == f"{USER}@{at.server_id}"


def paths_that_the_policy_denies(at: Deployed) -> None:
    """The mapping shows /out, and the session policy lets nobody write there."""
    with sftp(at.server(), at.key) as client:
        assert project.is_denied(client, "/out/report.csv")
    keys = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"{USER}/out/")["Contents"]
    assert [each["Key"] for each in keys] == [f"{USER}/out/answer.csv"]


def what_was_told(at: Deployed) -> None:
    """The upload is an event on the queue, and lines in the session's log stream."""
    (event,) = project.messages(at.queue_url)
    assert event["detail-type"] == "SFTP Server File Upload Completed"
    assert event["resources"] == [at.server()["Arn"]]
    detail = event["detail"]
    assert (detail["file-path"], detail["username"]) == (f"/{BUCKET}/{USER}/in/report.csv", USER)
    assert (detail["status-code"], detail["bytes"]) == ("COMPLETED", 4)
    told = project.activities(GROUP, detail["session-id"])
    kinds = [each["activity-type"] for each in told]
    assert kinds == ["CONNECTED", "OPEN", "CLOSE", "OPEN", "CLOSE", "ERROR", "DISCONNECTED"]
    assert told[0]["user"] == USER
    assert told[2]["bytes-in"] == "4"
    assert {each["session-id"] for each in told} == {detail["session-id"]}


def rotate(at: Deployed) -> None:
    """A new key comes, the old one goes."""
    transfer, old, at.key = boto3.client("transfer"), at.key, Key()
    user = {"ServerId": at.server_id, "UserName": USER}
    transfer.import_ssh_public_key(**user, SshPublicKeyBody=at.key.public)
    transfer.delete_ssh_public_key(**user, SshPublicKeyId=at.key_id)
    with sftp(at.server(), at.key) as client:
        assert client.listdir("/in") == ["report.csv"]
    with pytest.raises(paramiko.AuthenticationException), sftp(at.server(), old):
        pass


def stop_start_delete(at: Deployed) -> None:
    """A server that is stopped answers nobody; one that is deleted is gone, and the files are not."""
    transfer, before = boto3.client("transfer"), at.server()
    server = {"ServerId": at.server_id}
    transfer.stop_server(**server)
    transfer.get_waiter("server_offline").wait(**server, WaiterConfig=SOON)
    with pytest.raises(REFUSED), sftp(before, at.key):
        pass
    transfer.start_server(**server)
    transfer.get_waiter("server_online").wait(**server, WaiterConfig=SOON)
    with sftp(at.server(), at.key):
        pass
    transfer.delete_server(**server)
    with pytest.raises(transfer.exceptions.ResourceNotFoundException):
        transfer.describe_user(ServerId=at.server_id, UserName=USER)
    boto3.client("s3").head_object(Bucket=BUCKET, Key=f"{USER}/in/report.csv")


def _story(*parts: Callable[[Deployed], None]) -> None:
    at = deploy()
    for part in parts:
        part(at)


def test_an_ordinary_project() -> None:
    """All of it."""
    _story(use, paths_that_the_policy_denies, what_was_told, rotate, stop_start_delete)


# --- by the AWS CLI -----------------------------------------------------------------------------


def aws(service: str, operation: str, **options: Any) -> Any:
    """Run `aws service operation --name value ...` and return what it answers."""
    # By the option: versions of 2022 do not know AWS_ENDPOINT_URL, and would ask AWS itself.
    command = [
        "aws",
        "--output",
        "json",
        "--endpoint-url",
        os.environ["AWS_ENDPOINT_URL"],
        service,
        operation,
    ]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", value if isinstance(value, str) else json.dumps(value)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"AWS_PAGER": ""}, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "null")


def deploy_by_cli() -> Deployed:
    """Make everything as a script of somebody's would."""
    host_key, key = Key(), Key()
    aws("s3api", "create-bucket", bucket=BUCKET)
    aws("logs", "create-log-group", log_group_name=GROUP)
    url = aws("sqs", "create-queue", queue_name="uploads")["QueueUrl"]
    attributes = aws("sqs", "get-queue-attributes", queue_url=url, attribute_names="QueueArn")
    aws("events", "put-rule", name="uploads", event_pattern=project.pattern_of_uploads())
    target = {"Id": "queue", "Arn": attributes["Attributes"]["QueueArn"]}
    aws("events", "put-targets", rule="uploads", targets=[target])
    role = aws("iam", "create-role", role_name="partners", assume_role_policy_document=project.trust())
    policy = {"role_name": "partners", "policy_name": "inbox", "policy_document": project.role_policy(BUCKET)}
    aws("iam", "put-role-policy", **policy)
    group = f"arn:aws:logs:us-east-1:{project.account_id()}:log-group:{GROUP}:*"
    server_id = aws(
        "transfer",
        "create-server",
        host_key=host_key.private,
        s3_storage_options="DirectoryListingOptimization=ENABLED",
        structured_log_destinations=group,
        tags="Key=project,Value=partners",
    )["ServerId"]
    user = {"server_id": server_id, "user_name": USER}
    aws(
        "transfer",
        "create-user",
        **user,
        role=role["Role"]["Arn"],
        home_directory_type="LOGICAL",
        home_directory_mappings=project.mappings(BUCKET),
        policy=project.session_policy(BUCKET),
    )
    imported = aws("transfer", "import-ssh-public-key", **user, ssh_public_key_body=key.public)
    boto3.client("transfer").get_waiter("server_online").wait(ServerId=server_id, WaiterConfig=SOON)
    return Deployed(server_id, url, host_key, key, imported["SshPublicKeyId"])


def stop_start_delete_by_cli(at: Deployed) -> None:
    aws(
        "transfer",
        "delete-ssh-public-key",
        server_id=at.server_id,
        user_name=USER,
        ssh_public_key_id=at.key_id,
    )
    with pytest.raises(paramiko.AuthenticationException), sftp(at.server(), at.key):
        pass
    for operation, waiter in (("stop-server", "server_offline"), ("start-server", "server_online")):
        aws("transfer", operation, server_id=at.server_id)
        boto3.client("transfer").get_waiter(waiter).wait(ServerId=at.server_id, WaiterConfig=SOON)
    aws("transfer", "delete-server", server_id=at.server_id)
    assert at.server_id not in [each["ServerId"] for each in aws("transfer", "list-servers")["Servers"]]


@pytest.mark.lengthy
@pytest.mark.client("aws")
def test_an_ordinary_script() -> None:
    """The same by the program that people type."""
    at = deploy_by_cli()
    for part in (use, paths_that_the_policy_denies, what_was_told, stop_start_delete_by_cli):
        part(at)
