"""The templates against the code: names, tables, events, permissions and configurations agree."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from deploy_templates import DEPLOY, resources, statements, template

from tidegate.adapters.aws.tables import directory_table, transfers_table
from tidegate.cli.account_plan import estate_of
from tidegate.core.deliveries import DeliveryStatus
from tidegate.core.policies import Estate, gateway_policy, handlers_policy
from tidegate.core.transfers import TransferStatus
from tidegate.settings import check_for_serve, load
from tidegate.settings.model import Settings

ROOT = DEPLOY.parent
TEMPLATES = ("storage", "gateway")
# Where data are: deleting a stack, or a line of it, must not delete them.
KEPT = ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Logs::LogGroup")
VALUES = {
    "NamePrefix": "acme",
    "ServerId": "s-0123456789abcdef0",
    "Preset": "partner-safe",
    "AWS::Region": "eu-central-1",
    "HostName": "sftp.example.com",
    "VpcCidr": "10.0.0.0/16",
}


def filled(text: str) -> str:
    """Return a text of Fn::Sub with the names in it replaced."""
    return re.sub(r"\$\{([\w:]+)\}", lambda found: VALUES[found[1]], text)


def gateway_container() -> dict[str, Any]:
    (task,) = resources("gateway", "AWS::ECS::TaskDefinition").values()
    (container,) = task["Properties"]["ContainerDefinitions"]
    return dict(container)


def configurations() -> dict[str, str]:
    """Return the configuration of each program that the templates start."""
    found = {
        name: filled(function["Properties"]["Environment"]["Variables"]["TIDEGATE_CONFIG"]["Fn::Sub"])
        for name, function in resources("storage", "AWS::Lambda::Function").items()
    }
    (variable,) = gateway_container()["Environment"]
    return {**found, "gateway": filled(variable["Value"]["Fn::Sub"][0])}


def settings(name: str) -> Settings:
    return load(None, {"TIDEGATE_CONFIG": configurations()[name]}, StringIO()).settings


# --- form -----------------------------------------------------------------------------------


@pytest.mark.lengthy
def test_cfn_lint_finds_nothing() -> None:
    """Not a warning, and no exception is made."""
    program = Path(sys.executable).with_name("cfn-lint")
    command = [str(program), *(str(DEPLOY / f"{name}.yaml") for name in TEMPLATES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_exception_of_checkov_is_explained() -> None:
    """A check that is skipped without a reason is a check that nobody looked at."""
    for name in TEMPLATES:
        for resource in template(name)["Resources"].values():
            for skipped in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                assert len(skipped["comment"]) > 40


def test_both_templates_fit_into_a_request() -> None:
    """CloudFormation takes 51,200 bytes directly; larger ones need a bucket first."""
    assert all((DEPLOY / f"{name}.yaml").stat().st_size <= 51_200 for name in TEMPLATES)


def test_everything_a_stack_imports_is_exported() -> None:
    """By the other stack, under the same name."""
    imported = set(re.findall(r'"\$\{StorageStack\}-(\w+)"', (DEPLOY / "gateway.yaml").read_text()))
    exported = {
        output["Export"]["Name"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
        for output in template("storage")["Outputs"].values()
        if "Export" in output
    }
    assert imported == exported


# --- data -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KEPT)
def test_data_outlive_the_stack(kind: str) -> None:
    """Buckets, tables, keys and logs are kept, whether the stack or a line in it is deleted."""
    found = resources("storage", kind)
    assert found
    assert {(each["DeletionPolicy"], each["UpdateReplacePolicy"]) for each in found.values()} == {
        ("Retain", "Retain")
    }


@pytest.mark.parametrize(
    ("resource", "wanted"), [("TransfersTable", transfers_table), ("DirectoryTable", directory_table)]
)
def test_tables_have_the_shape_of_the_code(resource: str, wanted: Any) -> None:
    """Keys, indexes, projections and encryption, as `local` and the adapters have them."""
    made = template("storage")["Resources"][resource]["Properties"]
    expected = wanted(filled(made["TableName"]["Fn::Sub"]))
    for member in ("BillingMode", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes"):
        assert made.get(member) == expected.get(member)
    encryption = made["SSESpecification"]
    assert (encryption["SSEEnabled"], encryption["SSEType"]) == (True, "KMS")
    assert made["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert made["DeletionProtectionEnabled"]


def test_records_expire_by_the_attribute_of_the_code() -> None:
    """The adapters write it; under another name nothing would ever go, or everything."""
    made = template("storage")["Resources"]["TransfersTable"]["Properties"]["TimeToLiveSpecification"]
    assert made["Enabled"]
    provision = (ROOT / "gateway/tidegate/adapters/aws/provision.py").read_text()
    assert f'"AttributeName": "{made["AttributeName"]}"' in provision
    assert "TimeToLiveSpecification" not in template("storage")["Resources"]["DirectoryTable"]["Properties"]


@pytest.mark.parametrize("bucket", ["LandingBucket", "PrivateBucket"])
def test_buckets_encrypt_and_forget_unfinished_uploads(bucket: str) -> None:
    """With a key of their own, and bucket keys, which save most of the calls to KMS."""
    made = template("storage")["Resources"][bucket]["Properties"]
    (rule,) = made["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"]
    key = bucket.replace("Bucket", "Key")
    default = rule["ServerSideEncryptionByDefault"]
    assert default == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Fn::GetAtt": [key, "Arn"]}}
    (lifecycle,) = made["LifecycleConfiguration"]["Rules"]
    assert lifecycle["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 14}
    assert made["LoggingConfiguration"]["DestinationBucketName"] == {"Ref": "AccessLogBucket"}


# --- configurations -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gateway", "DeliverFunction", "SweepFunction"])
def test_configurations_name_what_the_stack_makes(name: str) -> None:
    """The prefix alone leads every program to the buckets, tables and keys of storage.yaml."""
    found = settings(name)
    stack = {
        kind: {filled(each["Properties"][member]["Fn::Sub"]) for each in resources("storage", kind).values()}
        for kind, member in (
            ("AWS::S3::Bucket", "BucketName"),
            ("AWS::DynamoDB::Table", "TableName"),
            ("AWS::KMS::Alias", "AliasName"),
        )
    }
    (target,) = found.deliveries.targets
    assert {found.landing.bucket, target.bucket, "acme-access-logs"} == stack["AWS::S3::Bucket"]
    assert {found.tables.transfers, found.tables.directory} == stack["AWS::DynamoDB::Table"]
    keys = {found.landing.kms_key, target.kms_key, found.tables.kms_key, found.sftp.host_key_kms_key}
    assert keys == stack["AWS::KMS::Alias"]
    assert found.deliveries.owner == "handlers"


def test_serve_has_nothing_to_say_against_the_configuration() -> None:
    """What `tidegate serve` asks for before it starts, all of it."""
    assert check_for_serve(settings("gateway")) == []


def test_the_load_balancer_and_the_gateway_mean_the_same_ports() -> None:
    """SFTP with PROXY headers on one, HTTP for health checks on the other."""
    (group,) = resources("gateway", "AWS::ElasticLoadBalancingV2::TargetGroup").values()
    found, targets = settings("gateway"), group["Properties"]
    assert found.sftp.port == targets["Port"]
    assert str(found.health.port) == targets["HealthCheckPort"]
    assert [each["ContainerPort"] for each in gateway_container()["PortMappings"]] == [
        found.sftp.port,
        found.health.port,
    ]
    assert {found.sftp.host, found.health.host} == {"0.0.0.0"}
    assert f":{found.health.port}/live" in gateway_container()["HealthCheck"]["Command"][-1]
    assert list(found.sftp.proxy_protocol_from) == [VALUES["VpcCidr"]]
    attributes = {each["Key"]: each["Value"] for each in targets["TargetGroupAttributes"]}
    assert attributes["proxy_protocol_v2.enabled"] == "true"


def test_a_stopping_gateway_has_the_time_it_was_promised() -> None:
    """The load balancer notices before connections are refused, and nobody kills before uploads ended."""
    (group,) = resources("gateway", "AWS::ElasticLoadBalancingV2::TargetGroup").values()
    targets, shutdown = group["Properties"], settings("gateway").shutdown
    notices = targets["HealthCheckIntervalSeconds"] * targets["UnhealthyThresholdCount"]
    assert shutdown.notice_seconds >= notices + targets["HealthCheckTimeoutSeconds"]
    kills = gateway_container()["StopTimeout"]
    assert kills <= 120, "Fargate grants no more"
    assert shutdown.notice_seconds + shutdown.grace_seconds <= kills - 10
    attributes = {each["Key"]: each["Value"] for each in targets["TargetGroupAttributes"]}
    assert int(attributes["deregistration_delay.timeout_seconds"]) >= kills


@pytest.mark.parametrize("name", ["DeliverFunction", "SweepFunction"])
def test_functions_lead_to_handlers(name: str) -> None:
    """The name in the template is a function of the code; the packages fit the machine they run on."""
    properties = template("storage")["Resources"][name]["Properties"]
    module, _, function = properties["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))
    build = (ROOT / "scripts/build-lambda").read_text()
    assert f'default="{properties["Architectures"][0]}"' in build
    assert f'default="{properties["Runtime"].removeprefix("python")}"' in build


# --- numbers from the log -------------------------------------------------------------------


@cache
def events_of_the_code() -> dict[str, set[str]]:
    """Return the names of the facts that each event of the log carries."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "gateway/tidegate").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            of_log, event = getattr(node.func.value, "id", ""), node.args[0]
            if of_log == "_log" and isinstance(event, ast.Constant):
                facts = {each.arg for each in node.keywords if each.arg}
                found[str(event.value)] = found.get(str(event.value), set()) | facts
    return found


