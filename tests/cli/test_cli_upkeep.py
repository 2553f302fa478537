"""Ending what was left open, and proving what was stored, by command."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3


def transfers_of(call: Callable[..., Any], gateway: Any, path: str) -> list[dict[str, Any]]:
    said = call("transfers", "list", "--path", path, "--output", "json", *gateway.target)
    found: list[dict[str, Any]] = json.loads(said.out)
    return found


def test_a_stored_file_is_proved_to_be_what_its_record_says(
    gateway: Any, tidegate: Callable[..., Any]
) -> None:
    """Size, digest, KMS key and transfer id agree: exit 0, and a line each."""
    gateway.upload(b"a,b\n" * 1000, "/verified.csv")
    [record] = transfers_of(tidegate, gateway, "/verified.csv")
    said = tidegate("transfers", "verify", record["LogID"], *gateway.target)
    assert said.code == 0, said.err
    assert [row.split()[-1] for row in said.out.splitlines()[1:]] == ["yes"] * 4


def test_a_record_that_is_not_true_any_more_is_told(gateway: Any, tidegate: Callable[..., Any]) -> None:
    """The digest of the record is forged: exit 1, and the row says NO."""
    gateway.upload(b"true\n", "/forged.csv")
    [record] = transfers_of(tidegate, gateway, "/forged.csv")
    table = boto3.resource(
        "dynamodb",
        endpoint_url=gateway.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    ).Table("tidegate-transfers")
    table.update_item(
        Key={"LogID": record["LogID"], "Item": "transfer"},
        UpdateExpression="SET Sha256 = :forged",
        ExpressionAttributeValues={":forged": "0" * 64},
    )
    said = tidegate("transfers", "verify", record["LogID"], *gateway.target)
    assert said.code == 1
    assert "NO" in said.out
    assert "is not what its record says" in said.err


def test_with_nothing_open_there_is_nothing_to_sweep(gateway: Any, tidegate: Callable[..., Any]) -> None:
    """At once, without watching anybody's lease."""
    said = tidegate("transfers", "sweep", *gateway.target)
    assert (said.code, said.out) == (0, "nothing to sweep\n")


def test_a_sweep_must_know_how_the_gateway_is_configured(gateway: Any, tidegate: Callable[..., Any]) -> None:
    """An endpoint alone says neither how long a lease is nor what is delivered where."""
    said = tidegate("transfers", "sweep", "--endpoint-url", gateway.url)
    assert said.code == 2
    assert "--state-dir or --config" in said.err
