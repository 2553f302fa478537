"""A house to break. One for a whole module: each story has its own file name, and leaves nothing open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.fault_house import House, open_house


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
def house(built: House) -> Iterator[House]:
    """The house, with no faults planted, everything running and everything ended."""
    yield built
    built.proxy.clear()
    built.steps.release_all()
    built.thaw_aws()
    for gateway in built.gateways:
        if gateway.process.poll() is None:
            gateway.thaw()
