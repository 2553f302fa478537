"""What is printed where a gateway runs in a less usual way: other programs, hosts, paths, endpoints."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tidegate.local.banner import banner
from tidegate.local.ready import DemoPartner, Ready


def printed(
    state_dir: Path, *, host: str = "127.0.0.1", key: bool = True, in_memory: bool = True
) -> list[str]:
    private = state_dir / "partners" / "acme" / "id_ed25519"
    ready = Ready(
        host=host,
        port=2222,
        host_key_fingerprint="SHA256:x",
        host_key_line="ssh-ed25519 A",
        aws_endpoint_url="http://127.0.0.1:4566",
        region="us-east-1",
        server_id="s-0123456789abcdef0",
        preset="partner-safe",
        landing_bucket="landing",
        private_bucket=None,
        transfers_table="transfers",
        directory_table="directory",
        partners=(DemoPartner("acme", private if key else None, "/landing/acme"),),
    )
    return banner(ready, state_dir, state_dir / "known_hosts", in_memory=in_memory).splitlines()


def sftp_line(lines: list[str]) -> str:
    return next(line.strip() for line in lines if line.startswith("  sftp "))


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory below the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".tidegate"


def test_plain_paths_are_printed_plainly(state_dir: Path) -> None:
    """The usual line can be read: relative, with no quotes in it."""
    assert sftp_line(printed(state_dir)) == (
        "sftp -P 2222 -i .tidegate/partners/acme/id_ed25519 -o IdentitiesOnly=yes"
        " -o UserKnownHostsFile=.tidegate/known_hosts acme@127.0.0.1"
    )


def test_paths_elsewhere_are_whole(state_dir: Path, tmp_path: Path) -> None:
    """A state directory that is not below the working directory is named from the root."""
    assert f"-i {tmp_path.parent}/other/partners" in sftp_line(printed(tmp_path.parent / "other"))


def test_an_ipv6_host_is_in_brackets(state_dir: Path) -> None:
    """sftp would take what follows its first colon for a path."""
    assert shlex.split(sftp_line(printed(state_dir, host="::1")))[-1] == "acme@[::1]"


def test_a_partner_with_keys_of_its_own_uses_them(state_dir: Path) -> None:
    """Where the configuration brought the key, we do not know the private half."""
    assert sftp_line(printed(state_dir, key=False)) == "sftp -P 2222 acme@127.0.0.1"


def test_where_data_live_is_said(state_dir: Path) -> None:
    """Nobody is surprised by data that are gone, nor by data that are not."""
    assert "gone when this process ends" in printed(state_dir)[1]
    assert printed(state_dir, in_memory=False)[1] == "Data live at http://127.0.0.1:4566, and stay there."
    assert "  uploads land in s3://landing" in printed(state_dir)


@pytest.mark.parametrize(
    ("started", "on_path", "command"),
    [
        (".venv/bin/tidegate", "", ".venv/bin/tidegate"),
        ("{here}/my venv/bin/tidegate", "", "'my venv/bin/tidegate'"),
        ("{here}/.venv/bin/tidegate", "{here}/.venv/bin", "tidegate"),
        ("{here}/tidegate", "", "./tidegate"),
        ("tidegate", "", "tidegate"),
        ("{here}/tidegate/__main__.py", "", "'my venv/bin/python' -m tidegate"),
    ],
)
def test_the_command_is_the_one_that_runs(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, started: str, on_path: str, command: str
) -> None:
    """As short as works from here: by name if the shell finds it, else by path; by module if so started."""
    here = state_dir.parent
    program = here / ".venv" / "bin" / "tidegate"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [started.format(here=here)])
    monkeypatch.setattr(sys, "executable", str(here / "my venv" / "bin" / "python"))
    monkeypatch.setenv("PATH", on_path.format(here=here))
    assert f"  {command} transfers list --state-dir .tidegate" in printed(state_dir)