@pytest.mark.parametrize("name", resources("storage", "AWS::Logs::MetricFilter"))
def test_filters_match_what_is_logged(name: str) -> None:
    """An event or a status of another name would be counted never, and nobody would be told."""
    pattern = resources("storage", "AWS::Logs::MetricFilter")[name]["Properties"]["FilterPattern"]
    conditions = re.findall(r'\$\.(\w+) = "([^"]*)"', pattern)
    # Nothing else is in it: no condition is overlooked here.
    assert not re.sub(r'\$\.\w+ = "[^"]*"|[\s{}()&|]', "", pattern)
    (event,) = [value for field, value in conditions if field == "event"]
    logged = events_of_the_code()
    assert event in logged
    statuses = {value for field, value in conditions if field == "status"}
    assert {field for field, _ in conditions} <= {"event"} | logged[event]
    known = {status.value for status in (*TransferStatus, *DeliveryStatus)} | {"OPEN"}
    assert statuses <= known


# --- permissions ----------------------------------------------------------------------------


def rights(policy: dict[str, Any]) -> set[str]:
    """Return all actions of a policy's statements."""
    return {action for each in policy["Statement"] for action in _list(each["Action"])}


def estate() -> Estate:
    """Return what the rights are about."""
    return estate_of(settings("gateway"), "000000000000")


