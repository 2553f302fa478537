"""`tidegate doctor`: all green where all is well, and each thing that is not named with its mend."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.fault_proxy import FaultProxy, Forward, Reply, Request, refuse


@pytest.fixture(scope="module")
def proxy(gateway: Any) -> Iterator[FaultProxy]:
    """Stands before a local gateway's endpoint, where everything is there."""
    with FaultProxy(gateway.url) as proxy:
        yield proxy


@pytest.fixture
def examine(
    proxy: FaultProxy,
    gateway: Any,
    tidegate: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Any]]:
    """Run doctor over a configuration in which everything is right, but for what the test says."""
    host_key = gateway.state_dir / "host_ed25519"

    def call(*words: str, **changes: Any) -> Any:
        settings: dict[str, Any] = {
            "preset": "partner-safe",
            "server_id": "s-0123456789abcdef0",
            "aws": {"endpoint_url": proxy.url, "max_attempts": 1},
            "sftp": {"port": 0, "host_key_files": [str(host_key)]},
            "landing": {"bucket": "tidegate-landing"},
            "deliveries": {"targets": [{"name": "private", "bucket": "tidegate-private"}]},
            "shutdown": {"grace_seconds": 30},
        }
        for section, values in changes.items():
            merged = isinstance(values, dict) and isinstance(settings.get(section), dict)
            settings[section] = {**settings[section], **values} if merged else values
        config = tmp_path / "prod.yaml"
        config.write_text(yaml.safe_dump(settings))
        monkeypatch.setattr("tidegate.adapters.aws.clients._session", _with_credentials)
        return tidegate("doctor", "--config", str(config), *words)

    yield call
    proxy.clear()


def _with_credentials(endpoint: Any) -> Any:
    import boto3

    return boto3.Session("key", "secret", region_name=endpoint.region)


def answers(said: Any) -> dict[str, dict[str, str]]:
    return {each["What"]: each for each in json.loads(said.out)}


def test_all_is_well(examine: Callable[..., Any]) -> None:
    """Over an account that has everything each line is good, and the exit code is 0."""
    said = examine()
    assert said.code == 0, said.out + said.err
    assert {line.split()[0] for line in said.out.splitlines()} == {"good"}
    assert said.err.startswith("target: ")


def test_programs_get_json(examine: Callable[..., Any]) -> None:
    """With --output json each answer is a member with its verdict, and nothing else is printed."""
    found = answers(examine("--output", "json"))
    assert {each["Verdict"] for each in found.values()} == {"good"}
    assert "who calls" in found


BUCKET, TARGET, KEY = "bucket tidegate-landing", "bucket tidegate-private", "key alias/tidegate"
TRANSFERS, DIRECTORY = "table tidegate-transfers", "table tidegate-directory"
# Operation that is refused: the question that names it, and what the hint must say. Several at a time,
# none of which rests on another.
DENIALS = [
    {
        "s3.GetObject": (f"{BUCKET}: read", "s3:GetObject"),
        "s3.ListObjectsV2": (f"{BUCKET}: list", "s3:ListBucket"),
        "s3.ListObjectVersions": (f"{BUCKET}: list versions", "s3:ListBucketVersions"),
        "s3.ListMultipartUploads": (f"{BUCKET}: list unfinished", "s3:ListBucketMultipartUploads"),
        "s3.AbortMultipartUpload": (f"{BUCKET}: write in parts", "s3:AbortMultipartUpload"),
        "s3.DeleteObject": (f"{BUCKET}: delete", "s3:DeleteObject"),
        "kms.GenerateDataKey": (f"{KEY}: encrypt, decrypt", "kms:GenerateDataKey"),
        "dynamodb.PutItem": (f"{TRANSFERS}: write, read", "dynamodb:PutItem"),
        "dynamodb.DeleteItem": (f"{DIRECTORY}: write, read, delete", "dynamodb:DeleteItem"),
    },
    {
        "s3.PutObject": (f"{BUCKET}: write", "s3:PutObject"),
        "s3.CreateMultipartUpload": (f"{TARGET}: write in parts", "s3:PutObject"),
        "s3.GetBucketVersioning": (f"{BUCKET}: versions", "tidegate setup --config"),
        "kms.Decrypt": (f"{KEY}: encrypt, decrypt", "kms:Decrypt"),
        "dynamodb.DescribeTable": (TRANSFERS, "tidegate setup --config"),
    },
    {"s3.ListParts": (f"{BUCKET}: list parts", "s3:ListMultipartUploadParts")},
]


