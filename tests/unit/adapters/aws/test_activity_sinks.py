"""Logs, events and metrics as AWS takes them: sizes, counts, order, and what is done about refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tidegate.adapters.aws.account_arns import AccountArns
from tidegate.adapters.aws.errors import translated
from tidegate.adapters.aws.event_bus import MAX_BYTES, MAX_ENTRIES, EventBus, fitting
from tidegate.adapters.aws.log_groups import (
    LEFT_ALONE_SECONDS,
    MAX_BATCH_BYTES,
    MAX_EVENT_BYTES,
    MAX_EVENTS,
    LogGroups,
    batches,
    group_of,
    log_line,
)
from tidegate.adapters.aws.metrics import MAX_METRICS, TransferMetrics
from tidegate.adapters.memory.clock import ManualClock
from tidegate.core.activities import AuthFailure, Changed, Closed, Disconnected, Failed, Opened, Visitor
from tidegate.core.errors import StoreUnavailable
from tidegate.core.servers import Server

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "eu-west-1"
GROUP = "/sftp/activity"
LOGGED = Server(
    "s-0aa11bb22cc33dd44", log_destinations=(f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:*",)
)
ANA = Visitor(LOGGED, "ana", "0f1e2d3c4b5a6978", "192.0.2.7")
UPLOADED = Closed(ANA, AT, "/b/k", "in", 10, AT, "etag")
STREAM = "ana.0f1e2d3c4b5a6978"


class Aws:
    """Clients whose calls are kept; `errors` are raised first, by the name of the call."""

    def __init__(self) -> None:
        self.endpoint = SimpleNamespace(region=REGION)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.errors: dict[str, list[str]] = {}
        self.answers: dict[str, list[dict[str, Any]]] = {}

    def __getattr__(self, service: str) -> Any:
        return _Service(self)

    async def run_telling(self, call: Callable[[], Any]) -> Any:
        with translated():
            return call()

    def named(self, name: str) -> list[dict[str, Any]]:
        return [arguments for called, arguments in self.calls if called == name]


class _Service:
    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> dict[str, Any]:
            self._aws.calls.append((name, arguments))
            if errors := self._aws.errors.get(name):
                code = errors.pop(0)
                if code:
                    raise ClientError({"Error": {"Code": code, "Message": "m"}}, name)
            if answers := self._aws.answers.get(name):
                return answers.pop(0)
            return {"Account": ACCOUNT} if name == "get_caller_identity" else {}

        return call


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(AT)


@pytest.fixture
def account(aws: Aws, clock: ManualClock) -> AccountArns:
    return AccountArns(aws, clock)


@pytest.fixture
def groups(aws: Aws, account: AccountArns, clock: ManualClock) -> LogGroups:
    return LogGroups(aws, account, clock)


# --- CloudWatch Logs ------------------------------------------------------------------------


async def test_a_session_gets_a_stream_once(aws: Aws, groups: LogGroups) -> None:
    """The stream is made before the first line, and not again."""
    opened = Opened(ANA, AT, "/b/k", "READ")
    await groups.write([opened])
    await groups.write([UPLOADED])
    assert aws.named("create_log_stream") == [{"logGroupName": GROUP, "logStreamName": STREAM}]
    first, second = aws.named("put_log_events")
    assert (first["logGroupName"], first["logStreamName"]) == (GROUP, STREAM)
    (event,) = second["logEvents"]
    assert event["timestamp"] == int(AT.timestamp() * 1000)
    told = json.loads(event["message"])
    assert told["bytes-in"] == "10"
    assert told["resource-arn"] == f"arn:aws:transfer:{REGION}:{ACCOUNT}:server/{LOGGED.server_id}"


async def test_sessions_have_streams_of_their_own(aws: Aws, groups: LogGroups) -> None:
    """And refused logins share one."""
    other = replace(ANA, session_id="1111111111111111")
    refused = AuthFailure(LOGGED, AT, "192.0.2.7", "ana", "x")
    await groups.write([UPLOADED, Disconnected(other, AT), refused, Disconnected(ANA, AT)])
    found = {each["logStreamName"]: len(each["logEvents"]) for each in aws.named("put_log_events")}
    assert found == {STREAM: 2, "ana.1111111111111111": 1, "ERRORS": 1}


async def test_a_stream_that_is_there_is_used(aws: Aws, groups: LogGroups) -> None:
    """Another gateway, or this one before, has made it."""
    aws.errors["create_log_stream"] = ["ResourceAlreadyExistsException"]
    written = await groups.write([UPLOADED])
    assert (written.lost, written.again) == (0, ())
    assert len(aws.named("put_log_events")) == 1


async def test_a_stream_that_was_removed_is_made_again(aws: Aws, groups: LogGroups) -> None:
    """Whoever removed it loses the old lines and not the new ones."""
    await groups.write([UPLOADED])
    aws.errors["put_log_events"] = ["ResourceNotFoundException"]
    written = await groups.write([UPLOADED])
    assert written.lost == 0
    assert len(aws.named("create_log_stream")) == 2


async def test_an_unknown_group_is_left_alone(aws: Aws, groups: LogGroups, clock: ManualClock) -> None:
    """It is asked for once in five seconds; what comes meanwhile is lost, and says why."""
    aws.errors["create_log_stream"] = ["ResourceNotFoundException"]
    for _ in range(3):
        written = await groups.write([UPLOADED, UPLOADED])
        assert written.lost == 2
        assert written.again == ()
        assert f"log group {GROUP} does not exist" in written.why
    assert len(aws.named("create_log_stream")) == 1
    assert aws.named("create_log_group") == []
    clock.advance(LEFT_ALONE_SECONDS)
    assert (await groups.write([UPLOADED])).lost == 0


async def test_what_was_found_can_be_forgotten(aws: Aws, groups: LogGroups) -> None:
    """After somebody has emptied it all, groups and streams are looked for at once."""
    await groups.write([UPLOADED])
    groups.forget()
    aws.errors["create_log_stream"] = ["ResourceNotFoundException"]
    assert (await groups.write([UPLOADED])).lost == 1
    groups.forget()
    assert (await groups.write([UPLOADED])).lost == 0
    assert len(aws.named("create_log_stream")) == 3


async def test_a_missing_permission_is_left_alone_too(aws: Aws, groups: LogGroups) -> None:
    """It is not asked for again and again."""
    aws.errors["create_log_stream"] = ["AccessDeniedException"]
    assert [(await groups.write([UPLOADED])).lost for _ in range(3)] == [1, 1, 1]
    assert len(aws.named("create_log_stream")) == 1


async def test_what_may_pass_is_to_be_sent_again(aws: Aws, groups: LogGroups) -> None:
    """A stream that was not reached; those that were are not sent again."""
    other = Disconnected(replace(ANA, session_id="1111111111111111"), AT)
    aws.errors["put_log_events"] = ["ServiceUnavailableException"]
    written = await groups.write([UPLOADED, other])
    assert written.again == (UPLOADED,)
    assert (await groups.write(written.again)).again == ()


async def test_the_group_of_a_logging_role_is_made(aws: Aws, groups: LogGroups) -> None:
    """Text goes to the server's own group, which is made as Transfer Family makes it."""
    legacy = Server("s-0aa11bb22cc33dd44", logging_role="arn:aws:iam::111122223333:role/logs")
    aws.errors["create_log_stream"] = ["ResourceNotFoundException"]
    await groups.write([replace(UPLOADED, visitor=replace(ANA, server=legacy))])
    assert aws.named("create_log_group") == [{"logGroupName": "/aws/transfer/s-0aa11bb22cc33dd44"}]
    (put,) = aws.named("put_log_events")
    assert put["logEvents"][0]["message"] == f"{STREAM} CLOSE Path=/b/k BytesIn=10"


