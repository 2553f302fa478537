"""
The pytest plugin: fixtures, and nothing else. See docs/testing.md.

Installed with tidegate, so it is loaded into every pytest run there: what the fixtures need is
imported when the first of them is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tidegate.testing.gateway import LocalGateway


@pytest.fixture(scope="session")
def tidegate_preset() -> str | None:
    """Whose behaviour the gateway has; override it. None leaves that to `tidegate_config`."""
    return "transfer-family"


@pytest.fixture(scope="session")
def tidegate_config() -> str | None:
    """The gateway's configuration as YAML text; override it. None is the default of every setting."""
    return None


@pytest.fixture(scope="session")
def tidegate_server(
    tidegate_preset: str | None, tidegate_config: str | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalGateway]:
    """The running gateway: one for the session, or for each worker of pytest-xdist."""
    from tidegate.core.errors import InvalidSettings  # noqa: PLC0415 - see the head of this file
    from tidegate.testing.gateway import LocalGateway  # noqa: PLC0415
    from tidegate.testing.process import GatewayFailed  # noqa: PLC0415

    gateway = LocalGateway(tidegate_preset, tidegate_config, tmp_path_factory.mktemp("tidegate"))
    try:
        gateway.start()
    except (GatewayFailed, InvalidSettings) as error:
        pytest.fail(f"tidegate: {error}", pytrace=False)
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture
def tidegate(tidegate_server: LocalGateway) -> LocalGateway:
    """The gateway as it was at its start: no files, no records, no partners but configured ones."""
    tidegate_server.reset()
    return tidegate_server
