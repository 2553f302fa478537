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
    the host key files exist, and at nothing else outside. Without any, the host keys are those of the
    directory table. Overlaps of delivery targets with their sources need no look: `Settings` cannot
    hold them.
    """
    checks = (_preset, _server_id, _host_keys, _landing, _targets, _grace, _rights)
    return [problem for check in checks for problem in check(settings)]


def check_for_setup(settings: Settings) -> list[str]:
    """Return what keeps `setup` from knowing what an account should hold, one line each."""
    return [problem for check in (_server_id, _landing, _targets) for problem in check(settings)]


def _preset(settings: Settings) -> Iterator[str]:
    if settings.preset is None:
        yield "preset: serve must be told; write `preset: transfer-family` or `preset: partner-safe`"


def _server_id(settings: Settings) -> Iterator[str]:
    if settings.server_id is None:
        yield f"server_id: serve must be told; write `server_id: {new_server_id()}`, and keep it"


def _host_keys(settings: Settings) -> Iterator[str]:
    for number, file in enumerate(settings.sftp.host_key_files):
        if not file.is_file():
            found = "is not a file" if file.exists() else "does not exist"
            yield f"sftp.host_key_files[{number}]: {file} {found}; make one with `{_keygen(file)}`"


def _landing(settings: Settings) -> Iterator[str]:
    # The default names are of buckets that `local` makes; in AWS they may be somebody else's.
    if "bucket" not in settings.landing.model_fields_set:
        yield "landing.bucket: serve must be told; name the bucket, or write a name_prefix"


def _targets(settings: Settings) -> Iterator[str]:
    if "targets" not in settings.deliveries.model_fields_set:
        yield "deliveries.targets: serve must be told; name the targets, or write `targets: []` for none"


def _grace(settings: Settings) -> Iterator[str]:
    # Whoever stops the gateway kills it after some time of their own, which must be the longer one.
    if "grace_seconds" not in settings.shutdown.model_fields_set:
        yield (
            "shutdown.grace_seconds: serve must be told; write how long open uploads may go on once told "
            "to stop, less than what stops the gateway waits before it kills"
        )


def _rights(settings: Settings) -> Iterator[str]:
    if settings.rights.mode == "evaluate":
        yield "rights.mode: evaluate is for `tidegate local`; write `rights: {mode: assume}`, or home"


def _keygen(file: Path) -> str:
    return f"ssh-keygen -t ed25519 -N '' -f {shlex.quote(str(file))}"
