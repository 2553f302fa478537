"""What `tidegate local` prints once it listens: enough to send a file and see what became of it."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from tidegate import __version__
from tidegate.local.ready import DemoPartner, Ready


def banner(ready: Ready, state_dir: Path, known_hosts: Path, *, in_memory: bool) -> str:
    """Return the lines, ready to paste."""
    state = shlex.quote(_shown(state_dir))
    command = shlex.quote(_command())
    delivered = f", and are delivered to s3://{ready.private_bucket}" if ready.private_bucket else ""
    lines = [
        f"tidegate {__version__} is listening. Preset: {ready.preset}.",
        "Data live in memory: they are gone when this process ends."
        if in_memory
        else f"Data live at {ready.aws_endpoint_url}, and stay there.",
        "",
    ]
    for partner in ready.partners:
        lines += [f"Send a file as the partner {partner.user_name}:", _sftp(ready, partner, known_hosts), ""]
    lines += [
        "See what became of it (in a second terminal):",
        f"  {command} transfers list --state-dir {state}",
        f"  {command} --help",
        "",
        f"AWS endpoint (path style): {ready.aws_endpoint_url}",
        _environment(ready),
        f"  uploads land in s3://{ready.landing_bucket}{delivered}",
        "",
        "Ctrl-C stops it.",
    ]
    return "\n".join(lines)


def _environment(ready: Ready) -> str:
    return (
        f"  export AWS_ENDPOINT_URL={ready.aws_endpoint_url} AWS_DEFAULT_REGION={ready.region}"
        " AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"
    )


def _sftp(ready: Ready, partner: DemoPartner, known_hosts: Path) -> str:
    where = f"{partner.user_name}@{ready.host}"
    if partner.private_key_path is None:
        return f"  sftp -P {ready.port} {shlex.quote(where)}"
    # ssh expands % in both, and splits the second at blanks unless it is quoted once more.
    key = _shown(partner.private_key_path).replace("%", "%%")
    hosts = _shown(known_hosts).replace("%", "%%")
    option = f'UserKnownHostsFile="{hosts}"'
    return (
        f"  sftp -P {ready.port} -i {shlex.quote(key)} -o IdentitiesOnly=yes -o {shlex.quote(option)}"
        f" {shlex.quote(where)}"
    )


def _shown(path: Path) -> str:
    """Return the path as a person in this directory would write it, if it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _command() -> str:
    started = Path(sys.argv[0])
    return _shown(started.absolute()) if os.sep in sys.argv[0] else "tidegate"
