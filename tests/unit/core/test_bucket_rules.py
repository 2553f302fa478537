"""Lifecycle rules and notifications: what of ours is missing, and merging it in."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.core.bucket_rules import (
    abort_rule,
    aborts_incomplete,
    announces,
    noncurrent_days,
    noncurrent_rule,
    with_announcement,
    with_rule,
)

QUEUE = "arn:aws:sqs:eu-central-1:111122223333:uploads"
FUNCTION = "arn:aws:lambda:eu-central-1:111122223333:function:deliver"


def test_our_rules_are_what_we_look_for() -> None:
    """Otherwise a second run would add them again."""
    rules = with_rule(with_rule([], abort_rule()), noncurrent_rule(30))
    assert aborts_incomplete(rules)
    assert noncurrent_days(rules) == 30


@pytest.mark.parametrize(
    "change",
    [
        {"Status": "Disabled"},
        {"Filter": {"Prefix": "tmp/"}},
        {"Filter": {"Tag": {"Key": "x", "Value": "y"}}},
        {"Filter": {"And": {"Prefix": "", "Tags": []}}},
    ],
)
def test_a_rule_for_a_part_does_not_count(change: dict[str, Any]) -> None:
    """Nor one that is off."""
    assert not aborts_incomplete([{**abort_rule(), **change}])
    assert noncurrent_days([{**noncurrent_rule(3), **change}]) is None


@pytest.mark.parametrize("where", [{"Filter": {}}, {"Filter": {"Prefix": ""}}, {"Prefix": ""}])
def test_a_rule_of_others_for_all_counts(where: dict[str, Any]) -> None:
    """In the old form, too, which had no filter."""
    theirs = {"ID": "x", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}}
    assert aborts_incomplete([{**theirs, **where}])


def test_the_earliest_expiry_counts() -> None:
    """Of several rules S3 applies the one that acts first."""
    assert noncurrent_days([noncurrent_rule(30), {**noncurrent_rule(7), "ID": "theirs"}]) == 7


def test_a_rule_is_added_once_and_nothing_is_lost() -> None:
    """One of our id is replaced; others stay, in their order."""
    theirs = {"ID": "theirs"}
    once = with_rule([noncurrent_rule(9), theirs], noncurrent_rule(30))
    assert once == [theirs, noncurrent_rule(30)]
    assert with_rule(once, noncurrent_rule(30)) == once


@pytest.mark.parametrize("destination", ["eventbridge", QUEUE, FUNCTION])
def test_notifications_are_merged(destination: str) -> None:
    """Ours is there afterwards, once, and the others are, too."""
    theirs = {
        "TopicConfigurations": [{"Id": "t", "TopicArn": "x", "Events": ["s3:ObjectRemoved:*"]}],
        "QueueConfigurations": [{"Id": "q", "QueueArn": "other", "Events": ["s3:ObjectCreated:*"]}],
    }
    assert not announces(theirs, destination)
    merged = with_announcement(theirs, destination)
    assert announces(merged, destination)
    assert with_announcement(merged, destination) == merged
    assert merged["TopicConfigurations"] == theirs["TopicConfigurations"]
    assert theirs["QueueConfigurations"][0] in merged["QueueConfigurations"]


def test_an_announcement_of_a_part_does_not_count() -> None:
    """Under a prefix only, nothing else would be delivered."""
    rules = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}}
    partial = {"QueueArn": QUEUE, "Events": ["s3:ObjectCreated:*"], "Filter": rules}
    assert not announces({"QueueConfigurations": [partial]}, QUEUE)
