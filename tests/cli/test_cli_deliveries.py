"""Deliveries that were given up, by command: found, replayed, discarded."""

from __future__ import annotations

import itertools
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

NUMBERS = itertools.count()
MEMBERS = [
    "LogID",
    "Target",
    "Status",
    "SourceBucket",
    "ObjectKey",
    "DestinationBucket",
    "DestinationKey",
    "VersionId",
    "ETag",
    "Attempts",
    "Timestamp",
    "DueAt",
    "Error",
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, local_run: Any) -> Iterator[Any]:
    """A local gateway that gives up after one attempt, and delivers to two buckets."""
    folder = tmp_path_factory.mktemp("gives-up")
    config = {
        "behaviour": {"temporary_names": ["*.tmp"]},
        "deliveries": {
            "targets": [
                {"name": "private", "bucket": "tidegate-private"},
                {"name": "vault", "bucket": "tidegate-vault"},
            ],
            "max_attempts": 1,
            "poll_interval_seconds": 0.5,
        },
    }
    (folder / "gateway.yaml").write_text(json.dumps(config))
    running = local_run(folder, "--config", "gateway.yaml")
    try:
        yield running.ready()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def aws(gateway: Any) -> Callable[[str], Any]:
    """Give a resource of boto3 by the name of the service."""
    session = boto3.Session("test", "test", region_name="us-east-1")
    return lambda service: session.resource(service, endpoint_url=gateway.url)


@pytest.fixture(scope="module")
def vault(aws: Callable[[str], Any]) -> Any:
    """The bucket that comes and goes."""
    return aws("s3").Bucket("tidegate-vault")


@pytest.fixture(scope="module")
def records(aws: Callable[[str], Any]) -> Any:
    return aws("dynamodb").Table("tidegate-transfers")


@pytest.fixture
def without_vault(vault: Any) -> Iterator[None]:
    """While this holds, nothing can be delivered to the vault."""
    vault.object_versions.delete()
    vault.delete()
    yield
    if vault.creation_date is None:
        vault.create()
        vault.Versioning().enable()


@pytest.fixture
def deliveries(tidegate: Callable[..., Any], gateway: Any) -> Callable[..., Any]:
    """Call one of the commands, about this gateway."""
    return lambda *words: tidegate("deliveries", *words, *gateway.target)


