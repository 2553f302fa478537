"""What `serve` asks beyond valid settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tidegate.settings import Settings, check_for_serve

ENOUGH: dict[str, Any] = {
    "preset": "partner-safe",
    "server_id": "s-0123456789abcdef0",
    "landing": {"bucket": "example-landing"},
    "deliveries": {"targets": []},
    "shutdown": {"grace_seconds": 30},
}


def problems_of(**settings: Any) -> list[str]:
    return check_for_serve(Settings.model_validate(ENOUGH | settings))


def test_the_defaults_do_not_serve() -> None:
    """Preset, server, landing bucket, targets and grace must be said; each line says how."""
    preset, server_id, landing, targets, grace = check_for_serve(Settings())
    assert preset == "preset: serve must be told; write `preset: transfer-family` or `preset: partner-safe`"
    assert re.match(
        r"server_id: serve must be told; write `server_id: s-[0-9a-f]{17}`, and keep it$", server_id
    )
    assert landing == "landing.bucket: serve must be told; name the bucket, or write a name_prefix"
    assert targets.startswith(
        "deliveries.targets: serve must be told; name the targets, or write `targets: []`"
    )
    assert grace.startswith(
        "shutdown.grace_seconds: serve must be told; write how long open uploads may go on"
    )


def test_what_is_said_serves() -> None:
    """With these few there is nothing to say; without files the host keys are those of the table."""
    assert problems_of() == []


def test_a_name_prefix_says_buckets_and_targets() -> None:
    """Names that follow from a prefix were chosen by somebody: they are no defaults."""
    named = {key: ENOUGH[key] for key in ("preset", "server_id", "shutdown")} | {"name_prefix": "acme-prod"}
    assert check_for_serve(Settings.model_validate(named)) == []


def test_the_grace_may_be_any_that_was_said() -> None:
    """Also the default, and none at all; a section without it does not say it."""
    assert problems_of(shutdown={"grace_seconds": 0}) == []
    (problem,) = problems_of(shutdown={"notice_seconds": 5})
    assert problem.startswith("shutdown.grace_seconds: ")


def test_a_host_key_that_exists_serves(tmp_path: Path) -> None:
    """Files may be named in place of the keys of the table."""
    (tmp_path / "host").touch()
    assert problems_of(sftp={"host_key_files": [tmp_path / "host"]}) == []


def test_host_keys_that_are_no_files_are_named_with_the_command(tmp_path: Path) -> None:
    """A missing file and a directory are each told, with a command that can be pasted."""
    missing = tmp_path / "my host"
    make = "make one with `ssh-keygen -t ed25519 -N '' -f"
    assert problems_of(sftp={"host_key_files": [missing, tmp_path]}) == [
        f"sftp.host_key_files[0]: {missing} does not exist; {make} '{missing}'`",
        f"sftp.host_key_files[1]: {tmp_path} is not a file; {make} {tmp_path}`",
    ]


def test_rights_are_not_evaluated_by_whoever_serves() -> None:
    """There AWS is asked, or the home decides."""
    for mode in ("home", "assume", None):
        assert problems_of(rights={"mode": mode}) == []
    (problem,) = problems_of(rights={"mode": "evaluate"})
    assert problem.startswith("rights.mode: evaluate is for `tidegate local`")


@pytest.mark.parametrize(
    ("name", "is_taken"),
    [("sftp", True), ("partners/*", True), ("tidegate-?-*", True), ("*", False), ("**", False), ("", False)],
)
def test_roles_of_users_are_never_all_of_an_account(name: str, is_taken: bool) -> None:
    """The right to assume any role is the right to become anybody."""
    settings = {"rights": {"user_roles": [f"arn:aws:iam::111122223333:role/{name}"]}}
    if is_taken:
        Settings.model_validate(settings)
    else:
        with pytest.raises(ValidationError):
            Settings.model_validate(settings)
