"""The stacks, deployed once for the tests of a module."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Test modules are imported by path, so what they share is found only if its folder is on the path.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def account() -> Iterator[Any]:
    """The account with both stacks, and nothing else; `make test-deploy` starts the emulator it is in."""
    from deploy_account import Account

    found = Account(os.environ["TIDEGATE_DEPLOY_URL"])
    found.empty()
    found.deploy_storage(Path(os.environ["TIDEGATE_LAMBDA_ZIP"]).read_bytes())
    found.deploy_gateway()
    yield found
    found.close()