async def test_both_logs_can_be_written(aws: Aws, groups: LogGroups) -> None:
    """A server with both gets JSON in one and text in the other."""
    both = replace(LOGGED, logging_role="arn:aws:iam::111122223333:role/logs")
    await groups.write([replace(UPLOADED, visitor=replace(ANA, server=both))])
    found = {each["logGroupName"] for each in aws.named("put_log_events")}
    assert found == {GROUP, "/aws/transfer/s-0aa11bb22cc33dd44"}


async def test_servers_that_name_no_group_have_that_of_the_gateway(
    aws: Aws, account: AccountArns, clock: ManualClock
) -> None:
    """One that names a group writes to its own alone."""
    groups = LogGroups(aws, account, clock, "/all")
    silent = Disconnected(replace(ANA, server=Server("s-1")), AT)
    assert groups.wants(silent)
    await groups.write([silent, UPLOADED])
    assert [each["logGroupName"] for each in aws.named("put_log_events")] == ["/all", GROUP]


def test_a_server_without_logs_wants_none(groups: LogGroups) -> None:
    """Its activities take no place in the queue."""
    silent = Disconnected(replace(ANA, server=Server("s-0aa11bb22cc33dd44")), AT)
    assert not groups.wants(silent)
    assert groups.wants(UPLOADED)


