"""
Handlers over a real gateway: files arrive by SFTP, and what happens next is the function's doing.

The gateway leaves deliveries to handlers. The function runs in the test's own process, its boto3 clients
over the gateway's AWS endpoint, with an event loop for each invocation, as in Lambda.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.function import Function, sftp
from tidegate.cli.main import run
from tidegate.testing.gateway import LocalGateway


@pytest.fixture(scope="session")
def leaving_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalGateway]:
    config = "deliveries: {owner: handlers}\nsweep: {interval_seconds: 3600}\n"
    config += "behaviour: {temporary_names: ['*.filepart']}\n"
    directory = tmp_path_factory.mktemp("leaving")
    with LocalGateway("transfer-family", config, directory) as server:
        yield server


@pytest.fixture
def gateway(leaving_server: LocalGateway) -> LocalGateway:
    """A clean gateway that leaves deliveries to handlers."""
    leaving_server.reset()
    return leaving_server


@pytest.fixture(scope="session")
def functions(leaving_server: LocalGateway) -> Iterator[dict[str, Function]]:
    """One function a configuration, kept between tests as Lambda keeps it between invocations."""
    made = {
        "ignore": Function(leaving_server),
        "deliver": Function(leaving_server, foreign_objects="deliver"),
        "embedded": Function(leaving_server, owner="embedded"),
        "one at a time": Function(leaving_server, concurrency=1),
    }
    yield made
    for function in made.values():
        function.runtime.backend.close()


@pytest.fixture
def function(gateway: LocalGateway, functions: dict[str, Function]) -> Function:
    """The function as it is by default: foreign objects are ignored."""
    return functions["ignore"]


@pytest.fixture
def importing(gateway: LocalGateway, functions: dict[str, Function]) -> Function:
    """A function with `foreign_objects: deliver`."""
    return functions["deliver"]


Upload = Callable[..., dict[str, Any]]


@pytest.fixture
def upload(gateway: LocalGateway) -> Upload:
    """Send a file as acme, and return its record: `upload("/june.csv", b"...")`."""

    def send(path: str, body: bytes = b"the report", *, dropped: bool = False) -> dict[str, Any]:
        with sftp(gateway, gateway.partner("acme")) as (transport, client):
            if not dropped:
                client.putfo(io.BytesIO(body), path)
                return gateway.wait_for_transfer(path)
            file = client.open(path, "wb")
            file.write(body)
            file.flush()
            transport.close()
        return gateway.wait_for_transfer(path, status="PARTIAL")

    return send


@pytest.fixture
def command(
    gateway: LocalGateway, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Run a command about the gateway, and return what it printed."""

    def said(*words: str) -> str:
        with monkeypatch.context() as patch:
            # Commands forget ambient settings of AWS, in their own process as they think.
            patch.setattr(os, "environ", dict(os.environ))
            assert run([*words, "--state-dir", str(gateway.state_dir)]) == 0
        return capsys.readouterr().out

    return said
