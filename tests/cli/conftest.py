"""
The command, as a person meets it.

`tidegate` runs it in this process, which is quick; `program` as a process of its own, where exit codes,
signals and what is printed are the real ones. Neither sees settings or credentials of whoever runs the tests.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import asyncssh
import pytest
import structlog
from moto.server import ThreadedMotoServer

from tidegate.cli.main import run

PATIENCE_SECONDS = 30
_MEANT_FOR_OTHERS = ("AWS_", "TIDEGATE_", "PYTHONWARNINGS")


def environment(**more: str) -> dict[str, str]:
    """Return an environment without anybody's credentials, settings or home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_MEANT_FOR_OTHERS)}
    return {**kept, "HOME": os.devnull, "AWS_EC2_METADATA_DISABLED": "true", **more}


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def rows(self) -> list[str]:
        """The lines of a table below its head."""
        assert self.code == 0, self.err
        return self.out.splitlines()[1:]


def run_program(*words: str, cwd: Path, stdin: str = "", **more: str) -> Said:
    """Run the command as a process; `more` are variables of its environment."""
    done = subprocess.run(
        [sys.executable, "-m", "tidegate", *words],
        input=stdin,
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


class Running:
    """A `tidegate local` or `serve` that runs until the test ends it."""

    def __init__(self, folder: Path, *words: str, umask: int = -1, **more: str) -> None:
        self.folder = folder
        self._out, self._err = folder / "stdout", folder / "stderr"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tidegate", *words],
                cwd=folder,
                env=environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                umask=umask,
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    def until(self, what: Callable[[], Any]) -> Any:
        """Return what the function returns as soon as that is something; fail when the process ends."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        pause = partial(self._wait, 0.02)
        while not (found := what()):
            assert pause() is None, f"ended too early:\n{self.out}\n{self.err}"
            assert time.monotonic() < deadline, f"waited in vain:\n{self.out}\n{self.err}"
        return found

    def event(self, name: str) -> dict[str, Any]:
        """Return the first event of the log with this name, once it is there."""
        found: dict[str, Any] = self.until(lambda: [each for each in self.events if each["event"] == name])[0]
        return found

    def ended(self) -> int:
        """Return the exit code, once it has ended."""
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_SECONDS)
        finally:
            self.kill()

    def _wait(self, seconds: float) -> int | None:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


class LocalRun(Running):
    """A `tidegate local` on free ports, with its state and ready file in its folder."""

    def __init__(self, folder: Path, *words: str, state: str = "state", **more: Any) -> None:
        self.state_dir = folder / state
        self.ready_file = folder / "ready.json"
        ports = ("--sftp-port", "0", "--aws-port", "0")
        files = ("--state-dir", str(self.state_dir), "--ready-file", str(self.ready_file))
        super().__init__(folder, "local", *ports, *files, *words, **more)

    def ready(self) -> LocalRun:
        """Return when it listens."""
        self.until(self.ready_file.exists)
        return self

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.ready_file.read_text())
        return facts

    @property
    def url(self) -> str:
        return str(self.facts["aws_endpoint_url"])

    @property
    def target(self) -> tuple[str, str]:
        return "--state-dir", str(self.state_dir)

    def upload(self, content: bytes, *names: str) -> None:
        """Send a file by each of these names, as the demo partner."""
        facts = self.facts
        partner = facts["partners"][0]
        asyncio.run(
            upload(facts["sftp"]["port"], partner["user_name"], partner["private_key_path"], content, *names)
        )


async def upload(port: int, user_name: str, key: str | Path, content: bytes, *names: str) -> None:
    """Send a file by each of these names."""
    async with (
        asyncssh.connect(
            "127.0.0.1", port, username=user_name, client_keys=[str(key)], known_hosts=None, config=None
        ) as connection,
        connection.start_sftp_client() as sftp,
    ):
        for name in names:
            async with sftp.open(name, "wb") as file:
                await file.write(content)


@pytest.fixture
def tidegate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Said]:
    """Run the command in this process, in a directory of the test's own: `tidegate("keys", "list")`."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Said:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            # Commands about local gateways change the environment of their process.
            patch.setattr(os, "environ", environment())
            code = run(list(words))
        # Commands that run on log to the stream of this test, which is closed when the next one logs.
        structlog.reset_defaults()
        return Said(code, *capsys.readouterr())

    return call


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Said]:
    """Run the command as a process, in a directory of the test's own."""
    return partial(run_program, cwd=tmp_path)


@pytest.fixture(scope="session")
def local_run() -> type[LocalRun]:
    """For modules that start a gateway in their own way; see `gateway` and `start` for the usual ones."""
    return LocalRun


@pytest.fixture(scope="session")
def any_run() -> type[Running]:
    """The same for `serve`."""
    return Running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """A local gateway that the tests of one module share; its folder's name holds a blank."""
    folder = tmp_path_factory.mktemp("a gateway")
    running = LocalRun(folder)
    try:
        yield running.ready()
    finally:
        running.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., LocalRun]]:
    """Start local gateways of the test's own: `start("--preset", "partner-safe")`."""
    started: list[LocalRun] = []

    def begin(*words: str, **more: Any) -> LocalRun:
        started.append(LocalRun(tmp_path, *words, **more))
        return started[-1]

    yield begin
    for running in started:
        running.kill()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start the command, with any words, in a directory of the test's own; several at once in one each."""
    started: list[Running] = []

    def begin(*words: str, folder: Path = tmp_path, **more: str) -> Running:
        folder.mkdir(exist_ok=True)
        started.append(Running(folder, *words, **more))
        return started[-1]

    yield begin
    for each in started:
        each.kill()


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    """An AWS endpoint that outlives the gateways over it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        # Its state is that of the process: another module's may be in it.
        with urlopen(Request(f"{url}/moto-api/reset", method="POST")):
            yield url
    finally:
        server.stop()