async def test_a_group_of_another_region_is_said(aws: Aws, groups: LogGroups) -> None:
    """Nothing is written to a group of the same name here."""
    there = Server("s-0aa11bb22cc33dd44", log_destinations=("arn:aws:logs:us-east-1:1:log-group:x:*",))
    written = await groups.write([Disconnected(replace(ANA, server=there), AT)])
    assert written.lost == 1
    assert "no log group of this Region" in written.why
    assert aws.named("create_log_stream") == []


def test_the_name_in_an_arn() -> None:
    """With or without the star, and with a colon in neither place."""
    assert group_of(f"arn:aws:logs:{REGION}:1:log-group:/a/b:*", REGION) == "/a/b"
    assert group_of(f"arn:aws:logs:{REGION}:1:log-group:/a/b", REGION) == "/a/b"
    assert group_of("arn:aws:s3:::bucket", REGION) is None


def test_calls_keep_the_limits_of_cloudwatch() -> None:
    """No more than 10,000 lines, a mebibyte with 26 bytes a line, and 24 hours; in order of time."""
    many = [log_line(UPLOADED, "x") for _ in range(MAX_EVENTS + 1)]
    assert [len(each) for each in batches(many)] == [MAX_EVENTS, 1]
    large = [log_line(UPLOADED, "ü" * 100_000) for _ in range(11)]
    sizes = [sum(line.size for line in each) for each in batches(large)]
    assert len(sizes) == 3
    assert max(sizes) <= MAX_BATCH_BYTES
    days = [log_line(replace(UPLOADED, at=AT + timedelta(hours=hours)), "x") for hours in (30, 0, 23, 24)]
    found = [[line.at_ms for line in each] for each in batches(days)]
    assert [len(each) for each in found] == [2, 2]
    assert all(each == sorted(each) for each in found)


def test_a_line_is_cut_to_what_cloudwatch_takes() -> None:
    """In the middle of no character."""
    line = log_line(UPLOADED, "x" + "ü" * MAX_EVENT_BYTES)
    assert MAX_EVENT_BYTES - 1 <= len(line.text.encode()) <= MAX_EVENT_BYTES


# --- EventBridge ----------------------------------------------------------------------------


async def test_an_event_as_it_is_sent(aws: Aws, account: AccountArns) -> None:
    """Source, server, kind, whole seconds, and the detail as JSON."""
    bus = EventBus(aws, account, "default", "aws.transfer")
    await bus.write([replace(UPLOADED, at=AT.replace(microsecond=5))])
    (call,) = aws.named("put_events")
    (entry,) = call["Entries"]
    detail = json.loads(entry.pop("Detail"))
    assert detail["end-timestamp"] == "2026-01-02T03:04:05.000005000Z"
    assert entry == {
        "Time": AT,
        "Source": "aws.transfer",
        "Resources": [f"arn:aws:transfer:{REGION}:{ACCOUNT}:server/{LOGGED.server_id}"],
        "DetailType": "SFTP Server File Upload Completed",
        "EventBusName": "default",
    }


