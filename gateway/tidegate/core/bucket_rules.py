"""Lifecycle rules and notifications of buckets: what of ours is missing, and merging it in. No I/O."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

EVENTBRIDGE = "eventbridge"
ABORT_RULE = "abort-incomplete-uploads"
NONCURRENT_RULE = "tidegate-replaced-versions"
NOTIFICATION = "tidegate-new-objects"
# Nothing of ours needs an unfinished upload for so long; the last net below the sweep.
ABORT_INCOMPLETE_DAYS = 14
_CREATED = "s3:ObjectCreated:*"


def abort_rule() -> Document:
    """Return the rule that clears unfinished uploads away."""
    return {
        "ID": ABORT_RULE,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": ABORT_INCOMPLETE_DAYS},
    }


def noncurrent_rule(days: int) -> Document:
    """Return the rule that lets replaced versions expire."""
    return {
        "ID": NONCURRENT_RULE,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": days},
    }


def aborts_incomplete(rules: list[Document]) -> bool:
    """Tell whether some rule, whoever wrote it, clears unfinished uploads of the whole bucket away."""
    return any("AbortIncompleteMultipartUpload" in rule for rule in rules if _is_of_all(rule))


def noncurrent_days(rules: list[Document]) -> int | None:
    """Return after how many days replaced versions of the whole bucket expire; None: never."""
    days = [
        int(rule["NoncurrentVersionExpiration"]["NoncurrentDays"])
        for rule in rules
        if _is_of_all(rule) and "NoncurrentDays" in rule.get("NoncurrentVersionExpiration", {})
    ]
    return min(days, default=None)


def is_ours(rules: list[Document], rule_id: str) -> bool:
    """Tell whether there is a rule of this id."""
    return any(rule.get("ID") == rule_id for rule in rules)


def with_rule(rules: list[Document], ours: Document) -> list[Document]:
    """Return the rules with ours among them: in place of one of its id, all others as they are."""
    return [*(rule for rule in rules if rule.get("ID") != ours["ID"]), ours]


def _is_of_all(rule: Document) -> bool:
    whole: tuple[Document, ...] = ({}, {"Prefix": ""})
    return rule.get("Status") == "Enabled" and (
        rule.get("Filter") in whole if "Filter" in rule else rule.get("Prefix", "") == ""
    )


# --- notifications --------------------------------------------------------------------------


def announces(configuration: Document, destination: str) -> bool:
    """Tell whether the bucket announces every new object there."""
    if destination == EVENTBRIDGE:
        return "EventBridgeConfiguration" in configuration
    group, member = _place(destination)
    return any(
        each.get(member) == destination and _CREATED in each.get("Events", ()) and not _filter_of(each)
        for each in configuration.get(group, ())
    )


def with_announcement(configuration: Document, destination: str) -> Document:
    """Return the notifications with ours among them, all others as they are."""
    if destination == EVENTBRIDGE:
        return {**configuration, "EventBridgeConfiguration": {}}
    group, member = _place(destination)
    others = [each for each in configuration.get(group, ()) if each.get("Id") != NOTIFICATION]
    ours = {"Id": NOTIFICATION, member: destination, "Events": [_CREATED]}
    return {**configuration, group: [*others, ours]}


def _place(arn: str) -> tuple[str, str]:
    if arn.split(":")[2] == "sqs":
        return "QueueConfigurations", "QueueArn"
    return "LambdaFunctionConfigurations", "LambdaFunctionArn"


def _filter_of(notification: Document) -> Any:
    return notification.get("Filter", {}).get("Key", {}).get("FilterRules")
