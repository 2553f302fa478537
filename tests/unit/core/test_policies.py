"""What each role may do."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tidegate.core.policies import (
    POLICIES,
    Estate,
    gateway_policy,
    handlers_policy,
    partition_of,
    setup_policy,
    sweep_policy,
)

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1"
ESTATE = Estate(
    region="eu-central-1",
    account="111122223333",
    landing=("landing", "homes"),
    landing_keys=(KEY,),
    targets=(("private", "in/"),),
    target_keys=("alias/private",),
    transfers="transfers",
    directory="directory",
    host_keys_key=KEY,
    server_id="s-1",
)


def by_sid(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["Sid"]: each for each in document["Statement"]}


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("estate", [ESTATE, replace(ESTATE, handlers=True, tables_key=KEY)])
def test_nobody_deletes_records_or_may_do_everything(name: str, estate: Estate) -> None:
    """No role deletes items of the transfers table, and none has an action or resource of `*`."""
    for each in POLICIES[name](estate)["Statement"]:
        assert "*" not in each["Resource"]
        assert not any(action.endswith(":*") for action in each["Action"])
        if any(resource.endswith("table/transfers") for resource in each["Resource"]):
            assert "dynamodb:DeleteItem" not in each["Action"]


def test_only_gateways_assume_the_roles_of_users_and_only_where_they_are_named() -> None:
    """Without a name there is no such right: `role/*` would be the right to become anybody."""
    roles = ("arn:aws:iam::111122223333:role/partners/*",)
    for name, render in POLICIES.items():
        assert "UserRoles" not in by_sid(render(ESTATE))
        found = by_sid(render(replace(ESTATE, user_roles=roles))).get("UserRoles")
        expected = {
            "Sid": "UserRoles",
            "Effect": "Allow",
            "Action": ["sts:AssumeRole"],
            "Resource": list(roles),
        }
        assert found == (expected if name == "gateway" else None)


@pytest.mark.parametrize("name", POLICIES)
def test_a_role_takes_no_more_than_iam_allows(name: str) -> None:
    """Inline policies of a role: 10,240 characters. Source: IAM User Guide, "IAM and STS quotas"."""
    text = json.dumps(POLICIES[name](replace(ESTATE, tables_key=KEY)))
    assert len(text) < 10_240 // 2


def test_copies_are_written_below_their_prefix_only() -> None:
    """And uploads nowhere but where they land."""
    found = by_sid(gateway_policy(ESTATE))
    assert found["DeliveryCopies"]["Resource"] == ["arn:aws:s3:::private/in/*"]
    assert found["LandingObjects"]["Resource"] == ["arn:aws:s3:::landing/*", "arn:aws:s3:::homes/*"]


def test_keys_known_by_alias_are_narrowed_by_it() -> None:
    """IAM knows keys by ARN alone: the alias is a condition."""
    found = by_sid(gateway_policy(ESTATE))
    assert found["LandingKeys"]["Resource"] == [KEY]
    assert "DeliveryTargetKeys" not in found
    by_alias = found["DeliveryTargetKeysByAlias"]
    assert by_alias["Resource"] == ["arn:aws:kms:eu-central-1:111122223333:key/*"]
    assert by_alias["Condition"] == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/private"]}}


def test_a_gateway_with_a_control_port_keeps_host_keys() -> None:
    """Of its server; and where the API makes servers, of any."""
    alone = by_sid(gateway_policy(replace(ESTATE, manages_host_keys=True)))["HostKeys"]
    assert set(alone["Action"]) == {"kms:Decrypt", "kms:Encrypt"}
    assert alone["Condition"] == {"StringEquals": {"kms:EncryptionContext:server_id": ESTATE.server_id}}
    makes = by_sid(gateway_policy(replace(ESTATE, manages_host_keys=True, makes_servers=True)))["HostKeys"]
    assert makes["Condition"] == {"StringLike": {"kms:EncryptionContext:server_id": "s-*"}}


def test_host_keys_are_opened_for_one_server() -> None:
    """The gateway of another server has no use of them."""
    found = by_sid(gateway_policy(ESTATE))["HostKeys"]
    assert (found["Action"], found["Condition"]) == (
        ["kms:Decrypt"],
        {"StringEquals": {"kms:EncryptionContext:server_id": "s-1"}},
    )
    assert "HostKeys" not in by_sid(gateway_policy(replace(ESTATE, host_keys_key=None)))


def test_a_gateway_whose_handlers_deliver_writes_no_copies() -> None:
    """It still looks whether targets and their keys are there."""
    gateway = by_sid(gateway_policy(replace(ESTATE, handlers=True)))
    assert "DeliveryCopies" not in gateway
    assert gateway["DeliveryTargetKeysByAlias"]["Action"] == ["kms:DescribeKey"]
    handlers = by_sid(handlers_policy(replace(ESTATE, handlers=True, queue="arn:aws:sqs:x")))
    assert handlers["DeliveryCopies"]["Resource"] == ["arn:aws:s3:::private/in/*"]
    assert handlers["Events"]["Resource"] == ["arn:aws:sqs:x"]
    assert not any("directory" in json.dumps(each) for each in handlers.values())


def test_the_sweep_delivers_too_and_takes_leases() -> None:
    """By a schedule, so from no queue."""
    sweep = by_sid(sweep_policy(replace(ESTATE, handlers=True, queue="arn:aws:sqs:x")))
    assert "Events" not in sweep
    assert {"DeliveryCopies", "SweepBuckets", "SweepObjects"} <= sweep.keys()
    assert [sid for sid, each in sweep.items() if "directory" in json.dumps(each)] == ["SweepLeases"]


def test_tags_may_travel_with_copies() -> None:
    """S3 refuses to copy a tagged object otherwise, whoever tagged it."""
    found = by_sid(gateway_policy(ESTATE))
    assert {"s3:GetObjectTagging", "s3:PutObjectTagging"} <= set(found["LandingObjects"]["Action"])
    assert "s3:PutObjectTagging" in found["DeliveryCopies"]["Action"]


def test_functions_write_nothing_where_uploads_land() -> None:
    """They read, abort what a dead gateway began, and write copies."""
    for each in sweep_policy(ESTATE)["Statement"]:
        if any(resource.startswith("arn:aws:s3:::landing/") for resource in each["Resource"]):
            assert not any(action.startswith(("s3:Put", "s3:Delete")) for action in each["Action"])


def test_a_key_of_the_tables_is_used_through_dynamodb() -> None:
    """Not directly."""
    found = by_sid(gateway_policy(replace(ESTATE, tables_key=KEY)))["TableKey"]
    assert found["Condition"] == {"StringEquals": {"kms:ViaService": "dynamodb.eu-central-1.amazonaws.com"}}


def test_setup_without_roles_asks_for_none() -> None:
    """Whoever keeps roles elsewhere gives no rights on them."""
    assert "iam:" not in json.dumps(setup_policy(ESTATE, []))
    roles = by_sid(setup_policy(ESTATE, ["x-gateway"]))["MakeRoles"]["Resource"]
    assert roles == ["arn:aws:iam::111122223333:role/x-gateway"]


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_partitions_follow_the_region(region: str, partition: str) -> None:
    """ARNs in China and GovCloud begin otherwise."""
    assert partition_of(region) == partition


def test_a_gateway_tells_only_where_it_is_to() -> None:
    """Logs, events and metrics are allowed where they are configured, each for its one place."""
    silent = by_sid(gateway_policy(ESTATE))
    told = by_sid(
        gateway_policy(
            replace(ESTATE, log_group="/sftp/activity", event_bus="default", metrics_namespace="Own/Transfer")
        )
    )
    assert told.keys() - silent.keys() == {"ActivityLogs", "ActivityEvents", "ActivityMetrics"}
    assert told["ActivityLogs"]["Resource"] == [
        "arn:aws:logs:eu-central-1:111122223333:log-group:/sftp/activity:*"
    ]
    assert told["ActivityEvents"]["Resource"] == [
        "arn:aws:events:eu-central-1:111122223333:event-bus/default"
    ]
    assert told["ActivityMetrics"]["Condition"] == {"StringEquals": {"cloudwatch:namespace": "Own/Transfer"}}
    bus = "arn:aws:events:eu-central-1:444455556666:event-bus/all"
    elsewhere = by_sid(gateway_policy(replace(ESTATE, event_bus=bus)))
    assert elsewhere["ActivityEvents"]["Resource"] == [bus]
