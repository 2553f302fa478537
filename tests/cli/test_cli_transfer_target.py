"""Which Transfer endpoint a command is about, and whose credentials it asks with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidegate.adapters.aws.clients import profile_session
from tidegate.cli.transfer_target import transfer_endpoint
from tidegate.core.errors import InvalidSettings, Misuse

SERVER = "s-0123456789abcdef0"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--transfer"], "which AWS account?"),
        (["--transfer", "--server-id", SERVER, "--region", "eu-central-1"], "which AWS account?"),
        (
            ["--transfer", "--endpoint-url", "https://transfer.eu-central-1.amazonaws.com"],
            "whose credentials",
        ),
        (["--transfer", "--endpoint-url", "http://192.0.2.1:4566"], "whose credentials"),
        (["--transfer", "--profile", "x", "--state-dir", "y"], "in place of --state-dir"),
        (["--transfer", "--profile", "x", "--config", "y"], "in place of --state-dir and --config"),
        (["--server-id", SERVER, "--state-dir", "y"], "go with --transfer"),
        (["--profile", "x"], "go with --transfer"),
        (["--transfer", "--profile", "x", "--server-id", "s-1"], "no server id"),
    ],
)
def test_what_is_no_target(tidegate: Callable[..., Any], options: list[str], said: str) -> None:
    """The command ends with code 2, and asks nobody."""
    answer = tidegate("partners", "list", *options)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_how_it_is_named() -> None:
    """People are told server, place and profile; a command line can name it again."""
    aws = transfer_endpoint(SERVER, "my profile", "eu-central-1", None)
    assert aws.description == f"the server {SERVER} of AWS, profile my profile, Region eu-central-1"
    assert aws.options == f"--transfer --server-id {SERVER} --profile 'my profile' --region eu-central-1"
    here = transfer_endpoint(None, None, None, "http://[::1]:4566")
    assert here.description == "the only server of http://[::1]:4566"
    for url in ("http://localhost:1", "http://127.9.9.9:1"):
        assert transfer_endpoint(None, None, None, url).options == f"--transfer --endpoint-url {url}"
    with pytest.raises(Misuse):
        transfer_endpoint(None, None, None, "http://localhost.example.com:1")


def test_a_profile_is_asked_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of the environment are not used, nor is its Region."""
    (tmp_path / "config").write_text("[profile one]\nregion = eu-west-1\n[profile bare]\n")
    (tmp_path / "credentials").write_text(
        "[one]\naws_access_key_id = of-the-profile\naws_secret_access_key = x\n"
    )
    for name, value in {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_ACCESS_KEY_ID": "of-the-environment",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_PROFILE": "bare",
        "AWS_DEFAULT_REGION": "ap-south-1",
    }.items():
        monkeypatch.setenv(name, value)
    session = profile_session("one", None)
    found = session.get_credentials()
    assert found is not None
    assert (found.access_key, session.region_name) == ("of-the-profile", "eu-west-1")
    assert profile_session("one", "us-west-2").region_name == "us-west-2"
    with pytest.raises(InvalidSettings, match="no AWS profile two"):
        profile_session("two", None)
    with pytest.raises(InvalidSettings, match="names no Region"):
        profile_session("bare", None)