@pytest.fixture
def rows(deliveries: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    return lambda *words: deliveries("list", "--output", "json", *words).json


@pytest.fixture
def die(gateway: Any, without_vault: None, records: Any) -> Callable[[], dict[str, Any]]:
    """Send a file; return the item of its delivery to the vault, once that is given up and the other made."""

    def die() -> dict[str, Any]:
        name = f"in/{next(NUMBERS)}.csv"
        gateway.upload(b"a,b\n", name)
        (log_id,) = gateway.until(lambda: given_up(gateway, name))
        item: dict[str, Any] = records.get_item(Key={"LogID": log_id, "Item": "delivery#vault"})["Item"]
        return item

    return die


def given_up(gateway: Any, name: str) -> list[str]:
    attempts = [
        each
        for each in gateway.events
        if each["event"] == "delivery attempted" and each["object"].endswith(name)
    ]
    made = {each["log_id"] for each in attempts if each["status"] == "DELIVERED"}
    return [each["log_id"] for each in attempts if each["status"] == "DEAD" and each["log_id"] in made]


@pytest.fixture
def state(records: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return the item of a delivery as it is now."""

    def state(of: dict[str, Any]) -> dict[str, Any]:
        key = {"LogID": of["LogID"], "Item": of["Item"]}
        item: dict[str, Any] = records.get_item(Key=key, ConsistentRead=True)["Item"]
        return item

    return state


def lines_of_the_log(said: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.err.splitlines() if line.startswith("{")]


@pytest.mark.lengthy
def test_held_found_discarded_released(
    gateway: Any, deliveries: Callable[..., Any], rows: Callable[..., list[dict[str, Any]]]
) -> None:
    """What is HELD for a temporary name is listed, given up, or delivered under that name without waiting."""
    name = f"in/{next(NUMBERS)}.tmp"
    gateway.upload(b"a,b\n", name)
    vault, private = sorted(rows("--status", "HELD"), key=lambda row: row["Target"], reverse=True)
    assert {row["Status"] for row in (vault, private)} == {"HELD"}
    assert private["ObjectKey"].endswith(name)
    assert rows("--status", "PENDING") == rows() == []
    deliveries("discard", vault["LogID"], "--target", "vault", "--reason", "not wanted")
    assert "replayed 1" in deliveries("replay", private["LogID"]).err
    gateway.until(
        lambda: [
            each
            for each in gateway.events
            if each["event"] == "delivery attempted"
            and each["status"] == "DELIVERED"
            and each["object"].endswith(name)
        ]
    )
    assert rows("--status", "HELD") == []
    refused = deliveries("replay", private["LogID"])
    assert "only what is DEAD or HELD can be replayed" in refused.err


@pytest.mark.lengthy
def test_given_up_found_replayed_delivered(
    die: Callable[[], dict[str, Any]],
    vault: Any,
    program: Callable[..., Any],
    gateway: Any,
    state: Callable[..., dict[str, Any]],
    rows: Callable[..., list[dict[str, Any]]],
) -> None:
    """A delivery whose bucket was gone is DEAD; replayed when it is back, the running gateway makes it."""
    log_id = die()["LogID"]
    (dead,) = rows()
    assert list(dead) == MEMBERS
    assert (dead["LogID"], dead["Target"], dead["Status"]) == (log_id, "vault", "DEAD")
    assert (dead["Attempts"], dead["DestinationBucket"]) == (1, vault.name)
    vault.create()
    vault.Versioning().enable()

    said = program("deliveries", "replay", log_id, "--output", "json", *gateway.target)
    (replayed,) = said.json
    assert (replayed["Target"], replayed["Status"], replayed["Attempts"]) == ("vault", "PENDING", 0)
    assert replayed["Error"] == dead["Error"], "kept until the next attempt"
    assert said.err.startswith("target: the local gateway of ")
    assert "replayed 1: a worker takes them up at its next look" in said.err
    (line,) = lines_of_the_log(said)
    assert (line["event"], line["log_id"], line["target"]) == ("delivery replayed", log_id, "vault")

    item = {"LogID": log_id, "Item": "delivery#vault"}
    gateway.until(lambda: state(item)["Status"] == "DELIVERED")
    assert vault.Object(dead["DestinationKey"]).get()["Body"].read() == b"a,b\n"
    assert rows() == []


def test_only_the_target_that_is_meant(
    die: Callable[[], dict[str, Any]],
    deliveries: Callable[..., Any],
    rows: Callable[..., list[dict[str, Any]]],
) -> None:
    """`--target` narrows what is listed and what is replayed; others of the LogID are not touched."""
    dead = die()
    assert [row["LogID"] for row in rows("--target", "vault")] == [dead["LogID"]]
    assert rows("--target", "private") == []
    said = deliveries("replay", dead["LogID"], "--target", "private")
    assert said.code == 1
    assert f"nothing to replay of {dead['LogID']}: private is DELIVERED" in said.err
    assert deliveries("discard", dead["LogID"], "--target", "vault", "--reason", "test").code == 0


@pytest.mark.lengthy
def test_discarded(
    die: Callable[[], dict[str, Any]],
    program: Callable[..., Any],
    deliveries: Callable[..., Any],
    gateway: Any,
    state: Callable[..., dict[str, Any]],
    rows: Callable[..., list[dict[str, Any]]],
) -> None:
    """What is given up for good has the reason, is listed no more, and cannot be replayed."""
    dead = die()
    words = ("deliveries", "discard", dead["LogID"], "--target", "vault", "--reason", " sent by mail ")
    said = program(*words, *gateway.target)
    assert (said.code, len(said.rows)) == (0, 1)
    assert "DISCARDED" in said.rows[0]
    (line,) = lines_of_the_log(said)
    assert (line["event"], line["reason"]) == ("delivery discarded", "sent by mail")
    assert (state(dead)["Status"], state(dead)["Error"]) == ("DISCARDED", "sent by mail")
    assert rows() == []
    again = deliveries("replay", dead["LogID"])
    assert again.code == 1
    assert "private is DELIVERED, vault is DISCARDED" in again.err
    assert deliveries(*words[1:]).code == 1, "an end is an end"


@pytest.mark.lengthy
def test_all_that_is_dead(
    die: Callable[[], dict[str, Any]],
    deliveries: Callable[..., Any],
    gateway: Any,
    vault: Any,
    state: Callable[..., dict[str, Any]],
) -> None:
    """The count is shown; without a terminal only `--yes` replays, and only to the target that is meant."""
    both = [die(), die()]
    refused = deliveries("replay", "--all-dead")
    assert refused.code == 2
    assert "2 DEAD: 2 to vault" in refused.err
    assert "add --yes" in refused.err
    assert {state(each)["Status"] for each in both} == {"DEAD"}
    elsewhere = deliveries("replay", "--all-dead", "--target", "private", "--yes")
    assert (elsewhere.code, elsewhere.out) == (0, "no DEAD deliveries: nothing to replay\n")

    vault.create()
    vault.Versioning().enable()
    said = deliveries("replay", "--all-dead", "--yes")
    assert said.code == 0
    assert "replayed 2" in said.err
    for each in both:
        gateway.until(lambda each=each: state(each)["Status"] == "DELIVERED")


@pytest.mark.lengthy
def test_at_a_terminal(
    die: Callable[[], dict[str, Any]],
    gateway: Any,
    deliveries: Callable[..., Any],
    state: Callable[..., dict[str, Any]],
) -> None:
    """There it is asked, and nothing happens without a yes."""
    dead = die()
    said = at_a_terminal("n", "deliveries", "replay", "--all-dead", *gateway.target)
    assert "replay them all? [y/N]" in said.stderr
    assert (said.returncode, said.stdout) == (1, "")
    assert state(dead) == dead
    said = at_a_terminal("y", "deliveries", "replay", "--all-dead", *gateway.target)
    assert said.returncode == 0
    assert "PENDING" in said.stdout
    # The bucket is still gone.
    gateway.until(lambda: state(dead)["Status"] == "DEAD" and state(dead)["LeaseFence"] == 2)
    assert deliveries("discard", dead["LogID"], "--target", "vault", "--reason", "test").code == 0


def at_a_terminal(answer: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a terminal for its input, at which this is typed."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode() + b"\n")
        call = [sys.executable, "-m", "tidegate", *words]
        return subprocess.run(call, stdin=theirs, capture_output=True, text=True, timeout=30, check=False)
    finally:
        os.close(ours)
        os.close(theirs)


def test_what_is_owed(rows: Callable[..., list[dict[str, Any]]], deliveries: Callable[..., Any]) -> None:
    """`--status PENDING` lists what is owed, in any case; with nothing of either, that is said."""
    assert rows("--status", "pending") == []
    assert deliveries("list").out == "no DEAD deliveries\n"
    assert deliveries("list", "--status", "PENDING").out == "no PENDING deliveries\n"


@pytest.mark.parametrize(
    "words",
    [
        ("replay",),
        ("replay", "01m7w5nf6s5ynacde0ewmzs5az", "--all-dead"),
        ("discard", "01m7w5nf6s5ynacde0ewmzs5az", "--target", "vault"),
        ("discard", "01m7w5nf6s5ynacde0ewmzs5az", "--reason", "why"),
        ("discard", "01m7w5nf6s5ynacde0ewmzs5az", "--target", "vault", "--reason", " "),
        ("discard", "01m7w5nf6s5ynacde0ewmzs5az", "--target", "vault", "--reason", "x" * 1001),
        ("list", "--status", "DELIVERED"),
    ],
)
def test_wrong_usage(deliveries: Callable[..., Any], words: tuple[str, ...]) -> None:
    """Half a command is refused with code 2."""
    assert deliveries(*words).code == 2


@pytest.mark.parametrize("words", [("replay",), ("discard", "--target", "vault", "--reason", "why")])
def test_a_log_id_of_nothing(deliveries: Callable[..., Any], words: tuple[str, ...]) -> None:
    """A LogID that owes nothing, and what is no LogID, are told apart."""
    said = deliveries(*words, "01m7w5nf6s5ynacde0ewmzs5az")
    assert (said.code, said.out) == (1, "")
    assert "no delivery of 01m7w5nf6s5ynacde0ewmzs5az is on record" in said.err
    assert "is no LogID" in deliveries(*words, "june.csv").err