async def test_entries_that_failed_are_told_apart(aws: Aws, account: AccountArns) -> None:
    """What was throttled may be sent again, what was refused is lost, and the rest is done."""
    deleted = Changed(ANA, AT, "DELETE", "/b/k", AT)
    failed = Failed(ANA, AT, "MKDIR", "/b/d", "no", AT)
    aws.answers["put_events"] = [
        {
            "FailedEntryCount": 2,
            "Entries": [
                {"EventId": "1"},
                {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"},
                {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "not yours"},
            ],
        }
    ]
    written = await EventBus(aws, account, "default", "x").write([UPLOADED, deleted, failed])
    assert written.again == (deleted,)
    assert written.lost == 1
    assert "NotAuthorizedForSourceException" in written.why


def test_calls_keep_the_limits_of_eventbridge() -> None:
    """Ten entries at most, and 256 KiB."""
    entry = {"Source": "s", "DetailType": "t", "Resources": ["r"], "Detail": "x"}
    assert [len(each) for each in fitting([(UPLOADED, entry)] * 25)] == [MAX_ENTRIES, MAX_ENTRIES, 5]
    large = {**entry, "Detail": "x" * (MAX_BYTES // 2)}
    assert [len(each) for each in fitting([(UPLOADED, large)] * 3)] == [1, 1, 1]


# --- metrics, and the account ---------------------------------------------------------------


async def test_metrics_as_they_are_sent(aws: Aws, clock: ManualClock) -> None:
    """A value for each name with the server as dimension, in as few calls as there can be."""
    await TransferMetrics(aws, clock, "AWS/Transfer").put_sums({"s-1": {"BytesIn": 5}})
    assert aws.named("put_metric_data") == [
        {
            "Namespace": "AWS/Transfer",
            "MetricData": [
                {
                    "MetricName": "BytesIn",
                    "Dimensions": [{"Name": "ServerId", "Value": "s-1"}],
                    "Timestamp": AT,
                    "Value": 5,
                    "Unit": "Count",
                }
            ],
        }
    ]
    await TransferMetrics(aws, clock, "x").put_sums({f"s-{number}": {"BytesIn": 1} for number in range(1001)})
    assert [len(each["MetricData"]) for each in aws.named("put_metric_data")[1:]] == [MAX_METRICS, 1]


async def test_the_account_is_asked_for_once(aws: Aws, account: AccountArns, clock: ManualClock) -> None:
    """Without an answer ARNs lack the account, and it is asked for again after a while."""
    aws.errors["get_caller_identity"] = ["AccessDenied"]
    for _ in range(3):
        assert (await account.arns()).server("s-1") == f"arn:aws:transfer:{REGION}::server/s-1"
    assert len(aws.named("get_caller_identity")) == 1
    clock.advance(300)
    for _ in range(3):
        assert (await account.arns()).account_id == ACCOUNT
    assert len(aws.named("get_caller_identity")) == 2


async def test_all_who_ask_at_once_get_the_account(aws: Aws, account: AccountArns) -> None:
    """Whoever comes while it is being asked for waits for the answer."""
    answered = asyncio.Event()
    asked = aws.run_telling

    async def slowly(call: Callable[[], Any]) -> Any:
        await answered.wait()
        return await asked(call)

    aws.run_telling = slowly  # type: ignore[method-assign]
    asking = [asyncio.create_task(account.arns()) for _ in range(3)]
    await asyncio.sleep(0)
    answered.set()
    assert {(await each).account_id for each in asking} == {ACCOUNT}


async def test_an_aws_that_is_away_takes_none(aws: Aws, account: AccountArns) -> None:
    """The caller is told that all may be sent again."""
    aws.errors["put_events"] = ["InternalException"]
    with pytest.raises(StoreUnavailable):
        await EventBus(aws, account, "default", "x").write([UPLOADED])
