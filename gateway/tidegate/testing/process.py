"""The gateway as a process of its own: started, waited for, stopped; and its log for when that fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tidegate.settings.sources import SOURCE_VARIABLE

# What a person needs to see why a gateway did not start or has ended.
_TAIL_LINES = 30
_POLL_SECONDS = 0.02
# Data are gone with the process, so nothing is lost by not waiting longer for open uploads.
_STOP_SECONDS = 5.0
# These would give the gateway settings that no fixture names, or turn warnings of its libraries to errors.
_UNWANTED = ("TIDEGATE_STATE_DIR", "PYTHONWARNINGS")


class GatewayFailed(RuntimeError):
    """The gateway under test did not start, has ended, or did not answer; says what its log says."""


class GatewayProcess:
    """
    One `tidegate local` on free ports.

    Args:
        directory: For state, log and ready file; used by no other gateway.
        preset: As `--preset` takes it; None leaves the choice to the configuration.
        config: YAML; relative file names in it start at the working directory.
    """

    def __init__(self, directory: Path, preset: str | None, config: str | None) -> None:
        self.state_dir = directory / "state"
        self.log_path = directory / "gateway.log"
        self._ready_file = directory / "ready.json"
        self._preset = preset
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float) -> dict[str, Any]:
        """
        Start, and return what the gateway says of itself once all listen.

        Raises:
            GatewayFailed: It ended, or did not listen within `timeout` seconds. It is then stopped.
        """
        self._ready_file.unlink(missing_ok=True)
        self._process = self._spawn()
        try:
            return self._ready(time.monotonic() + timeout, timeout)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ask it to end, then end it. A second call does nothing."""
        if self._process is None:
            return
        with self._process as process:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        self._process = None

    @property
    def pid(self) -> int:
        """Its process id. Raises `GatewayFailed` when it does not run."""
        self.check()
        assert self._process is not None
        return self._process.pid

    def check(self) -> None:
        """Raise `GatewayFailed` if it does not run."""
        if self._process is None:
            raise GatewayFailed("the gateway is not running: it was not started, or was stopped")
        code = self._process.poll()
        if code is not None:
            raise GatewayFailed(self.with_log(f"the gateway has ended with exit code {code}"))

    def with_log(self, message: str) -> str:
        """Return the message with the end of the log under it."""
        try:
            lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        shown = [f"  {line}" for line in lines[-_TAIL_LINES:]] or ["  (nothing)"]
        return "\n".join([f"{message}; its log, {self.log_path}, ends with:", *shown])

    def _spawn(self) -> subprocess.Popen[bytes]:
        # -P: the working directory is somebody's project, whose modules must not stand in for ours.
        command = [sys.executable, "-P", "-m", "tidegate.testing.child", "local"]
        command += ["--sftp-port", "0", "--aws-port", "0"]
        command += ["--state-dir", str(self.state_dir), "--ready-file", str(self._ready_file)]
        command += ["--preset", self._preset] if self._preset else []
        environment = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
        environment[SOURCE_VARIABLE] = self._config or ""
        with self.log_path.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
                command,
                stdin=subprocess.PIPE,  # never written to: it is closed when we end, however we end
                stdout=log,
                stderr=log,
                env=environment,
                # A group of its own: Ctrl-C is for the test run, which then stops the gateway.
                process_group=0,
            )

    def _ready(self, deadline: float, timeout: float) -> dict[str, Any]:
        while not self._ready_file.exists():
            self.check()
            if time.monotonic() > deadline:
                raise GatewayFailed(self.with_log(f"the gateway does not listen after {timeout:g} s"))
            time.sleep(_POLL_SECONDS)
        facts: dict[str, Any] = json.loads(self._ready_file.read_text(encoding="utf-8"))
        return facts
