"""compose.yaml and its configuration, and what it starts, started here without containers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from deploy_templates import DEPLOY
from moto.server import ThreadedMotoServer

from tidegate.settings import check_for_serve, load

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
CONFIG = DEPLOY / "compose/tidegate.yaml"
SECRETS = {name: str(value) for name, value in COMPOSE["x-tidegate"]["environment"].items()}
PATIENCE_SECONDS = 60


def test_the_configuration_is_complete() -> None:
    """It loads with the variables that compose sets, and `serve` asks for nothing more."""
    settings = load(str(CONFIG), SECRETS, StringIO()).settings
    assert check_for_serve(settings) == []
    assert settings.aws.endpoint_url == "http://aws:5000"


def test_containers_are_as_they_are_in_production() -> None:
    """Not root, nothing to write to, no capabilities; reachable from this machine alone."""
    for name in ("setup", "gateway"):
        service = COMPOSE["services"][name]
        assert (service["user"], service["read_only"], service["cap_drop"]) == ("10001:10001", True, ["ALL"])
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_gateway_waits_for_what_it_needs_and_is_waited_for() -> None:
    """The emulator, then setup, then the gateway; and open uploads are not killed."""
    services = COMPOSE["services"]
    assert services["setup"]["depends_on"] == {"aws": {"condition": "service_healthy"}}
    assert services["gateway"]["depends_on"] == {"setup": {"condition": "service_completed_successfully"}}
    shutdown = yaml.safe_load(CONFIG.read_text())["shutdown"]
    grace = int(services["gateway"]["stop_grace_period"].removesuffix("s"))
    assert grace > shutdown["notice_seconds"] + shutdown["grace_seconds"]


def test_files_that_compose_names_exist() -> None:
    """The configuration, and the Dockerfile in its context."""
    assert (DEPLOY / COMPOSE["configs"]["tidegate"]["file"]).samefile(CONFIG)
    build = COMPOSE["services"]["gateway"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


# --- started without containers ---------------------------------------------------------------


@pytest.fixture
def emulator() -> Iterator[str]:
    """The URL of moto's server, which is what the container of it runs."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def here(url: str) -> dict[str, Any]:
    """Return the configuration with the addresses of this machine."""
    found: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    found["aws"]["endpoint_url"] = url
    found["sftp"] |= {"host": "127.0.0.1", "port": 0}
    found["health"] = {"host": "127.0.0.1", "port": 0}
    return found


@pytest.mark.lengthy
def test_what_compose_starts_comes_up_and_is_ready(emulator: str, tmp_path: Path) -> None:
    """`setup` makes everything in an empty emulator, `serve` finds it, and /live and /ready say so."""
    (tmp_path / "tidegate.yaml").write_text(json.dumps(here(emulator)))
    environment = {"PATH": os.environ["PATH"], "HOME": os.devnull, **SECRETS}
    words = [sys.executable, "-m", "tidegate"]
    setup = subprocess.run(
        [*words, "setup", "--config", "tidegate.yaml"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert setup.returncode == 0, setup.stdout + setup.stderr
    with (tmp_path / "log").open("wb") as log:
        serve = [*words, "serve", "--config", "tidegate.yaml"]
        process = subprocess.Popen(serve, cwd=tmp_path, env=environment, stderr=log)
    try:
        port = event(process, tmp_path / "log", "health")["port"]
        event(process, tmp_path / "log", "listening")
        for page in ("live", "ready"):
            with urlopen(f"http://127.0.0.1:{port}/{page}", timeout=5) as answer:
                assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def event(process: subprocess.Popen[bytes], log: Path, name: str) -> dict[str, Any]:
    """Return the first event of this name, once it is in the log."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        if found := [line for line in lines if line["event"] == name]:
            return dict(found[0])
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
