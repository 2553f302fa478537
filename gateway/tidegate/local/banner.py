"""What `tidegate local` prints once it listens: enough to send a file and see what became of it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from tidegate import __version__
from tidegate.local.ambient import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tidegate.local.ready import DemoPartner, Ready


def banner(ready: Ready, state_dir: Path, known_hosts: Path, *, in_memory: bool) -> str:
    """Return the lines, ready to paste."""
    state = shlex.quote(_shown(state_dir))
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
        f"  {_command()} transfers list --state-dir {state}",
        f"  {_command()} --help",
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
        f"  export AWS_ENDPOINT_URL={shlex.quote(ready.aws_endpoint_url)} AWS_DEFAULT_REGION={ready.region}"
        f" AWS_ACCESS_KEY_ID={ACCESS_KEY_ID} AWS_SECRET_ACCESS_KEY={SECRET_ACCESS_KEY}"
    )


def _sftp(ready: Ready, partner: DemoPartner, known_hosts: Path) -> str:
    host = f"[{ready.host}]" if ":" in ready.host else ready.host
    words = ["sftp", "-P", str(ready.port)]
    if partner.private_key_path:
        key = _shown(partner.private_key_path)
        # After -i, ssh looks for the file before it expands %, and again after.
        words += ["-o", f"IdentityFile={_for_ssh(key)}"] if "%" in key else ["-i", key]
        words += ["-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={_for_ssh(_shown(known_hosts))}"]
    return "  " + shlex.join([*words, f"{partner.user_name}@{host}"])


def _for_ssh(path: str) -> str:
    # ssh reads options as lines of its configuration: blanks end a word outside quotes, % is expanded.
    expanded = path.replace("%", "%%")
    if all(character.isalnum() or character in "/._-%+@," for character in expanded):
        return expanded
    escaped = expanded.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _shown(path: Path) -> str:
    """Return the path as a person in this directory would write it, if it lies below."""
    try:
        shown = str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
    # Neither an option nor somebody's home.
    return f"./{shown}" if shown.startswith(("-", "~")) else shown


def _command() -> str:
    """Return how to call the program that is running, from this directory."""
    started = Path(sys.argv[0]).absolute()
    if started.name == "__main__.py":
        return f"{_program(Path(sys.executable))} -m tidegate"
    found = shutil.which("tidegate")
    if os.sep not in sys.argv[0] or (found and Path(found).absolute() == started):
        return "tidegate"
    return _program(started)


def _program(path: Path) -> str:
    shown = _shown(path)
    return shlex.quote(shown if os.sep in shown else f"./{shown}")
