"""What `serve` asks of settings beyond their being valid: nothing there may be guessed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from tidegate.core.ids import new_server_id
from tidegate.settings.model import Settings


def check_for_serve(settings: Settings) -> list[str]:
    """
    Return what keeps `serve` from starting, one line each; an empty list if nothing does.

    Lines begin with the setting's name; callers put the source's name before them. Looks whether
    the host key files exist, and at nothing else outside. Overlaps of delivery targets with their
    sources need no look: `Settings` cannot hold them.
    """
    return [*_preset(settings), *_server_id(settings), *_host_keys(settings), *_targets(settings)]


def _preset(settings: Settings) -> Iterator[str]:
    if settings.preset is None:
        yield "preset: serve must be told; write `preset: transfer-family` or `preset: partner-safe`"


def _server_id(settings: Settings) -> Iterator[str]:
    if settings.server_id is None:
        yield f"server_id: serve must be told; write `server_id: {new_server_id()}`, and keep it"


def _host_keys(settings: Settings) -> Iterator[str]:
    if not settings.sftp.host_key_files:
        yield f"sftp.host_key_files: serve needs at least one; make it with `{_keygen(Path('host_ed25519'))}`"
    for number, file in enumerate(settings.sftp.host_key_files):
        if not file.is_file():
            found = "is not a file" if file.exists() else "does not exist"
            yield f"sftp.host_key_files[{number}]: {file} {found}; make one with `{_keygen(file)}`"


def _targets(settings: Settings) -> Iterator[str]:
    # The default is the bucket that `local` makes; in AWS that name may be somebody else's.
    if "targets" not in settings.deliveries.model_fields_set:
        yield "deliveries.targets: serve must be told; name the targets, or write `targets: []` for none"


def _keygen(file: Path) -> str:
    return f"ssh-keygen -t ed25519 -N '' -f {shlex.quote(str(file))}"