def test_the_task_may_do_what_a_gateway_needs() -> None:
    """Exactly what `tidegate setup` would allow it; delivering is left to the functions."""
    assert rights({"Statement": statements("gateway", "TaskPolicy")}) == rights(gateway_policy(estate()))


def test_the_function_that_delivers_may_do_what_delivering_needs() -> None:
    """Exactly what `tidegate setup` would allow it, its log group apart, which the stack makes."""
    own = template("storage")["Resources"]["DeliverRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    made = rights({"Statement": statements("storage", "HandlersPolicy")}) | rights(own)
    queued = replace(estate(), queue="arn:aws:sqs:eu-central-1:000000000000:acme-events")
    assert made == rights(handlers_policy(queued)) - {"logs:CreateLogGroup"}


def test_the_sweep_may_do_what_a_gateway_may_but_serve() -> None:
    """It ends what a gateway began, so it takes the same rights; not those to log partners in."""
    own = template("storage")["Resources"]["SweepRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    made = rights({"Statement": statements("storage", "HandlersPolicy")}) | rights(own)
    to_serve = {
        "s3:GetBucketVersioning",
        "s3:PutObjectVersionTagging",  # times are set by clients
        "dynamodb:DescribeTable",
        "dynamodb:GetItem",
    }
    assert rights(gateway_policy(estate())) - made == to_serve


def test_only_the_sweep_writes_to_the_landing_bucket() -> None:
    """What delivers reads uploads, and can neither change nor remove them."""
    landing = [
        each for each in statements("storage", "HandlersPolicy") if "LandingBucket" in json.dumps(each)
    ]
    assert not [a for each in landing for a in each["Action"] if a.startswith(("s3:Put", "s3:Delete"))]


@pytest.mark.parametrize(("name", "resource"), [("gateway", "TaskPolicy"), ("storage", "HandlersPolicy")])
def test_nobody_deletes_records(name: str, resource: str) -> None:
    """`dynamodb:DeleteItem` is granted for the directory alone, where leases are."""
    for each in statements(name, resource):
        assert not {"*", "dynamodb:*"} & set(each["Action"])
        if "dynamodb:DeleteItem" in each["Action"]:
            assert "DirectoryTable" in json.dumps(each["Resource"])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_no_statement_is_for_everything() -> None:
    """Except where a service takes no resource, and in keys' policies, where * is the key itself."""
    wide = []
    for name in TEMPLATES:
        for logical, resource in template(name)["Resources"].items():
            if resource["Type"] == "AWS::IAM::Policy":
                wide += [
                    f"{logical}.{each['Sid']}"
                    for each in statements(name, logical)
                    if each["Resource"] == "*"
                ]
    assert wide == ["ExecutionPolicy.Registry"]