@pytest.mark.parametrize("denied", DENIALS, ids=["reading", "writing", "parts"])
def test_what_is_not_allowed_is_named(
    examine: Callable[..., Any], proxy: FaultProxy, denied: dict[str, tuple[str, str]]
) -> None:
    """A call that AWS refuses is BAD under its own name, with the permission that is missing."""
    for operation in denied:
        proxy.on(operation, refuse(403, "AccessDeniedException"))
    said = examine("--output", "json")
    assert said.code == 1
    for what, mend in denied.values():
        answer = answers(said)[what]
        assert answer["Verdict"] == "BAD", what
        assert mend in answer["Hint"], what
        assert "AccessDenied" in answer["Said"], what


def test_one_cause_makes_one_complaint(examine: Callable[..., Any]) -> None:
    """What rests on a bucket that is not there is not asked."""
    said = examine("--output", "json", landing={"bucket": "nobody-made-this"})
    found = answers(said)
    assert found["bucket nobody-made-this"]["Verdict"] == "BAD"
    assert "tidegate setup --config" in found["bucket nobody-made-this"]["Hint"]
    of_bucket = {
        each["Verdict"] for what, each in found.items() if what.startswith("bucket nobody-made-this: ")
    }
    assert of_bucket == {"not asked"}
    assert found["table tidegate-transfers: write, read"]["Verdict"] == "good"


def test_without_credentials_nothing_else_is_asked(examine: Callable[..., Any], proxy: FaultProxy) -> None:
    """Who calls comes first: where that has no answer, only what is on this machine is looked at."""
    proxy.on("sts.*", refuse(403, "InvalidClientTokenId"))
    found = answers(examine("--output", "json"))
    asked = {what for what, each in found.items() if each["Verdict"] != "not asked"}
    assert asked == {"settings", "who calls", "clock", "host keys", "SSH algorithms", "SFTP port"}


def test_a_refusal_tells_the_time_too(examine: Callable[..., Any], proxy: FaultProxy) -> None:
    """AWS refuses who is late before it answers anything, and the cause is named all the same."""

    def late(request: Request, _forward: Forward) -> Reply:
        del request
        return Reply(403, [("Date", "Fri, 20 Nov 2020 08:00:00 GMT")], b"")

    proxy.on("sts.*", refuse(403, "SignatureDoesNotMatch"))
    proxy.on("s3.HeadBucket", late)
    clock = answers(examine("--output", "json"))["clock"]
    assert (clock["Verdict"], "ahead of S3's" in clock["Said"]) == ("BAD", True)
    assert "NTP" in clock["Hint"]


def test_an_endpoint_that_is_not_there_is_named(examine: Callable[..., Any]) -> None:
    """The mend is where it is looked for, and no role; nobody's clock is to blame."""
    found = answers(examine("--output", "json", aws={"endpoint_url": "http://127.0.0.1:1"}))
    assert (found["who calls"]["Verdict"], found["clock"]["Verdict"]) == ("BAD", "warning")
    assert "aws.endpoint_url" in found["who calls"]["Hint"]


def test_an_endpoint_without_accounts_is_examined(examine: Callable[..., Any], proxy: FaultProxy) -> None:
    """Few look-alikes of S3 know who calls: that is said, and the rest is asked."""
    proxy.on("sts.*", refuse(501, "NotImplemented"))
    said = examine("--output", "json")
    found = answers(said)
    assert (said.code, found.pop("who calls")["Verdict"]) == (0, "warning")
    assert {each["Verdict"] for each in found.values()} == {"good"}


