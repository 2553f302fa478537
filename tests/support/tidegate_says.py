"""Our own commands, about a running gateway."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tidegate.testing.gateway import LocalGateway


def tidegate_says(gateway: LocalGateway, *words: str) -> Any:
    """Return what a command of ours prints as JSON."""
    command = [
        sys.executable,
        "-m",
        "tidegate",
        *words,
        "--state-dir",
        str(gateway.state_dir),
        "--output",
        "json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return json.loads(done.stdout)
