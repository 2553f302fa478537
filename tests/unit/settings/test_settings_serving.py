"""What `serve` asks beyond valid settings."""

from __future__ import annotations

import re
from pathlib import Path

from tidegate.settings import Settings, check_for_serve
from tidegate.settings.sections import DeliverySettings, SftpSettings


def test_the_defaults_do_not_serve() -> None:
    """Preset, server, host keys and targets must be said; each line says how."""
    preset, server_id, host_keys, targets = check_for_serve(Settings())
    assert preset == "preset: serve must be told; write `preset: transfer-family` or `preset: partner-safe`"
    assert re.match(
        r"server_id: serve must be told; write `server_id: s-[0-9a-f]{17}`, and keep it$", server_id
    )
    make = "make it with `ssh-keygen -t ed25519 -N '' -f host_ed25519`"
    assert host_keys == f"sftp.host_key_files: serve needs at least one; {make}"
    assert targets.startswith(
        "deliveries.targets: serve must be told; name the targets, or write `targets: []`"
    )


def test_what_is_said_and_there_serves(tmp_path: Path) -> None:
    """With a preset, a host key that exists and targets, even none, there is nothing to say."""
    key = tmp_path / "host"
    key.touch()
    settings = Settings(
        preset="partner-safe",
        server_id="s-0123456789abcdef0",
        sftp=SftpSettings(host_key_files=(key,)),
        deliveries=DeliverySettings(targets=()),
    )
    assert check_for_serve(settings) == []


def test_host_keys_that_are_no_files_are_named_with_the_command(tmp_path: Path) -> None:
    """A missing file and a directory are each told, with a command that can be pasted."""
    missing = tmp_path / "my host"
    settings = Settings(
        preset="partner-safe",
        server_id="s-0123456789abcdef0",
        sftp=SftpSettings(host_key_files=(missing, tmp_path)),
        deliveries=DeliverySettings(targets=()),
    )
    make = "make one with `ssh-keygen -t ed25519 -N '' -f"
    assert check_for_serve(settings) == [
        f"sftp.host_key_files[0]: {missing} does not exist; {make} '{missing}'`",
        f"sftp.host_key_files[1]: {tmp_path} is not a file; {make} {tmp_path}`",
    ]