def test_a_wrong_region_is_one_complaint(examine: Callable[..., Any]) -> None:
    """The bucket says where it is; nobody is told to make keys and tables in the wrong place."""
    found = answers(examine("--output", "json", aws={"region": "eu-west-1"}))
    assert [what for what, each in found.items() if each["Verdict"] == "BAD"] == ["Region"]
    assert "is in us-east-1, not in eu-west-1" in found["Region"]["Said"]
    assert "aws.region" in found["Region"]["Hint"]


def test_without_a_key_nothing_is_written(examine: Callable[..., Any]) -> None:
    """A wrong alias is one complaint, and the role's permissions are not blamed."""
    found = answers(examine("--output", "json", landing={"kms_key": "alias/no-such"}))
    assert found["key alias/no-such"]["Verdict"] == "BAD"
    assert found["bucket tidegate-landing: write"]["Verdict"] == "not asked"


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion"])
def test_a_key_that_is_off_is_named(
    examine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """By its state: the permissions are not to blame."""

    async def off(_probes: Any, key: str) -> tuple[str, str]:
        return f"arn of {key}", state

    monkeypatch.setattr("tidegate.adapters.aws.probes.AwsProbes.key", off)
    found = answers(examine("--output", "json"))[KEY]
    assert (found["Verdict"], f"arn of alias/tidegate is {state}" in found["Said"]) == ("BAD", True)
    assert "--check" in found["Hint"]


def test_an_address_of_another_machine_is_named(examine: Callable[..., Any]) -> None:
    """Another port would not help."""
    port = answers(examine("--output", "json", sftp={"host": "192.0.2.1"}))["SFTP port"]
    assert (port["Verdict"], "sftp.host" in port["Hint"]) == ("BAD", True)


def test_looking_in_a_target_may_be_denied(examine: Callable[..., Any], proxy: FaultProxy) -> None:
    """A target that only lets itself be written to is a warning, and the exit code stays 0."""

    def in_target(request: Any) -> bool:
        return "tidegate-private" in request.path and "probe" in request.path

    proxy.on("s3.HeadObject", refuse(403, "AccessDenied"), only=in_target)
    said = examine("--output", "json")
    assert (said.code, answers(said)["bucket tidegate-private: look"]["Verdict"]) == (0, "warning")


def test_settings_that_serve_refuses_are_bad(examine: Callable[..., Any]) -> None:
    """What serve would say about the configuration itself is said here, too."""
    found = answers(examine("--output", "json", preset=None))
    assert found["settings"]["Verdict"] == "BAD"
    assert "preset" in found["settings"]["Said"]


def test_host_keys_are_looked_at(examine: Callable[..., Any], tmp_path: Path) -> None:
    """Where none is named and none is kept, and where a file is no key, that is BAD."""
    found = answers(examine("--output", "json", sftp={"host_key_files": []}))
    assert (found["host keys"]["Verdict"], found["host keys"]["Hint"][:14]) == ("BAD", "tidegate setup")
    (tmp_path / "host").write_text("no key")
    found = answers(examine("--output", "json", sftp={"host_key_files": [str(tmp_path / "host")]}))
    assert found["host keys"]["Verdict"] == "BAD"
    assert "ssh-keygen" in found["host keys"]["Hint"]


def test_a_port_that_is_taken_is_a_warning(examine: Callable[..., Any]) -> None:
    """The gateway itself may be what listens there: that is no failure."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = examine("--output", "json", sftp={"port": port})
    assert said.code == 0
    assert answers(said)["SFTP port"]["Verdict"] == "warning"


def test_without_a_configuration_it_asks_for_one(tidegate: Callable[..., Any]) -> None:
    """Nothing ambient is taken: the exit code is 2."""
    assert tidegate("doctor").code == 2
